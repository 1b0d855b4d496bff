"""Derivatives of pictures against polynomials, the rules' transfer functions and SciPy's filters."""

import re

import numpy as np
import pytest
import scipy.ndimage
import skimage.data

from keras_inr.signals.derivatives import RULES, picture_jacobian, picture_laplacian

# results are float32 numbers of size 1 to 10 whose float64 differences of pixels carry 1e-16 / pitch^2, about 1e-13
EXACT = {"rtol": 1e-7, "atol": 1e-6}
SIZES = [(9, 14), (14, 9), (5, 5), (3, 40)]
rules = pytest.mark.parametrize("rule", RULES)


def centres(height, width):
    """x (1, W, 1) and y (H, 1, 1) of the pixel centres in float64."""
    longer = max(height, width)
    x = (2 * np.arange(width) + 1 - width) / longer
    y = (2 * np.arange(height) + 1 - height) / longer
    return x[None, :, None], y[:, None, None]


def stacked(x_derivative, y_derivative, shape):
    return np.stack([np.broadcast_to(x_derivative, shape), np.broadcast_to(y_derivative, shape)], axis=-1)


class TestPolynomials:
    @rules
    @pytest.mark.parametrize("size", [*SIZES, (1, 3), (2, 2), (7, 1)])
    def test_planes(self, rule, size):
        x, y = centres(*size)
        slopes, tilts = np.array([0.5, -2.0, 0.0]), np.array([0.25, 1.0, -3.0])
        tilts, slopes = tilts * (size[0] > 1), slopes * (size[1] > 1)
        values = 0.3 + slopes * x + tilts * y
        np.testing.assert_allclose(picture_jacobian(values, rule), stacked(slopes, tilts, values.shape), **EXACT)
        np.testing.assert_allclose(picture_laplacian(values, rule), np.zeros_like(values), **EXACT)

    @rules
    @pytest.mark.parametrize("size", SIZES)
    def test_quadratics_up_to_the_border(self, rule, size):
        x, y = centres(*size)
        a, b, c = np.array([1.0, -0.5]), np.array([0.75, 2.0]), np.array([-1.5, 0.25])
        values = a * x**2 + b * x * y + c * y**2 + x - y
        expected = stacked(2 * a * x + b * y + 1, b * x + 2 * c * y - 1, values.shape)
        np.testing.assert_allclose(picture_jacobian(values, rule), expected, **EXACT)
        np.testing.assert_allclose(
            picture_laplacian(values, rule), np.broadcast_to(2 * a + 2 * c, values.shape), **EXACT
        )

    def test_spline_is_exact_for_cubics_in_each_axis(self):
        x, y = centres(6, 9)
        values = x**3 * y**3 - x**3 * y + 2 * y**2
        expected = stacked(3 * x**2 * y**3 - 3 * x**2 * y, 3 * x**3 * y**2 - x**3 + 4 * y, values.shape)
        np.testing.assert_allclose(picture_jacobian(values, "spline"), expected, **EXACT)
        laplacian = 6 * x * y**3 - 6 * x * y + 6 * x**3 * y + 4
        np.testing.assert_allclose(picture_laplacian(values, "spline"), laplacian, **EXACT)

    @rules
    def test_units_do_not_depend_on_the_resolution(self, rule):
        for size in ((10, 20), (80, 160), (40, 30)):
            x, y = centres(*size)
            jacobian = picture_jacobian(x + 2 * y, rule)
            np.testing.assert_allclose(jacobian, stacked(1, 2, (*size, 1)), **EXACT)


