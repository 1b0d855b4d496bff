"""The range test against its definition in NumPy, on a loss whose gradient step is known, and what it leaves alone."""

import importlib
import re

import numpy as np
import pytest

from keras_inr.training import Recipe
from keras_inr.training.range_test import RangeTest, find_learning_rate, smoothed_losses
from keras_inr.training.sampling import Sampler
from training.small_fits import fingerprint, small_field, small_picture

RECIPE = Recipe(steps=1, batch_size=64, seed=3)


def find(kind="siren", recipe=RECIPE, **arguments):
    return find_learning_rate(small_field(kind), small_picture(), recipe, **arguments)


def with_losses(monkeypatch, losses, **arguments):
    """The test's answer for these smoothed losses."""
    module = importlib.import_module("keras_inr.training.range_test")
    monkeypatch.setattr(module, "smoothed_losses", lambda *given: np.asarray(losses, np.float64))
    return find(**arguments)


class TestSuggestion:
    def test_rates_rise_by_one_factor(self):
        found = find(lowest=1e-5, highest=1e-2, steps=40)
        np.testing.assert_allclose(found.rates, np.geomspace(1e-5, 1e-2, 40), rtol=1e-12)  # another formula
        assert len(found.losses) == 40

    @pytest.mark.parametrize("at", [12, 31, 58])
    def test_is_the_steepest_fall(self, monkeypatch, at):
        """A smooth step down at one place, and a steeper one in the first steps, which do not count."""
        losses = 1 - np.tanh((np.arange(60) - at) / 2) + 9 * (np.arange(60) < 5)
        found = with_losses(monkeypatch, losses, steps=60)
        assert found.learning_rate == float(f"{1e-6 * 1e4 ** (at / 59):.3g}")

    def test_the_last_step_does_not_count(self, monkeypatch):
        losses = np.linspace(2, 1, 30) - 5 * (np.arange(30) == 29)
        found = with_losses(monkeypatch, losses, steps=30)
        # half of the last fall is seen from the step before
        assert found.learning_rate == float(f"{1e-6 * 1e4 ** (28 / 29):.3g}")

    @pytest.mark.parametrize("losses", [np.linspace(1, 2, 50), np.ones(50), np.linspace(2, 1, 11), []])
    def test_without_a_fall_there_is_no_rate(self, monkeypatch, losses):
        told = f"the loss of this network falls nowhere between 1e-06 and 0.01 in {len(losses)} steps; give a number"
        with pytest.raises(ValueError, match=re.escape(told)):
            with_losses(monkeypatch, losses, steps=50)


class TestLosses:
    def test_of_tiny_rates_are_averages_of_those_of_the_run_s_batches(self):
        """With rates that change nothing the losses can be computed without the test."""
        field, signal = small_field("siren", dtype="float64"), small_picture()
        rates = np.full(25, 1e-15)
        received = smoothed_losses(small_field("siren", dtype="float64"), signal, RECIPE, rates)
        sampler = Sampler(signal, RECIPE, "float64")
        losses = [float(np.mean((field(coords) - values) ** 2)) for coords, values in map(sampler.batch, range(25))]
        for last in range(25):
            weights = 0.98 ** np.arange(last, -1, -1)
            # weights move by 25e-15
            np.testing.assert_allclose(received[last], np.average(losses[: last + 1], weights=weights), rtol=1e-6)

    def test_of_sgd_follow_each_step_s_rate(self):
        """On full batches the loss after a gradient step is known: the losses of a fit at those rates, one by one."""
        recipe = Recipe(steps=1, sampling="full", optimizer="sgd", beta_1=0.0)
        slow, fast = (
            smoothed_losses(small_field("siren"), small_picture(), recipe, [rate] * 3) for rate in (1e-9, 0.1)
        )
        mixed = smoothed_losses(small_field("siren"), small_picture(), recipe, [1e-9, 0.1, 1e-9])
        # a loss is that of the weights before its step; slow steps change nothing in float32
        np.testing.assert_allclose(slow, slow[0], rtol=1e-6)
        np.testing.assert_allclose(mixed[:2], slow[:2], rtol=1e-6)
        assert fast[1] < slow[1] * 0.999
        assert mixed[2] < slow[2] * 0.999

    def test_the_test_ends_where_the_loss_explodes(self):
        recipe = Recipe(steps=1, sampling="full", optimizer="sgd")
        losses = smoothed_losses(small_field("siren"), small_picture(), recipe, np.geomspace(1e-3, 1e3, 60))
        assert 10 < len(losses) < 60
        assert np.all(np.isfinite(losses))
        assert losses[-1] <= 4 * losses.min()

    def test_a_hash_encoding_s_steps_are_single_and_its_tables_follow(self):
        recipe = Recipe(steps=1, batch_size=64, table_beta_2=0.99)
        rates = np.full(20, 0.05)
        both, network = (
            smoothed_losses(small_field("multi_hash"), small_picture(), each, rates)
            for each in (recipe, Recipe(steps=1, batch_size=64, table_learning_rate=1e-9, table_beta_2=0.99))
        )
        assert len(both) == len(network) == 20
        assert both[0] == network[0]
        assert both[-1] != network[-1]

    def test_frozen_layers_stay_as_they_are(self):
        recipes = [Recipe(steps=1, batch_size=64, freeze=freeze) for freeze in ("sine_*", "sine_*,head", None)]
        with pytest.raises(ValueError, match="freeze must leave one of the layers"):
            find(recipe=recipes[1])
        frozen, free = (find(recipe=recipe).losses for recipe in recipes[::2])
        assert frozen[0] == free[0]
        assert frozen[-1] > free[-1]


