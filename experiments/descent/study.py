"""Four networks race on one picture: runs the four configs over several seeds and writes table, figures and data.

From the root of the repository:

    python -m experiments.descent.study --image=sample:chelsea --seeds=0 --name=chelsea --readme
    python -m experiments.descent.study --image=../shared/data/descent_cat_512.jpg --seeds=0,1,2 --name=descent_cat

    python -m experiments.descent.study --image=... --seeds=0 --name=descent_cat --part=curves
    python -m experiments.descent.study --name=descent_cat --part=draw
    python -m experiments.descent.study --image=... --seeds=0,1,2 --name=descent_cat --part=any_time

Runs are kept under runs/descent/ and are resumed or reused when the command is given again. --part=curves leaves the
table as it is and writes the loss curves alone, --part=draw draws them from their data in results/ and needs no runs.
--part=any_time fits with a schedule that does not know its length, ends and goes on after each of the epochs that
descent has points of, and writes a table of them.
"""

from keras_inr.cli import startup

if __name__ == "__main__":
    startup.start("descent")

import json
import math
import pathlib
import statistics
import subprocess
import sys

import matplotlib.figure
import numpy as np
from absl import flags
from PIL import Image

from experiments.descent import curves
from experiments.files import ROOT, put_between, whole_numbers, write_json
from keras_inr.errors import InputError
from keras_inr.models.field import to_uint8
from keras_inr.signals.image import load_image

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
PRESETS = ("relu", "relu_pe", "siren", "multi_hash")


def define_flags():
    flags.DEFINE_string("image", "sample:chelsea", "picture, as for keras-inr fit")
    flags.DEFINE_list("seeds", ["0"], "seeds, with commas between")
    flags.DEFINE_float("epochs", 200, "length of every run")
    flags.DEFINE_string("name", "chelsea", "what the results are called")
    flags.DEFINE_string("results", str(HERE / "results"), "folder for the results")
    parts = ["all", "curves", "draw", "any_time"]
    flags.DEFINE_enum(
        "part", "all", parts, "table and curves, the curves alone, their figure alone, the runs that stop"
    )
    flags.DEFINE_bool("readme", False, "put the table into the project's README")


def main(argv):
    seeds = whole_numbers("seeds", FLAGS.seeds)
    results = pathlib.Path(FLAGS.results)
    results.mkdir(exist_ok=True)
    if FLAGS.part == "any_time":
        report_any_time(seeds, results)
        return 0
    if FLAGS.part != "draw":
        folders = {preset: [fit(preset, seed) for seed in seeds] for preset in PRESETS}
        write_curves(folders, results / f"{FLAGS.name}_curves.json")
    if FLAGS.part == "all":
        report(folders, results)
    draw_curves(results / f"{FLAGS.name}_curves.json")
    return 0


def report(folders, results):
    """Table, pictures and data of finished runs."""
    rows = [row(preset, [read(folder) for folder in folders[preset]]) for preset in PRESETS]
    write_json(results / f"{FLAGS.name}.json", rows)
    expected = published()
    theirs = rows[0]["image_sha256"] == expected["image_sha256"] and FLAGS.epochs == expected["epochs"]
    table = markdown(rows, expected["psnr_db"] if theirs else None)
    (results / f"{FLAGS.name}.md").write_text(table)
    draw(folders, rows, results / f"{FLAGS.name}.png")
    if FLAGS.readme:
        put_between(ROOT / "README.md", "<!-- four networks -->", table)
    print(table)
    if theirs:
        short = missed(rows, expected)
        print(f"short of the published results: {', '.join(short)}" if short else "the published results are reached")


def published():
    return json.loads((HERE / "expected.json").read_text())


def write_curves(folders, path):
    """The curves' data, so that they can be drawn without the runs."""
    data = {"seeds": [int(seed) for seed in FLAGS.seeds], **curves.collected(folders, read(folders[PRESETS[0]][0]))}
    path.write_text(json.dumps(data) + "\n")


