"""Budgets as text, and networks that are brought to a number of weights."""

import pytest

from keras_inr.comparing.budget import Budget
from keras_inr.comparing.sizing import TOLERANCE, sized
from keras_inr.errors import InputError
from keras_inr.presets import from_preset


@pytest.mark.parametrize(
    ("texts", "budget"),
    [
        ([], Budget(steps=2000)),
        (["1step"], Budget(steps=1)),
        (["3ksteps"], Budget(steps=3000)),
        (["0.5s"], Budget(seconds=0.5)),
        (["50kparameters", "30s"], Budget(seconds=30.0, parameters=50_000)),
        ([" 1.5Mparameters "], Budget(steps=2000, parameters=1_500_000)),
    ],
)
def test_text(texts, budget):
    assert Budget.parse(texts) == budget


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["many"], "budget must be such as 2000steps, 30s or 50kparameters.*received 'many'"),
        (["1..5s"], "received '1..5s'"),
        (["-3steps"], "received '-3steps'"),
        (["0s"], "seconds must be above 0, received 0"),
        (["0steps"], "steps must be"),
        (["1.5steps"], "budget must have whole steps, received '1.5steps'"),
        (["2s", "3s"], "budget must name seconds once, received 2 and 3"),
        (["2s", "3steps"], "give one of steps and seconds, received 3 and 2.0"),
    ],
)
def test_refused_text(texts, message):
    with pytest.raises(InputError, match=message):
        Budget.parse(texts)


def test_text_of_a_budget():
    assert str(Budget.parse(["30s", "50kparameters"])) == "30 s of training, about 50,000 weights"


@pytest.mark.parametrize("preset", ["siren", "relu_pe", "fourier", "wire", "mfn_gabor", "bacon", "finer"])
@pytest.mark.parametrize("wanted", [5_000, 50_000])
def test_networks_are_brought_to_a_number_of_weights(preset, wanted):
    arguments = sized(preset, {}, wanted, (64, 64))
    assert set(arguments) == {"units"}
    count = from_preset(preset, channels=3, picture_size=(64, 64), **arguments).count_params()
    assert abs(count - wanted) <= TOLERANCE * wanted


def test_proportions_are_kept():
    units = sized("siren_paper", {"units": (64, 32), "omega_0": 10.0}, 20_000, (64, 64))
    assert units["omega_0"] == 10.0
    first, second = units["units"]
    assert abs(first - 2 * second) <= 1


def test_grids_are_refused():
    with pytest.raises(InputError, match="'pixel_grid' cannot be brought to 50,000,000 weights by the widths"):
        sized("pixel_grid", {}, 50_000_000, (64, 64))
