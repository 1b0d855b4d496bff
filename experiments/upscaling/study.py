"""Who enlarges a reduced photograph best, a filter or a field?

From the root of the repository: python -m experiments.upscaling.study --factors=2,4

Table, figures and data go to experiments/upscaling/results/. Fits are kept under runs/upscaling/ and are reused when
the command is given again.
"""

from keras_inr.cli import messages, startup

if __name__ == "__main__":
    startup.start("upscaling")

import dataclasses
import math
import pathlib
import statistics
import sys

import numpy as np
from absl import flags
from PIL import Image

from experiments.files import ROOT, whole_numbers, write_json
from experiments.pictures import reduced, short_name
from experiments.upscaling.upscaling import (
    BASELINES,
    FORMAT_VERSION,
    RECIPES,
    REDUCTIONS,
    UpscalingSettings,
    load_original,
    run_upscaling,
)
from keras_inr._files import atomic_path
from keras_inr.errors import InputError
from keras_inr.models.field import to_uint8
from keras_inr.runs.canvas import GREY, INK, blank_figure, draw_text, font, rasterized, text_width, write_png
from keras_inr.signals.resampling import resampled

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
IMAGES = ["sample:chelsea", "sample:astronaut", "sample:coffee", "sample:rocket", "sample:camera"]
FORMS = {"psnr_db": ("PSNR", "{:.2f}", " dB"), "ssim": ("SSIM", "{:.4f}", "")}
ZOOM = 4
GAP, FONT = 8, 16


def define_flags():
    flags.DEFINE_list("images", IMAGES, "pictures with commas between: paths, sample:NAME, tfds:NAME/SPLIT#INDEX")
    flags.DEFINE_integer("size", 256, "longer side of the originals; larger pictures are reduced to it")
    flags.DEFINE_list("factors", ["2", "4"], "by how much they are reduced and enlarged again")
    flags.DEFINE_enum("reduction", "area", REDUCTIONS, "mean of factor x factor pixels, or Lanczos of radius 3")
    flags.DEFINE_list("presets", list(RECIPES), f"architectures that are fitted: {', '.join(RECIPES)}")
    flags.DEFINE_list("seeds", ["0"], "seeds of initial weights and batches; figures are means over them")
    flags.DEFINE_integer("steps", None, "length of every fit instead of its recipe's; fewer may generalise better")
    flags.DEFINE_list("shown", None, "pictures of --images that the figures show; the first by default")
    flags.DEFINE_string("runs", str(ROOT / "runs" / "upscaling"), "folder where fits are kept")
    flags.DEFINE_string("out", str(HERE / "results"), "folder for the results")
    flags.DEFINE_string("name", "upscaling", "what the results are called")


def main(argv):
    settings = UpscalingSettings(
        images=tuple(FLAGS.images),
        factors=tuple(whole_numbers("factors", FLAGS.factors)),
        presets=tuple(FLAGS.presets),
        seeds=tuple(whole_numbers("seeds", FLAGS.seeds)),
        size=FLAGS.size,
        reduction=FLAGS.reduction,
        steps=FLAGS.steps,
    )
    shown = FLAGS.images[:1] if FLAGS.shown is None else FLAGS.shown
    if not set(shown) <= set(FLAGS.images):
        raise InputError(f"shown must be some of the images {','.join(FLAGS.images)}, received {','.join(shown)}")
    rows = run_upscaling(settings, FLAGS.runs, messages.tell)
    out = pathlib.Path(FLAGS.out)
    table = markdown(rows, settings)
    data = {"format_version": FORMAT_VERSION, "settings": dataclasses.asdict(settings), "rows": rows}
    write_json(out / f"{FLAGS.name}.json", data)
    with atomic_path(out / f"{FLAGS.name}.md") as temporary:
        temporary.write_text(table)
    for factor in settings.factors:
        draw(rows, settings, factor, shown, out / f"{FLAGS.name}_x{factor}.png")
    print(table, end="")
    return 0


def figures_of(rows, key, **which):
    """A figure of all rows that agree with what is asked for; exact ones are infinite."""
    found = [row for row in rows if all(row[name] == value for name, value in which.items())]
    return [math.inf if row[key] is None else row[key] for row in found]


def means(rows, key, methods, **which):
    """Each method's mean, over seeds and whatever else `which` leaves open."""
    return {method: statistics.mean(figures_of(rows, key, method=method, **which)) for method in methods}


def best_of(means, form):
    """The methods whose mean is the highest as far as it is shown."""
    highest = form.format(max(means.values()))
    return [method for method, mean in means.items() if form.format(mean) == highest]


def label(method):
    return {"bicubic": "bicubic", "lanczos": "Lanczos"}.get(method, f"`{method}`")


