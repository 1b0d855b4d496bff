"""Weights to start fits from: learns them by five methods, and measures them on photographs that had no part in it.

From the root of the repository:

    python -m experiments.starting_points.study             # resumable; a good hour on two cores
    python -m experiments.starting_points.study --quick     # two narrow networks on small pictures, a few minutes

Parts, each of which goes on where it was stopped; all of them by default:

    learn   every method for every network, from crops of the photographs under "learn_from" in starts.json
    fit     fits from every start: on "tune_on" at every rate, on "held_out" at the start's best one
    report  table, figures and CSV
    ship    puts the method that is best on "tune_on" into the package, where it helps on what was held out

Fits are Adam at a constant rate on random batches, so that what they have after 30 steps is not made by a schedule.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("starting_points")

import hashlib
import json
import math
import pathlib
import shutil
import sys

import keras
from absl import flags

from experiments.files import ROOT, put_between, whole_numbers, write_csv, write_json
from experiments.starting_points import tables
from keras_inr.errors import DivergedError, InputError
from keras_inr.metrics import psnr
from keras_inr.models.initial_weights import SHIPPED
from keras_inr.presets import from_preset
from keras_inr.runs.facts import device_name
from keras_inr.runs.pretrain_run import PretrainingPlan, plan_pretraining, run_pretraining
from keras_inr.signals.image import load_image
from keras_inr.training.compilation import Compilation
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe
from keras_inr.training.starts.pretraining import PretrainingRecipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
STARTS = json.loads((HERE / "starts.json").read_text())
PARTS = ("learn", "fit", "report", "ship")
LOOKS = (0, 1, 2, 3, 5, 7, 10, 14, 20, 30, 42, 60, 80, 100, 140, 200, 300, 420, 600)
SINE_SCHEMES = ("paper", "init-33")
NAME = "photos"
ONE_STEP = Compilation(jit_compile=False, steps_per_execution=1)
"""So that every step can be looked at; seconds are not what is compared here."""

LEAST_GAIN_DB = 1.0
"""What a start must gain after 100 steps, in the mean over what was held out, to be shipped."""


def define_flags():
    flags.DEFINE_list("networks", STARTS["networks"], "presets")
    flags.DEFINE_list("methods", list(STARTS["methods"]), "ways to learn a start")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "of batches, and of weights that are drawn")
    flags.DEFINE_integer("size", 128, "longer side of pictures, side of crops", lower_bound=8)
    flags.DEFINE_integer("batch_size", 1024, "points of a picture in a step", lower_bound=1)
    flags.DEFINE_enum("part", "all", ["all", *PARTS], "what to do")
    flags.DEFINE_bool("quick", False, "narrow networks, small pictures, a tenth of the steps; publishes nothing")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "starting_points"), "folder where all that is finished is kept")


def main(argv):
    if FLAGS.quick:
        FLAGS.runs = str(pathlib.Path(FLAGS.runs) / "quick")
        small = {"networks": ["siren", "multi_hash"], "seeds": ["0"], "size": 24, "batch_size": 256}
        for name, value in small.items():
            if not FLAGS[name].present:
                FLAGS[name].value = value
    check_flags()
    parts = PARTS if FLAGS.part == "all" else (FLAGS.part,)
    for part in parts:
        {"learn": learn, "fit": rows, "report": report, "ship": ship}[part]()
    return 0


def check_flags():
    """InputError for what would only be found after hours."""
    whole_numbers("seeds", FLAGS.seeds)
    for name, allowed in (("networks", STARTS["networks"]), ("methods", STARTS["methods"])):
        if not FLAGS[name].value or not set(FLAGS[name].value) <= set(allowed):
            raise InputError(f"{name} must be some of {', '.join(allowed)}, received {','.join(FLAGS[name].value)!r}")


def as_published():
    names = ("networks", "methods", "seeds", "size", "batch_size")
    return not FLAGS.quick and all(FLAGS[name].value == FLAGS[name].default for name in names)


def learn():
    """Folder of the start of each (network, method)."""
    return {(network, method): learnt(network, method) for network in FLAGS.networks for method in FLAGS.methods}


def learnt(network, method):
    given = STARTS["methods"][method] | STARTS["own"].get(network, {}).get(method, {})
    num_crops = given.pop("num_crops")
    recipe = {"method": method, "batch_size": FLAGS.batch_size, **given}
    if FLAGS.quick:
        recipe["steps"], num_crops = recipe["steps"] // 10, min(num_crops, 4)
    images = [f"sample:{name}" for name in STARTS["learn_from"]]
    plan = PretrainingPlan(
        images, network, PretrainingRecipe(**recipe), narrow(), num_crops, FLAGS.size, progress=False
    )
    planned = plan_pretraining(plan)
    digest = hashlib.sha256(json.dumps(planned.identity, sort_keys=True).encode()).hexdigest()[:8]
    folder, metrics = run_pretraining(
        planned, pathlib.Path(FLAGS.runs) / "learn" / f"{network}-{method}-{digest}", resume=True
    )
    told = "exact" if metrics["psnr_db"] is None else f"{metrics['psnr_db']:.2f} dB"
    messages.tell(f"{network} by {method}: {told} at the end of learning, {metrics['seconds']:.0f} s")
    return folder


def narrow():
    return {"units": (16, 16)} if FLAGS.quick else {}


def starts_of(network):
    """Name -> (arguments of `from_preset`, weights) of all that fits of a network may start from."""
    drawn = {"drawn": ({}, None)}
    if network == "siren_256":
        drawn = {scheme: ({"scheme": scheme}, None) for scheme in SINE_SCHEMES}
    return drawn | {method: ({}, learnt(network, method) / "model.keras") for method in FLAGS.methods}


def rows():
    """A row for each fit to what was held out, at the rate that is the start's best on "tune_on"."""
    found = []
    for network in FLAGS.networks:
        for name, start in starts_of(network).items():
            rate = tuned(network, name, start)["learning_rate"]
            for image in STARTS["held_out"]:
                for seed in whole_numbers("seeds", FLAGS.seeds):
                    found.append(fitted("held_out", network, name, start, image, seed, rate))
    return found


