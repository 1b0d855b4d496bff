"""What a derivative cannot know: how close a prediction is once that is taken from the target.

A gradient says nothing about a constant, a Laplacian nothing about a harmonic function, and a factor in the units of
either becomes a gain. Each is measured here, per channel and in float64, and none is applied without being asked for.
"""

import numpy as np
import numpy.typing as npt

from keras_inr.errors import InputError
from keras_inr.metrics import psnr
from keras_inr.poisson import harmonic_extension


def aligned_psnr(target: npt.ArrayLike, prediction: npt.ArrayLike) -> dict[str, float]:
    """`metrics.psnr` in dB (all pixels, prediction clamped) of the prediction as it is and after each alignment.

    Args:
        target, prediction: arrays (H, W, C) of one shape, floating.

    Returns:
        {"psnr_raw_db", "psnr_offset_db", "psnr_affine_db", "psnr_harmonic_db"}, floats: as it is, after `best_offset`,
        after `best_affine` and after `without_harmonic`. The last one takes the 2 (H + W) - 4 border pixels from the
        target. Offset and gain minimise the error before clamping, so a step from raw to offset to affine can lose a
        little where much is clamped. NaN where the prediction has a NaN.

    Raises:
        InputError: unless both are floating arrays of one such shape.

    >>> target = np.linspace(0.2, 0.8, 48).reshape(4, 4, 3)
    >>> {name: round(min(value, 99.0), 1) for name, value in aligned_psnr(target, target / 2 + 0.1).items()}
    {'psnr_raw_db': 15.2, 'psnr_offset_db': 21.1, 'psnr_affine_db': 99.0, 'psnr_harmonic_db': 99.0}
    """
    target, prediction = _checked(target, prediction, axes=3)
    gain, offset = best_affine(target, prediction)
    return {
        "psnr_raw_db": psnr(target, prediction),
        "psnr_offset_db": psnr(target, prediction + best_offset(target, prediction)),
        "psnr_affine_db": psnr(target, gain * prediction + offset),
        "psnr_harmonic_db": psnr(target, without_harmonic(target, prediction)),
    }


def best_offset(target: npt.ArrayLike, prediction: npt.ArrayLike) -> np.ndarray:
    """Per channel, the number that added to the prediction gives the least mean squared error: mean(target - it).

    Args:
        target, prediction: arrays (..., C) of one shape with at least two axes, floating. Not clamped.

    Returns:
        float64 (C,).

    Raises:
        InputError: unless both are floating arrays of one such shape.

    >>> best_offset(np.array([[0.5, 0.25], [0.75, 0.5]]), np.array([[0.0, 0.25], [0.25, 0.5]])).tolist()
    [0.5, 0.0]
    """
    target, prediction = _checked(target, prediction)
    return np.mean(target - prediction, axis=_points(target))


def best_affine(target: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Per channel, gain and offset for which gain * prediction + offset has the least mean squared error.

    gain = covariance(prediction, target) / variance(prediction), offset = mean(target) - gain * mean(prediction). The
    gain is negative for a prediction that is more like the target's negative; for a constant prediction it is 1.

    Args:
        target, prediction: arrays (..., C) of one shape with at least two axes, floating. Not clamped.

    Returns:
        (gain, offset), each float64 (C,).

    Raises:
        InputError: unless both are floating arrays of one such shape.

    >>> gain, offset = best_affine(np.array([[1.0], [5.0]]), np.array([[0.0], [2.0]]))
    >>> gain.tolist(), offset.tolist()
    ([2.0], [1.0])
    """
    target, prediction = _checked(target, prediction)
    points = _points(target)
    mean = np.mean(prediction, axis=points)
    # the rounded mean of equal numbers need not be that number, so their differences from it are set to 0
    centred = np.where(np.ptp(prediction, axis=points) == 0, 0.0, prediction - mean)
    variance = np.sum(centred**2, axis=points)
    covariance = np.sum(centred * (target - np.mean(target, axis=points)), axis=points)
    gain = np.divide(covariance, variance, out=np.ones_like(variance), where=variance != 0)
    return gain, np.mean(target, axis=points) - gain * mean


def without_harmonic(target: npt.ArrayLike, prediction: npt.ArrayLike) -> np.ndarray:
    """The prediction with the target's border, the difference continued inwards by the discrete Laplace equation.

    prediction + `harmonic_extension`(target - prediction): the function with the prediction's 5-point Laplacian inside
    and the target's border pixels, so that what is left of the error comes from the Laplacian alone.

    Args:
        target, prediction: arrays (H, W, C) of one shape, floating. Not clamped.

    Returns:
        float64 (H, W, C); the target where there is no interior, H or W below 3.

    Raises:
        InputError: unless both are floating arrays of one such shape.

    >>> target = np.zeros((5, 5, 1))
    >>> target[2, 2] = 1.0
    >>> ramp = np.linspace(-1, 1, 5)[:, None, None]
    >>> bool(np.max(np.abs(without_harmonic(target, target + ramp) - target)) < 1e-14)
    True
    """
    target, prediction = _checked(target, prediction, axes=3)
    return prediction + harmonic_extension(target - prediction)


def _points(array: np.ndarray) -> tuple[int, ...]:
    """The axes that are not channels."""
    return tuple(range(array.ndim - 1))


def _checked(
    target: npt.ArrayLike, prediction: npt.ArrayLike, axes: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64."""
    target, prediction = np.asarray(target), np.asarray(prediction)
    fits = target.ndim == axes if axes else target.ndim >= 2
    if target.shape != prediction.shape or not fits or not target.size:
        wanted = "(H, W, C)" if axes else "(..., C)"
        raise InputError(
            f"target and prediction must have one shape {wanted}, each axis at least 1, "
            f"received {target.shape} and {prediction.shape}"
        )
    for name, array in (("target", target), ("prediction", prediction)):
        # "V" is bfloat16, which NumPy does not count among its own floating types
        if array.dtype.kind not in "fV":
            raise InputError(f"{name} must be floating, nominally in [0, 1], received dtype {array.dtype}")
    return target.astype(np.float64), prediction.astype(np.float64)
