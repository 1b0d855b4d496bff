"""Every architecture of the zoo on the same footing.

From the root of the repository: python -m experiments.zoo.study

Parts, each of which goes on where it was stopped; all of them by default:

    rates    each architecture's learning rate by Adam and by Muon: the best of RATES after half of --steps, on a
             picture apart
    steps    every architecture x picture x seed with equal steps of Adam, at about equal parameters
    seconds  the same with equal seconds, each by the better of its two optimizers: as many steps as fit into --seconds
    presets  every preset as it is on the first picture, with equal seconds, by its own recipe
    report   table, figure and CSV, and what `list_presets` tells

--quick takes one picture, one seed, fewer steps and the committed learning rates, and keeps its fits in runs/zoo/quick.
With other pictures, seeds, architectures, sizes or lengths than the defaults the table is only printed, and published
results stay. Pictures are reduced to --size; all fits have cosine decay, those at equal parameters on random batches.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("zoo")

import hashlib
import json
import math
import pathlib
import statistics
import sys

import keras
import tensorflow as tf
from absl import flags

from experiments.files import ROOT, put_between, whole_numbers, write_csv, write_json
from experiments.pictures import short_name
from experiments.zoo import pages
from keras_inr._files import atomic_path
from keras_inr.errors import DivergedError, InputError
from keras_inr.metrics import ms_ssim
from keras_inr.presets import from_preset, get_preset, list_presets
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe, own_recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("rates", "steps", "seconds", "presets", "report")
ARCHITECTURES = json.loads((HERE / "architectures.json").read_text())["architectures"]
RESULTS = HERE / "results"
MARKER = "<!-- zoo -->"
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
RATE_IMAGES = ("sample:immunohistochemistry",)
OPTIMIZERS = ("adam", "muon")
PILOT_STEPS = 300
GOALS = (30, 35, 40)
MOST_DB = 150.0  # float32 has no more; also stands for a picture that is exact
ROW = ("part", "architecture", "preset", "arguments", "image", "seed", "num_parameters", "bytes_on_disk")
ROW += ("optimizer", "learning_rate", "recipe", "steps", "points_per_step", "train_seconds", "setup_seconds")
ROW += ("psnr_db", "ssim", "ms_ssim", *(f"seconds_to_{goal}_db" for goal in GOALS))
ROW += ("device", "tensorflow", "image_sha256")


def define_flags():
    photographs = ["sample:chelsea", "sample:astronaut", "sample:coffee", "sample:rocket", "sample:camera"]
    flags.DEFINE_list("images", photographs, "pictures with commas between")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "seeds of initial weights and batches")
    flags.DEFINE_list("architectures", list(ARCHITECTURES), "names in architectures.json")
    flags.DEFINE_enum("part", "all", ["all", *PARTS], "what to do")
    flags.DEFINE_integer("size", 128, "longer side of the pictures", lower_bound=16)
    flags.DEFINE_integer("batch_size", 4096, "points in a step", lower_bound=1)
    flags.DEFINE_integer("steps", 600, "of every fit with equal steps", lower_bound=10)
    flags.DEFINE_float("seconds", 5.0, "of every fit with equal seconds", lower_bound=0.1)
    flags.DEFINE_bool("quick", False, "one picture, one seed, fewer steps and seconds")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "zoo"), "folder where finished fits are kept")


def main(argv):
    if FLAGS.quick:
        FLAGS.runs = str(pathlib.Path(FLAGS.runs) / "quick")
        small = {"images": FLAGS.images[:1], "seeds": FLAGS.seeds[:1], "steps": 150, "seconds": 3.0}
        for name, value in small.items():
            if not FLAGS[name].present:
                FLAGS[name].value = value
    check_flags()
    parts = PARTS if FLAGS.part == "all" else (FLAGS.part,)
    if FLAGS.part == "all":
        parts = [part for part in parts if as_published() or (part != "presets" and (part != "rates" or as_swept()))]
    for part in parts:
        {"rates": find_rates, "steps": run_steps, "seconds": run_seconds, "presets": run_presets, "report": report}[
            part
        ]()
    return 0


def check_flags():
    """InputError for what would only be found after hours."""
    unknown = set(FLAGS.architectures) - set(ARCHITECTURES)
    if unknown or not FLAGS.architectures:
        told = ", ".join(sorted(unknown)) or "none"
        raise InputError(f"architectures must be some of {', '.join(ARCHITECTURES)}, received {told}")
    whole_numbers("seeds", FLAGS.seeds)
    if not FLAGS.images:
        raise InputError("images must be pictures with commas between them, received none")
    for image in FLAGS.images:
        load_image(image, size=FLAGS.size)
    if FLAGS.part == "rates" and not as_swept():
        raise InputError(
            f"rates are swept with the default {', '.join(SWEPT)}; for others the published ones are taken"
        )
    if FLAGS.part not in ("all", "rates") or not as_swept():
        for name in FLAGS.architectures:
            best_recipe(name)


SWEPT = ("size", "batch_size", "steps")


def as_swept():
    """Whether learning rates are for fits like these."""
    return not FLAGS.quick and all(FLAGS[name].value == FLAGS[name].default for name in SWEPT)


def as_published():
    """Whether the flags are those that the published results are made with."""
    return as_swept() and all(
        FLAGS[n].value == FLAGS[n].default for n in ("images", "seeds", "architectures", "seconds")
    )


def find_rates():
    """Writes the best rate of each architecture by each optimizer, on the picture apart; others' stay."""
    path = RESULTS / "rates.json"
    rates = json.loads(path.read_text())["rates"] if path.exists() else {}
    for name in FLAGS.architectures:
        rates[name] = {optimizer: best_rate(name, optimizer) for optimizer in OPTIMIZERS}
    rates = {name: rates[name] for name in ARCHITECTURES if name in rates}
    write_json(path, {"pictures": RATE_IMAGES, "steps": FLAGS.steps // 2, "rates": rates})


def best_rate(name, optimizer):
    """The rate with the highest mean PSNR over the pictures apart, and the means of all."""
    means = {}
    for rate in RATES:
        recipe = {"optimizer": optimizer, "learning_rate": rate}
        rows = [fitted("rates", name, image, 0, recipe, FLAGS.steps // 2) for image in RATE_IMAGES]
        means[rate] = statistics.mean(0.0 if diverged(row) else row["psnr_db"] for row in rows)
    return {"learning_rate": max(means, key=means.get), "psnr_db": {f"{k:g}": v for k, v in means.items()}}


def best_recipe(name, optimizer=None):
    """Optimizer and learning rate of an architecture: of the optimizer, or of the better one."""
    path = RESULTS / "rates.json"
    if not path.exists():
        raise InputError(f"{path} is missing: run --part=rates first")
    rates = json.loads(path.read_text())["rates"]
    if name not in rates:
        raise InputError(f"{path} lacks {name!r}: run --part=rates --architectures={name}")
    best = optimizer or max(OPTIMIZERS, key=lambda each: max(rates[name][each]["psnr_db"].values()))
    return {"optimizer": best, "learning_rate": rates[name][best]["learning_rate"]}


def run_steps():
    return [
        fitted("steps", name, image, int(seed), best_recipe(name, "adam"), FLAGS.steps)
        for name in FLAGS.architectures
        for image in FLAGS.images
        for seed in FLAGS.seeds
    ]


def run_seconds():
    """Fits of as many steps as take --seconds at the pace of a pilot."""
    steps = {name: steps_within(name, best_recipe(name)) for name in FLAGS.architectures}
    return [
        fitted("seconds", name, image, int(seed), best_recipe(name), steps[name])
        for name in FLAGS.architectures
        for image in FLAGS.images
        for seed in FLAGS.seeds
    ]


def run_presets():
    """Every preset as it is, on the first picture, by its own recipe."""
    rows = []
    for info in list_presets():
        recipe = own_recipe(get_preset(info.name).own_recipes, {})
        steps = steps_within(None, recipe, info.name)
        rows += [fitted("presets", None, FLAGS.images[0], int(seed), recipe, steps, info.name) for seed in FLAGS.seeds]
    return rows


def steps_within(name, recipe, preset=None):
    """How many steps take --seconds, by the pace of a short fit of the first picture."""
    pilot = fitted("pilots", name, FLAGS.images[0], 0, recipe, PILOT_STEPS, preset)
    if diverged(pilot):
        return PILOT_STEPS
    return max(10, round(FLAGS.seconds * pilot["steps"] / pilot["train_seconds"]))


def fitted(part, name, image, seed, recipe, steps, preset=None):
    """The row of a fit, read or made.

    Args:
        part: what it is for.
        name: of the architecture; None for a preset as it is.
        recipe: arguments of a `Recipe`, without its length.
        preset: its name, where there is no architecture.
    """
    entry = ARCHITECTURES[name] if preset is None else {"preset": preset, "arguments": {}}
    case = {"part": part, "architecture": name, "preset": entry["preset"], "arguments": json.dumps(entry["arguments"])}
    further = {key: value for key, value in recipe.items() if key not in ("optimizer", "learning_rate")}
    points = recipe.get("batch_size", FLAGS.batch_size)
    case |= {"image": image, "seed": seed, "optimizer": recipe["optimizer"], "learning_rate": recipe["learning_rate"]}
    case |= {"recipe": json.dumps(further), "steps": steps, "points_per_step": points}
    digest = hashlib.sha256(json.dumps([case, FLAGS.size], sort_keys=True).encode()).hexdigest()[:8]
    stem = f"{name or preset}-{short_name(image)}-{seed}-{digest}"
    path = pathlib.Path(FLAGS.runs) / part / f"{stem}.json"
    if not path.exists():
        settings = Recipe(**{"batch_size": points, **recipe}, steps=steps, seed=seed)
        row = {**case, **measured(entry, image, settings)}
        write_json(path, {key: row.get(key) for key in ROW})
    row = json.loads(path.read_text())
    told = "diverged" if diverged(row) else f"{row['psnr_db']:.2f} dB"
    by = f"{row['optimizer']} {row['learning_rate']:g}"
    messages.tell(f"{part} {stem} {by}: {told}, {row['steps']} steps in {row['train_seconds'] or 0:.1f} s")
    return row


def diverged(row):
    """Whether a fit came to no figure."""
    return row["psnr_db"] is None


def measured(entry, image, recipe):
    """One fit and all that is recorded of it; nothing but the machine where it diverged."""
    keras.backend.clear_session()
    signal = load_image(image, size=FLAGS.size)
    shared = {"channels": signal.channels, "picture_size": signal.size, "seed": recipe.seed}
    field = from_preset(entry["preset"], **shared, **entry["arguments"])
    facts = {"num_parameters": trained(field), "device": device_name(), "tensorflow": tf.__version__}
    facts["image_sha256"] = signal.sha256
    try:
        result = fit(field, signal, recipe, progress=False)
    except DivergedError:
        return facts
    target = pathlib.Path(FLAGS.runs) / "field.keras"
    target.parent.mkdir(parents=True, exist_ok=True)
    field.save(target)
    facts["bytes_on_disk"] = target.stat().st_size
    for goal in GOALS:
        reached = [row["seconds"] for row in result.rows if (row["psnr_db"] or math.inf) >= goal]
        facts[f"seconds_to_{goal}_db"] = reached[0] if reached else None
    return {
        **facts,
        "train_seconds": result.train_seconds,
        "setup_seconds": result.setup_seconds,
        "psnr_db": min(result.psnr_db, MOST_DB),
        "ssim": result.ssim,
        "ms_ssim": ms_ssim(signal.values, result.prediction),
    }


def trained(field):
    """Number of trainable weights."""
    return sum(math.prod(weight.shape) for weight in field.trainable_weights)


def report():
    """Table, figure and CSV of what --part=steps, seconds and presets left; only a table with flags of one's own."""
    rows = [*run_steps(), *run_seconds()]
    table = pages.table(rows, ARCHITECTURES)
    if as_published():
        presets = run_presets()
        write_csv(RESULTS / "runs.csv", ROW, [*rows, *presets])
        with atomic_path(RESULTS / "table.md") as temporary:
            temporary.write_text(table)
        pages.draw(rows, RESULTS / "zoo.png")
        write_json(ROOT / "keras_inr" / "measured.json", pages.measured_presets(presets, FLAGS.size))
        put_between(HERE / "README.md", MARKER, table)
        put_between(ROOT / "docs" / "results" / "zoo.md", MARKER, pages.short_table(rows, ARCHITECTURES))
    print(table)
    if not as_published():
        messages.tell("published results are left as they are: they are made with the default flags")


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