def markdown(rows, settings):
    """A table for each factor, what it was made with, and who wins."""
    methods = (*BASELINES, *settings.presets)
    lines = []
    for factor in settings.factors:
        lines += [f"| x{factor}: PSNR (dB) / SSIM | " + " | ".join(map(label, methods)) + " |"]
        lines += ["| --- |" + " ---: |" * len(methods)]
        for image in settings.images:
            lines.append(table_row(short_name(image), rows, methods, factor=factor, image=image))
        lines.append(table_row("mean", rows, methods, factor=factor))
        small = means(rows, "psnr_small_db", settings.presets, factor=factor)
        cells = ["" if method in BASELINES else f"{small[method]:.2f}" for method in methods]
        lines += ["| PSNR on the small picture | " + " | ".join(cells) + " |", ""]
    fields = [row for row in rows if row["method"] in settings.presets]
    steps = {row["method"]: f"`{row['method']}` {row['recipe']['steps']} steps" for row in fields}
    spread = max(
        statistics.stdev(figures_of(rows, "psnr_db", method=row["method"], factor=row["factor"], image=row["image"]))
        if len(settings.seeds) > 1 else 0.0 for row in fields
    )  # fmt: skip
    told = f"seed{'s' if len(settings.seeds) > 1 else ''} {', '.join(map(str, settings.seeds))}"
    told += f" (PSNR varies by up to {spread:.2f} dB between them, one sigma)" if len(settings.seeds) > 1 else ""
    facts = f"Longer side {settings.size} pixels, reduced by {settings.reduction}; {', '.join(steps.values())}; {told}"
    where = f"{fields[0]['device']}, TensorFlow {fields[0]['versions']['tensorflow']}"
    return "\n".join([*lines, f"{facts}; {where}.", "", verdict(rows, settings)]) + "\n"


def table_row(name, rows, methods, **which):
    """PSNR / SSIM of every method, the best of each in bold."""
    cells = {method: [] for method in methods}
    for key, (_, form, _) in FORMS.items():
        found = means(rows, key, methods, **which)
        best = best_of(found, form)
        for method, mean in found.items():
            cells[method].append(f"**{form.format(mean)}**" if method in best else form.format(mean))
    return f"| {name} | " + " | ".join(" / ".join(cells[method]) for method in methods) + " |"


def verdict(rows, settings):
    """Who wins by the mean over the pictures, in one sentence, with the best of the other kind beside it."""
    parts, winners = [], []
    for factor in settings.factors:
        for key, (name, form, unit) in FORMS.items():
            found = means(rows, key, (*BASELINES, *settings.presets), factor=factor)
            best = best_of(found, form)
            winners += [best]
            text = f"{' and '.join(map(label, best))} in {name} at x{factor} ({form.format(max(found.values()))}{unit}"
            for kind, members in (("filter", BASELINES), ("field", settings.presets)):
                if not set(members) & set(best):
                    other = max(members, key=found.get)
                    text += f"; best {kind}: {label(other)}, {form.format(found[other])}{unit}"
            parts.append(f"{text})")
    same = all(best == winners[0] for best in winners)
    who = "No method wins throughout"
    if same:
        who = f"{' and '.join(map(label, winners[0]))} win{'' if len(winners[0]) > 1 else 's'} throughout"
    count = f"{len(settings.images)} picture{'s' if len(settings.images) > 1 else ''}"
    return f"{who}: by the mean over {count}, the winners are {', '.join(parts)}."


def draw(rows, settings, factor, shown, path):
    """Each picture shown, whole and magnified in the middle: original and every enlargement."""
    cells = [panels(rows, settings, factor, image) for image in shown]
    columns = len(cells[0])
    drawn = [cell for row in cells for cell in row]
    size = max(max(math.ceil(text_width(caption, FONT)), whole.shape[1]) for caption, whole, _ in drawn)
    heights = [row[0][1].shape[0] + row[0][2].shape[0] + 2 * GAP + 2 * FONT for row in cells]
    figure = blank_figure(columns * (size + GAP) + GAP, sum(heights) + GAP)
    places = []
    for row, top in zip(cells, np.cumsum([GAP, *heights]).tolist(), strict=False):
        for column, (caption, whole, part) in enumerate(row):
            x = GAP + column * (size + GAP)
            draw_text(figure, x, top + 1.1 * FONT, caption, "left", font(FONT), INK if column else GREY)
            below = top + 2 * FONT
            places += [(x, below, whole), (x, below + whole.shape[0] + GAP, part)]

    def page():
        pixels = rasterized(figure)
        for x, y, panel in places:
            pixels[y : y + panel.shape[0], x : x + panel.shape[1]] = panel
        return pixels

    write_png(path, page)


def panels(rows, settings, factor, image):
    """(caption, whole, magnified middle) of the original and of every method, 8 bits."""
    original = load_original(image, settings.size, settings.factors)
    small = reduced(original, factor, settings.reduction)
    pictures = {"original": to_uint8(original.values)}
    for method in BASELINES:
        pictures[method] = to_uint8(resampled(small.values, *original.size, method))
    for preset in settings.presets:
        row = next(r for r in rows if (r["method"], r["factor"], r["image"]) == (preset, factor, image))
        with Image.open(pathlib.Path(FLAGS.runs) / row["picture"]) as picture:
            pictures[preset] = np.asarray(picture)
    height, width = original.height // ZOOM, original.width // ZOOM
    top, left = (original.height * 2 // 5) - height // 2, (original.width - width) // 2
    found = []
    for method, picture in pictures.items():
        whole = np.broadcast_to(np.atleast_3d(picture), (*picture.shape[:2], 3))
        part = whole[top : top + height, left : left + width].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
        psnr = figures_of(rows, "psnr_db", method=method, factor=factor, image=image)[:1]  # of the first seed
        name = label(method).strip("`") if psnr else f"{short_name(image)}, original"
        found.append((", ".join([name, *(f"{value:.2f} dB" for value in psnr)]), whole, part))
    return found


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
