"""The initialisations of experiments 1 to 38 of pugh_torch's experiments/siren, from its text alone."""

import math

import numpy as np
import pytest

from keras_inr.initializers import get_scheme, list_schemes
from keras_inr.layers import SineDense
from keras_inr.models import Siren

FAN_IN = 4
DRAWS = 100_000
OMEGA_0 = 30.0
COORDS_STD = 0.57792791
NO_INITIALISATION = {24, 25, 34, 26, 35, 36, 37}  # another picture, weight decay, omega


def uniform(bound):
    return "uniform", bound


def normal(std):
    return "normal", std


def torch_bias(divisor):
    """PyTorch draws biases from U(+-1/sqrt(fan_in)); of the first layer, then of the others."""
    return [uniform(1 / math.sqrt(fan_in) / divisor) for fan_in in (2, FAN_IN)]


def both(bound):
    return [uniform(bound)] * 2


PAPER_HIDDEN = uniform(math.sqrt(6 / FAN_IN) / 30)
ZERO = ("zeros", 0.0)
# number -> first kernel (for 2 coordinates), hidden kernel, first bias, hidden bias (for 4 inputs)
EXPERIMENTS = {
    1: (uniform(1 / 2), PAPER_HIDDEN, *torch_bias(1)),
    2: (normal(1 / 2), normal(math.sqrt(6 / FAN_IN) / 30), *torch_bias(1)),
    3: (normal(1 / 2 / 3), normal(math.sqrt(6 / FAN_IN) / 30 / 3), *torch_bias(1)),
    4: (normal(1 / 2), PAPER_HIDDEN, *torch_bias(1)),
    5: (uniform(3 / 2), PAPER_HIDDEN, *torch_bias(1)),
    6: (normal(1.5 / 2), PAPER_HIDDEN, *torch_bias(1)),
    7: (normal(1.5 / 2), normal(math.sqrt(6 / FAN_IN) / 30 / 3), *torch_bias(1)),
    8: (normal(1.5 / 2), normal(math.sqrt(6 / FAN_IN) / 30 / 2), *torch_bias(1)),
    9: (normal(4.5 / 2), normal(math.sqrt(6 / FAN_IN) / 30 / 2), *torch_bias(1)),
    10: (normal(1.5 / 2), normal(math.sqrt(math.pi / 2 / FAN_IN) / 30), *torch_bias(1)),
    11: (normal(math.pi / (2 * 2)), normal(math.sqrt(math.pi / 2 / FAN_IN) / 30), *torch_bias(1)),
    12: (normal(1.73 / 2), PAPER_HIDDEN, *torch_bias(1)),
    13: (normal(2 / 2), PAPER_HIDDEN, *torch_bias(1)),
    14: (normal(1 / 2), PAPER_HIDDEN, *torch_bias(1)),
    15: (normal(1 / 2), PAPER_HIDDEN, ZERO, ZERO),
    16: (normal(1 / 2), PAPER_HIDDEN, *torch_bias(2)),
    17: (normal(1 / 2), PAPER_HIDDEN, *torch_bias(10)),
    18: (normal(1 / 2), PAPER_HIDDEN, ZERO, torch_bias(10)[1]),
    19: (normal(1 / 2), PAPER_HIDDEN, torch_bias(10)[0], torch_bias(1)[1]),
    20: (normal(1 / 2), PAPER_HIDDEN, None, None),
    21: (normal(1 / 2), PAPER_HIDDEN, *torch_bias(30)),
    22: (normal(1 / 2), PAPER_HIDDEN, *both(math.pi / 30)),
    23: (uniform(1 / 2), PAPER_HIDDEN, *[("evenly_spaced", math.pi / 30)] * 2),
    27: (normal(1 / 2), PAPER_HIDDEN, *both(math.pi * 30)),
    28: (normal(1 / 2), PAPER_HIDDEN, uniform(math.pi / 60), uniform(math.pi * 30)),
    29: (normal(1 / 2), PAPER_HIDDEN, *both(math.pi / 60)),
    30: (normal(1 / 2), PAPER_HIDDEN, *both(2.5 / 30)),
    31: (normal(1 / 2), PAPER_HIDDEN, *both(3 * math.pi / 4 / 30)),
    32: (normal(1 / 2), PAPER_HIDDEN, *both(2 / 30)),
    33: (normal(1 / 2), PAPER_HIDDEN, *torch_bias(15)),
    38: (normal(1 / 2), PAPER_HIDDEN, *torch_bias(20)),
}
every_experiment = pytest.mark.parametrize("number", EXPERIMENTS)


