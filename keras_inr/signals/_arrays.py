"""NumPy arrays as pictures."""

import hashlib

import numpy as np
import numpy.typing as npt

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Raster, check_pixels

_MODELS = {1: ("grey", False), 2: ("grey", True), 3: ("rgb", False), 4: ("rgb", True)}
OVERSHOOT = 0.5
"""By how much a signal's values may leave [0, 1]: more than resizing ever does, and less than another scale would."""


def raster_from_array(array: np.ndarray, max_pixels: int) -> Raster:
    """Raster of an array (H, W) or (H, W, 1 | 2 | 3 | 4): grey, grey and alpha, RGB, RGBA, already sRGB-coded.

    Integers uint8 and uint16 span [0, 255] and [0, 65535], booleans are black and white, floats must lie in [0, 1].
    Raises ImageError for any other shape, dtype or value, and for a masked array. The samples are the array itself,
    not a copy.

    >>> raster_from_array(np.zeros((2, 3), "uint8"), max_pixels=6).samples.shape
    (2, 3, 1)
    """
    check_not_masked("source", array)
    _check_shape(array.shape)
    if array.ndim == 2:
        array = array[..., None]
    height, width = array.shape[:2]
    check_pixels(height, width, max_pixels)
    model, has_alpha = _MODELS[array.shape[2]]
    peak, bit_depth = _range_of(array.dtype)
    if array.dtype.kind == "f":
        check_unit_range(array, "source")
    return Raster(array, model, has_alpha, peak, bit_depth)


def check_array(shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raises ImageError for an array that `raster_from_array` would not take, as far as shape and dtype tell."""
    _check_shape(shape)
    _range_of(dtype)


def _check_shape(shape):
    if len(shape) not in (2, 3) or (*shape, 1)[2] not in _MODELS:
        raise ImageError(
            "source must be an array of shape (H, W) or (H, W, C) with C in 1, 2, 3, 4, "
            f"received shape {shape}{channels_first_advice('source', shape)}"
        )


def _range_of(dtype: np.dtype) -> tuple[int, int]:
    """(peak, bit_depth) of a supported dtype."""
    kind, width = dtype.kind, dtype.itemsize
    if kind == "b":
        return 1, 8
    if kind == "u" and width <= 2:
        return (255, 8) if width == 1 else (65535, 16)
    if kind == "f":
        return 1, 32
    raise ImageError(f"source must be an array of uint8, uint16, bool or float, received dtype {dtype}")


def check_unit_range(values: np.ndarray, remedied: str | None = None) -> None:
    """Raises ImageError unless all floating-point values are finite and in [0, 1].

    Args:
        values: an array that is not empty.
        remedied: name of an array in the caller's hands, for which the message then tells a remedy.
    """
    low, high = values.min(), values.max()  # NaN wherever there is one
    if not (low >= 0 and high <= 1):
        advice = "" if remedied is None else _advice(remedied, low, high)
        raise ImageError(
            f"source has floating-point values, which must lie in [0, 1], received {low:g} to {high:g}{advice}"
        )


def signal_values(values: npt.ArrayLike) -> np.ndarray:
    """Values (H, W, 1 | 3 | 4) of a signal as C-contiguous float32; ImageError for anything that is no picture.

    They must be floats (or booleans) in [0, 1], give or take `OVERSHOOT`, as resizing leaves them.

    >>> signal_values(np.full((1, 1, 1), 255, "uint8"))
    Traceback (most recent call last):
    ...
    keras_inr.errors.ImageError: values must be floats in [0, 1], received dtype uint8; load_image takes uint8 \
and uint16 arrays
    """
    check_not_masked("values", values)
    try:
        values = np.asarray(values)
    except Exception as error:  # rows of different lengths, or an object that cannot be asked for its values
        raise ImageError(f"values must be an array of floats, received {type(values).__name__}") from error
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4) or 0 in values.shape:
        raise ImageError(
            f"values must have shape (H, W, C), received {values.shape}; C is 1, 3 or 4, with one pixel at least"
            f"{channels_first_advice('values', values.shape)}"
        )
    if values.dtype.kind not in "fb":
        hint = "; load_image takes uint8 and uint16 arrays" if values.dtype.kind == "u" else ""
        raise ImageError(f"values must be floats in [0, 1], received dtype {values.dtype}{hint}")
    low, high = values.min(), values.max()
    if not (low >= -OVERSHOOT and high <= 1 + OVERSHOOT):
        raise ImageError(
            f"values must be finite and in [0, 1] (give or take {OVERSHOOT}), received {float(low):g} to "
            f"{float(high):g}{_advice('values', low, high)}"
        )
    return np.ascontiguousarray(values, dtype="float32")


def check_not_masked(name: str, array: npt.ArrayLike) -> None:
    """Raises ImageError for a masked array, whose hidden values would become visible."""
    if isinstance(array, np.ma.MaskedArray):
        raise ImageError(f"{name} must be an array without a mask, received a MaskedArray; fill it with .filled(0)")


def channels_first_advice(name: str, shape: tuple[int, ...]) -> str:
    """What to do if the shape is one of channels that come first; "" if it is not.

    >>> channels_first_advice("source", (3, 20, 30))
    '; its channels come first: np.moveaxis(source, 0, -1) puts them last'
    """
    if len(shape) == 3 and shape[0] in _MODELS and shape[2] not in _MODELS and shape[0] < min(shape[1:]):
        return f"; its channels come first: np.moveaxis({name}, 0, -1) puts them last"
    return ""


def _advice(name: str, low: float, high: float) -> str:
    """A remedy for values outside of [0, 1], as far as their range tells one."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return f"; np.nan_to_num({name}) replaces what is not finite"
    if low >= -OVERSHOOT and high <= 1 + OVERSHOOT:
        return f"; np.clip({name}, 0, 1) leaves what a picture can show"
    if low >= 0 and high > 2:
        peak = 255 if high <= 255 else 65535 if high <= 65535 else None
        return f"; divide by {peak}" if peak else ""
    return "; (x + 1) / 2 maps [-1, 1] to [0, 1]" if low >= -1 and high <= 1 else ""


def array_sha256(array: np.ndarray) -> str:
    """Hex SHA-256 of dtype, shape and values, the same on machines of either byte order."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{little.dtype.str}{array.shape}".encode())
    digest.update(little.tobytes())
    return digest.hexdigest()