def tuned(network, name, start):
    """The row on "tune_on" with the best mean PSNR over 10, 30, 100 and 300 steps."""
    (image,) = STARTS["tune_on"]
    return max((fitted("tune", network, name, start, image, 0, rate) for rate in STARTS["rates"]), key=tables.score)


def fitted(part, network, name, start, image, seed, rate):
    """The row of a fit, read or made."""
    arguments, weights = start
    case = {"part": part, "network": network, "start": name, "image": image, "seed": seed, "learning_rate": rate}
    case |= {"size": FLAGS.size, "batch_size": FLAGS.batch_size, "steps": looked_at(part)[-1]}
    weights_sha = "" if weights is None else hashlib.sha256(weights.read_bytes()).hexdigest()
    digest = hashlib.sha256(json.dumps([case, weights_sha], sort_keys=True).encode()).hexdigest()[:8]
    path = pathlib.Path(FLAGS.runs) / part / f"{network}-{name}-{image}-{seed}-{digest}.json"
    if not path.exists():
        write_json(path, {**case, **measured(network, arguments, weights, case)})
    row = json.loads(path.read_text())
    shown = ", ".join(f"{db:.1f}" for db in tables.at(row, tables.SHOWN))
    messages.tell(f"{part} {network} {name} {image} {seed} {rate:g}: {shown} dB")
    return row


def looked_at(part):
    """The steps after which the whole picture is measured."""
    last = 100 if FLAGS.quick else tables.SCORED[-1] if part == "tune" else LOOKS[-1]
    return [step for step in LOOKS if step <= last]


def measured(network, arguments, weights, case):
    """PSNR of the whole picture after each of the steps; 0 from where a fit diverged."""
    keras.backend.clear_session()
    signal = load_image(f"sample:{case['image']}", size=FLAGS.size)
    steps, shared = looked_at(case["part"]), {"channels": signal.channels, "picture_size": signal.size}
    field = from_preset(network, **shared, seed=case["seed"], **{**narrow(), **arguments}, weights=weights)
    looks = Looks(signal, steps)
    looks.look(field, 0)
    given = {name: case[name] for name in ("steps", "batch_size", "learning_rate", "seed")}
    recipe = Recipe(**given, schedule="constant")
    try:
        options = {"compilation": ONE_STEP, "callbacks": [looks], "progress": False}
        seconds = fit(field, signal, recipe, **options).train_seconds
    except DivergedError:
        seconds = None
    curve = {step: looks.psnr_db.get(step, 0.0) for step in steps}
    return {"curve": list(curve.items()), "train_seconds": seconds, "device": device_name()}


class Looks(keras.callbacks.Callback):
    """PSNR of the whole picture after given steps.

    Args:
        signal: the picture.
        steps: after which.
    """

    def __init__(self, signal, steps):
        super().__init__()
        self.signal = signal
        self.steps = steps
        self.psnr_db = {}
        self.done = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = self.done

    def on_train_batch_end(self, batch, logs=None):
        self.done = self.begun + batch + 1
        if self.done in self.steps:
            self.look(self.model, self.done)

    def look(self, field, step):
        value = psnr(self.signal.values, field.sample_grid(*self.signal.size))
        self.psnr_db[step] = min(value, tables.MOST_DB) if math.isfinite(value) or value > 0 else 0.0


def report():
    """Table, figure and CSV; only a table with flags of one's own."""
    found = [tables.rounded(row) for row in rows()]
    text = tables.table(found) + "\n" + tables.facts(found, STARTS) + "\n"
    if as_published():
        lines = [tables.flat(row) for row in found]
        write_csv(HERE / "results" / "fits.csv", list(lines[0]), lines)
        tables.draw(found, HERE / "results" / "starts.png")
        put_between(HERE / "README.md", "<!-- starts -->", text)
    print(text)


def ship():
    """Puts the best starts into the package."""
    if not as_published():
        messages.tell("what the package ships is left as it is: it is made with the default flags")
        return
    found = rows()
    told = {}
    for network in FLAGS.networks:
        starts = starts_of(network)
        best = max(FLAGS.methods, key=lambda method: tables.score(tuned(network, method, starts[method])))
        gain = tables.gain(found, network, best, 100)
        folder, path = learnt(network, best), SHIPPED / NAME / f"{network}.keras"
        told[network] = {"method": best, "gain_db_after_100_steps": round(gain, 2), "shipped": gain >= LEAST_GAIN_DB}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if told[network]["shipped"]:
            shutil.copy(folder / "model.keras", path)
            told[network] |= {"learnt": json.loads((folder / "metrics.json").read_text())}
        messages.tell(f"{network}: {best}, {gain:+.2f} dB after 100 steps, shipped: {told[network]['shipped']}")
    write_json(SHIPPED / NAME / "about.json", {"format_version": 1, "starts": told})


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