class TestWaves:
    a, b = 0.9, 0.35

    def wave(self, size=(70, 90)):
        columns, rows = np.arange(size[1])[None, :, None], np.arange(size[0])[:, None, None]
        return np.exp(1j * (self.a * columns + self.b * rows))

    def gains(self, derivative, rule, margin):
        """The complex gain of the wave at each pixel further than `margin` from the border, per coordinate unit."""
        wave = self.wave()
        response = derivative(wave.real.copy(), rule) + 1j * derivative(wave.imag.copy(), rule)
        wave = wave.reshape(wave.shape + (1,) * (response.ndim - 3))
        return (response / wave)[margin:-margin, margin:-margin]

    @pytest.mark.parametrize(
        ("rule", "along", "across"),
        [
            ("sobel", np.sin, lambda angle: (1 + np.cos(angle)) / 2),
            ("central", np.sin, lambda angle: 1.0),
            ("spline", lambda angle: 3 * np.sin(angle) / (2 + np.cos(angle)), lambda angle: 1.0),
        ],
    )
    def test_gain_of_the_jacobian(self, rule, along, across):
        expected = 1j * np.array([along(self.a) * across(self.b), along(self.b) * across(self.a)]) * 90 / 2
        # a spline's end conditions decay by 0.268 per pixel: 1e-14 after 25; float32 results of size 40
        gains = self.gains(picture_jacobian, rule, margin=25)
        np.testing.assert_allclose(gains, np.broadcast_to(expected, gains.shape), rtol=0, atol=40 * 2e-7)

    @pytest.mark.parametrize(
        ("rule", "along"),
        [
            ("sobel", lambda angle: -2 * (1 - np.cos(angle))),
            ("central", lambda angle: -2 * (1 - np.cos(angle))),
            ("spline", lambda angle: -6 * (1 - np.cos(angle)) / (2 + np.cos(angle))),
        ],
    )
    def test_gain_of_the_laplacian(self, rule, along):
        expected = (along(self.a) + along(self.b)) * (90 / 2) ** 2
        gains = self.gains(picture_laplacian, rule, margin=25)
        np.testing.assert_allclose(gains, np.full(gains.shape, expected), rtol=2e-7, atol=0)

    @pytest.mark.parametrize(("rule", "inside", "border"), [("sobel", 2, 2), ("central", 2, 2), ("spline", 4, 3)])
    def test_order_of_accuracy(self, rule, inside, border):
        errors = []
        for width in (24, 48):
            x, y = centres(width, width)
            values = np.sin(2 * x + 0.3) * np.cos(1.5 * y)
            difference = picture_jacobian(values, rule)[..., 0, 0] - (2 * np.cos(2 * x + 0.3) * np.cos(1.5 * y))[..., 0]
            eighth = width // 4
            errors.append((np.abs(difference[eighth:-eighth, eighth:-eighth]).max(), np.abs(difference).max()))
        orders = np.log2(np.array(errors[0]) / np.array(errors[1]))
        # halving the pitch changes where the largest error falls, which moves the estimate a little
        np.testing.assert_allclose(orders, [inside, border], rtol=0, atol=0.3)


