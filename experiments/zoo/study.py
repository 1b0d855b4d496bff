"""Every architecture of the zoo on the same footing.

From the root of the repository: python -m experiments.zoo.study

Parts, each of which goes on where it was stopped; all of them by default:

    rates    each architecture's learning rate: the best of RATES after half of --steps, on a picture apart
    steps    every architecture x picture x seed with equal steps, at about equal parameters
    seconds  the same with equal seconds: as many steps as fit into --seconds, by the times of "steps"
    presets  every preset as it is on the first picture, with equal seconds, at the best of its architecture's rate
             and the two below it; those of a model that architectures.json lacks are skipped
    report   table, figure and CSV, and what `list_presets` tells

--quick takes one picture, one seed, fewer steps and the committed learning rates, and keeps its fits in runs/zoo/quick.
With other pictures, seeds, architectures, sizes or lengths than the defaults the table is only printed, and published
results stay. Pictures are reduced to --size; all fits are Adam with cosine decay on random batches.
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
from keras_inr.presets import from_preset, list_presets
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("rates", "steps", "seconds", "presets", "report")
ARCHITECTURES = json.loads((HERE / "architectures.json").read_text())["architectures"]
RESULTS = HERE / "results"
MARKER = "<!-- zoo -->"
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
RATE_IMAGES = ("sample:immunohistochemistry",)
GOALS = (30, 35, 40)
MOST_DB = 150.0  # float32 has no more; also stands for a picture that is exact
ROW = ("part", "architecture", "preset", "arguments", "image", "seed", "num_parameters", "bytes_on_disk")
ROW += ("learning_rate", "steps", "points_per_step", "train_seconds", "setup_seconds", "psnr_db", "ssim", "ms_ssim")
ROW += (*(f"seconds_to_{goal}_db" for goal in GOALS), "device", "tensorflow", "image_sha256")


def define_flags():
    photographs = ["sample:chelsea", "sample:astronaut", "sample:coffee", "sample:rocket", "sample:camera"]
    flags.DEFINE_list("images", photographs, "pictures with commas between")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "seeds of initial weights and batches")
    flags.DEFINE_list("architectures", list(ARCHITECTURES), "names in architectures.json")
    flags.DEFINE_enum("part", "all", ["all", *PARTS], "what to do")
    flags.DEFINE_integer("size", 128, "longer side of the pictures", lower_bound=16)
    flags.DEFINE_integer("batch_size", 4096, "points in a step", lower_bound=1)
    flags.DEFINE_integer("steps", 600, "of every fit with equal steps", lower_bound=10)
    flags.DEFINE_float("seconds", 10.0, "of every fit with equal seconds", lower_bound=0.1)
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
            rate_of(name)


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
    """Writes the best rate of each architecture, the highest mean PSNR over the pictures apart; others' stay."""
    path = RESULTS / "rates.json"
    rates = json.loads(path.read_text())["rates"] if path.exists() else {}
    for name in FLAGS.architectures:
        means = {}
        for rate in RATES:
            rows = [fitted("rates", name, image, 0, rate, FLAGS.steps // 2) for image in RATE_IMAGES]
            means[rate] = statistics.mean(0.0 if diverged(row) else row["psnr_db"] for row in rows)
        rates[name] = {"learning_rate": max(means, key=means.get), "psnr_db": {f"{k:g}": v for k, v in means.items()}}
    rates = {name: rates[name] for name in ARCHITECTURES if name in rates}
    write_json(path, {"pictures": RATE_IMAGES, "steps": FLAGS.steps // 2, "rates": rates})


def rate_of(name):
    path = RESULTS / "rates.json"
    if not path.exists():
        raise InputError(f"{path} is missing: run --part=rates first")
    rates = json.loads(path.read_text())["rates"]
    if name not in rates:
        raise InputError(f"{path} lacks {name!r}: run --part=rates --architectures={name}")
    return rates[name]["learning_rate"]


def run_steps():
    return [
        fitted("steps", name, image, int(seed), rate_of(name), FLAGS.steps)
        for name in FLAGS.architectures
        for image in FLAGS.images
        for seed in FLAGS.seeds
    ]


def run_seconds():
    """Fits with as many steps as take --seconds by the pace of the fits with equal steps."""
    pace = pages.seconds_per_step(run_steps())
    steps = {name: max(10, round(FLAGS.seconds / pace[name])) for name in FLAGS.architectures}
    return [
        fitted("seconds", name, image, int(seed), rate_of(name), steps[name])
        for name in FLAGS.architectures
        for image in FLAGS.images
        for seed in FLAGS.seeds
    ]


def run_presets():
    """Every preset as it is, on the first picture."""
    rows = []
    for info in list_presets():
        name = architecture_of(info.name)
        if name is None:
            messages.tell(f"preset {info.name} is skipped: architectures.json has no architecture of its model")
            continue
        pilot = fitted("pilots", name, FLAGS.images[0], 0, rate_of(name), 40, info.name)
        steps = max(10, round(FLAGS.seconds / (pilot["train_seconds"] / pilot["steps"])))
        rate = preset_rate(info.name, name, steps)
        for seed in FLAGS.seeds:
            rows.append(fitted("presets", name, FLAGS.images[0], int(seed), rate, steps, info.name))
    return rows


def preset_rate(preset, name, steps):
    """The rate of a preset's architecture; where that was swept at another size, the best of it and the two below.

    A wide network takes less than a narrow one: at the rate of 50,000 parameters `bacon` does not learn.
    """
    if ARCHITECTURES[name]["preset"] == preset and not ARCHITECTURES[name]["arguments"]:
        return rate_of(name)
    rows = [
        fitted("trials", name, RATE_IMAGES[0], 0, rate, max(10, steps // 4), preset)
        for rate in [rate for rate in RATES if rate <= rate_of(name)][-3:]
    ]
    return max(rows, key=lambda row: 0.0 if diverged(row) else row["psnr_db"])["learning_rate"]


def architecture_of(preset):
    """The architecture that has the preset, or one of the same model; None if there is neither."""
    same = [name for name, entry in ARCHITECTURES.items() if entry["preset"] == preset]
    model = type(from_preset(preset))
    alike = [name for name, entry in ARCHITECTURES.items() if type(from_preset(entry["preset"])) is model]
    return next(iter(same + alike), None)


def fitted(part, name, image, seed, rate, steps, preset=None):
    """The row of a fit, read or made."""
    entry = ARCHITECTURES[name] if preset is None else {"preset": preset, "arguments": {}}
    case = {"part": part, "architecture": name, "preset": entry["preset"], "arguments": json.dumps(entry["arguments"])}
    case |= {"image": image, "seed": seed, "learning_rate": rate, "steps": steps, "points_per_step": FLAGS.batch_size}
    digest = hashlib.sha256(json.dumps([case, FLAGS.size], sort_keys=True).encode()).hexdigest()[:8]
    stem = f"{entry['preset'] if preset else name}-{short_name(image)}-{seed}-{digest}"
    path = pathlib.Path(FLAGS.runs) / part / f"{stem}.json"
    if not path.exists():
        row = {**case, **measured(entry, image, seed, rate, steps)}
        write_json(path, {key: row.get(key) for key in ROW})
    row = json.loads(path.read_text())
    told = "diverged" if diverged(row) else f"{row['psnr_db']:.2f} dB"
    messages.tell(f"{part} {stem} {rate:g}: {told}, {row['steps']} steps in {row['train_seconds'] or 0:.1f} s")
    return row


def diverged(row):
    """Whether a fit came to no figure."""
    return row["psnr_db"] is None


def measured(entry, image, seed, rate, steps):
    """One fit and all that is recorded of it; nothing but the machine where it diverged."""
    keras.backend.clear_session()
    signal = load_image(image, size=FLAGS.size)
    shared = {"channels": signal.channels, "picture_size": signal.size, "seed": seed}
    field = from_preset(entry["preset"], **shared, **entry["arguments"])
    facts = {"num_parameters": trained(field), "device": device_name(), "tensorflow": tf.__version__}
    facts["image_sha256"] = signal.sha256
    try:
        recipe = Recipe(steps=steps, batch_size=FLAGS.batch_size, learning_rate=rate, seed=seed)
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
        put_between(ROOT / "README.md", MARKER, pages.short_table(rows, ARCHITECTURES))
    print(table)
    if not as_published():
        messages.tell("published results are left as they are: they are made with the default flags")


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
