"""pugh_torch's initialisations of sine networks on one footing.

From the root of the repository:

    python -m experiments.init_study.study --image=../shared/data/init_study_cat_750x982.jpg
    python -m experiments.init_study.study --image=... --experiments=all --seeds=0,1,2,3,4 --rate=sweep

Fits every experiment with every seed and reports on them. Finished fits are kept under runs/init_study/ and are reused.
--rate is a number for all; or sweep, of RATES the one whose PSNR between pixels is highest at the end of the first
seed's fit; or auto, a range test before every fit. Watch with `tensorboard --logdir runs/init_study/tensorboard`.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("init_study")

import functools
import hashlib
import json
import math
import pathlib
import sys

import keras
import tensorflow as tf
from absl import flags

from experiments.files import ROOT, whole_numbers, write_json
from experiments.init_study import logs, measures, report
from experiments.pictures import short_name
from keras_inr.errors import DivergedError, InputError
from keras_inr.models.siren import Siren
from keras_inr.rendering.png import save_png
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.range_test import LARGEST_RATE, find_learning_rate
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
EXPERIMENTS = {entry["name"]: entry for entry in json.loads((HERE / "experiments.json").read_text())["experiments"]}
REQUIRED = ("1", "5", "6", "17", "22", "33", "frozen-1", "frozen-2")
RATES = (5e-5, 1e-4, 2e-4, 5e-4, 1e-3)
VALUE_RANGE = (-2.0, 2.44)
"""0 and 1 in the source's units, (value - 0.45) / 0.226: means over ImageNet's channels."""


def define_flags():
    flags.DEFINE_string("image", "sample:chelsea", "colour picture, as for keras-inr fit")
    flags.DEFINE_string("other_image", "sample:coffee", "picture of the experiments on another one")
    flags.DEFINE_list("experiments", list(REQUIRED), "names in experiments.json, or all")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "seeds of initial weights and batches")
    flags.DEFINE_string("rate", "0.0001", "learning rate for all, sweep, or auto")
    flags.DEFINE_integer("steps", 4000, "of every fit; the source's are 21000", lower_bound=20)
    flags.DEFINE_integer("size", 224, "height and width that pictures are brought to, aspect lost", lower_bound=4)
    flags.DEFINE_list("units", ["256"] * 5, "widths of the sine layers")
    flags.DEFINE_integer("points", 4096, "in a step", lower_bound=1)
    flags.DEFINE_bool("until_level", False, "end a fit when it has reached the last level")
    flags.DEFINE_integer("looks", 120, "how often the whole picture is measured", lower_bound=2)
    flags.DEFINE_float("weight_decay", None, "for all experiments instead of their own", lower_bound=0)
    flags.DEFINE_enum("part", "all", ["all", "run", "report"], "what to do")
    flags.DEFINE_string("name", None, "what the results are called; the picture's name by default")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "init_study"), "folder where finished fits are kept")
    flags.DEFINE_string("results", str(HERE / "results"), "folder for table, figures and data")


def main(argv):
    names, seeds = checked_flags()
    if FLAGS.part != "report":
        logs.write_columns(runs("tensorboard"))
    records = [fitted(name, seed, rate_for(name, seed)) for seed in seeds for name in names]
    records.sort(key=lambda record: names.index(record["experiment"]))
    if FLAGS.part != "run":
        results = pathlib.Path(FLAGS.results)
        stem = f"{FLAGS.name or short_name(FLAGS.image)}-{FLAGS.rate}"
        pictures = [paths_of_pictures(record) for record in records]
        print(report.write(results, stem, records, pictures, EXPERIMENTS))
        report.put_into(results.parent / "README.md", results)
    return 0


def checked_flags():
    """(names of experiments, seeds); InputError for what is neither."""
    names = list(EXPERIMENTS) if FLAGS.experiments == ["all"] else FLAGS.experiments
    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown or not names:
        raise InputError(
            f"experiments must be all or some of {', '.join(EXPERIMENTS)}, received {', '.join(unknown)!r}"
        )
    number = FLAGS.rate if FLAGS.rate not in ("sweep", "auto") else "1"
    try:
        right = 0 < float(number) <= LARGEST_RATE
    except ValueError:
        right = False
    if not right:
        raise InputError(f"rate must be a number in (0, {LARGEST_RATE:g}], sweep or auto, received {FLAGS.rate!r}")
    whole_numbers("units", FLAGS.units, least=1)
    return names, whole_numbers("seeds", FLAGS.seeds)


def rate_for(name, seed):
    """The learning rate that --rate means for an experiment and a seed."""
    if FLAGS.rate == "auto":
        return found_rate(name, seed)
    if FLAGS.rate != "sweep":
        return float(FLAGS.rate)
    first = int(FLAGS.seeds[0])
    reached = {rate: fitted(name, first, rate)["between_db"] for rate in RATES}
    return max(reached, key=lambda rate: -math.inf if reached[rate] is None else reached[rate])


def found_rate(name, seed):
    """The rate that a range test finds, kept as the fits are."""
    case, signal = case_of(name, seed)
    path = runs("rates", f"{stem_of(case)}.json")
    if not path.exists():
        refuse_to_run(path)
        found = find_learning_rate(field_of(case), signal, recipe_of({**case, "learning_rate": 1e-3}))
        curve = [[float(rate), float(loss)] for rate, loss in zip(found.rates, found.losses, strict=True)]
        write_json(path, {**case, "learning_rate": found.learning_rate, "rates_and_losses": curve})
    return json.loads(path.read_text())["learning_rate"]


def fitted(name, seed, rate):
    """The record of a fit, read or made."""
    case, signal = case_of(name, seed)
    case["learning_rate"] = rate
    path = runs("fits", f"{stem_of(case)}.json")
    if not path.exists():
        refuse_to_run(path)
        record, pictures = measured(case, signal, runs("tensorboard", path.stem))
        path.parent.mkdir(parents=True, exist_ok=True)
        for level, picture in zip(measures.LEVELS, pictures, strict=True):
            if picture is not None:
                save_png(runs("fits", f"{path.stem}-{level:g}.png"), picture)
        logs.write_trial(runs("tensorboard", path.stem), record, pictures)
        write_json(path, {"stem": path.stem, **record})
        psnr_db, seconds = record["psnr_db"] or math.nan, record["train_seconds"] or math.nan
        messages.tell(f"{path.stem} at {rate:g}: {psnr_db:.2f} dB, {record['steps']} steps in {seconds:.0f} s")
    return json.loads(path.read_text())


def case_of(name, seed):
    """(all that a fit depends on but its rate, the picture)."""
    entry = EXPERIMENTS[name]
    signal = picture(FLAGS.image if entry["picture"] == "image" else FLAGS.other_image)
    case = {"experiment": name, **{key: entry[key] for key in ("scheme", "omega_0", "weight_decay", "freeze")}}
    if FLAGS.weight_decay is not None:
        case["weight_decay"] = FLAGS.weight_decay
    if FLAGS.until_level:
        case["until_level"] = True
    case |= {"image_sha256": signal.sha256, "seed": seed, "steps": FLAGS.steps, "size": FLAGS.size}
    return {
        **case,
        "units": [int(width) for width in FLAGS.units],
        "points": FLAGS.points,
        "num_looks": FLAGS.looks,
    }, signal


@functools.cache
def picture(source):
    signal = load_image(source, size=(FLAGS.size, FLAGS.size))
    if signal.channels != 3:
        raise InputError(f"image must be in colour for the source's levels, received {source!r}")
    return signal


def field_of(case):
    return Siren(case["units"], case["scheme"], case["omega_0"], VALUE_RANGE, seed=case["seed"])


def recipe_of(case):
    """AdamW at a constant rate on points anywhere in the picture, as the source has it."""
    return Recipe(
        steps=case["steps"],
        batch_size=case["points"],
        sampling="continuous",
        optimizer="adamw",
        learning_rate=case["learning_rate"],
        weight_decay=case["weight_decay"],
        schedule="constant",
        seed=case["seed"],
        freeze=case["freeze"],
    )


def measured(case, signal, log):
    """(the record of a fit, the pictures at the three levels); figures are None where it diverged."""
    keras.backend.clear_session()
    field = field_of(case)
    looks = measures.Looks(signal, measures.look_steps(case["steps"], case["num_looks"]), logs.Histograms(log))
    enough = {"should_stop": looks.at_last_level} if case.get("until_level") else {}
    figures = dict.fromkeys(("psnr_db", "between_db", "train_seconds"))
    try:
        result = fit(field, signal, recipe_of(case), callbacks=[looks], progress=False, **enough)
        # the last look comes after the clock has stopped
        seconds = result.train_seconds - sum(looks.durations[:-1])
        case = {**case, "steps": result.steps}
        figures = {name: looks.rows[-1][name] for name in ("psnr_db", "between_db")} | {"train_seconds": seconds}
    except DivergedError as error:
        messages.tell(error)
    levels = {f"steps_to_{level:g}": step for level, step in zip(measures.LEVELS, looks.reached, strict=True)}
    on_pixels = zip(measures.LEVELS, looks.reached_on_pixels, strict=True)
    levels |= {f"steps_to_{level:g}_on_pixels": step for level, step in on_pixels}
    machine = {"device": device_name(), "tensorflow": tf.__version__, "num_parameters": field.count_params()}
    return {**case, **figures, **levels, **machine, "looks": looks.rows}, looks.pictures


def paths_of_pictures(record):
    """The files of a fit's pictures at the levels, None where there is none."""
    paths = [runs("fits", f"{record['stem']}-{level:g}.png") for level in measures.LEVELS]
    return [path if path.exists() else None for path in paths]


def stem_of(case):
    digest = hashlib.sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:8]
    return f"{case['experiment']}-{case['seed']}-{digest}"


def runs(*parts):
    return pathlib.Path(FLAGS.runs, *parts)


def refuse_to_run(path):
    """Raises an InputError if only a report is asked for."""
    if FLAGS.part == "report":
        raise InputError(f"{path} is missing: give the same flags with --part=run first")


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
