import dataclasses
import re

import keras
import numpy as np
import pytest

from keras_inr.initializers import (
    Rule,
    RuleInitializer,
    Scheme,
    derive_seed,
    get_scheme,
    list_schemes,
    scheme_config,
)
from keras_inr.layers import SineDense
from keras_inr.models import Siren

FAN_IN = 4
DRAWS = 120_000
SIREN_HIDDEN = np.sqrt(6 / FAN_IN) / 30
# scheme -> weight -> distribution and scale, from the published rules, for 2 coordinates and 4 hidden inputs
PUBLISHED = {
    "paper": {
        "first_kernel": ("uniform", 1 / 2),
        "first_bias": ("uniform", 1 / np.sqrt(2)),
        "hidden_kernel": ("uniform", SIREN_HIDDEN),
        "hidden_bias": ("uniform", 1 / np.sqrt(FAN_IN)),
        "head_kernel": ("uniform", SIREN_HIDDEN),
        "head_bias": ("uniform", 1 / np.sqrt(FAN_IN)),
    },
    "init-33": {
        "first_kernel": ("normal", 1 / 2),
        "first_bias": ("uniform", 1 / (15 * np.sqrt(2))),
        "hidden_kernel": ("uniform", SIREN_HIDDEN),
        "hidden_bias": ("uniform", 1 / (15 * np.sqrt(FAN_IN))),
        "head_kernel": ("uniform", 1 / np.sqrt(FAN_IN)),
        "head_bias": ("uniform", 1 / np.sqrt(FAN_IN)),
    },
    "descent": {
        "first_kernel": ("uniform", 30 * np.sqrt(6 / 2)),
        "first_bias": ("uniform", 1.0),
        "hidden_kernel": ("uniform", np.sqrt(6 / FAN_IN)),
        "hidden_bias": ("uniform", 1.0),
        "head_kernel": ("normal", np.sqrt(2 / FAN_IN)),
        "head_bias": ("zeros", 0.0),
    },
}
# 5-seed means measured from the projects' own code: pre-activation std of each sine layer, then of the output
PUBLISHED_SPREAD = {
    "paper": ((256, 256, 256, 256), [14.1, 1.46, 1.48, 1.47], 0.04),
    "init-33": ((256, 256, 256, 256, 256), [21.2, 1.00, 0.93, 0.91, 0.90], 0.38),
    "descent": ((256, 128, 64, 32), [24.4, 1.15, 1.14, 1.11], 0.86),
}
BARE = dataclasses.replace(get_scheme("paper"), name="bare", first_bias=None, hidden_bias=None, head_bias=None)


@pytest.fixture(scope="module", params=PUBLISHED)
def drawn(request):
    """scheme and weight -> at least 1e5 draws, as the layers make them."""
    scheme = request.param
    first = SineDense(DRAWS, first=True, scheme=scheme, seed=0)
    hidden = SineDense(DRAWS, scheme=scheme, seed=1)
    first.build((None, 2))
    hidden.build((None, FAN_IN))
    head = Siren(units=(FAN_IN,), scheme=scheme, channels=DRAWS, seed=2).stack[-2]
    layers = {"first": first, "hidden": hidden, "head": head}
    weights = {f"{name}_{kind}": getattr(layer, kind) for name, layer in layers.items() for kind in ("kernel", "bias")}
    return scheme, {name: weight.numpy().astype("float64").ravel() for name, weight in weights.items()}


@pytest.mark.parametrize("weight", PUBLISHED["paper"])
def test_support_mean_and_variance(drawn, weight):
    scheme, weights = drawn
    draws, (distribution, scale) = weights[weight], PUBLISHED[scheme][weight]
    assert len(draws) >= 100_000
    if distribution == "zeros":
        assert not draws.any()
        return
    uniform = distribution == "uniform"
    largest = np.abs(draws).max()
    if uniform:
        # float32 may round the bound itself; the largest of n draws is short of it by 1/n, here at most by 10/n
        assert scale * (1 - 10 / len(draws)) < largest <= scale * (1 + 2**-23)
    else:
        # not truncated: of 1e5 normal draws the largest lies between 3.5 and 6.5 sigma, but for 1 time in 10^5
        assert 3.5 * scale < largest < 6.5 * scale
    variance = scale**2 / 3 if uniform else scale**2
    # 5 standard errors; that of the variance follows from the kurtosis, 1.8 or 3
    assert abs(draws.mean()) < 5 * np.sqrt(variance / len(draws))
    excess = 0.8 if uniform else 2.0
    np.testing.assert_allclose(draws.var(), variance, rtol=5 * np.sqrt(excess / len(draws)))


