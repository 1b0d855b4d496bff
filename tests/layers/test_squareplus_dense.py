import re

import numpy as np
import pytest

from keras_inr.initializers import Rule, RuleInitializer
from keras_inr.layers.squareplus_dense import SquareplusDense
from layers.reference import affine, assert_as_exact_as_numpy


def squareplus_dense(x, kernel, bias, softness):
    z = affine(x, kernel, bias)
    return (z + np.sqrt(z * z + softness)) / 2


@pytest.mark.parametrize("softness", [0.25, 1.0, 4.0])
def test_formula(softness):
    x = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
    bias = RuleInitializer(Rule("normal"), fan_in=1, seed=1)
    layer = SquareplusDense(16, softness, bias_initializer=bias, seed=0)
    outputs = layer(x)
    assert np.all(outputs > 0)
    assert_as_exact_as_numpy(outputs, squareplus_dense, x, layer.kernel.numpy(), layer.bias.numpy(), softness)


def test_of_large_numbers_it_is_the_relu():
    layer = SquareplusDense(1, kernel_initializer="ones", use_bias=False)
    values = layer(np.float32([[-1e9], [-1e4], [1e4], [1e9]])).numpy().ravel()
    # sqrt(z^2 + 1) - |z| is 5e-5 at 1e4, where float32 has steps of 1e-3
    np.testing.assert_allclose(values, [0.0, 0.0, 1e4, 1e9], rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("softness", [0.0, -1.0, 1e7, float("nan")])
def test_softness_must_be_in_range(softness):
    with pytest.raises(ValueError, match=re.escape(f"received {softness}")):
        SquareplusDense(3, softness)
