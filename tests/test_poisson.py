"""Direct Poisson solvers against closed forms, their own equations, dense least squares and each other."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_inr.poisson import harmonic_extension, solve_differences, solve_poisson, solve_poisson_laplacian

# float64 roundings of values near 1, through transforms and factorisations of grids below 100 x 100
DIRECT = {"rtol": 0, "atol": 1e-12}
# the condition number of a grid that is held at one pixel alone is near 1e5
HELD_AT_ONE_PIXEL = {"rtol": 0, "atol": 1e-10}
SIZES = [(17, 26), (26, 17), (3, 3), (3, 9), (40, 4)]
sizes = pytest.mark.parametrize("size", SIZES)


def centres(height, width):
    """x (1, W, 1) and y (H, 1, 1) of the pixel centres."""
    longer = max(height, width)
    x = (2 * np.arange(width) + 1 - width) / longer
    y = (2 * np.arange(height) + 1 - height) / longer
    return x[None, :, None], y[:, None, None]


def random_picture(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels))


def five_points(values):
    """Sum of the four differences to the neighbours, at the interior pixels."""
    return values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:] - 4 * values[1:-1, 1:-1]


def interior(height, width):
    mask = np.zeros((height, width), bool)
    mask[1:-1, 1:-1] = True
    return mask


def blob(height, width, seed=1):
    """A ragged region with holes, of several parts, that touches the picture's border."""
    mask = np.random.default_rng(seed).random((height, width)) < 0.6
    mask[height // 2, width // 2] = False
    return mask


class TestHarmonicExtension:
    @sizes
    def test_solves_the_laplace_equation(self, size):
        border = random_picture(*size)
        solution = harmonic_extension(border)
        outside = ~interior(*size)
        np.testing.assert_array_equal(solution[outside], border[outside])
        np.testing.assert_allclose(five_points(solution), np.zeros_like(border[1:-1, 1:-1]), **DIRECT)
        assert solution.dtype == np.float64

    @sizes
    def test_discrete_harmonic_polynomials_come_back(self, size):
        x, y = centres(*size)
        values = np.concatenate([x**2 - y**2 + 0 * x * y, x * y, 1 + x - 2 * y, x**3 - 3 * x * y**2], axis=-1)
        np.testing.assert_allclose(
            harmonic_extension(np.where(interior(*size)[..., None], 9, values)), values, **DIRECT
        )

    def test_discrete_harmonic_wave(self):
        # sin(a j) sinh(b i) with 2 cos(a) + 2 cosh(b) = 4
        a = 0.4
        b = np.arccosh(2 - np.cos(a))
        values = (np.sin(a * np.arange(30)) * np.sinh(b * np.arange(20))[:, None])[..., None]
        result = harmonic_extension(values * ~interior(20, 30)[..., None])
        np.testing.assert_allclose(result / np.abs(values).max(), values / np.abs(values).max(), **DIRECT)

    def test_interior_is_not_read(self):
        border = random_picture(6, 7)
        hollow = np.where(interior(6, 7)[..., None], np.nan, border)
        np.testing.assert_array_equal(harmonic_extension(hollow), harmonic_extension(border))

    @given(st.integers(3, 9), st.integers(3, 9), st.integers(0, 99))
    def test_maximum_principle(self, height, width, seed):
        border = random_picture(height, width, 1, seed)
        edge = border[~interior(height, width)]
        solution = harmonic_extension(border)
        assert edge.min() - 1e-14 < solution.min()
        assert solution.max() < edge.max() + 1e-14

    @pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (2, 7), (7, 2)])
    def test_no_interior(self, size):
        border = random_picture(*size).astype(np.float32)
        result = harmonic_extension(border)
        np.testing.assert_array_equal(result, border)
        assert not np.shares_memory(result, border)

    def test_the_argument_stays_as_it_was(self):
        border = random_picture(5, 5)
        before = border.copy()
        harmonic_extension(border)[:] = 0
        np.testing.assert_array_equal(border, before)


