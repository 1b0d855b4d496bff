"""Warnings of fits that cannot go well."""

import re
import warnings

import pytest

from keras_inr.errors import RecipeWarning
from keras_inr.models import Siren
from keras_inr.presets import from_preset
from keras_inr.runs.plan import plan_fit
from keras_inr.signals import load_image
from keras_inr.training import Recipe, fit
from keras_inr.training.advice import advise


@pytest.fixture(scope="module")
def signal():
    return load_image("sample:chelsea", size=64)


def advice(field, signal, **recipe):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecipeWarning)
        advise(field, signal, Recipe(steps=1, **recipe))
    return [str(warning.message) for warning in caught]


def test_a_preset_with_its_own_recipe_is_not_warned_of(signal):
    for name in ("siren", "siren_256", "multi_hash", "relu_pe", "wire"):
        field = from_preset(name)
        for optimizer, recipe in field.recipes.items():
            assert advice(field, signal, optimizer=optimizer, **recipe) == []


@pytest.mark.parametrize(("factor", "told"), [(9, False), (11, True), (1 / 9, False), (1 / 11, True)])
def test_rates_ten_times_off(signal, factor, told):
    field = from_preset("siren_256")
    own = field.recipes["adam"]["learning_rate"]
    found = advice(field, signal, learning_rate=own * factor)
    assert len(found) == told
    assert all(f"{own:g}" in text and "leave it out" in text for text in found)


def test_a_network_without_recipes_may_have_any_rate(signal):
    assert advice(Siren(units=(64, 64)), signal, learning_rate=0.5) == []


def test_a_network_that_is_far_too_small(signal):
    small = Siren(units=(8,))  # 51 weights for 64 x 43 pixels of 3 channels
    (text,) = advice(small, signal)
    assert re.search("51 weights can only be a blur of 64 x 43 pixels", text)
    assert advice(Siren(units=(32,)), signal) == []


def test_fit_and_plan_warn(signal):
    with pytest.warns(RecipeWarning, match="can only be a blur"):
        fit(Siren(units=(8,)), signal, steps=1, progress=False)
    with pytest.warns(RecipeWarning, match="far from"):
        plan_fit("sample:camera", "siren_256", image_options={"size": 32}, recipe={"learning_rate": 0.5})
