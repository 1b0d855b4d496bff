import dataclasses
import re

import keras
import numpy as np
import pytest

from keras_inr.initializers import Rule, RuleInitializer, get_scheme
from keras_inr.layers import SineDense
from layers.reference import assert_as_exact_as_numpy, sine_dense

COORDS = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype("float32")
HIDDEN = np.random.default_rng(1).uniform(-1, 1, (200, 64)).astype("float32")
CONSTANTS = {"paper": (30.0, 1.0), "init-33": (30.0, 0.57793), "descent": (1.0, 1.0)}


@pytest.mark.parametrize("scheme", CONSTANTS)
@pytest.mark.parametrize("omega_0", [None, 2.5])
def test_first_layer(scheme, omega_0):
    layer = SineDense(64, omega_0, first=True, scheme=scheme, seed=0)
    outputs = layer(COORDS)
    default, input_scale = CONSTANTS[scheme]
    weights = layer.kernel.numpy(), layer.bias.numpy()
    assert_as_exact_as_numpy(outputs, sine_dense, COORDS, *weights, omega_0 or default, input_scale)


@pytest.mark.parametrize("scheme", CONSTANTS)
@pytest.mark.parametrize("omega_0", [None, 2.5])
def test_hidden_layer(scheme, omega_0):
    layer = SineDense(64, omega_0, scheme=scheme, seed=0)
    outputs = layer(HIDDEN)
    weights = layer.kernel.numpy(), layer.bias.numpy()
    assert_as_exact_as_numpy(outputs, sine_dense, HIDDEN, *weights, omega_0 or CONSTANTS[scheme][0])


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("scheme", CONSTANTS)
def test_first_phases_stay_float32_under_mixed_policies(policy, scheme):
    layer = SineDense(64, first=True, scheme=scheme, dtype=policy, seed=0)
    layer.build(COORDS.shape)
    phases = layer.phases(COORDS)
    assert phases.dtype == "float32"
    omega_0, input_scale = CONSTANTS[scheme]
    kernel, bias = (weight.numpy().astype("float64") for weight in layer.weights)
    exact = omega_0 * (COORDS.astype("float64") / input_scale @ kernel + bias)
    # each of the two products and the bias is rounded three times, and none exceeds the largest phase by much
    np.testing.assert_allclose(phases, exact, rtol=0, atol=12 * 2**-24 * np.abs(exact).max())
    # half an ulp of a number up to 1, and the phases' error
    ulp = {"float16": 2**-11, "bfloat16": 2**-8}[layer.compute_dtype]
    outputs = np.asarray(layer(COORDS)).astype("float64")
    np.testing.assert_allclose(outputs, np.sin(exact), rtol=0, atol=ulp / 2 + 12 * 2**-24 * np.abs(exact).max())


def test_coordinates_stay_float32_inside_a_mixed_functional_model():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = SineDense(64, first=True, seed=0)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, layer(inputs))
    np.testing.assert_array_equal(model(COORDS), layer(COORDS))


@pytest.mark.parametrize("first", [False, True])
def test_a_scheme_without_biases_makes_no_bias_weight(first):
    bare = dataclasses.replace(get_scheme("paper"), name="bare", first_bias=None, hidden_bias=None)
    layer = SineDense(8, first=first, scheme=bare)
    layer.build((None, 2))
    assert [weight.name for weight in layer.weights] == ["kernel"]
    given = SineDense(8, first=first, scheme=bare, bias_initializer=RuleInitializer(Rule("zeros"), fan_in=2))
    given.build((None, 2))
    assert [weight.name for weight in given.weights] == ["kernel", "bias"]


def test_given_initializers_replace_the_scheme():
    layer = SineDense(8, kernel_initializer=keras.initializers.Ones(), bias_initializer=keras.initializers.Zeros())
    layer.build((None, 2))
    assert np.all(layer.kernel == 1)
    assert np.all(layer.bias == 0)


def test_omega_0_comes_from_the_scheme():
    assert {scheme: SineDense(8, scheme=scheme).omega_0 for scheme in CONSTANTS} == {
        scheme: omega_0 for scheme, (omega_0, _) in CONSTANTS.items()
    }


@pytest.mark.parametrize("omega_0", [0, -1.0, 1.1e6, 1e30, float("nan"), float("inf")])
def test_omega_0_must_be_positive_and_bounded(omega_0):
    with pytest.raises(ValueError, match=re.escape(f"omega_0 must be in (0, 1e+06], received {omega_0}")):
        SineDense(8, omega_0)


def test_unknown_scheme():
    with pytest.raises(ValueError, match=r"scheme must be one of .* received 'xavier'"):
        SineDense(8, scheme="xavier")


def test_the_thirty_of_descent_is_not_multiplied_unnoticed():
    with pytest.warns(UserWarning, match="scheme 'descent' has 30 radians in its first kernel, which omega_0=30"):
        SineDense(8, omega_0=30.0, first=True, scheme="descent")
    SineDense(8, omega_0=3.0, first=True, scheme="descent")
    SineDense(8, omega_0=30.0, scheme="descent")
