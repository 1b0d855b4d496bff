"""The whole picture as it is now: fitted blocks, and where there are none yet a small field of all of it."""

import pathlib
import time

import numpy as np

from keras_inr.blocks.survey import Survey, reduced
from keras_inr.models.field import to_uint8
from keras_inr.models.lattice import Lattice
from keras_inr.presets import from_preset
from keras_inr.rendering.png import save_png
from keras_inr.signals.image import ImageSignal
from keras_inr.signals.resampling import resampled
from keras_inr.training.fitting import fit

SECONDS = 10.0
"""Between two pictures."""

COARSE_SIDE = 256
"""Pixels along the longer side of the picture that the small field is fitted to."""

COARSE_EPOCHS = 12


class Preview:
    """preview.png of a run.

    Args:
        path: of the picture.
        found: `Survey` of the picture.
        lattice: `Lattice` of the blocks.
    """

    def __init__(self, path: pathlib.Path, found: Survey, lattice: Lattice) -> None:
        self.path, self.lattice, self.factor = path, lattice, found.factor
        self.values = coarse(found.reduced)
        self.written = -float("inf")

    def add(self, block: int, values: np.ndarray) -> None:
        """Puts a fitted block into the picture: its values (height, width, channels), reduced like the survey's."""
        top, left = (corner + self.lattice.margin for corner in self.lattice.corner(block))
        row, column = top // self.factor, left // self.factor
        part = self.values[row : row + values.shape[0], column : column + values.shape[1]]
        part[...] = values[: part.shape[0], : part.shape[1]]

    def write(self, least_seconds: float = 0.0) -> None:
        """Writes the picture, unless one was written so many seconds ago."""
        if time.monotonic() - self.written >= least_seconds:
            save_png(self.path, to_uint8(self.values))
            self.written = time.monotonic()


def coarse(picture: np.ndarray) -> np.ndarray:
    """A small field of a reduced picture, drawn at its size."""
    height, width, channels = picture.shape
    scale = min(1.0, COARSE_SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    signal = ImageSignal(resampled(picture, *size, "area"), "reduced", "", 8)
    field = from_preset("pixel_grid", channels=channels, picture_size=size, seed=0)
    fit(field, signal, epochs=COARSE_EPOCHS, progress=False)
    return field.sample_grid(height, width)


def thumbnail(prediction: np.ndarray, lattice: Lattice, block: int, factor: int) -> np.ndarray:
    """A block's values, without its margin and what lies beyond the picture, reduced as the survey reduces them."""
    margin = lattice.margin
    top, left = (corner + margin for corner in lattice.corner(block))
    height, width = (
        min(side, whole - first)
        for side, whole, first in zip(lattice.cell, lattice.picture_size, (top, left), strict=True)
    )
    inner = prediction[margin : margin + height, margin : margin + width]
    return reduced(inner, factor, top % factor, left % factor)[0]
