"""Direct solvers of the discrete Poisson equation on a picture: the reference for editing by derivatives."""

import numpy as np
import numpy.typing as npt
from scipy import fft, sparse
from scipy.sparse.linalg import splu

from keras_inr.coordinates import pixel_pitch
from keras_inr.errors import InputError


def harmonic_extension(border: npt.ArrayLike) -> np.ndarray:
    """The picture with the same border pixels whose interior solves the discrete Laplace equation.

    Inside, each pixel is the mean of its four neighbours, u[i-1, j] + u[i+1, j] + u[i, j-1] + u[i, j+1] = 4 u[i, j].
    Diagonalised by the discrete sine transform DST-I: O(N log N) for N pixels, exact to float64 rounding.

    Args:
        border: array (H, W, C), floating. Only its outermost rows and columns are read; a NaN there spreads over its
            channel.

    Returns:
        float64 (H, W, C); a copy of `border` where there is no interior, H or W below 3. No value lies outside the
        range of its channel's border, but for rounding.

    Raises:
        InputError: unless border is a floating array of that shape.

    >>> border = np.array([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 4.0, 0.0]])[..., None]
    >>> harmonic_extension(border)[1, 1].round(12).tolist()
    [1.0]
    """
    return _with_interior(_checked("border", border), source=0.0)


def solve_poisson_laplacian(laplacian: npt.ArrayLike, values: npt.ArrayLike) -> np.ndarray:
    """The picture with a given Laplacian inside and given values on its border, by the 5-point stencil.

    u[i-1, j] + u[i+1, j] + u[i, j-1] + u[i, j+1] - 4 u[i, j] = pitch^2 laplacian[i, j] at every pixel that is not on
    the border. The inverse of `picture_laplacian` with rule "sobel" or "central". Method as in `harmonic_extension`.

    Args:
        laplacian: array (H, W, C), floating, per squared coordinate unit; its outermost rows and columns are not read.
        values: array (H, W, C), floating; only its outermost rows and columns are read.

    Returns:
        float64 (H, W, C).

    Raises:
        InputError: unless both are floating arrays of one such shape.

    >>> bowl = np.square(np.linspace(-0.75, 0.75, 4))[:, None, None] * np.ones((4, 4, 1))
    >>> solution = solve_poisson_laplacian(np.full((4, 4, 1), 2.0), bowl)
    >>> bool(np.max(np.abs(solution - bowl)) < 1e-14)
    True
    """
    values = _checked("values", values)
    laplacian = _checked("laplacian", laplacian, values.shape)
    return _with_interior(values, laplacian[1:-1, 1:-1] * pixel_pitch(*values.shape[:2]) ** 2)