def test_published_constants():
    assert {name: (get_scheme(name).omega_0, get_scheme(name).input_scale) for name in list_schemes()} == {
        "paper": (30.0, 1.0),
        "finer": (30.0, 1.0),
        "descent": (1.0, 1.0),
        **{f"init-{number}": (30.0, 1.0) for number in range(1, 14)},
        **{f"init-{number}": (30.0, 0.57793) for number in (*range(14, 24), *range(27, 34), 38)},
    }


@pytest.mark.parametrize(("fan_in", "omega_0"), [(256, 30.0), (64, 10.0)])
def test_hidden_rule_follows_fan_in_and_omega(fan_in, omega_0):
    expected = np.sqrt(6 / fan_in) / omega_0
    # powers in another order
    np.testing.assert_allclose(get_scheme("paper").hidden_kernel.scale(fan_in, omega_0), expected, rtol=1e-15)
    layer = SineDense(1000, omega_0, seed=0)
    layer.build((None, fan_in))
    largest = np.abs(layer.kernel.numpy()).max()
    assert expected * 0.999 < largest <= expected * (1 + 2**-23)


@pytest.mark.parametrize("scheme", PUBLISHED_SPREAD)
def test_activation_spread(scheme):
    units, phases_std, values_std = PUBLISHED_SPREAD[scheme]
    points = np.random.default_rng(0).uniform(-1, 1, (2048, 2)).astype("float32")
    measured = []
    for seed in range(5):
        field = Siren(units=units, scheme=scheme, value_range=(0, 1), seed=seed)
        hidden, spread = points, []
        for layer in field.stack[: len(units)]:
            spread.append(np.std(layer.phases(hidden)))
            hidden = layer(hidden)
        measured.append([*spread, np.std(field(points))])
    *phases, values = np.mean(measured, axis=0)
    # one seed scatters by up to 6 %, so a mean of five by 3 %; the published figures are such means, rounded by 1 %
    np.testing.assert_allclose(phases, phases_std, rtol=0.06)
    # a head is few numbers: one seed scatters by up to 40 %
    np.testing.assert_allclose(values, values_std, rtol=0.4)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (3, 2, 5)])
def test_evenly_spaced(shape):
    values = RuleInitializer(Rule("evenly_spaced", gain=3.0, omega_power=-1), omega_0=6.0, fan_in=1)(shape)
    np.testing.assert_array_equal(values, np.broadcast_to([-0.5, -0.25, 0, 0.25, 0.5], shape))


def test_evenly_spaced_single_entry_is_the_centre():
    np.testing.assert_array_equal(RuleInitializer(Rule("evenly_spaced"), fan_in=1)((2, 1)), np.zeros((2, 1)))


def test_fan_in_is_read_from_the_last_axis_but_one():
    rule = Rule("uniform", fan_in_power=-1)
    for shape in [(50, 4000), (3, 50, 4000)]:
        largest = np.abs(RuleInitializer(rule, seed=0)(shape)).max()
        # the largest of 200000 draws or more
        np.testing.assert_allclose(largest, 1 / 50, rtol=1e-4)


def test_a_bias_needs_fan_in():
    with pytest.raises(ValueError, match=r"fan_in must be given .* received shape \(7,\)"):
        RuleInitializer(Rule("uniform"))((7,))


def test_no_bias_rule_means_no_bias_weight():
    field = Siren(units=(8, 8), scheme=BARE)
    assert [weight.name for weight in field.weights] == ["kernel"] * 3