class TestSolvePoissonLaplacian:
    @sizes
    def test_quadratic(self, size):
        x, y = centres(*size)
        values = 3 * x**2 + y**2 - x * y + np.array([0.0, 1.0])
        hollow = np.where(interior(*size)[..., None], 0, values)
        result = solve_poisson_laplacian(np.full(values.shape, 8.0), hollow)
        np.testing.assert_allclose(result, values, **DIRECT)

    @sizes
    def test_any_picture_from_its_stencil(self, size):
        values = random_picture(*size)
        laplacian = np.zeros_like(values)
        laplacian[1:-1, 1:-1] = five_points(values) * (max(size) / 2) ** 2
        np.testing.assert_allclose(solve_poisson_laplacian(laplacian, values), values, **DIRECT)

    def test_no_source_is_the_harmonic_extension(self):
        values = random_picture(9, 12)
        result = solve_poisson_laplacian(np.zeros_like(values), values)
        np.testing.assert_array_equal(result, harmonic_extension(values))


class TestSolvePoisson:
    @pytest.mark.parametrize("mask", [interior(17, 26), blob(17, 26), np.ones((17, 26), bool)])
    def test_quadratic_from_its_derivatives(self, mask):
        x, y = centres(17, 26)
        values = x**2 - 3 * x * y + 0.5 * y**2 + np.array([0.0, 2.0])
        jacobian = np.stack(
            [np.broadcast_to(2 * x - 3 * y, values.shape), np.broadcast_to(y - 3 * x, values.shape)], axis=-1
        )
        # all True: of the start only its mean matters
        hidden = values.mean(axis=(0, 1)) if mask.all() else 7.0
        start = np.where(mask[..., None], hidden, values)
        np.testing.assert_allclose(solve_poisson(jacobian, mask, start), values, **HELD_AT_ONE_PIXEL)

    def test_no_slope_in_the_interior_is_the_harmonic_extension(self):
        values = random_picture(17, 26)
        result = solve_poisson(np.zeros((*values.shape, 2)), interior(17, 26), values)
        np.testing.assert_allclose(result, harmonic_extension(values), **DIRECT)

    def test_agrees_with_the_solver_from_the_divergence(self):
        values = random_picture(17, 26)
        jacobian = np.random.default_rng(5).standard_normal((17, 26, 3, 2))
        divergence = np.zeros_like(values)
        divergence[:, 1:-1] += (jacobian[:, 2:, :, 0] - jacobian[:, :-2, :, 0]) / 2 * 26 / 2
        divergence[1:-1] += (jacobian[2:, :, :, 1] - jacobian[:-2, :, :, 1]) / 2 * 26 / 2
        result = solve_poisson(jacobian, interior(17, 26), values)
        np.testing.assert_allclose(result, solve_poisson_laplacian(divergence, values), **DIRECT)

    def test_derivatives_far_from_the_region_do_not_matter(self):
        values, jacobian = random_picture(8, 9), np.zeros((8, 9, 3, 2))
        mask = np.zeros((8, 9), bool)
        mask[2:4, 2:4] = True
        expected = solve_poisson(jacobian, mask, values)
        jacobian[6:], jacobian[:, 6:] = np.nan, np.nan
        np.testing.assert_array_equal(solve_poisson(jacobian, mask, values), expected)


class TestSolveDifferences:
    @pytest.mark.parametrize("size", [(40, 50), (1, 6), (6, 1), (2, 2), (1, 1)])
    def test_any_picture_from_its_differences_and_mean(self, size):
        values = random_picture(*size)
        constant = np.broadcast_to(values.mean(axis=(0, 1)), values.shape)
        result = solve_differences(np.diff(values, axis=1), np.diff(values, axis=0), np.ones(size, bool), constant)
        np.testing.assert_allclose(result, values, **HELD_AT_ONE_PIXEL)

    @pytest.mark.parametrize("seed", range(3))
    def test_any_picture_from_its_differences_in_a_region(self, seed):
        values, mask = random_picture(20, 31), blob(20, 31, seed)
        start = np.where(mask[..., None], np.nan, values)
        result = solve_differences(np.diff(values, axis=1), np.diff(values, axis=0), mask, start)
        np.testing.assert_allclose(result, values, **DIRECT)
        np.testing.assert_array_equal(result[~mask], values[~mask])

    @pytest.mark.parametrize("mask", [interior(6, 7), blob(6, 7), np.ones((6, 7), bool)])
    def test_least_squares_of_differences_that_no_picture_has(self, mask):
        values, rng = random_picture(6, 7, 1), np.random.default_rng(3)
        across, down = rng.standard_normal((6, 6, 1)), rng.standard_normal((5, 7, 1))
        result = solve_differences(across, down, mask, values)
        np.testing.assert_allclose(result[..., 0], dense_solution(across, down, mask, values), **DIRECT)

    def test_no_region(self):
        values = random_picture(4, 5)
        result = solve_differences(np.zeros((4, 4, 3)), np.zeros((3, 5, 3)), np.zeros((4, 5), bool), values)
        np.testing.assert_array_equal(result, values)
        assert not np.shares_memory(result, values)

    def test_the_arguments_stay_as_they_were(self):
        values, mask = random_picture(4, 5), np.ones((4, 5), bool)
        before = values.copy()
        solve_differences(np.zeros((4, 4, 3)), np.zeros((3, 5, 3)), mask, values)
        assert mask.all()
        np.testing.assert_array_equal(values, before)


