import colorsys

import numpy as np
import pytest

from keras_inr.rendering.derivative_pictures import gradient_picture, gradient_scale, laplacian_picture, laplacian_scale


def slopes(*pairs):
    """A Jacobian of one channel, one pixel for each (dx, dy)."""
    return np.array(pairs, "float32").reshape(1, -1, 1, 2)


def test_hue_is_direction_with_the_clock():
    angles = np.arange(0, 360, 15)
    jacobian = slopes(*np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=-1))
    picture = gradient_picture(jacobian, scale=1.0)
    expected = [[255 * part for part in colorsys.hsv_to_rgb(angle / 360, 1, 1)] for angle in angles]
    # half a level of rounding, and float32 cosines
    np.testing.assert_allclose(picture[0], expected, rtol=0, atol=0.51)
    assert picture.dtype == np.uint8


def test_brightness_is_length_up_to_the_scale():
    picture = gradient_picture(slopes((0, 0), (1, 0), (2, 0), (4, 0), (9, 0)), scale=4.0)
    np.testing.assert_array_equal(picture[0, :, 0], [0, 64, 128, 255, 255])
    assert not picture[..., 1:].any()


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_are_weighted_as_luma_and_alpha_is_left_out(channels):
    jacobian = np.zeros((1, 3, channels, 2))
    jacobian[0, [0, 1, 2], [0, 1, 2], 0] = 1.0
    jacobian[:, :, 3:] = 1e6
    np.testing.assert_array_equal(gradient_picture(jacobian, 1.0)[0, :, 0], np.rint([76.245, 149.685, 29.07]))
    assert laplacian_scale(jacobian[..., 0]) == pytest.approx(0.587, rel=0.01)


def test_the_laplacian_is_symmetric_about_zero():
    levels = np.linspace(-2, 2, 41)[None, :, None]
    picture = laplacian_picture(levels, scale=1.0).astype(int)
    red_over_blue = picture[0, :, 0] - picture[0, :, 2]
    assert red_over_blue[20] == 0
    assert (red_over_blue[21:] > 0).all()
    assert (red_over_blue[:20] < 0).all()
    np.testing.assert_array_equal(picture[0, :10], picture[0, :1].repeat(10, axis=0))
    assert picture[0, 20].min() == 247


def test_scales_are_percentiles():
    lengths = np.arange(1, 101, dtype="float64").reshape(10, 10, 1)
    jacobian = np.stack([0.6 * lengths, -0.8 * lengths], axis=-1)
    assert gradient_scale(jacobian) == pytest.approx(99.01)
    assert laplacian_scale(-lengths) == pytest.approx(99.01)
    assert gradient_scale(np.zeros((2, 2, 3, 2))) == laplacian_scale(np.zeros((2, 2, 3))) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: gradient_picture(np.zeros((2, 2, 3)), 1.0),
            r"jacobian must have shape \(H, W, C, 2\), .* \(2, 2, 3\)",
        ),
        (lambda: gradient_scale(np.zeros((2, 2, 3, 3))), r"received \(2, 2, 3, 3\)"),
        (lambda: laplacian_picture(np.zeros((2, 2)), 1.0), r"laplacian must have shape \(H, W, C\), received \(2, 2\)"),
        (lambda: gradient_picture(slopes((1, 1)), 0), "scale must be positive and finite, received 0"),
        (
            lambda: laplacian_picture(np.zeros((2, 2, 1)), float("nan")),
            "scale must be positive and finite, received nan",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
