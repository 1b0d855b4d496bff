"""Derivatives of a sampled picture per coordinate unit: what a field that is trained on derivatives is given."""

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from keras_inr.coordinates import pixel_pitch
from keras_inr.errors import InputError

RULES = ("sobel", "central", "spline")


def picture_jacobian(values: npt.ArrayLike, rule: str = "sobel") -> np.ndarray:
    """d values / d(x, y) at the pixel centres, per coordinate unit: the difference per pixel divided by the pitch.

    The rules, per pixel and along x (y likewise), with their gain for the wave exp(i (a j + b i)), a and b in radians
    per pixel, whose true gain is i a:

    - "sobel": the 3 x 3 Sobel filter divided by its gain 8, (v[i, j+1] - v[i, j-1]) / 2 averaged over the rows i-1, i,
      i+1 with weights 1, 2, 1; gain i sin(a) (1 + cos b) / 2.
    - "central": (v[i, j+1] - v[i, j-1]) / 2; gain i sin(a).
    - "spline": the derivative of the cubic spline through all pixels (not-a-knot ends), which at the centres is that
      of the bicubic spline surface; gain 3 i sin(a) / (2 + cos a). An error of order pitch^4 inside and pitch^3 at the
      ends, against pitch^2.

    The first two see nothing of the finest stripes (a = pi), so that these cannot be learned from them; neither does
    the third, whose gain there is 0 as well, but it is right within 5 % up to a = 1.6, against 0.55.

    For "sobel" and "central" the picture is continued by one pixel on each side, quadratically from the three
    outermost pixels (linearly where an axis has two, constantly where it has one), so slopes at the border are not
    halved. Up to the border, sobel and central are then exact for polynomials of total degree 2, spline for those of
    degree 3 in x and in y, on axes of at least 3 and 4 pixels.

    Args:
        values: array (H, W, C), floating, finite, any H and W from 1.
        rule: one of `RULES`.

    Returns:
        float32 (H, W, C, 2), the last axis (x, y), x to the right and y down. Formed in float64.

    Raises:
        InputError: unless values is a finite floating array of that shape and rule is one of `RULES`.

    KeunwooPark/siren-jax takes SciPy's Sobel filter of ten times the picture, whatever its size, with reflected
    borders; the published pictures then have a contrast that depends on the resolution.

    >>> ramp = np.arange(4.0).reshape(1, 4, 1)
    >>> picture_jacobian(ramp)[0, :, 0].tolist()
    [[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]
    """
    values = _checked(values, rule)
    slope = {"sobel": _sobel, "central": _central, "spline": _spline_slope}[rule]
    pitch = pixel_pitch(*values.shape[:2])
    jacobian = np.empty((*values.shape, 2), np.float32)
    for channel in range(values.shape[2]):  # one at a time, so that a large picture is never held in float64
        plane = values[..., channel].astype(np.float64)
        jacobian[..., channel, 0] = slope(plane, axis=1) / pitch
        jacobian[..., channel, 1] = slope(plane, axis=0) / pitch
    return jacobian


def picture_laplacian(values: npt.ArrayLike, rule: str = "sobel") -> np.ndarray:
    """d2 values / dx2 + d2 values / dy2 at the pixel centres, per squared coordinate unit.

    "sobel" and "central" both take the 5-point stencil, v[j-1] - 2 v[j] + v[j+1] along each axis, with gain
    -2 (1 - cos a) for waves as in `picture_jacobian` (true: -a^2); "spline" the spline's second derivatives, with gain
    -6 (1 - cos a) / (2 + cos a). All are divided by the squared pitch.

    Borders, arguments and errors as in `picture_jacobian`; exact for polynomials of total degree 2 (the stencil) and
    of degree 3 in x and in y (the spline) up to the border.

    Returns:
        float32 (H, W, C). Formed in float64.

    >>> bowl = np.arange(4.0).reshape(1, 4, 1) ** 2
    >>> picture_laplacian(bowl).ravel().tolist()
    [8.0, 8.0, 8.0, 8.0]
    """
    values = _checked(values, rule)
    curvature = _spline_curvature if rule == "spline" else _second_difference
    pitch = pixel_pitch(*values.shape[:2])
    laplacian = np.empty(values.shape, np.float32)
    for channel in range(values.shape[2]):
        plane = values[..., channel].astype(np.float64)
        laplacian[..., channel] = (curvature(plane, axis=0) + curvature(plane, axis=1)) / pitch**2
    return laplacian


def _sobel(plane: np.ndarray, axis: int) -> np.ndarray:
    slope = _central(plane, axis)
    before, after = _neighbours(slope, 1 - axis)
    return (before + 2 * slope + after) / 4


def _central(plane: np.ndarray, axis: int) -> np.ndarray:
    before, after = _neighbours(plane, axis)
    return (after - before) / 2


def _second_difference(plane: np.ndarray, axis: int) -> np.ndarray:
    before, after = _neighbours(plane, axis)
    return before - 2 * plane + after


def _spline_slope(plane: np.ndarray, axis: int) -> np.ndarray:
    return _spline_derivative(plane, axis, order=1)


def _spline_curvature(plane: np.ndarray, axis: int) -> np.ndarray:
    return _spline_derivative(plane, axis, order=2)


def _spline_derivative(plane: np.ndarray, axis: int, order: int) -> np.ndarray:
    if plane.shape[axis] == 1:
        return np.zeros_like(plane)
    # SciPy's not-a-knot spline is the parabola through three points and the line through two
    knots = np.arange(plane.shape[axis])
    return CubicSpline(knots, plane, axis=axis, bc_type="not-a-knot")(knots, nu=order)


def _neighbours(plane: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The plane's values one pixel before and one after along an axis, extrapolated at its ends."""
    lines = np.moveaxis(plane, axis, 0)
    weights = {1: (1,), 2: (2, -1)}.get(len(lines), (3, -3, 1))
    first = sum(weight * lines[k] for k, weight in enumerate(weights))
    last = sum(weight * lines[-1 - k] for k, weight in enumerate(weights))
    before, after = np.concatenate([first[None], lines[:-1]]), np.concatenate([lines[1:], last[None]])
    return np.moveaxis(before, 0, axis), np.moveaxis(after, 0, axis)


def _checked(values: npt.ArrayLike, rule: str) -> np.ndarray:
    if rule not in RULES:
        raise InputError(f"rule must be one of {RULES}, received {rule!r}")
    values = np.asarray(values)
    if values.ndim != 3 or not values.size:
        raise InputError(f"values must have shape (H, W, C), each at least 1, received shape {values.shape}")
    # "V" is bfloat16, which NumPy does not count among its own floating types
    if values.dtype.kind not in "fV":
        raise InputError(f"values must be floating, nominally in [0, 1], received dtype {values.dtype}")
    bad = int(np.size(values) - np.count_nonzero(np.isfinite(values)))
    if bad:
        raise InputError(f"values must be finite, received {bad} that are not")
    return values