def assert_drawn(weight, rule):
    """Support, mean and variance of the draws, to 5 standard errors."""
    if rule is None:
        assert weight is None
        return
    distribution, scale = rule
    draws = weight.numpy().astype("float64").ravel()
    if distribution in ("zeros", "evenly_spaced"):
        # float32 of the spaced numbers
        np.testing.assert_allclose(draws, np.linspace(-scale, scale, len(draws)), rtol=0, atol=scale * 2.0**-24)
        return
    largest = np.abs(draws).max()
    if distribution == "uniform":
        # the largest of n draws is short of the bound by 1/n, here at most by 10/n; float32 may round the bound
        assert scale * (1 - 10 / len(draws)) < largest <= scale * (1 + 2.0**-22)
    else:
        # of 1e5 normal draws the largest lies between 3.5 and 6.5 sigma, but for 1 time in 10^5
        assert 3.5 * scale < largest < 6.5 * scale
    variance, excess = (scale**2 / 3, 0.8) if distribution == "uniform" else (scale**2, 2.0)
    assert abs(draws.mean()) < 5 * math.sqrt(variance / len(draws))
    np.testing.assert_allclose(draws.var(), variance, rtol=5 * math.sqrt(excess / len(draws)))


def test_there_is_a_scheme_for_each_initialisation_and_for_nothing_else():
    assert set(EXPERIMENTS) == set(range(1, 39)) - NO_INITIALISATION
    named = [name for name in list_schemes() if name.startswith("init-")]
    assert named == [f"init-{number}" for number in EXPERIMENTS]


@every_experiment
def test_sine_layers(number):
    first_kernel, hidden_kernel, first_bias, hidden_bias = EXPERIMENTS[number]
    first = SineDense(DRAWS, first=True, scheme=f"init-{number}", seed=number)
    hidden = SineDense(DRAWS, scheme=f"init-{number}", seed=1000 + number)
    first.build((None, 2))
    hidden.build((None, FAN_IN))
    assert_drawn(first.kernel, first_kernel)
    assert_drawn(first.bias, first_bias)
    assert_drawn(hidden.kernel, hidden_kernel)
    assert_drawn(hidden.bias, hidden_bias)


@every_experiment
def test_the_head_is_pytorch_s_default_and_omega_is_30(number):
    field = Siren(units=(FAN_IN,), scheme=f"init-{number}", channels=DRAWS, seed=number)
    assert field.omega_0 == OMEGA_0
    head = field.stack[-2]
    for weight in (head.kernel, head.bias):
        assert_drawn(weight, uniform(1 / math.sqrt(FAN_IN)))


@every_experiment
def test_coordinates_are_divided_by_their_standard_deviation_from_14_on(number):
    divisor = COORDS_STD if number >= 14 else 1.0
    # the scheme has five digits
    np.testing.assert_allclose(get_scheme(f"init-{number}").input_scale, divisor, rtol=5e-6)
    layer = SineDense(8, first=True, scheme=f"init-{number}", seed=0)
    layer.build((None, 2))
    coords = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype("float32")
    phases = layer.phases(coords).numpy()
    bias = 0.0 if layer.bias is None else layer.bias.numpy().astype("float64")
    expected = OMEGA_0 * (coords.astype("float64") / divisor @ layer.kernel.numpy().astype("float64") + bias)
    # five digits of the divisor, and float32 of biases of up to 2800 rad
    np.testing.assert_allclose(phases, expected, rtol=1e-5, atol=1e-4 + 2.0**-22 * np.abs(OMEGA_0 * bias).max())


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (-2.0, 2.44)])
def test_without_biases_the_network_is_odd_about_the_head_s(value_range):
    """The superposed negative, turned by 180 degrees, that experiment 20 saw: f(-x) - b = -(f(x) - b) in its units."""
    field = Siren(units=(64, 64, 64), scheme="init-20", value_range=value_range, seed=0)
    assert [layer.bias is None for layer in field.stack[:-1]] == [True, True, True, False]
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2)).astype("float32")
    low, high = value_range
    there, opposite = ((high - low) * field(side).numpy().astype("float64") + low for side in (points, -points))
    bias = field.stack[-2].bias.numpy().astype("float64")
    assert np.ptp(there - bias) > 0.1
    # values of up to 3, rounded to float32 on both sides and mapped in float32
    np.testing.assert_allclose(opposite - bias, bias - there, rtol=0, atol=(high - low) * 8 * 2.0**-24)


def test_with_biases_it_is_not():
    field = Siren(units=(64, 64, 64), scheme="init-33", seed=0)
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2)).astype("float32")
    bias = field.stack[-2].bias.numpy()
    there, opposite = (2 * field(side).numpy() - 1 - bias for side in (points, -points))
    assert np.abs(there + opposite).max() > 0.05
