"""The whole picture as it is now: the coarsest field, and on it the blocks that are fitted."""

import pathlib
import time

import numpy as np

from keras_inr.blocks.pyramid import reduced
from keras_inr.models.field import to_uint8
from keras_inr.models.lattice import Lattice
from keras_inr.rendering.png import save_png

SECONDS = 10.0
"""Between two pictures."""


class Preview:
    """preview.png of a run, of the size of the most reduced picture.

    Args:
        path: of the picture.
        lattices: of the picture and its reduced ones.
        channels: of the picture.
    """

    def __init__(self, path: pathlib.Path, lattices: list[Lattice], channels: int) -> None:
        self.path, self.lattices = path, lattices
        self.values = np.full((*lattices[-1].picture_size, channels), 0.5, np.float32)
        self.levels = np.full(lattices[-1].picture_size, len(lattices))
        self.written = time.monotonic()

    def add(self, level: int, block: int, values: np.ndarray) -> None:
        """Puts a fitted block into the picture, unless finer ones are there: its `thumbnail`."""
        lattice, factor = self.lattices[level], self.factor(level)
        top, left = ((corner + lattice.margin) // factor for corner in lattice.corner(block))
        place = (slice(top, top + values.shape[0]), slice(left, left + values.shape[1]))
        coarser = self.levels[place] >= level
        self.values[place] = np.where(coarser[..., None], values, self.values[place])
        self.levels[place] = np.minimum(self.levels[place], level)

    def factor(self, level: int) -> int:
        """Pixels of a level's picture along each side of one of the preview."""
        return 4 ** (len(self.lattices) - 1 - level)

    def write(self, least_seconds: float = 0.0) -> None:
        """Writes the picture, unless one was written so many seconds ago."""
        if time.monotonic() - self.written >= least_seconds:
            save_png(self.path, to_uint8(self.values))
            self.written = time.monotonic()


def thumbnail(prediction: np.ndarray, lattice: Lattice, block: int, factor: int) -> np.ndarray:
    """A block's values, without its margin and what lies beyond the picture, as means of factor x factor pixels."""
    margin = lattice.margin
    top, left = (corner + margin for corner in lattice.corner(block))
    height, width = (
        min(lattice.cell[0], lattice.picture_size[0] - top),
        min(lattice.cell[1], lattice.picture_size[1] - left),
    )
    return reduced(prediction[margin : margin + height, margin : margin + width], factor)
