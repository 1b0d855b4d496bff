"""NumPy arrays as pictures."""

import hashlib

import numpy as np

from keras_inr.signals.errors import ImageError
from keras_inr.signals.raster import Raster, check_pixels

_MODELS = {1: ("grey", False), 2: ("grey", True), 3: ("rgb", False), 4: ("rgb", True)}


def raster_from_array(array, max_pixels):
    """Raster of an array (H, W) or (H, W, 1 | 2 | 3 | 4): grey, grey and alpha, RGB, RGBA, already sRGB-coded.

    Integers uint8 and uint16 span [0, 255] and [0, 65535], booleans are black and white, floats must lie in [0, 1].
    Raises ImageError for any other shape, dtype or value. The samples are the array itself, not a copy.

    >>> raster_from_array(np.zeros((2, 3), "uint8"), max_pixels=6).samples.shape
    (2, 3, 1)
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in _MODELS:
        raise ImageError(
            f"source must be an array of shape (H, W) or (H, W, C) with C in 1, 2, 3, 4, received shape {array.shape}"
        )
    check_pixels(*array.shape[:2], max_pixels)
    model, has_alpha = _MODELS[array.shape[2]]
    peak, bit_depth = _range_of(array)
    if array.dtype.kind == "f":
        check_unit_range(array)
    return Raster(array, model, has_alpha, peak, bit_depth)


def _range_of(array):
    """(peak, bit_depth) of a supported dtype."""
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        return 1, 8
    if kind == "u" and width <= 2:
        return (255, 8) if width == 1 else (65535, 16)
    if kind == "f":
        return 1, 32
    raise ImageError(f"source must be an array of uint8, uint16, bool or float, received dtype {array.dtype}")


def check_unit_range(values):
    """Raises ImageError unless all floating-point values are finite and in [0, 1]."""
    low, high = values.min(), values.max()  # NaN wherever there is one
    if not (low >= 0 and high <= 1):
        raise ImageError(f"source has floating-point values, which must lie in [0, 1], received {low:g} to {high:g}")


def array_sha256(array):
    """Hex SHA-256 of dtype, shape and values, the same on machines of either byte order."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str}{array.shape}".encode())
    digest.update(little.tobytes())
    return digest.hexdigest()
