"""siren-jax's pictures from values, gradient and Laplacian: our settings, and its recipe for as long as one waits.

From the root of the repository:

    python -m experiments.siren_jax.study --image=../shared/data/siren_jax_reference_321.jpg --part=ours
    python -m experiments.siren_jax.study --image=... --part=recipe --recipe_steps=200
    python -m experiments.siren_jax.study --image=... --part=batches
    python -m experiments.siren_jax.study --image=... --part=colours
    python -m experiments.siren_jax.study --image=... --part=enlarging
    python -m experiments.siren_jax.study --image=... --part=report

Our fits are the flagfiles beside this script. The recipe is siren-jax's: its network and initialisation, Adam at 1e-4,
all pixels in every step, on our targets. Both go on where they were stopped; more --recipe_steps continue a recipe.
"batches" runs the recipe with random batches of all, a quarter, a sixteenth of the pixels at equal points seen.
"colours" fits colour pictures' gradients with errors in red, green and blue, and in mixed colours, and reports on that.
"enlarging" draws a part of the grey picture enlarged by our fields, and by fields fitted for that.
"""

from keras_inr.cli import startup

if __name__ == "__main__":
    startup.start("siren_jax")

import csv
import itertools
import json
import pathlib
import subprocess
import sys

import matplotlib.figure
import numpy as np
from absl import flags
from PIL import Image

from experiments.files import ROOT, put_between
from experiments.siren_jax import colours, enlarging
from keras_inr.alignment import aligned_psnr
from keras_inr.errors import InputError
from keras_inr.models.field import to_uint8
from keras_inr.presets import from_preset
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
NAMES = {"value": "values, colour", "value_grey": "values, grey", "gradient": "gradient", "laplacian": "Laplacian"}
CASES = tuple(NAMES)
RESULTS = HERE / "results"
RUNS = ROOT / "runs" / "siren_jax"
EXPECTED = json.loads((HERE / "expected.json").read_text())
PARTS = (1, 4, 16, 64)  # of which batches of the picture's pixels are one
BATCH_SIZE, BATCH_EPOCHS = 128, 200  # side of the picture in the study of batches, and how often it is seen


def define_flags():
    flags.DEFINE_string("image", None, "path of siren-jax's reference.jpg", required=True)
    flags.DEFINE_enum("part", "report", ["ours", "recipe", "batches", "colours", "enlarging", "report"], "what to do")
    flags.DEFINE_list("cases", list(CASES), "which of value, value_grey, gradient, laplacian")
    flags.DEFINE_integer("recipe_steps", 100, "steps of the recipe, of its 10000", lower_bound=2)


def main(argv):
    RESULTS.mkdir(exist_ok=True)
    if FLAGS.part == "colours":
        write("colours", colours.run(FLAGS.image, RUNS))
        report_colours()
        return 0
    if FLAGS.part == "enlarging":
        report_enlarging()
        return 0
    for case in FLAGS.cases:
        if case not in CASES:
            raise InputError(f"cases must be some of {CASES}, received {case!r}")
        if FLAGS.part == "ours":
            run_ours(case)
        elif FLAGS.part == "recipe":
            run_recipe(case)
        elif FLAGS.part == "batches" and case != "value":
            run_batches(case)
    if FLAGS.part == "report":
        report()
    return 0


def picture(case, side=256):
    return load_image(FLAGS.image, size=(side, side), grayscale=case != "value")


