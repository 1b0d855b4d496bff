"""The cubic spline through the pixels of a picture."""

from collections.abc import Sequence

import numpy as np

BORDER = 12
"""Pixels that a picture's border is repeated by, so that the spline does not know where it ends; as SciPy does."""

SMALLER = 0.95
"""A pixel whose side is less than this, in pixels of the picture, is one of an enlargement."""


class CubicSpline:
    """The cubic spline through values (H, W, C), filtered once; called with (rows, columns), it gives (..., C).

    Places are in pixels, whole numbers at pixel centres; beyond the outermost the values are those there.

    >>> ramp = CubicSpline(np.arange(5.0)[:, None, None] * np.ones((1, 4, 1)))
    >>> ramp((np.array([2.0, -1.0]), np.array([1.0, 0.5]))).round(6).tolist()
    [[2.0], [0.0]]
    """

    def __init__(self, values: np.ndarray) -> None:
        from scipy.ndimage import spline_filter  # takes long to import

        self.dtype = values.dtype
        self.order = min(3, *(side - 1 for side in values.shape[:2]))
        padded = np.pad(values, [(BORDER, BORDER)] * 2 + [(0, 0)], mode="edge")
        planes = np.moveaxis(padded, -1, 0)
        self.coefficients = [spline_filter(p, self.order, mode="nearest") if self.order > 1 else p for p in planes]

    def __call__(self, places: Sequence[np.ndarray]) -> np.ndarray:
        from scipy.ndimage import map_coordinates

        inside = [place + BORDER for place in places]
        shared = {"output": self.dtype, "order": self.order, "mode": "nearest", "prefilter": False}
        return np.stack([map_coordinates(plane, inside, **shared) for plane in self.coefficients], axis=-1)