def dense_solution(across, down, mask, values):
    """The minimiser by NumPy's least squares, one row for each pair, written out pair by pair; one channel."""
    height, width = mask.shape
    number = {pixel: k for k, pixel in enumerate(zip(*np.nonzero(mask), strict=True))}
    rows, targets = [], []
    for i in range(height):
        for j in range(width):
            for other, steps in (((i, j + 1), across), ((i + 1, j), down)):
                if other[0] == height or other[1] == width or not (mask[i, j] or mask[other]):
                    continue
                row, target = np.zeros(len(number)), steps[i, j, 0]
                for pixel, sign in (((i, j), -1), (other, 1)):
                    if mask[pixel]:
                        row[number[pixel]] = sign
                    else:
                        target -= sign * values[pixel][0]
                rows.append(row)
                targets.append(target)
    if mask.all():
        rows.append(np.ones(len(number)))
        targets.append(values.sum())
    result = values[..., 0].copy()
    result[mask] = np.linalg.lstsq(np.array(rows), np.array(targets))[0]
    return result


class TestErrors:
    good = np.zeros((3, 4, 2))

    @pytest.mark.parametrize("shape", [(3,), (3, 4), (1, 3, 4, 2), (0, 4, 2), (3, 4, 0)])
    def test_shape_of_the_picture(self, shape):
        message = re.escape(f"must have shape (H, W, C), each at least 1, received shape {shape}")
        with pytest.raises(ValueError, match="border " + message):
            harmonic_extension(np.zeros(shape))
        with pytest.raises(ValueError, match="values " + message):
            solve_poisson_laplacian(self.good, np.zeros(shape))
        with pytest.raises(ValueError, match="values " + message):
            solve_poisson(np.zeros((3, 4, 2, 2)), np.ones((3, 4), bool), np.zeros(shape))

    def test_shapes_that_do_not_fit(self):
        mask = np.ones((3, 4), bool)
        with pytest.raises(ValueError, match=re.escape("laplacian must have shape (3, 4, 2) to fit values, received")):
            solve_poisson_laplacian(np.zeros((3, 4, 1)), self.good)
        message = re.escape("jacobian must have shape (3, 4, 2, 2) to fit values, received shape (3, 4, 2)")
        with pytest.raises(ValueError, match=message):
            solve_poisson(self.good, mask, self.good)
        for name, across, down, wanted in (("across", (3, 4), (2, 4), (3, 3, 2)), ("down", (3, 3), (3, 4), (2, 4, 2))):
            received = (*(across if name == "across" else down), 2)
            with pytest.raises(
                ValueError, match=re.escape(f"{name} must have shape {wanted} to fit values, received shape {received}")
            ):
                solve_differences(np.zeros((*across, 2)), np.zeros((*down, 2)), mask, self.good)

    @pytest.mark.parametrize("mask", [np.ones((3, 4)), np.ones((4, 3), bool), np.ones((3, 4, 1), bool)])
    def test_mask(self, mask):
        message = re.escape(f"mask must be boolean (3, 4), received {mask.dtype} of shape {mask.shape}")
        with pytest.raises(ValueError, match=message):
            solve_poisson(np.zeros((3, 4, 2, 2)), mask, self.good)

    @pytest.mark.parametrize("dtype", ["uint8", "bool"])
    def test_dtype(self, dtype):
        with pytest.raises(ValueError, match=f"border must be floating, received dtype {dtype}"):
            harmonic_extension(np.zeros((3, 3, 1), dtype))
        with pytest.raises(ValueError, match=f"laplacian must be floating, received dtype {dtype}"):
            solve_poisson_laplacian(self.good.astype(dtype), self.good)