def run_ours(case):
    """One fit with settings of our own, by the command that anybody would type."""
    folder = RUNS / f"ours-{case}"
    command = [sys.executable, "-m", "keras_inr", "fit", f"--flagfile={HERE / case}.cfg"]
    command += [f"--image={FLAGS.image}", f"--out={folder}", "--resume", "--notensorboard"]
    if subprocess.run(command).returncode:
        raise InputError(f"the run in {folder} failed")
    metrics = json.loads((folder / "metrics.json").read_text())
    signal = picture(case)
    prediction = np.atleast_3d(np.asarray(Image.open(folder / "reconstruction.png")))
    kept = ("psnr_db", "ssim", "steps", "points_per_step", "train_seconds", "num_parameters", "seed", "preset")
    facts = {name: metrics[name] for name in (*kept, "arguments", "recipe", "device", "versions", "image_sha256")}
    facts |= {name: value for name, value in metrics.items() if name.startswith("psnr_")}
    if "psnr_affine_db" not in facts:  # of a fit to values, as an 8-bit picture holds them
        facts |= aligned_psnr(signal.values, (prediction / 255).astype("float32"))
    with (folder / "history.csv").open() as file:
        facts["looks"] = looks(csv.DictReader(file))
    write(f"ours-{case}", facts)


def run_recipe(case):
    """siren-jax's recipe for --recipe_steps of its steps, in our code."""
    signal = picture(case)
    result = fit_recipe(case, signal, FLAGS.recipe_steps, checkpoint_dir=RUNS / f"recipe-{case}")
    write(f"recipe-{case}", {**outcome(signal, result), "looks": looks(result.rows), "device": device_name()})


def looks(rows):
    """Step and PSNR (dB), of all pixels after the best offset where derivatives are fitted, else of a step's batch."""
    rows = list(rows)
    name = "picture_psnr_db" if any(row.get("picture_psnr_db") for row in rows) else "psnr_db"
    return [[int(row["step"]), float(row[name])] for row in rows if row.get(name)]


