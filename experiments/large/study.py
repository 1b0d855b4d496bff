"""Pictures larger than memory: mosaics of the Kodak pictures as fields of blocks; seconds, memory, bytes.

From the root of the repository: python -m experiments.large.study --pictures=FOLDER

The folder holds 01.png to 24.png of the Kodak suite. Each mosaic is fitted by `keras-inr fit` in a process of its own,
whose seconds are from its start to its end, with everything that a run leaves. Its memory is the most that it and the
process that it fits in held at one time. Run it on an idle machine. Finished runs are kept in --runs and not made
again. The results are results/runs.json and the tables of this folder's README.
"""

from keras_inr.cli import startup

if __name__ == "__main__":
    startup.start("large")

import json
import os
import pathlib
import sys

from absl import flags

from experiments.files import ROOT, put_between, write_json
from experiments.large.mosaic import write_mosaic
from experiments.watched import run_watched
from keras_inr.blocks.plan import plan_blocks
from keras_inr.blocks.pyramid import cell_of
from keras_inr.cli.block_fit import MISSED
from keras_inr.runs.facts import device_name, versions
from keras_inr.runs.folder import write_json as write_facts
from keras_inr.signals.codecs import encoded_bytes
from keras_inr.signals.large import open_image

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
MARKER = "<!-- large -->"
SIDES_MARKER = "<!-- sides -->"
MOSAICS = {
    "1 megapixel": ((1024, 1024), "40dB", 1024),
    "9 megapixels": ((3072, 3072), "40dB", 1024),
    "51 megapixels": ((6144, 8320), "36.5dB", 1024),
    "100 megapixels": ((9216, 10880), "36.5dB", 1024),
}
"""Name -> (height, width), the goal of each block, and --block_size."""

SIDES = {
    f"{name}, {told}": (size, "40dB", side)
    for name, size in (("1 megapixel", (1024, 1024)), ("4 megapixels", (2048, 2048)), ("9 megapixels", (3072, 3072)))
    for told, side in (("one field", 0), ("blocks of 512", 512), ("blocks of 1024", 1024), ("blocks of 2048", 2048))
    if side < size[0]
}
"""The same for one field, and for blocks of other sizes."""


def define_flags():
    flags.DEFINE_string("pictures", None, "folder with 01.png to 24.png", required=True)
    flags.DEFINE_list("only", list(MOSAICS), "which mosaics, or sides for one field and blocks of other sizes")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "large"), "folder where mosaics and finished runs are kept")


def main(argv):
    runs = pathlib.Path(FLAGS.runs)
    runs.mkdir(parents=True, exist_ok=True)
    kept = HERE / "results" / "runs.json"
    found = json.loads(kept.read_text())["runs"] if kept.exists() else {}
    for name in [each for some in FLAGS.only for each in (SIDES if some == "sides" else [some])]:
        found[name] = fitted(name, runs)
    found = {name: found[name] for name in (*MOSAICS, *SIDES) if name in found}
    write_json(kept, {"device": device_name(), "versions": versions(), "runs": found})
    for marker, names, lines in ((MARKER, MOSAICS, table(found)), (SIDES_MARKER, SIDES, table_of_sides(found))):
        if any(name in names for name in found):
            put_between(HERE / "README.md", marker, lines)
            print(lines)


def fitted(name, runs):
    """Figures of a mosaic's run, made unless it is there."""
    size, goal, side = {**MOSAICS, **SIDES}[name]
    folder = runs / name.replace(",", "").replace(" ", "-")
    facts = folder.with_suffix(".json")
    if facts.exists():
        return json.loads(facts.read_text())
    picture = runs / f"{name.split(',')[0].replace(' ', '-')}.tif"
    if not picture.exists():
        write_mosaic(FLAGS.pictures, picture, size)
    command = [sys.executable, "-m", "keras_inr", "fit", f"--image={picture}", f"--goal={goal}"]
    command += [f"--block_size={side}"] if side else ["--block_size=0", "--preset=auto"]
    load, run = os.getloadavg()[0], run_watched([*command, f"--out={folder}", "--overwrite"], ROOT)
    if run.code not in (0, MISSED):
        raise RuntimeError(f"the run of {name} failed")
    metrics = json.loads((folder / "metrics.json").read_text())
    row = {name: metrics[name] for name in ("psnr_db", "ssim", "num_parameters", "train_seconds")}
    row |= {"blocks": metrics.get("blocks", [1, 1]), "goal": goal.replace("dB", " dB")}
    row |= {"size": list(size), "seconds": round(run.seconds, 1), "load_before": load, "peak_mb": round(run.peak_mb)}
    row["model_bytes"] = (folder / "model.keras").stat().st_size
    row["jpeg_bytes"] = jpeg_bytes(picture, metrics["psnr_db"])
    write_facts(facts, row)
    return row


def jpeg_bytes(path, psnr_db):
    """Bytes of a JPEG of the same PSNR, from an even sample of the picture's blocks."""
    with open_image(path) as picture:
        lattice = plan_blocks(picture, path).lattice
        blocks = range(0, lattice.num_blocks, max(1, lattice.num_blocks // 8))
        total = pixels = 0
        for block in blocks:
            _, _, values = cell_of(picture, lattice, block)
            total += encoded_bytes("JPEG", values, psnr_db)
            pixels += values.shape[0] * values.shape[1]
        return round(total * picture.height * picture.width / pixels)


def table(found):
    """Markdown."""
    lines = [
        "| mosaic | pixels | blocks | goal | PSNR (dB) | SSIM | seconds | seconds a megapixel | most memory (MB) "
        "| model (MB) | JPEG of the same PSNR (MB) |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found.items():
        if name not in MOSAICS:
            continue
        (height, width), (rows, columns) = row["size"], row["blocks"]
        lines.append(
            f"| {name} | {height} x {width} | {rows} x {columns} | {row['goal']} | **{row['psnr_db']:.2f}** "
            f"| {row['ssim']:.4f} | {row['seconds']:.0f} | {row['seconds'] * 1e6 / (height * width):.1f} "
            f"| {row['peak_mb']} | {row['model_bytes'] / 1e6:.1f} | {row['jpeg_bytes'] / 1e6:.1f} |"
        )
    return "\n".join(lines) + "\n"


def table_of_sides(found):
    """Markdown: one field, and blocks of several sizes, to the same goal on the same picture."""
    lines = [
        "| mosaic | as | blocks | PSNR (dB) | seconds | most memory (MB) | weights (million) | weights a pixel |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found.items():
        if name in SIDES:
            mosaic, told = name.split(", ")
            (height, width), (rows, columns) = row["size"], row["blocks"]
            blocks = "" if told == "one field" else f"{rows} x {columns}"
            lines.append(
                f"| {mosaic} | {told} | {blocks} | {row['psnr_db']:.2f} | {row['seconds']:.0f} | {row['peak_mb']} "
                f"| {row['num_parameters'] / 1e6:.1f} | {row['num_parameters'] / (height * width):.2f} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
