"""Filters in floating point: what they are, that nothing is rounded, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from keras_inr.errors import InputError
from keras_inr.signals.resampling import resampled

VALUES = np.random.default_rng(0).uniform(-0.5, 1.5, (13, 17, 3)).astype("float32")


@pytest.mark.parametrize("method", ["area", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(5, 9), (26, 40), (13, 17)])
def test_channels_are_apart_and_float32(method, size):
    """Each channel as Pillow's filter of that name has it, of pictures that are turned, too."""
    filters = {"area": "BOX", "bilinear": "BILINEAR", "bicubic": "BICUBIC", "lanczos": "LANCZOS"}
    result = resampled(VALUES, *size, method)
    assert (result.shape, result.dtype) == ((*size, 3), np.float32)
    for channel in range(3):
        plane = Image.fromarray(VALUES[..., channel].copy())
        expected = np.asarray(plane.resize(size[::-1], Image.Resampling[filters[method]]))
        np.testing.assert_array_equal(result[..., channel], expected)
    turned = resampled(np.asfortranarray(VALUES.transpose(1, 0, 2).astype("float64")), *size[::-1], method)
    # the other axis goes first: float32 sums of a few dozen products of about 1
    np.testing.assert_allclose(turned.transpose(1, 0, 2), result, rtol=0, atol=2e-6)


def test_area_is_the_mean():
    values = VALUES[:12, :16]
    means = values.reshape(3, 4, 4, 4, 3).mean((1, 3))
    np.testing.assert_allclose(resampled(values, 3, 4, "area"), means, rtol=0, atol=1e-6)  # float32 means of 16


def test_nothing_is_rounded_to_8_bits():
    ramp = np.linspace(0, 1 / 255, 16, dtype="float32").reshape(1, 16, 1)
    assert len(np.unique(resampled(ramp, 1, 32, "bicubic"))) > 16


def test_nothing_is_clipped():
    step = np.repeat(np.array([0, 1], "float32"), 8).reshape(1, 16, 1)
    result = resampled(step, 1, 64, "lanczos")
    assert result.min() < 0
    assert result.max() > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((VALUES, 0, 5, "area"), "height must be a positive integer, received 0"),
        ((VALUES, 5, 2.5, "area"), "width must be a positive integer, received 2.5"),
        ((VALUES, 5, 5, "lanczo"), r"method must be one of \('area', .* received 'lanczo'; did you mean 'lanczos'\?"),
        ((VALUES[..., 0], 5, 5, "area"), r"values must have a shape .* received \(13, 17\)"),
        ((VALUES[:0], 5, 5, "area"), r"values must have a shape .* received \(0, 17, 3\)"),
    ],
)
def test_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        resampled(*arguments)
