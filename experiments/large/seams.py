"""A corner at which four blocks meet, to look at: whether there is a seam.

From the root of the repository: python -m experiments.large.seams --mosaic=9-megapixels.tif --run=FINISHED

The run is one of `study`. The picture is results/seams.png; the mean error on the lines between blocks and elsewhere is
printed beside it.
"""

from keras_inr.cli import startup

if __name__ == "__main__":
    startup.start("large_seams")

import pathlib
import sys

import matplotlib.figure
import numpy as np
from absl import flags

from keras_inr._files import atomic_path
from keras_inr.blocks.store import open_blocks
from keras_inr.coordinates import picture_box
from keras_inr.derivatives import jacobian
from keras_inr.signals.large import open_image

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
SIDE = 192
AMPLIFIED = 16


def define_flags():
    flags.DEFINE_string("mosaic", None, "the picture", required=True)
    flags.DEFINE_string("run", None, "folder of the finished run", required=True)


def main(argv):
    field = open_blocks(FLAGS.run)
    rows, columns = (cell for cell in field.lattice.cell)
    top, left = rows - SIDE // 2, columns - SIDE // 2
    with open_image(FLAGS.mosaic) as picture:
        original = picture.window(top, left, SIDE, SIDE)
    box, coords = part(field.picture_size, top, left)
    shown = np.clip(field.render(SIDE, SIDE, box=box) / 255, 0, 1)
    slopes = np.asarray(jacobian(field, coords)).reshape(SIDE, SIDE, -1)
    length = np.linalg.norm(slopes, axis=-1)
    error = np.abs(shown - original)
    panels = {
        "original": original,
        "field of blocks": shown,
        f"error x {AMPLIFIED}": np.clip(AMPLIFIED * error, 0, 1),
        "length of its gradient": length / np.percentile(length, 99),
    }
    draw(panels)
    report(error.mean(axis=-1), field.lattice.margin)


def part(size, top, left):
    """The box of a part of a picture, and the centres of its pixels."""
    x0, y0, x1, y1 = picture_box(*size)
    height, width = size
    across, down = (x1 - x0) / width, (y1 - y0) / height
    box = (x0 + left * across, y0 + top * down, x0 + (left + SIDE) * across, y0 + (top + SIDE) * down)
    x, y = np.meshgrid(x0 + (left + np.arange(SIDE) + 0.5) * across, y0 + (top + np.arange(SIDE) + 0.5) * down)
    return box, np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def draw(panels):
    """Four panels, marks at their edges where the blocks meet."""
    figure = matplotlib.figure.Figure(figsize=(14, 4), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axes.imshow(values, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title)
        axes.set_xticks([SIDE / 2 - 0.5], ["blocks meet"])
        axes.set_yticks([SIDE / 2 - 0.5], [""])
        axes.tick_params(top=True, right=True)
    with atomic_path(HERE / "results" / "seams.png") as temporary:
        figure.savefig(temporary, dpi=110)


def report(error, margin):
    """Prints the mean error where blocks overlap, and elsewhere."""
    near = np.abs(np.arange(SIDE) - (SIDE - 1) / 2) < margin
    overlap = near[:, None] | near[None, :]
    print(f"mean error where blocks overlap {error[overlap].mean():.5f}, elsewhere {error[~overlap].mean():.5f}")


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