def run_batches(case):
    """The recipe with random batches, every size until it has seen the picture equally often."""
    signal = picture(case, BATCH_SIZE)
    points = BATCH_SIZE**2
    rows = []
    for parts in PARTS:
        batch = {"sampling": "full"} if parts == 1 else {"sampling": "shuffled", "batch_size": points // parts}
        result = fit_recipe(case, signal, BATCH_EPOCHS * parts, **batch)
        rows.append({"points_per_step": points // parts, **outcome(signal, result)})
    facts = {"picture_size": [BATCH_SIZE] * 2, "epochs": BATCH_EPOCHS, "seed": 0, "rows": rows, "device": device_name()}
    write(f"batches-{case}", facts)


def fit_recipe(case, signal, steps, sampling="full", **arguments):
    """siren-jax's network fitted as siren-jax fits it."""
    recipe = Recipe(
        steps=steps,
        sampling=sampling,
        learning_rate=1e-4,
        schedule="constant",
        supervise=case if case in ("gradient", "laplacian") else "value",
        derivative_rule="sobel",
        **arguments,
    )
    return fit(from_preset("siren_jax", channels=signal.channels, seed=0), signal, recipe)


def outcome(signal, result):
    """Length and figures of a fit."""
    return {
        "steps": result.steps,
        "train_seconds": result.train_seconds,
        "seconds_per_step": result.train_seconds / result.steps,
        **aligned_psnr(signal.values, result.prediction),
        "psnr_db": result.psnr_db,
    }


def report():
    """Table and figure of what there is."""
    heads = ["fitted to", "siren-jax, 10000 steps (dB)", "its recipe here, steps: dB", "ours at that step (dB)"]
    heads += ["its recipe drawn on to 10000 steps (dB)", "10000 such steps (s)", "ours (dB)", "steps", "seconds"]
    heads += ["of the recipe's"]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for case in CASES:
        ours, recipe, figure = read(f"ours-{case}"), read(f"recipe-{case}"), EXPECTED["figure"][case]
        whole = recipe["seconds_per_step"] * EXPECTED["published_steps"]
        lines.append(
            f"| {NAMES[case]} | {EXPECTED['published_db'][case]} | {recipe['steps']}: {recipe[figure]:.1f} "
            f"| {near(ours['looks'], recipe['steps']):.1f} "
            f"| {drawn_on(recipe['looks'], EXPECTED['published_steps']):.1f} | {whole:.0f} "
            f"| {ours[figure]:.2f} | {ours['steps']} | {ours['train_seconds']:.0f} "
            f"| {ours['train_seconds'] / whole:.3f} |"
        )
    lines.append(f"\nOne seed (0); {ours['device']}, TensorFlow {ours['versions']['tensorflow']}.")
    table, batches = "\n".join(lines) + "\n", batch_table()
    for name, text in (("table", table), ("batches", batches)):
        put_between(HERE / "README.md", f"<!-- {name} -->", text)
    draw(RESULTS / "pictures.png")
    print(table, batches, sep="\n")


def report_colours():
    """Table and figure of fits to gradients of colour pictures; the figure needs the run's pictures."""
    data = read("colours")
    put_between(HERE / "README.md", "<!-- colours -->", colours.table(data))
    save_rows(RESULTS / "colours.png", [colours.panels(data, RUNS)])


def report_enlarging():
    """Table and figure of the grey picture enlarged; needs the runs of --part=ours."""
    rows, panels = enlarging.run(picture("value_grey"), RUNS, {case: NAMES[case] for case in CASES[1:]})
    write("enlarged", {"rows": rows, "device": device_name()})
    put_between(HERE / "README.md", "<!-- enlarged -->", enlarging.table(rows))
    save_rows(RESULTS / "enlarged.png", [panels[:4], panels[4:]])


def near(looks, step):
    """The PSNR at the look nearest to a step."""
    return min(looks, key=lambda look: abs(look[0] - step))[1]


def drawn_on(looks, step):
    """The PSNR at a later step, by a straight line in the logarithm of the step through the later half of the looks."""
    steps, psnr_db = np.transpose(looks[len(looks) // 2 :])
    slope, start = np.polyfit(np.log(steps), psnr_db, 1)
    return slope * np.log(step) + start


def batch_table():
    """The recipe at equal points seen, one column for each size of batch."""
    kinds = [case for case in CASES if case != "value"]
    rows = {case: read(f"batches-{case}") for case in kinds}
    sizes = [row["points_per_step"] for row in rows[kinds[0]]["rows"]]
    lines = [f"| fitted to | {' | '.join(f'{size} points a step' for size in sizes)} |"]
    lines.append("| --- |" + " ---: |" * len(sizes))
    for case in kinds:
        cells = [
            f"{row[EXPECTED['figure'][case]]:.1f} dB, {row['steps']} steps, {row['train_seconds']:.0f} s"
            for row in rows[case]["rows"]
        ]
        lines.append(f"| {NAMES[case]} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\nOne seed (0); {rows[kinds[0]]['device']}.\n"


def draw(path):
    """Original and reconstructions in a row."""
    panels = [("original", to_uint8(picture("value").values))]
    for case in CASES:
        ours = read(f"ours-{case}")
        shown = np.atleast_3d(np.asarray(Image.open(RUNS / f"ours-{case}" / "reconstruction.png")))
        panels.append((f"{NAMES[case]}\n{ours[EXPECTED['figure'][case]]:.1f} dB", shown))
    save_rows(path, [panels])


def save_rows(path, rows):
    """Rows of (title, picture) as a figure."""
    heights = [3 * panels[0][1].shape[0] / panels[0][1].shape[1] + 0.7 for panels in rows]
    figure = matplotlib.figure.Figure(figsize=(3 * len(rows[0]), sum(heights)), dpi=120, layout="constrained")
    for axes, (title, shown) in zip(figure.subplots(len(rows), len(rows[0])).flat, itertools.chain(*rows), strict=True):
        axes.set_title(title, fontsize=10)
        axes.imshow(np.repeat(shown, 3, axis=-1) if shown.shape[-1] == 1 else shown, interpolation="antialiased")
        axes.set_axis_off()
    figure.savefig(path)


def write(name, facts):
    (RESULTS / f"{name}.json").write_text(json.dumps(facts, indent=2) + "\n")


def read(name):
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise InputError(f"{path} is missing: run --part=ours and --part=recipe first")
    return json.loads(path.read_text())


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
