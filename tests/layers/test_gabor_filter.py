import re

import numpy as np
import pytest

from keras_inr.layers import GaborFilter
from layers.reference import assert_as_exact_as_numpy

COORDS = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype("float32")


def gabor_filter(x, gamma, kernel, bias, centre):
    squares = ((x[:, :, None] - centre[None]) ** 2).sum(axis=1)
    return np.sin(x @ kernel + bias) * np.exp(-kernel.dtype.type(0.5) * gamma * squares)


def test_formula():
    layer = GaborFilter(32, scale=40.0, gamma_shape=4.0, seed=0)
    outputs = layer(COORDS)
    weights = [getattr(layer, name).numpy() for name in ("gamma", "kernel", "bias", "centre")]
    assert_as_exact_as_numpy(outputs, gabor_filter, COORDS, *weights)


def test_distributions_at_the_start():
    layer = GaborFilter(100_000, scale=7.0, gamma_shape=3.0, gamma_rate=2.0, seed=0)
    layer.build((None, 2))
    gamma, kernel = layer.gamma.numpy().astype("float64"), layer.kernel.numpy().astype("float64")
    # mean shape / rate and variance shape / rate^2 of a Gamma distribution, within five standard errors
    np.testing.assert_allclose(gamma.mean(), 1.5, atol=5 * np.sqrt(0.75 / 1e5))
    np.testing.assert_allclose(gamma.var(), 0.75, rtol=5 * np.sqrt((2 + 6 / 3) / 1e5))
    unfolded = np.abs(kernel / np.sqrt(gamma))
    assert 7 / np.sqrt(2) * 0.999 < unfolded.max() <= 7 / np.sqrt(2) * 1.0001
    assert np.pi * 0.999 < np.abs(layer.bias.numpy()).max() <= np.pi * 1.0001
    assert 0.999 < np.abs(layer.centre.numpy()).max() <= 1


@pytest.mark.parametrize(
    ("name", "start"), [("scale", "(0"), ("gamma_shape", "(0"), ("gamma_rate", "[1e-06")], ids=lambda text: text
)
@pytest.mark.parametrize("value", [0, 2e6])
def test_bad_arguments(name, start, value):
    with pytest.raises(ValueError, match=re.escape(f"{name} must be in {start}, 1e+06], received {value!r}")):
        GaborFilter(8, **{name: value})


def test_a_rate_so_low_that_windows_vanish():
    with pytest.raises(ValueError, match=re.escape("gamma_rate must be in [1e-06, 1e+06], received 1e-30")):
        GaborFilter(8, gamma_rate=1e-30)
