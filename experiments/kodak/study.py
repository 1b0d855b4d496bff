"""The Kodak suite: PSNR, SSIM and MS-SSIM of pixel grids of three sizes, beside published figures.

From the root of the repository: python -m experiments.kodak.study --pictures=FOLDER

The folder holds 01.png to 24.png, 768 x 512 or 512 x 768. Every fit is kept in --runs and not made again. The result
is results/fits.csv and the table of this folder's README. --quick fits three pictures for five epochs and writes
nothing but --runs.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("kodak")

import csv
import json
import pathlib
import statistics
import sys

from absl import flags

from experiments.files import ROOT, put_between, whole_numbers, write_csv, write_json
from keras_inr.choosing.choice import file_kb, recipe_for_any_time
from keras_inr.errors import InputError
from keras_inr.metrics import ms_ssim
from keras_inr.models.cell_grid import pixel_layout
from keras_inr.models.field_files import bare_copy
from keras_inr.presets import from_preset
from keras_inr.runs.facts import device_name, versions
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
MARKER = "<!-- kodak -->"
BUDGETS = {
    "300 k": {"layout": pixel_layout((1, 1, 1, 4, 4, 4, 4), 17), "units": (64, 64), "epochs": 60},
    "560 k": {"layout": pixel_layout((1, 1, 1, 4, 4, 4, 4)), "units": (64,), "epochs": 100},
    "1.0 M": {"layout": pixel_layout((1, 4, 4, 4, 4, 4, 4)), "units": (64,), "epochs": 80},
}
"""Found on odd pictures, see benchmarks/NOTES.md."""

SEEDED = ("02", "06", "10", "14", "18", "22")
"""Pictures that are fitted from three seeds."""

COLUMNS = (
    *("budget", "picture", "seed", "num_parameters", "steps", "points_per_step", "train_seconds", "setup_seconds"),
    *("psnr_db", "psnr_8bit_db", "ssim", "ms_ssim", "model_kb", "device", "keras_inr", "tensorflow"),
)


def define_flags():
    flags.DEFINE_string("pictures", None, "folder with 01.png to 24.png", required=True)
    flags.DEFINE_list("numbers", [str(number) for number in range(1, 25)], "pictures, with commas between")
    flags.DEFINE_list("budgets", list(BUDGETS), "some of 300 k, 560 k, 1.0 M")
    flags.DEFINE_bool("quick", False, "three pictures for five epochs, and no results in this folder")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "kodak"), "folder where finished fits are kept")


def main(argv):
    unknown = set(FLAGS.budgets) - set(BUDGETS)
    if unknown:
        raise InputError(f"budgets must be some of {', '.join(BUDGETS)}, received {', '.join(sorted(unknown))}")
    numbers = [f"{number:02d}" for number in whole_numbers("numbers", FLAGS.numbers, 1)]
    numbers = numbers[:3] if FLAGS.quick else numbers
    cases = [(budget, number, 0) for budget in FLAGS.budgets for number in numbers]
    if not FLAGS.quick:
        seeded = [number for number in SEEDED if number in numbers]
        cases += [(budget, number, seed) for budget in FLAGS.budgets for number in seeded for seed in (1, 2)]
    rows = [row_of(*case) for case in cases]
    print(table(rows))
    if not FLAGS.quick and len(numbers) == 24 and list(FLAGS.budgets) == list(BUDGETS):
        write_csv(HERE / "results" / "fits.csv", COLUMNS, rows)
        put_between(HERE / "README.md", MARKER, table(rows))
    return 0


def row_of(budget, number, seed):
    """The row of one fit, read or made."""
    name = f"{budget.replace(' ', '')}-{number}-{seed}{'-quick' if FLAGS.quick else ''}.json"
    path = pathlib.Path(FLAGS.runs) / name
    if not path.exists():
        write_json(path, measured(budget, number, seed))
    row = json.loads(path.read_text())
    messages.tell(f"{budget} {number}, seed {seed}: {row['psnr_db']:.2f} dB in {row['train_seconds']:.1f} s")
    return row


def measured(budget, number, seed):
    """One fit."""
    signal = load_image(pathlib.Path(FLAGS.pictures) / f"{number}.png")
    arguments = dict(BUDGETS[budget])
    epochs = 5 if FLAGS.quick else arguments["epochs"]
    del arguments["epochs"]
    field = from_preset("pixel_grid", picture_size=signal.size, seed=seed, **arguments)
    recipe = Recipe(**recipe_for_any_time(signal.size), epochs=epochs, seed=seed)
    result = fit(field, signal, recipe, progress=False)
    known = versions()
    return {
        "budget": budget,
        "picture": number,
        "seed": seed,
        "num_parameters": field.count_params(),
        "steps": result.steps,
        "points_per_step": recipe.batch_size,
        "train_seconds": round(result.train_seconds, 2),
        "setup_seconds": round(result.setup_seconds, 2),
        "psnr_db": round(result.psnr_db, 3),
        "psnr_8bit_db": round(result.psnr_8bit_db, 3),
        "ssim": round(result.ssim, 5),
        "ms_ssim": round(ms_ssim(signal.values, result.prediction), 5),
        "model_kb": round(file_kb(bare_copy(field))),
        "device": device_name(),
        "keras_inr": known["keras_inr"],
        "tensorflow": known["tensorflow"],
    }


def table(rows):
    """Markdown: the mean over the pictures for each budget, and over seeds the spread."""
    lines = [
        "| weights | pictures | PSNR (dB) | least | 8 bits | SSIM | MS-SSIM | training (s) | set-up (s) | kB | "
        "between seeds (dB) |",
        "| ---: " * 11 + "|",
    ]
    for budget in BUDGETS:
        own = [row for row in rows if row["budget"] == budget]
        first = [row for row in own if row["seed"] == 0]
        if not first:
            continue

        def mean(column, first=first):
            return statistics.mean(float(row[column]) for row in first)

        cells = [f"{mean('num_parameters'):,.0f}", len(first), f"**{mean('psnr_db'):.2f}**"]
        cells += [f"{min(row['psnr_db'] for row in first):.2f}", f"{mean('psnr_8bit_db'):.2f}"]
        cells += [f"{mean('ssim'):.4f}", f"{mean('ms_ssim'):.4f}", f"{mean('train_seconds'):.1f}"]
        cells += [f"{mean('setup_seconds'):.1f}", f"{mean('model_kb'):.0f}", spread(own)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def spread(rows):
    """The standard deviation between seeds, pooled over the pictures that have several."""
    by_picture = {}
    for row in rows:
        by_picture.setdefault(row["picture"], []).append(float(row["psnr_db"]))
    variances = [statistics.variance(values) for values in by_picture.values() if len(values) > 1]
    return f"{statistics.mean(variances) ** 0.5:.2f}" if variances else ""


def published():
    """The rows of results/fits.csv."""
    with (HERE / "results" / "fits.csv").open(newline="") as file:
        return [{**row, "seed": int(row["seed"]), "psnr_db": float(row["psnr_db"])} for row in csv.DictReader(file)]


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
