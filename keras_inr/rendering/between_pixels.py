"""What a field is worth between the pixels of its picture, and a rendering that is never noise there."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr._arguments import one_of
from keras_inr.coordinates import picture_box, pixel_pitch
from keras_inr.metrics import finite, psnr
from keras_inr.rendering.spline import BORDER, SMALLER, CubicSpline

WAYS = ("auto", "field", "spline")
MOST_SIDE = 1024
"""Pixels along a side of the part, around the centre, that a field is judged by."""

NEARER_DB = 6.0
"""How much nearer to the spline than bilinear interpolation a field must be to be shown itself."""

HALFWAY = ((1, 1), (1, 0), (0, 1))
"""Where the field is looked at, in half pixels down and across from the centres."""


@dataclasses.dataclass(frozen=True)
class BetweenPixels:
    """How a field runs between the pixels that it was fitted to.

    Attributes:
        psnr_db: of the field halfway between neighbouring pixel centres, against the cubic spline through its values
            at the centres.
        bilinear_psnr_db: of bilinear interpolation between these values, against the same spline.

    What a picture shows between its pixels is not known; what interpolations differ by is about what there is to win.
    A field that differs from the spline by as much as bilinear interpolation does is no better, and one that differs by
    more has noise there.
    """

    psnr_db: float
    bilinear_psnr_db: float

    @property
    def is_smooth(self) -> bool:
        """Whether the field is 6 dB nearer to the spline than bilinear interpolation is."""
        return self.psnr_db >= self.bilinear_psnr_db + NEARER_DB

    @property
    def figures(self) -> dict[str, Any]:
        """For metrics.json."""
        known = {"psnr_db": finite(self.psnr_db), "bilinear_psnr_db": finite(self.bilinear_psnr_db)}
        return {**known, "shown_by": "field" if self.is_smooth else "spline"}


def between_pixels(field: keras.Model) -> BetweenPixels | None:
    """How a single field runs between its picture's pixels; None for a picture of less than 2 x 2.

    Of a large picture the middle 1024 x 1024 pixels are looked at.

    >>> from keras_inr.models import MultiHash, Siren
    >>> between_pixels(Siren(units=(8,), picture_size=(40, 60), seed=0)).is_smooth
    True
    >>> between_pixels(MultiHash(table_size=64, picture_size=(40, 60), seed=0)).is_smooth
    False
    """
    height, width = field.picture_size
    rows, columns = min(height, MOST_SIDE), min(width, MOST_SIDE)
    if min(rows, columns) < 2:
        return None
    x, y = columns / max(height, width), rows / max(height, width)
    half = pixel_pitch(height, width) / 2
    centres = field.sample_grid(rows, columns, (-x, -y, x, y), supersampling=1)
    spline = CubicSpline(centres)
    found: dict[str, list[np.ndarray]] = {"spline": [], "field": [], "bilinear": []}
    for down, across in HALFWAY:
        box = (-x + across * half, -y + down * half, x - across * half, y - down * half)
        size = rows - down, columns - across
        places = np.meshgrid(*(np.arange(side) + step / 2 for side, step in zip(size, (down, across), strict=True)))
        found["spline"].append(spline([place.T for place in places]))
        found["field"].append(field.sample_grid(*size, box, supersampling=1))
        corners = [centres[i : i + size[0], j : j + size[1]] for i in {0, down} for j in {0, across}]
        found["bilinear"].append(np.mean(corners, axis=0))
    joined = {
        name: np.concatenate([part.reshape(-1) for part in parts])[:, None, None] for name, parts in found.items()
    }
    return BetweenPixels(*(psnr(joined["spline"], joined[name]) for name in ("field", "bilinear")))


def is_enlarged(field: keras.Model, box: Sequence[float], height: int, width: int) -> bool:
    """Whether the pixels of a raster over a box are smaller than those of the field's picture."""
    if field.picture_size is None or field.num_fields is not None:
        return False
    sides = (abs(box[3] - box[1]) / height, abs(box[2] - box[0]) / width)
    return min(sides) < SMALLER * pixel_pitch(*field.picture_size)


def way_of(way: str, field: keras.Model, box: Sequence[float], height: int, width: int) -> str:
    """ "field" or "spline", in the place of "auto": a spline for enlargements by a field that is not smooth."""
    one_of("between", way, WAYS)
    if way != "auto":
        return way
    found = between_pixels(field) if is_enlarged(field, box, height, width) else None
    return "field" if found is None or found.is_smooth else "spline"


class Spline:
    """The cubic spline through a field's values at its picture's pixel centres; constant beyond the outermost.

    Called with coords (N, 2) it gives values (N, channels), as the field does. Only pixels that matter in a box are
    asked for: those in it, and `BORDER` more on each side, beyond which a pixel counts for less than 1e-6.

    Args:
        field: a single `Field` with a picture_size.
        box: (x0, y0, x1, y1), where it is called; None is the whole picture.
    """

    def __init__(self, field: keras.Model, box: Sequence[float] | None = None) -> None:
        self.size, self.dtype = field.picture_size, field.values_dtype
        self.first, sides = self._pixels_of(picture_box(*self.size) if box is None else box)
        (top, left), (rows, columns) = self.first, sides
        (x0, y0), (x1, y1) = (self._coords(*corner) for corner in ((top, left), (top + rows, left + columns)))
        self.spline = CubicSpline(field.sample_grid(rows, columns, (x0, y0, x1, y1), supersampling=1))

    def _pixels_of(self, box: Sequence[float]) -> tuple[tuple[int, int], tuple[int, int]]:
        """(row, column) of the first pixel that matters in a box, and (rows, columns)."""
        first, sides = [], []
        for side, edges in zip(self.size, ((box[1], box[3]), (box[0], box[2])), strict=True):
            places = [(edge * max(self.size) + side) / 2 for edge in edges]
            start = min(max(0, math.floor(min(places)) - BORDER), side - 1)
            first.append(start)
            sides.append(max(1, min(side, math.ceil(max(places)) + BORDER) - start))
        return (first[0], first[1]), (sides[0], sides[1])

    def _coords(self, row: int, column: int) -> tuple[float, float]:
        """(x, y) of a pixel's upper left corner."""
        height, width = self.size
        return (2 * column - width) / max(self.size), (2 * row - height) / max(self.size)

    def __call__(self, coords: tf.Tensor) -> tf.Tensor:
        height, width = self.size
        scale, (row, column) = max(self.size) / 2, self.first
        x, y = np.moveaxis(np.asarray(coords, np.float64), -1, 0)
        places = (y * scale + (height - 1) / 2 - row, x * scale + (width - 1) / 2 - column)
        return tf.convert_to_tensor(self.spline(places), self.dtype)
