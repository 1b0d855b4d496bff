import numpy as np
import pytest

from keras_inr.initializers import Rule, RuleInitializer
from keras_inr.layers import LeakyReluDense
from layers.reference import assert_as_exact_as_numpy, leaky_relu_dense


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.5])
def test_formula(slope):
    x = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
    bias = RuleInitializer(Rule("normal"), fan_in=1, seed=1)
    layer = LeakyReluDense(16, slope, bias_initializer=bias, seed=0)
    outputs = layer(x)
    assert_as_exact_as_numpy(outputs, leaky_relu_dense, x, layer.kernel.numpy(), layer.bias.numpy(), slope)


@pytest.mark.parametrize("slope", [-0.1, 1.0, float("nan")])
def test_slope_must_be_in_range(slope):
    with pytest.raises(ValueError, match=rf"negative_slope must be in \[0, 1\), received {slope}"):
        LeakyReluDense(3, slope)
