import re

import numpy as np
import pytest

from keras_inr.layers import MultiplicativeFilters
from layers.reference import affine, assert_as_exact_as_numpy

COORDS = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype("float32")


def fourier_products(x, *weights):
    """Weights: kernel and bias of all filters, then of all maps."""
    count = (len(weights) // 2 + 1) // 2
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    outputs = np.sin(affine(x, *pairs[0]))
    for filter_pair, map_pair in zip(pairs[1:count], pairs[count:], strict=True):
        outputs = np.sin(affine(x, *filter_pair)) * affine(outputs, *map_pair)
    return outputs


@pytest.mark.parametrize("num_filters", [1, 3])
def test_formula(num_filters):
    layer = MultiplicativeFilters(32, num_filters, input_scale=40.0, seed=0)
    outputs = layer(COORDS)
    weights = [w.numpy() for part in (*layer.filter_layers, *layer.maps) for w in (part.kernel, part.bias)]
    assert_as_exact_as_numpy(outputs, fourier_products, COORDS, *weights)


def test_a_gabor_filter_multiplies_as_well():
    layer = MultiplicativeFilters(16, 2, "gabor", input_scale=20.0, seed=0)
    outputs = layer(COORDS)
    first, second = (part(COORDS).numpy().astype("float64") for part in layer.filter_layers)
    expected = second * affine(first, *(w.numpy().astype("float64") for w in layer.maps[0].weights))
    # 16 products and sums in float32
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=32 * 2**-24 * np.abs(expected).max())


def test_frequencies_at_the_start_share_the_input_scale():
    layer = MultiplicativeFilters(20_000, 4, input_scale=256.0, seed=0)
    layer.filter_layers[0].build((None, 2))
    bound = 256 / np.sqrt(4) / np.sqrt(2)
    assert bound * 0.999 < np.abs(layer.filter_layers[0].kernel.numpy()).max() <= bound * 1.0001
    assert np.pi * 0.999 < np.abs(layer.filter_layers[0].bias.numpy()).max() <= np.pi * 1.0001


def test_maps_start_as_their_paper_has_them():
    """W as U(+-sqrt(1 / units)), b as U(+-1 / sqrt(units)), in 4 * 300^2 and 4 * 300 draws."""
    layer = MultiplicativeFilters(300, 5, seed=0)
    layer(COORDS)
    bound = 1 / np.sqrt(300)
    for name in ("kernel", "bias"):
        drawn = np.concatenate([getattr(part, name).numpy().ravel() for part in layer.maps]) / bound
        assert 0.99 < np.abs(drawn).max() <= 1.0001
        # five standard errors of the mean and of the variance of U(-1, 1)
        assert abs(drawn.mean()) < 5 * np.sqrt(1 / 3 / drawn.size)
        assert abs((drawn**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / drawn.size)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": "wavelet"}, "filters must be one of ('fourier', 'gabor'), received 'wavelet'"),
        ({"num_filters": 0}, "num_filters must be a positive integer, received 0"),
        ({"input_scale": -1.0}, "input_scale must be in (0, 1e+06], received -1.0"),
        ({"input_scale": 1e30}, "input_scale must be in (0, 1e+06], received 1e+30"),
        ({"gamma_shape": 0}, "gamma_shape must be in (0, 1e+06], received 0"),
        ({"gamma_rate": 1e-30}, "gamma_rate must be in [1e-06, 1e+06], received 1e-30"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        MultiplicativeFilters(8, **arguments)