def draw_curves(path):
    """The figure beside the curves' data."""
    if not path.exists():
        raise InputError(f"{path} is missing: give --part=curves first")
    data, expected = json.loads(path.read_text()), published()
    theirs = data["image_sha256"] == expected["image_sha256"] and data["epochs"][-1] == expected["epochs"]
    points = curves.published_points(expected) if theirs else None
    curves.draw(data, points, path.with_suffix(".png"))


def report_any_time(seeds, results):
    """PSNR over all pixels of runs that end, and go on, at the epochs that descent has points of: data and table."""
    expected = published()
    if load_image(FLAGS.image).sha256 != expected["image_sha256"]:
        raise InputError(f"image must be descent's cat for --part=any_time, received {FLAGS.image}")
    epochs, points = curves.published_points(expected)
    rows = []
    for preset in PRESETS:
        for epoch, point in zip(epochs, points[preset], strict=True):
            runs = [ended(preset, seed, epoch) for seed in seeds]
            row = {"preset": preset, "epochs": epoch, "steps": runs[0]["steps"], "seeds": seeds}
            row |= {"psnr_db": [run["psnr_db"] for run in runs], "published_db": -10 * math.log10(point)}
            row |= {"train_seconds": [run["train_seconds"] for run in runs], "device": runs[0]["device"]}
            rows.append({**row, "versions": runs[0]["versions"], "image_sha256": runs[0]["image_sha256"]})
    write_json(results / f"{FLAGS.name}_any_time.json", {"format_version": 1, "rows": rows})
    table = any_time_table(rows)
    page = results.parent / "README.md"
    if page.exists():
        put_between(page, "<!-- any time -->", table)
    print(table)


def ended(preset, seed, epoch):
    """The figures of a run when it ended at an epoch, kept beside it: it has gone on since."""
    kept = ROOT / "runs" / "descent" / FLAGS.name / "any_time" / f"{preset}-{seed}-{epoch}.json"
    if not kept.exists():
        write_json(kept, read(fit(preset, seed, epoch, "any_time")))
    return json.loads(kept.read_text())


def any_time_table(rows):
    """Ours beside descent's, a column for each epoch."""
    epochs = list(dict.fromkeys(row["epochs"] for row in rows))
    lines = [f"| network | {' | '.join(f'epoch {epoch}' for epoch in epochs)} |", "| --- |" + " ---: |" * len(epochs)]
    for preset in dict.fromkeys(row["preset"] for row in rows):
        own = [row for row in rows if row["preset"] == preset]
        cells = [f"{statistics.mean(row['psnr_db']):.2f} / {row['published_db']:.2f}" for row in own]
        lines.append(f"| `{preset}` | {' | '.join(cells)} |")
    seeds = ", ".join(map(str, rows[0]["seeds"]))
    devices = " and ".join(dict.fromkeys(row["device"] for row in rows))
    where = f"{devices}, TensorFlow {rows[0]['versions']['tensorflow']}"
    return "\n".join(lines) + f"\n\nPSNR (dB), ours / descent's. Means of seeds {seeds}; {where}.\n"


def fit(preset, seed, epochs=None, variant=""):
    """The run folder of one network and seed, for --epochs or another number of them."""
    folder = ROOT / "runs" / "descent" / FLAGS.name / variant / f"{preset}-{seed}"
    command = [sys.executable, "-m", "keras_inr", "fit", f"--flagfile={HERE / 'configs' / preset}.cfg"]
    command += [f"--flagfile={HERE / 'configs' / variant}.cfg"] if variant else []
    command += [f"--image={FLAGS.image}", f"--epochs={epochs or FLAGS.epochs}", f"--seed={seed}"]
    command += [f"--out={folder}", "--resume"]
    if subprocess.run([*command, "--preview_every=0", "--notensorboard"]).returncode:
        raise InputError(f"the run in {folder} failed")
    return folder