class TestRun:
    @pytest.mark.parametrize("kind", ["siren", "multi_hash"])
    def test_repeats_and_leaves_the_field_alone(self, kind):
        field = small_field(kind)
        before = fingerprint(field)
        found = [find_learning_rate(field, small_picture(), RECIPE, highest=0.1) for _ in range(2)]
        assert fingerprint(field) == before
        assert not field.compiled
        assert field.picture_size is None
        assert found[0].learning_rate == found[1].learning_rate
        np.testing.assert_array_equal(found[0].losses, found[1].losses)

    def test_starts_from_the_weights_that_the_field_has(self):
        field = small_field("siren", seed=None)
        rates = [find_learning_rate(field, small_picture(), RECIPE).losses[0] for _ in range(2)]
        assert rates[0] == rates[1]

    def test_what_the_user_froze_stays_frozen(self):
        field = small_field("siren")
        field.stack[0].trainable = False
        found = find_learning_rate(field, small_picture(), RECIPE)
        assert found.losses[-1] == find(recipe=Recipe(steps=1, batch_size=64, seed=3, freeze="sine_0")).losses[-1]

    @pytest.mark.parametrize("supervise", ["gradient", "laplacian", "combined"])
    def test_of_derivatives(self, supervise):
        recipe = Recipe(steps=1, batch_size=64, supervise=supervise)
        assert 1e-6 < find(recipe=recipe, highest=0.1).learning_rate < 0.1

    def test_is_a_rate_that_learns(self):
        """Twenty steps at the rate found lower the loss; the schedule and length of the recipe do not matter."""
        found = find(highest=1.0)
        other = find(recipe=Recipe(epochs=9, batch_size=64, seed=3, schedule="plateau", learning_rate=7.0), highest=1.0)
        assert other.learning_rate == found.learning_rate
        losses = smoothed_losses(small_field("siren"), small_picture(), RECIPE, [found.learning_rate] * 20)
        assert losses[-1] < losses[0]
        assert isinstance(found, RangeTest)

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"lowest": 0.0}, "0 < lowest < highest <= 1000, received 0.0 and 0.01"),
            ({"lowest": 0.1}, "0 < lowest < highest <= 1000, received 0.1 and 0.01"),
            ({"highest": 2e3}, "0 < lowest < highest <= 1000, received 1e-06 and 2000.0"),
            ({"highest": float("nan")}, "0 < lowest < highest <= 1000, received 1e-06 and nan"),
            ({"steps": 19}, "steps must be at least 20, received 19"),
            ({"steps": 25.5}, "steps must be a positive integer, received 25.5"),
            ({"recipe": Recipe(steps=1, freeze="tanh_0")}, "freeze must name some of the layers"),
        ],
    )
    def test_arguments_out_of_range(self, arguments, told):
        with pytest.raises(ValueError, match=re.escape(told)):
            find(**arguments)

    def test_another_field_than_fit_takes(self):
        with pytest.raises(TypeError, match=r"field must be a keras_inr\.models\.Field, received list"):
            find_learning_rate([], small_picture(), RECIPE)
        with pytest.raises(ValueError, match="the picture has 3 channels, the field must have as many: 1"):
            find_learning_rate(small_field("siren", channels=1), small_picture(), RECIPE)
