import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.initializers import get_scheme
from keras_inr.models import Siren


def test_only_the_first_layer_reads_coordinates():
    field = Siren(units=(8, 8, 8))
    assert [layer.first for layer in field.stack[:3]] == [True, False, False]


def test_omega_0_reaches_every_layer_and_the_rules():
    field = Siren(units=(64, 64), omega_0=10.0, seed=0)
    assert [layer.omega_0 for layer in field.stack[:2]] == [10.0, 10.0]
    for layer in field.stack[1:3]:
        # hidden and head kernels are U(+-sqrt(6 / fan_in) / omega_0), here with at least 192 draws
        largest = np.abs(layer.kernel.numpy()).max()
        bound = np.sqrt(6 / 64) / 10
        assert 0.95 * bound < largest <= bound * (1 + 2**-23)


def test_omega_0_comes_from_the_scheme():
    scheme = dataclasses.replace(get_scheme("paper"), name="mine", omega_0=17.0)
    assert Siren(units=(8,), scheme=scheme).omega_0 == 17.0


def test_hidden_phases_follow_the_weights_not_the_scheme_of_the_inputs():
    """The input scale belongs to coordinates alone."""
    field = Siren(units=(8, 8), scheme="init-33", seed=0)
    hidden = np.random.default_rng(0).uniform(-1, 1, (5, 8)).astype("float32")
    kernel, bias = (weight.numpy().astype("float64") for weight in field.stack[1].weights)
    # phases of a few radians, each a sum of 9 rounded terms
    np.testing.assert_allclose(
        field.stack[1].phases(tf.constant(hidden)), 30 * (hidden @ kernel + bias), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0), (-0.5, 2.0)])
def test_value_range_is_mapped_onto_0_to_1(value_range):
    points = np.zeros((1, 2), "float32")
    field = Siren(units=(8,), value_range=value_range, seed=0)
    network = field.stack[1](field.stack[0](points)).numpy()
    low, high = value_range
    # two roundings
    np.testing.assert_allclose(field(points), (network - low) / (high - low), rtol=4 * 2.0**-24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": ()}, r"units must be a sequence of positive integers, received \(\)"),
        ({"units": (8, 0)}, "units must be a positive integer, received 0"),
        ({"omega_0": -1.0}, r"omega_0 must be in \(0, 1e\+06\], received -1\.0"),
        ({"scheme": "xavier"}, "scheme must be one of .* received 'xavier'"),
        (
            {"value_range": (1, 0)},
            r"value_range must be two numbers within \+-1e\+06, the second larger .*, received \(1, 0\)",
        ),
        ({"seed": 1.5}, "seed must be None or an integer that is not negative, received 1.5"),
        ({"seed": "a"}, "seed must be None or an integer that is not negative, received 'a'"),
        ({"seed": -1}, "seed must be None or an integer that is not negative, received -1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Siren(**arguments)
