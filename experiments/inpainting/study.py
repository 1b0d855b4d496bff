"""Who completes a picture best, a field that is fitted to what is left of it, or biharmonic inpainting?

From the root of the repository: python -m experiments.inpainting.study

Data and figure go to experiments/inpainting/results/, the table into the page, experiments/inpainting/README.md.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("inpainting")

import dataclasses
import pathlib
import statistics
import sys
import time

import numpy as np
from absl import flags
from skimage.restoration import inpaint_biharmonic

from experiments.files import put_between, whole_numbers, write_csv
from experiments.inpainting.masks import MASKS
from experiments.pictures import short_name
from keras_inr.choosing.choice import recipe_for_any_time
from keras_inr.errors import InputError
from keras_inr.metrics import psnr
from keras_inr.models.field import to_uint8
from keras_inr.presets import from_preset
from keras_inr.runs.canvas import GREY, INK, blank_figure, draw_text, font, rasterized, text_width, write_png
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
IMAGES = ["sample:chelsea", "sample:astronaut", "sample:coffee"]
BIHARMONIC = "biharmonic"
COLUMNS = ("image", "mask", "hidden", "method", "psnr_masked_db", "psnr_db", "seconds")
MARKER = "<!-- table -->"
ZOOM, GAP, FONT = 2, 8, 16
HIDDEN = 0.5
"""The grey of what is hidden, in the figure."""

# Bandwidth goes with the pixel pitch, as in experiments/upscaling: how it was chosen is told in README.md.
FIELDS = {
    "siren_256": lambda size: (
        {"omega_0": 0.06 * max(size)},
        {"steps": 400, "batch_size": 2048, "optimizer": "adam", "learning_rate": 1e-3},
    ),
    "pixel_grid": lambda size: ({}, {**recipe_for_any_time(size), "steps": 1200}),
    "multi_hash": lambda size: ({"finest_resolution": max(2, max(size) // 2)}, {"steps": 400, "batch_size": 4096}),
}
"""Preset -> function of (height, width) to its arguments and those of `fit`; what is not said is the preset's own."""

METHODS = (BIHARMONIC, *FIELDS)


def define_flags():
    flags.DEFINE_list("images", IMAGES, "pictures with commas between: paths or sample:NAME")
    flags.DEFINE_list("masks", list(MASKS), f"kinds of masks with commas between: {', '.join(MASKS)}")
    flags.DEFINE_integer("size", 128, "longer side that pictures are resized to", lower_bound=16)
    flags.DEFINE_list("seeds", ["0"], "seeds of initial weights and batches; figures are means over them")
    flags.DEFINE_integer("steps", None, "length of every fit instead of its own", lower_bound=1)
    flags.DEFINE_string("out", str(HERE), "folder of the page, whose table is replaced, and of results/")


def main(argv):
    seeds = whole_numbers("seeds", FLAGS.seeds)
    for name in FLAGS.masks:
        if name not in MASKS:
            raise InputError(f"masks must be some of {', '.join(MASKS)}, received {name}")
    rows, pictures = [], []
    for image in FLAGS.images:
        whole = load_image(image, size=FLAGS.size)
        for mask in FLAGS.masks:
            signal = dataclasses.replace(whole, weights=MASKS[mask](*whole.size))
            facts = {"image": short_name(image), "mask": mask, "hidden": int(np.sum(signal.weights == 0))}
            found, completed = compared(signal, seeds)
            rows += [{**facts, **row} for row in found]
            pictures.append((facts, signal, completed))
            messages.tell(f"{facts['image']}, {mask}: " + ", ".join(told(row) for row in found))
    out = pathlib.Path(FLAGS.out)
    write_csv(out / "results" / "inpainting.csv", COLUMNS, rows)
    shown = [panels(*picture, rows) for picture in pictures if picture[0]["image"] == short_name(FLAGS.images[0])]
    draw(shown, out / "results" / "inpainting.png")
    facts = f"Longer side {FLAGS.size} pixels, {seeds_told(seeds)}; {device_name()}.\n"
    put_between(out / "README.md", MARKER, f"{table(rows)}\n{verdict(rows)}\n\n{facts}")
    print(table(rows), verdict(rows), sep="\n")
    return 0


