import numpy as np
import pytest

from keras_inr.layers import BandLimitedFilters
from layers.reference import assert_as_exact_as_numpy
from layers.test_multiplicative_filters import COORDS, fourier_products

LIMITS = (2, 3, 4)


def test_formula():
    layer = BandLimitedFilters(32, LIMITS, seed=0)
    outputs = layer(COORDS)
    turned = np.float32(np.pi)
    filters = [turned * w.numpy() for part in layer.filter_layers for w in (part.kernel, part.bias)]
    maps = [w.numpy() for part in layer.maps for w in (part.kernel, part.bias)]
    assert_as_exact_as_numpy(outputs, fourier_products, COORDS, *filters, *maps)


def test_frequencies_are_whole_as_likely_and_not_trained():
    layer = BandLimitedFilters(50_000, (2,), seed=0)
    layer.build((None, 2))
    kernel = layer.filter_layers[0].kernel.numpy()
    found, counts = np.unique(kernel, return_counts=True)
    assert found.tolist() == [-2, -1, 0, 1, 2]
    # five standard errors of a share of 1/5 in 1e5 draws
    np.testing.assert_allclose(counts / kernel.size, 0.2, atol=5 * np.sqrt(0.16 / 1e5))
    assert {weight.path for weight in layer.non_trainable_weights} == {layer.filter_layers[0].kernel.path}


def test_phases_and_maps_start_as_their_paper_has_them():
    layer = BandLimitedFilters(300, (5, 5, 5, 5, 5), seed=0)
    layer(COORDS)
    drawn = {
        "phases": (np.pi, [np.pi * part.bias.numpy() for part in layer.filter_layers]),
        "kernels": (np.sqrt(6 / 300), [part.kernel.numpy() for part in layer.maps]),
        "biases": (1 / np.sqrt(300), [part.bias.numpy() for part in layer.maps]),
    }
    for bound, arrays in drawn.values():
        values = np.concatenate([array.ravel() for array in arrays]) / bound
        assert 0.99 < np.abs(values).max() <= 1.0001
        # five standard errors of the mean and of the variance of U(-1, 1)
        assert abs(values.mean()) < 5 * np.sqrt(1 / 3 / values.size)
        assert abs((values**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / values.size)


def test_frequencies_stay_untrained_when_the_layer_is_thawed():
    layer = BandLimitedFilters(8, (2, 3), seed=0)
    layer.build((None, 2))
    fixed = {part.kernel.path for part in layer.filter_layers}
    for trainable in (False, True):
        layer.trainable = trainable
    assert {weight.path for weight in layer.non_trainable_weights} == fixed
    assert len(layer.trainable_weights) == len(layer.weights) - 2


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_product_has_no_frequency_above_the_sum_of_the_limits(depth):
    """On [-1, 1) with 64 points, whole frequencies are the bins of a discrete Fourier transform."""
    layer = BandLimitedFilters(16, LIMITS, seed=0, dtype="float64")
    layer.build((None, 2))
    side = -1 + np.arange(64) / 32
    coords = np.stack(np.meshgrid(side, side), axis=-1)
    spectrum = np.abs(np.fft.fft2(layer.products(coords)[depth - 1], axes=(0, 1)))
    frequency = np.abs(np.fft.fftfreq(64, 1 / 64))
    outside = np.maximum(frequency[:, None], frequency[None]) > sum(LIMITS[:depth])
    # roundings of a sum of 4096 terms of up to 1
    assert spectrum[outside].max() < 1e-9
    assert spectrum[~outside].max() > 1