def read(folder):
    return json.loads((folder / "metrics.json").read_text())


def row(preset, runs):
    """What the runs of one network have in common, and mean and spread of what they do not."""
    psnr, ssim = [run["psnr_db"] for run in runs], [run["ssim"] for run in runs]
    return {
        "preset": preset,
        "num_parameters": runs[0]["num_parameters"],
        "steps": runs[0]["steps"],
        "points_per_step": runs[0]["points_per_step"],
        "image": pathlib.Path(runs[0]["image"]).name,
        "image_sha256": runs[0]["image_sha256"],
        "seeds": [run["seed"] for run in runs],
        "psnr_db": psnr,
        "psnr_db_mean": statistics.mean(psnr),
        "psnr_db_sd": statistics.stdev(psnr) if len(psnr) > 1 else None,
        "ssim_mean": statistics.mean(ssim),
        "train_seconds": [run["train_seconds"] for run in runs],
        "train_seconds_mean": statistics.mean(run["train_seconds"] for run in runs),
        "device": runs[0]["device"],
        "versions": runs[0]["versions"],
    }


def missed(rows, expected):
    """The networks whose mean stays more than the grace below the published figure."""
    return [r["preset"] for r in rows if r["psnr_db_mean"] < expected["psnr_db"][r["preset"]] - expected["grace_db"]]


def markdown(rows, theirs):
    """The table, with the published figures beside ours where picture and budget are theirs."""
    published = (" published |", " ---: |") if theirs else ("", "")
    lines = [f"| network | parameters | steps | seconds | PSNR (dB) |{published[0]} SSIM |"]
    lines.append(f"| --- | ---: | ---: | ---: | ---: |{published[1]} ---: |")
    for r in rows:
        spread = "" if r["psnr_db_sd"] is None else f" ± {r['psnr_db_sd']:.2f}"
        beside = f" {theirs[r['preset']]:.1f} |" if theirs else ""
        lines.append(
            f"| `{r['preset']}` | {r['num_parameters']:,} | {r['steps']} | {r['train_seconds_mean']:.0f} "
            f"| {r['psnr_db_mean']:.2f}{spread} |{beside} {r['ssim_mean']:.4f} |"
        )
    count, plural = len(rows[0]["seeds"]), "s" if len(rows[0]["seeds"]) > 1 else ""
    where = f"{rows[0]['device']}, TensorFlow {rows[0]['versions']['tensorflow']}"
    seeds = f"{count} seed{plural} ({', '.join(map(str, rows[0]['seeds']))})"
    lines.append(f"\n`{rows[0]['image']}`, {rows[0]['points_per_step']} points a step, {seeds}; {where}.")
    return "\n".join(lines) + "\n"


def draw(folders, rows, path):
    """The pictures side by side, whole and magnified in the middle."""
    signal = load_image(FLAGS.image)
    original = to_uint8(signal.values)
    pictures = [("original", original)]
    for r in rows:
        picture = np.atleast_3d(np.asarray(Image.open(folders[r["preset"]][0] / "reconstruction.png")))
        pictures.append((f"{r['preset']}\n{r['psnr_db'][0]:.2f} dB", picture))
    height, width = original.shape[:2]
    side = min(height, width) // 4
    top, left = height * 2 // 5 - side // 2, width // 2 - side // 2
    figure = matplotlib.figure.Figure(figsize=(11, 2.2 * height / width + 2.9), dpi=140, layout="constrained")
    axes = figure.subplots(2, len(pictures), height_ratios=[height / width, 1])
    for column, (title, picture) in enumerate(pictures):
        axes[0, column].set_title(title, fontsize=9)
        picture = np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture
        axes[0, column].imshow(picture, interpolation="antialiased")
        axes[1, column].imshow(picture[top : top + side, left : left + side], interpolation="nearest")
    for axis in axes.ravel():
        axis.set_axis_off()
    figure.savefig(path)


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
