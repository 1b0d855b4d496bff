"""Values on a raster of another size, in floating point."""

from typing import Literal, get_args

import numpy as np
from PIL import Image

from keras_inr._arguments import one_of, positive_int
from keras_inr.errors import InputError

Method = Literal["area", "bilinear", "bicubic", "lanczos"]

_FILTERS = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def resampled(values: np.ndarray, height: int, width: int, method: Method) -> np.ndarray:
    """Values laid on a height x width raster over the same box, channel by channel, neither rounded nor clipped.

    Args:
        values: (H, W, C), taken as float32.
        height, width: of the result.
        method: "area" (means), "bilinear", "bicubic" (a = -0.5) or "lanczos" (radius 3): Pillow's filters, which widen
            with the pixels where they reduce and are renormalised at the border.

    Returns:
        Float32 (height, width, C). Results of "bicubic" and "lanczos" may leave the range of the values.

    Raises:
        InputError: for values without three axes or without any pixel, a height or width that is no positive integer,
            and a method that does not exist.

    >>> resampled(np.array([[[0.25], [0.75]]], "float32"), 1, 4, "area").ravel().tolist()
    [0.25, 0.25, 0.75, 0.75]
    """
    size = positive_int("width", width), positive_int("height", height)
    resample = _FILTERS[one_of("method", method, get_args(Method))]
    if np.ndim(values) != 3 or 0 in np.shape(values):
        raise InputError(f"values must have a shape (height, width, channels), received {np.shape(values)}")
    planes = (Image.fromarray(np.ascontiguousarray(plane, "float32")) for plane in np.moveaxis(values, -1, 0))
    return np.stack([np.asarray(plane.resize(size, resample)) for plane in planes], axis=-1)
