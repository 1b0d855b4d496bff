"""Masks: how much each pixel of a picture counts, from a file or an array to weights."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_inr.errors import ImageError
from keras_inr.signals._arrays import check_not_masked
from keras_inr.signals._colour import srgb_values
from keras_inr.signals._decoding.decoded import oriented
from keras_inr.signals._decoding.metadata import warn_without_stopping
from keras_inr.signals._sources import Source, read_source

NEARLY_BLACK = 1 / 16
"""Of a mask's grey: what is darker was meant to be black, and a JPEG has not kept it."""


def read_mask(
    mask: Source, size: tuple[int, int], max_pixels: int, data_dir: str | os.PathLike[str] | None = None
) -> np.ndarray:
    """Weights (H, W) float32 in [0, 1] of a mask for a picture.

    Args:
        mask: what `load_image` takes as its mask.
        size: (height, width) that the picture has, upright, before it is cropped.
        max_pixels, data_dir: see `load_image`.

    Raises:
        ImageError: for a mask that cannot be read or has another size than the picture.

    >>> read_mask(np.array([[True, False, True]]), (1, 3), max_pixels=3).tolist()
    [[1.0, 0.0, 1.0]]
    """
    try:
        raster, name, _ = read_source(mask, max_pixels, data_dir)
    except ImageError as error:
        raise ImageError(f"mask cannot be read: {error}") from (error.__cause__ or error)
    raster = oriented(raster)
    if raster.samples.shape[:2] != size:
        told = "as large as the picture before crop and size, (height, width) ="
        raise ImageError(f"mask must be {told} {size}, received {raster.samples.shape[:2]} of {name}")
    weights = srgb_values(raster, "white", grayscale=True)[..., 0]
    _warn_of_mistakes(weights, name)
    return weights


def _warn_of_mistakes(weights, name):
    """Tells of a mask that leaves nothing out, and of one whose black is not quite black."""
    if np.all(weights == 1):
        warn_without_stopping(f"mask {name} is white everywhere: every pixel counts")
    number = int(np.count_nonzero((weights > 0) & (weights < NEARLY_BLACK)))
    if number:
        kept = "nearly black and count a little; JPEG does not keep black, PNG does"
        warn_without_stopping(f"mask {name} has pixels that are {kept}: {number}")


def resized_weights(weights: np.ndarray, height: int, width: int) -> np.ndarray:
    """Weights (H, W) laid on a height x width raster: means over the pixels that each new pixel touches, or 0.

    It is 0 where a pixel of weight 0 is touched, so that nothing of a hole is ever fitted.

    >>> resized_weights(np.array([[1.0, 1.0, 0.5, 0.5, 1.0, 0.0]], "float32"), 1, 3).tolist()
    [[1.0, 0.5, 0.0]]
    """
    if weights.shape == (height, width):
        return weights
    rows, columns = (_touched(*sides) for sides in ((weights.shape[0], height), (weights.shape[1], width)))
    number = np.outer(rows[1] - rows[0], columns[1] - columns[0])
    means = _sums(weights, rows, columns) / number
    return np.where(_sums(weights == 0, rows, columns) > 0, 0, means).astype("float32")


def _touched(side, new):
    """(first, last + 1) of the pixels along a side that each of its new pixels touches."""
    places = np.arange(new)
    return places * side // new, -(-(places + 1) * side // new)


def _sums(values, rows, columns):
    """Sums over rectangles of pixels, in float64."""
    table = np.zeros(tuple(side + 1 for side in values.shape))
    table[1:, 1:] = values.cumsum(axis=0, dtype="float64").cumsum(axis=1)
    (top, bottom), (left, right) = rows, columns
    return (
        table[np.ix_(bottom, right)]
        - table[np.ix_(top, right)]
        - table[np.ix_(bottom, left)]
        + table[np.ix_(top, left)]
    )


def signal_weights(weights: npt.ArrayLike, size: tuple[int, int]) -> np.ndarray:
    """Weights of a signal as C-contiguous float32 (H, W), read-only; ImageError for anything that is none.

    >>> signal_weights([[0.0, 0.0]], (1, 2))
    Traceback (most recent call last):
    ...
    keras_inr.errors.ImageError: weights (of a mask) must be above 0 for one pixel at least, received 0 for all
    """
    check_not_masked("weights", weights)
    array = np.asarray(weights)
    if array.shape != size or array.dtype.kind not in "fb":
        told = f"{array.dtype} of shape {array.shape}"
        raise ImageError(f"weights must be floats or booleans (height, width) = {size}, received {told}")
    if not (array.min() >= 0 and array.max() <= 1):
        raise ImageError(f"weights must be in [0, 1], received {array.min():g} to {array.max():g}")
    array = np.ascontiguousarray(array, "float32").view()
    if not array.any():
        raise ImageError("weights (of a mask) must be above 0 for one pixel at least, received 0 for all")
    array.flags.writeable = False
    return array


def weights_of(signal: Any) -> np.ndarray | None:
    """The weights of an `ImageSignal`, None where all pixels count alike, and for what else may be fitted."""
    return getattr(signal, "weights", None)


def counts_of(signal: Any) -> np.ndarray | None:
    """Bool (H, W), True where a pixel of a signal takes part; None where all do."""
    weights = weights_of(signal)
    return None if weights is None or weights.all() else weights > 0


def num_counting(signal: Any) -> int:
    """How many pixels of a signal take part."""
    weights = weights_of(signal)
    height, width = signal.values.shape[:2]
    return height * width if weights is None else int(np.count_nonzero(weights))


def counting(signal: Any, values: np.ndarray) -> np.ndarray:
    """Of values (H, W, C) those of the pixels that take part, (N, C); all as they are where all do."""
    counts = counts_of(signal)
    return values if counts is None else values[counts]


def filled(signal: Any) -> np.ndarray:
    """Values (H, W, C) of a signal, each pixel that takes no part with those of the nearest one that does."""
    counts = counts_of(signal)
    if counts is None:
        return signal.values
    from scipy.ndimage import distance_transform_edt  # here, as few need it

    rows, columns = distance_transform_edt(~counts, return_distances=False, return_indices=True)
    return signal.values[rows, columns]