class TestBorders:
    picture = skimage.data.chelsea()[40:80, 100:160].astype(np.float32) / 255

    def test_interior_is_that_of_scipy(self):
        values = self.picture.astype(np.float64)
        sobel = stacked(scipy_sobel(values, 1), scipy_sobel(values, 0), values.shape) * 60 / 2
        laplacian = np.stack([scipy.ndimage.laplace(values[..., c]) for c in range(3)], axis=-1) * 30.0**2
        for result, expected in ((picture_jacobian(self.picture), sobel), (picture_laplacian(self.picture), laplacian)):
            # float32 results of size up to 1000
            np.testing.assert_allclose(result[1:-1, 1:-1], expected[1:-1, 1:-1], rtol=1e-7, atol=1e-10)

    def test_one_sided_formulas_at_the_border(self):
        values = self.picture[:, :, :1].astype(np.float64)
        slope = (-3 * values[:, 0] + 4 * values[:, 1] - values[:, 2]) / 2 * 30
        np.testing.assert_allclose(picture_jacobian(self.picture[:, :, :1], "central")[:, 0, :, 0], slope, **EXACT)

    @rules
    def test_axes_and_channels_are_treated_alike(self, rule):
        jacobian, laplacian = picture_jacobian(self.picture, rule), picture_laplacian(self.picture, rule)
        turned = np.swapaxes(self.picture, 0, 1)
        np.testing.assert_array_equal(picture_jacobian(turned, rule).swapaxes(0, 1)[..., ::-1], jacobian)
        np.testing.assert_allclose(picture_laplacian(turned, rule).swapaxes(0, 1), laplacian, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(picture_jacobian(self.picture[..., 1:2], rule), jacobian[..., 1:2, :])
        # the mirror picture has the opposite slope, up to roundings of the float64 sums
        mirrored = picture_jacobian(self.picture[:, ::-1], rule)[:, ::-1, :, 0]
        np.testing.assert_allclose(mirrored, -jacobian[..., 0], rtol=1e-6, atol=1e-6)

    @rules
    def test_finest_stripes_are_invisible_inside(self, rule):
        stripes = np.tile([0.0, 1.0], 40).reshape(1, 80, 1)
        assert np.abs(picture_jacobian(stripes, rule)[0, 25:-25]).max() < 1e-12 * 40

    def test_types(self):
        for derivative in (picture_jacobian, picture_laplacian):
            for dtype in (np.float16, np.float32, np.float64):
                assert derivative(self.picture.astype(dtype)).dtype == np.float32


def scipy_sobel(values, axis):
    return np.stack([scipy.ndimage.sobel(values[..., c], axis=axis) for c in range(values.shape[2])], axis=-1) / 8


class TestTinyPictures:
    @rules
    def test_one_pixel_has_no_slope(self, rule):
        np.testing.assert_array_equal(picture_jacobian(np.ones((1, 1, 3)), rule), np.zeros((1, 1, 3, 2)))
        np.testing.assert_array_equal(picture_laplacian(np.ones((1, 1, 3)), rule), np.zeros((1, 1, 3)))

    @rules
    def test_two_by_two(self, rule):
        values = np.array([[0.0, 1.0], [0.5, 2.0]])[..., None]  # the pitch is 1
        # Sobel's mean over rows changes nothing: the slopes of rows -1, 0, 1 lie on a line
        slopes = [[[1.0, 0.5], [1.0, 1.0]], [[1.5, 0.5], [1.5, 1.0]]]
        np.testing.assert_allclose(picture_jacobian(values, rule)[:, :, 0], slopes, **EXACT)
        np.testing.assert_allclose(picture_laplacian(values, rule), np.zeros((2, 2, 1)), **EXACT)

    @rules
    def test_a_single_row(self, rule):
        values = np.array([0.0, 1.0, 4.0]).reshape(1, 3, 1)  # the pitch is 2/3
        jacobian = picture_jacobian(values, rule)
        np.testing.assert_allclose(jacobian[0, :, 0, 0], np.array([0, 2, 4]) * 3 / 2, **EXACT)
        np.testing.assert_array_equal(jacobian[..., 1], np.zeros((1, 3, 1)))
        np.testing.assert_allclose(picture_laplacian(values, rule).ravel(), np.full(3, 2 * 9 / 4), **EXACT)


@pytest.mark.parametrize("derivative", [picture_jacobian, picture_laplacian])
class TestErrors:
    @pytest.mark.parametrize("rule", ["scharr", None, 3])
    def test_rule(self, derivative, rule):
        message = f"rule must be one of ('sobel', 'central', 'spline'), received {rule!r}"
        with pytest.raises(ValueError, match=re.escape(message)):
            derivative(np.zeros((3, 3, 1)), rule)

    @pytest.mark.parametrize("shape", [(3,), (3, 4), (2, 3, 4, 1), (0, 4, 1), (3, 4, 0)])
    def test_shape(self, derivative, shape):
        with pytest.raises(ValueError, match=re.escape(f"(H, W, C), each at least 1, received shape {shape}")):
            derivative(np.zeros(shape))

    @pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "complex64"])
    def test_dtype(self, derivative, dtype):
        with pytest.raises(ValueError, match=f"values must be floating.* received dtype {dtype}"):
            derivative(np.zeros((3, 3, 1), dtype))

    def test_not_finite(self, derivative):
        values = np.zeros((3, 3, 1))
        values[0, 1], values[2, 2] = np.nan, np.inf
        with pytest.raises(ValueError, match="values must be finite, received 2 that are not"):
            derivative(values)