def compared(signal, seeds):
    """(rows, pictures) of every method, one row and the first seed's picture each."""
    hidden = signal.weights == 0
    started = time.perf_counter()
    smooth = inpaint_biharmonic(np.where(hidden[..., None], 0, signal.values), hidden, channel_axis=-1)
    seconds = time.perf_counter() - started
    psnr_masked_db = psnr(signal.values[hidden], smooth[hidden])
    rows = [{"method": BIHARMONIC, "psnr_masked_db": round(psnr_masked_db, 3), "psnr_db": None, "seconds": seconds}]
    pictures = {BIHARMONIC: smooth}
    for preset in FIELDS:
        arguments, recipe = FIELDS[preset](signal.size)
        recipe |= {} if FLAGS.steps is None else {"steps": FLAGS.steps}
        results = []
        for seed in seeds:
            field = from_preset(preset, channels=signal.channels, picture_size=signal.size, seed=seed, **arguments)
            results.append(fit(field, signal, seed=seed, progress=False, **recipe))
        means = {name: statistics.mean(getattr(r, name) for r in results) for name in ("psnr_masked_db", "psnr_db")}
        seconds = statistics.mean(result.train_seconds for result in results)
        rows.append({"method": preset, **{name: round(mean, 3) for name, mean in means.items()}, "seconds": seconds})
        pictures[preset] = results[0].prediction
    return [{**row, "seconds": round(row["seconds"], 2)} for row in rows], pictures


def told(row):
    return f"{row['method']} {row['psnr_masked_db']:.2f} dB"


def seeds_told(seeds):
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def names_of(rows, key):
    """The different values of a column, in their order."""
    return list(dict.fromkeys(row[key] for row in rows))


def means(rows, **which):
    """Method -> mean PSNR over the hidden pixels, of the rows that agree with what is asked for."""
    chosen = [row for row in rows if all(row[name] == value for name, value in which.items())]
    return {
        method: statistics.mean(row["psnr_masked_db"] for row in chosen if row["method"] == method)
        for method in METHODS
    }


def label(method):
    return method if method == BIHARMONIC else f"`{method}`"


def table(rows):
    """PSNR over the hidden pixels, a row for each mask and picture and one for the mean of each mask."""
    lines = ["| PSNR of what is hidden (dB) | " + " | ".join(map(label, METHODS)) + " |"]
    lines.append("| --- |" + " ---: |" * len(METHODS))
    for mask in names_of(rows, "mask"):
        for image in names_of(rows, "image"):
            lines.append(table_row(f"{mask}, {image}", means(rows, mask=mask, image=image)))
        lines.append(table_row(f"{mask}, mean", means(rows, mask=mask)))
    return "\n".join([*lines, table_row("mean of all", means(rows))]) + "\n"


def table_row(name, found):
    """A line with the best in bold."""
    best = f"{max(found.values()):.2f}"
    cells = [f"{value:.2f}" for value in found.values()]
    return f"| {name} | " + " | ".join(f"**{cell}**" if cell == best else cell for cell in cells) + " |"


def verdict(rows):
    """Who wins by the mean over the pictures, in one sentence, with the best of the other kind beside it."""
    parts, winners = [], []
    for mask in names_of(rows, "mask"):
        found = means(rows, mask=mask)
        best = max(found, key=found.get)
        others = FIELDS if best == BIHARMONIC else (BIHARMONIC,)
        other = max(others, key=found.get)
        winners.append(best)
        gap = f"{found[best]:.2f} dB to {found[other]:.2f} dB of {label(other)}"
        parts.append(f"{label(best)} on {mask} ({gap})")
    who = f"{label(winners[0])} wins throughout" if len(set(winners)) == 1 else "No method wins throughout"
    number = len(names_of(rows, "image"))
    pictures = f"{number} picture{'s' if number > 1 else ''}"
    return f"{who[0].upper()}{who[1:]}: by the mean over {pictures}, the winners are {', '.join(parts)}."


def panels(facts, signal, completed, rows):
    """(caption, picture) of what is left of a picture, and of every method."""
    left = np.where(signal.weights[..., None] > 0, signal.values, HIDDEN)
    found = [(f"{facts['image']}, {facts['mask']}", to_uint8(left))]
    values = means(rows, image=facts["image"], mask=facts["mask"])
    return found + [(f"{m}, {values[m]:.2f} dB", to_uint8(completed[m])) for m in METHODS]


def draw(cells, path):
    """A row of panels for each mask."""
    height, width = (side * ZOOM for side in cells[0][0][1].shape[:2])
    wide = max(width, *(int(text_width(caption, FONT)) + 1 for row in cells for caption, _ in row))
    down = height + 2 * FONT + GAP
    figure = blank_figure(len(cells[0]) * (wide + GAP) + GAP, len(cells) * down + GAP)
    places = []
    for row, line in enumerate(cells):
        for column, (caption, picture) in enumerate(line):
            x, y = GAP + column * (wide + GAP), GAP + row * down
            draw_text(figure, x, y + 1.1 * FONT, caption, "left", font(FONT), INK if column else GREY)
            shown = picture.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
            places.append((x, y + 2 * FONT, np.broadcast_to(shown, (height, width, 3))))

    def page():
        pixels = rasterized(figure)
        for x, y, picture in places:
            pixels[y : y + height, x : x + width] = picture
        return pixels

    write_png(path, page)


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