def solve_poisson(jacobian: npt.ArrayLike, mask: npt.ArrayLike, values: npt.ArrayLike) -> np.ndarray:
    """The picture that has given values outside a region and, inside it, comes closest to given derivatives.

    Minimises the sum over all pairs of neighbouring pixels p, q (q to the right of p or below it), at least one of
    them in the region, of (u_q - u_p - d_pq)^2, with u = values outside the region. d_pq is the mean of the derivatives
    at both pixel centres along the step, times the pixel pitch, which is exact for quadratics. The pixels of the
    picture's own border have no pair across it, so there the slope is free (natural, or Neumann, conditions).

    Perez, Gangnet, Blake 2003, "Poisson Image Editing", equations 7 and 8, whose guidance field is the derivative
    here. They sample it between the pixels; where such differences are at hand, `solve_differences` takes them.

    Args:
        jacobian: array (H, W, C, 2), floating: d values / d(x, y) per coordinate unit at the pixel centres. Read in
            the region and at its neighbours.
        mask: boolean (H, W), True in the region. If it is True everywhere, nothing fixes the constant, and each
            channel of the result gets the mean of `values`.
        values: array (H, W, C), floating.

    Returns:
        float64 (H, W, C), equal to `values` outside the region.

    Raises:
        InputError: unless the arrays have these shapes and types.

    Solved by sparse factorisation: O(N^1.5) time and O(N log N) memory for N pixels in the region. A Jacobian by
    `picture_jacobian` is already smoothed ("sobel", "central"), so that a picture does not come back exactly.

    >>> ramp = np.zeros((1, 4, 1))
    >>> ramp[..., 0] = [[1.0, 0.0, 0.0, 0.0]]
    >>> slope = np.stack([np.full((1, 4, 1), 2.0), np.zeros((1, 4, 1))], axis=-1)
    >>> solve_poisson(slope, np.array([[False, True, True, True]]), ramp).ravel().tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    values = _checked("values", values)
    jacobian = _checked("jacobian", jacobian, (*values.shape, 2))
    step = pixel_pitch(*values.shape[:2]) / 2
    across = step * (jacobian[:, :-1, :, 0] + jacobian[:, 1:, :, 0])
    down = step * (jacobian[:-1, :, :, 1] + jacobian[1:, :, :, 1])
    return solve_differences(across, down, mask, values)


def solve_differences(
    across: npt.ArrayLike, down: npt.ArrayLike, mask: npt.ArrayLike, values: npt.ArrayLike
) -> np.ndarray:
    """`solve_poisson` with the target differences d_pq of neighbouring pixels themselves, in units of the values.

    Args:
        across: array (H, W-1, C), floating: the target of u[:, 1:] - u[:, :-1].
        down: array (H-1, W, C), floating: the target of u[1:] - u[:-1].
        mask, values: as in `solve_poisson`.

    Returns:
        float64 (H, W, C).

    Raises:
        InputError: unless the arrays have these shapes and types.

    >>> values = np.array([[[1.0], [0.0]]])
    >>> solve_differences(np.array([[[0.5]]]), np.zeros((0, 2, 1)), np.array([[False, True]]), values).ravel().tolist()
    [1.0, 1.5]
    """
    values, mask = _checked("values", values), np.asarray(mask)
    height, width, channels = values.shape
    if mask.shape != (height, width) or mask.dtype != bool:
        raise InputError(f"mask must be boolean ({height}, {width}), received {mask.dtype} of shape {mask.shape}")
    across = _checked("across", across, (height, width - 1, channels))
    down = _checked("down", down, (height - 1, width, channels))
    # with one pixel held the rest is determined up to the constant that the mean settles
    unbounded, region = mask.all(), mask.copy()
    region[0, 0] &= not unbounded
    solution = np.where(region[..., None], 0.0, values).reshape(-1, channels)
    inside = np.flatnonzero(region)
    if inside.size:
        difference = _difference_matrix(height, width)
        target = np.concatenate([across.reshape(-1, channels), down.reshape(-1, channels)]) - difference @ solution
        unknown = difference[:, inside]
        # symmetric and positive definite, so no pivoting away from the diagonal
        factors = splu(
            (unknown.T @ unknown).tocsc(), "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        solution[inside] = factors.solve(unknown.T @ target)
    if unbounded:
        solution += values.mean(axis=(0, 1)) - solution.mean(axis=0)
    return solution.reshape(values.shape)


def _difference_matrix(height: int, width: int) -> sparse.csc_array:
    """Sparse (pairs, H*W): first all steps to the right, then all steps down, in row-major order."""
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    start = np.concatenate([pixels[:, :-1].ravel(), pixels[:-1].ravel()])
    stop = np.concatenate([pixels[:, 1:].ravel(), pixels[1:].ravel()])
    pairs = np.arange(start.size, dtype=np.int32)
    entries = np.concatenate([np.full(start.size, -1.0), np.ones(start.size)])
    places = (np.concatenate([pairs, pairs]), np.concatenate([start, stop]))
    return sparse.coo_array((entries, places), shape=(start.size, pixels.size)).tocsc()


def _with_interior(border: np.ndarray, source: np.ndarray | float) -> np.ndarray:
    """The float64 picture whose 5-point sum of differences is `source` (H-2, W-2, C) inside, with border's border."""
    solution = border.copy()
    height, width = border.shape[0] - 2, border.shape[1] - 2
    if height < 1 or width < 1:
        return solution
    right_side = source + np.zeros((height, width, border.shape[2]))
    right_side[0] -= border[0, 1:-1]
    right_side[-1] -= border[-1, 1:-1]
    right_side[:, 0] -= border[1:-1, 0]
    right_side[:, -1] -= border[1:-1, -1]
    eigenvalues = _second_difference_eigenvalues(height)[:, None] + _second_difference_eigenvalues(width)
    waves = fft.dstn(right_side, type=1, axes=(0, 1)) / eigenvalues[..., None]
    solution[1:-1, 1:-1] = fft.idstn(waves, type=1, axes=(0, 1))
    return solution


def _second_difference_eigenvalues(count: int) -> np.ndarray:
    """Of u[k-1] - 2 u[k] + u[k+1] on `count` pixels between two zeros; the eigenvectors are those of the DST-I."""
    return -4 * np.sin(np.pi * np.arange(1, count + 1) / (2 * (count + 1))) ** 2


def _checked(name: str, array: npt.ArrayLike, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """The array in float64."""
    array = np.asarray(array)
    if shape is None and (array.ndim != 3 or not array.size):
        raise InputError(f"{name} must have shape (H, W, C), each at least 1, received shape {array.shape}")
    if shape is not None and array.shape != shape:
        raise InputError(f"{name} must have shape {shape} to fit values, received shape {array.shape}")
    # "V" is bfloat16, which NumPy does not count among its own floating types
    if array.dtype.kind not in "fV":
        raise InputError(f"{name} must be floating, received dtype {array.dtype}")
    return array.astype(np.float64)
