import re

import numpy as np
import pytest

from keras_inr.layers import GaussianEncoding
from layers.reference import assert_as_exact_as_numpy

COORDS = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype("float32")


def gaussian_encoding(x, frequencies):
    phases = x.dtype.type(np.pi) * (x @ frequencies)
    return np.concatenate([np.sin(phases), np.cos(phases)], axis=-1)


@pytest.mark.parametrize("sigma", [1.0, 10.0])
def test_formula(sigma):
    layer = GaussianEncoding(64, sigma, seed=0)
    outputs = layer(COORDS)
    assert_as_exact_as_numpy(outputs, gaussian_encoding, COORDS, layer.frequencies.numpy())


def test_frequencies_are_normal_and_not_trained():
    layer = GaussianEncoding(100_000, sigma=3.0, seed=0)
    layer.build((None, 2))
    assert not layer.trainable_weights
    draws = layer.frequencies.numpy().astype("float64").ravel()
    # five standard errors of 2e5 draws
    assert abs(draws.mean()) < 5 * 3 / np.sqrt(2e5)
    np.testing.assert_allclose(draws.std(), 3, rtol=5 / np.sqrt(4e5))
    assert 3.5 * 3 < np.abs(draws).max() < 6.5 * 3  # not truncated


def test_a_frequency_is_in_periods_per_longer_side():
    layer = GaussianEncoding(1, seed=0)
    layer.build((None, 1))
    layer.frequencies.assign([[3.0]])
    along = np.linspace(-1, 1, 601, dtype="float32")[:, None]
    rising = np.diff(np.sign(layer(along)[:, 0])) > 0
    # three periods from -3 pi to 3 pi; that at the start or the end may count as half
    assert 3 <= rising.sum() <= 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_frequencies": 0}, "num_frequencies must be a positive integer, received 0"),
        ({"sigma": 0.0}, "sigma must be in (0, 1e+06], received 0.0"),
        ({"sigma": 1e30}, "sigma must be in (0, 1e+06], received 1e+30"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        GaussianEncoding(**arguments)
