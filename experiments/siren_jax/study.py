"""siren-jax's pictures from values, gradient and Laplacian: our settings, and its recipe for as long as one waits.

    python experiments/siren_jax/study.py --image=../shared/data/siren_jax_reference_321.jpg --part=ours
    python experiments/siren_jax/study.py --image=... --part=recipe --recipe_steps=200
    python experiments/siren_jax/study.py --image=... --part=report

Our fits are the flagfiles beside this script. The recipe is siren-jax's: its network and initialisation, Adam at 1e-4,
all pixels in every step, on our targets. Both go on where they were stopped; more --recipe_steps continue a recipe.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import startup

startup.start()

import json
import subprocess

import matplotlib.figure
import numpy as np
from absl import flags
from PIL import Image

from keras_inr.alignment import aligned_psnr
from keras_inr.models.field import to_uint8
from keras_inr.models.presets import from_preset
from keras_inr.runs.errors import InputError
from keras_inr.runs.results import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fit import fit

FLAGS = flags.FLAGS
CASES = ("value", "value_grey", "gradient", "laplacian")
RESULTS = HERE / "results"
RUNS = ROOT / "runs" / "siren_jax"
EXPECTED = json.loads((HERE / "expected.json").read_text())


def define_flags():
    flags.DEFINE_string("image", None, "path of siren-jax's reference.jpg", required=True)
    flags.DEFINE_enum("part", "report", ["ours", "recipe", "report"], "what to do")
    flags.DEFINE_list("cases", list(CASES), "which of value, value_grey, gradient, laplacian")
    flags.DEFINE_integer("recipe_steps", 100, "steps of the recipe, of its 10000", lower_bound=2)


def main(argv):
    RESULTS.mkdir(exist_ok=True)
    for case in FLAGS.cases:
        if case not in CASES:
            raise InputError(f"cases must be some of {CASES}, received {case!r}")
        if FLAGS.part == "ours":
            run_ours(case)
        elif FLAGS.part == "recipe":
            run_recipe(case)
    if FLAGS.part == "report":
        report()
    return 0


def picture(case):
    return load_image(FLAGS.image, size=(256, 256), grayscale=case != "value")


def run_ours(case):
    """One fit with settings of our own, by the command that anybody would type."""
    folder = RUNS / f"ours-{case}"
    command = [sys.executable, str(ROOT / "scripts" / "fit.py"), f"--flagfile={HERE / case}.cfg"]
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
    write(f"ours-{case}", facts)


def run_recipe(case):
    """siren-jax's recipe for --recipe_steps of its steps, in our code."""
    signal = picture(case)
    supervise = case if case in ("gradient", "laplacian") else "value"
    field = from_preset("siren_jax", channels=signal.channels, seed=0)
    result = fit(
        field,
        signal,
        steps=FLAGS.recipe_steps,
        sampling="full",
        optimizer="adam",
        learning_rate=1e-4,
        schedule="constant",
        supervise=supervise,
        derivative_rule="sobel",
        checkpoint_dir=RUNS / f"recipe-{case}",
    )
    facts = {
        "steps": result.steps,
        "train_seconds": result.train_seconds,
        "seconds_per_step": result.train_seconds / result.steps,
        **aligned_psnr(signal.values, result.prediction),
        "psnr_db": result.psnr_db,
        "rows": result.rows,
        "device": device_name(),
    }
    write(f"recipe-{case}", facts)


def report():
    """Table and figure of what there is."""
    heads = ["fitted to", "siren-jax, 10000 steps (dB)", "its recipe here: steps, dB, s per step"]
    heads += ["10000 such steps (s)", "ours (dB)", "steps", "seconds", "of the recipe's"]
    lines = [f"| {' | '.join(heads)} |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for case in CASES:
        ours, recipe, figure = read(f"ours-{case}"), read(f"recipe-{case}"), EXPECTED["figure"][case]
        whole = recipe["seconds_per_step"] * EXPECTED["published_steps"]
        lines.append(
            f"| {case.replace('_', ', ')} | {EXPECTED['published_db'][case]} "
            f"| {recipe['steps']}, {recipe[figure]:.1f}, {recipe['seconds_per_step']:.2f} | {whole:.0f} "
            f"| {ours[figure]:.2f} | {ours['steps']} | {ours['train_seconds']:.0f} "
            f"| {ours['train_seconds'] / whole:.3f} |"
        )
    lines.append(f"\nOne seed (0); {ours['device']}, TensorFlow {ours['versions']['tensorflow']}.")
    (RESULTS / "table.md").write_text("\n".join(lines) + "\n")
    draw(RESULTS / "pictures.png")
    print("\n".join(lines))


def draw(path):
    """Original and reconstructions in a row."""
    panels = [("original", to_uint8(picture("value").values))]
    for case in CASES:
        ours = read(f"ours-{case}")
        shown = np.atleast_3d(np.asarray(Image.open(RUNS / f"ours-{case}" / "reconstruction.png")))
        panels.append((f"{case.replace('_', ', ')}\n{ours[EXPECTED['figure'][case]]:.1f} dB", shown))
    figure = matplotlib.figure.Figure(figsize=(3 * len(panels), 3.5), dpi=120, layout="constrained")
    for axes, (title, shown) in zip(figure.subplots(1, len(panels)), panels, strict=True):
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
    define_flags()
    startup.run(main)
