"""Pictures of derivatives: the gradient as hue and brightness, the Laplacian on a diverging map centred at zero."""

import math
from collections.abc import Callable
from typing import NamedTuple

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.colors import hsv_to_rgb

from keras_inr.errors import InputError
from keras_inr.signals.derivatives import picture_jacobian, picture_laplacian
from keras_inr.signals.luma import luma

PERCENTILE = 99
# odd, so that one colour lies in the middle and zero has it
_DIVERGING = np.rint(matplotlib.colormaps["RdBu_r"].resampled(255)(np.arange(255))[:, :3] * 255).astype(np.uint8)


def gradient_picture(jacobian: npt.ArrayLike, scale: float) -> np.ndarray:
    """The gradient of the luma: hue tells its direction, brightness its length.

    Hue is atan2(dy, dx): red where values grow to the right, then with the clock (y points down) yellow-green at 90
    degrees, downwards, cyan to the left, violet upwards. Brightness is min(1, length / scale), black at zero.

    Args:
        jacobian: array (H, W, C, 2), d values_c / d(x, y). RGB and RGBA become luma, alpha left out; other
            channels by their mean.
        scale: length that has full brightness, positive, in the jacobian's unit.

    Returns:
        uint8 (H, W, 3).

    Raises:
        InputError: for another shape, or a scale that is not positive and finite.

    >>> gradient_picture(np.array([[[[2.0, 0.0]], [[-1.0, 0.0]], [[0.0, 0.0]]]]), scale=2.0).tolist()
    [[[255, 0, 0], [0, 128, 128], [0, 0, 0]]]
    """
    slope = luma(np.moveaxis(_checked("jacobian", jacobian, 4), 2, -1))
    length = np.hypot(slope[..., 0], slope[..., 1])
    hue = np.arctan2(slope[..., 1], slope[..., 0]) / (2 * math.pi) % 1.0
    brightness = np.clip(length / _checked_scale(scale), 0, 1)
    colours = hsv_to_rgb(np.stack([hue, np.ones_like(hue), brightness], axis=-1))
    return np.rint(colours * 255).astype(np.uint8)


def laplacian_picture(laplacian: npt.ArrayLike, scale: float) -> np.ndarray:
    """The Laplacian of the luma on Matplotlib's RdBu_r: blue at -scale and below, near-white at 0, red from scale on.

    Args:
        laplacian: array (H, W, C), channels weighted as in `gradient_picture`.
        scale: magnitude at which the map ends, positive, in the laplacian's unit.

    Returns:
        uint8 (H, W, 3).

    Raises:
        InputError: for another shape, or a scale that is not positive and finite.

    >>> laplacian_picture(np.array([[[-9.0], [0.0], [9.0]]]), scale=3.0).tolist()
    [[[5, 48, 97], [247, 247, 247], [103, 0, 31]]]
    """
    level = luma(_checked("laplacian", laplacian, 3)) / _checked_scale(scale)
    return _DIVERGING[np.rint(127 + 127 * np.clip(level, -1, 1)).astype(np.intp)]


def gradient_scale(jacobian: npt.ArrayLike) -> float:
    """A scale for `gradient_picture`: the 99th percentile of the lengths, 1 if that is 0.

    >>> gradient_scale(np.full((4, 4, 1, 2), (3.0, 4.0)))
    5.0
    """
    slope = luma(np.moveaxis(_checked("jacobian", jacobian, 4), 2, -1))
    return _percentile(np.hypot(slope[..., 0], slope[..., 1]))


def laplacian_scale(laplacian: npt.ArrayLike) -> float:
    """A scale for `laplacian_picture`: the 99th percentile of the magnitudes, 1 if that is 0.

    >>> laplacian_scale(np.full((4, 4, 1), -3.0))
    3.0
    """
    return _percentile(np.abs(luma(_checked("laplacian", laplacian, 3))))


def _percentile(magnitudes: np.ndarray) -> float:
    return float(np.percentile(magnitudes, PERCENTILE)) or 1.0


def _checked(name: str, array: npt.ArrayLike, rank: int) -> np.ndarray:
    """The array, once its rank, and for a Jacobian the last axis, have been checked."""
    array = np.asarray(array)
    if array.ndim != rank or (rank == 4 and array.shape[-1] != 2):
        wanted = "(H, W, C, 2)" if rank == 4 else "(H, W, C)"
        raise InputError(f"{name} must have shape {wanted}, received {array.shape}")
    return array


def _checked_scale(scale: float) -> float:
    if not 0 < scale < math.inf:
        raise InputError(f"scale must be positive and finite, received {scale!r}")
    return float(scale)


class Derivative(NamedTuple):
    """A kind of derivative: the output of a field, the same of a picture, how it is drawn, and at which scale."""

    output: str
    of_picture: Callable[..., np.ndarray]
    draw: Callable[[np.ndarray, float], np.ndarray]
    scale_of: Callable[[np.ndarray], float]


DERIVATIVES = {
    "gradient": Derivative("jacobian", picture_jacobian, gradient_picture, gradient_scale),
    "laplacian": Derivative("laplacian", picture_laplacian, laplacian_picture, laplacian_scale),
}