def test_a_bias_free_siren_is_odd():
    field = Siren(units=(32, 32), scheme=BARE, value_range=(0, 1), seed=0)
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2)).astype("float32")
    values = field(points).numpy()
    assert np.ptp(values) > 0.01
    # every operation rounds symmetrically; sums in two different orders would differ by a few roundings of 1
    np.testing.assert_allclose(field(-points), -values, rtol=0, atol=4 * 2.0**-24)


def test_users_define_schemes_in_a_few_lines(tmp_path):
    mine = dataclasses.replace(get_scheme("init-33"), name="mine", omega_0=20.0, first_bias=Rule("evenly_spaced"))
    assert Scheme.from_config(mine.get_config()) == mine
    field = Siren(units=(8, 8), scheme=mine, seed=0)
    # 8 numbers from -1 to 1 in float32
    np.testing.assert_allclose(field.stack[0].bias, np.linspace(-1, 1, 8), rtol=0, atol=2.0**-24)
    field.save(tmp_path / "mine.keras")
    loaded = keras.models.load_model(tmp_path / "mine.keras")
    assert loaded.scheme == mine
    assert [layer.scheme for layer in loaded.stack[:2]] == [mine, mine]
    assert loaded.omega_0 == 20.0


def test_a_scheme_that_borrows_a_name_is_stored_whole():
    borrowed = dataclasses.replace(get_scheme("paper"), omega_0=7.0)
    assert scheme_config("paper") == "paper"
    assert scheme_config(borrowed) == borrowed.get_config()
    assert SineDense.from_config(SineDense(3, scheme=borrowed).get_config()).scheme == borrowed


@pytest.mark.parametrize("name", PUBLISHED)
def test_get_scheme_takes_a_name_a_scheme_or_a_config(name):
    scheme = get_scheme(name)
    assert scheme.name == name
    assert get_scheme(scheme) is scheme
    assert get_scheme(scheme.get_config()) == scheme


def test_list_schemes():
    assert len(list_schemes()) == len(set(list_schemes())) >= len(PUBLISHED)
    assert set(PUBLISHED) <= set(list_schemes())


def test_derived_seeds_differ_by_seed_and_place():
    places = [(0,), (1,), (0, 0), (0, 1), (1, 0), (2**31,)]
    seeds = [derive_seed(seed, *place) for seed in (0, 1, 2**40) for place in places]
    assert len(set(seeds)) == len(seeds)
    assert seeds == [derive_seed(seed, *place) for seed in (0, 1, 2**40) for place in places]
    # what keras.random takes
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_no_seed_stays_none():
    assert derive_seed(None, 3) is None


def test_seed_must_not_be_negative():
    with pytest.raises(ValueError, match="seed must be None or an integer that is not negative, received -4"):
        derive_seed(-4, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rule("cauchy"), "distribution must be one of .* received 'cauchy'"),
        (lambda: Rule("uniform", gain=-1.0), r"gain must be finite and not negative, received -1\.0"),
        (lambda: Rule("uniform", gain=float("nan")), "gain must be finite and not negative, received nan"),
        (lambda: dataclasses.replace(BARE, omega_0=0.0), r"omega_0 must be finite and positive, received 0\.0"),
        (lambda: dataclasses.replace(BARE, input_scale=-2.0), r"input_scale must be finite .* received -2\.0"),
        (lambda: get_scheme("xavier"), "scheme must be one of .* or a Scheme, received 'xavier'"),
    ],
)
def test_values_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_scheme_of_another_type():
    with pytest.raises(TypeError, match="scheme must be a name, a Scheme or its config, received 33"):
        get_scheme(33)


@pytest.mark.parametrize(("name", "value"), [("first_kernel", "uniform"), ("head_kernel", None), ("hidden_bias", 0.0)])
def test_a_scheme_takes_rules(name, value):
    with pytest.raises(TypeError, match=rf"{name} must be a Rule( or None)?, received {re.escape(repr(value))}"):
        dataclasses.replace(get_scheme("paper"), **{name: value})
