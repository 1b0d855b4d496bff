"""Averages of weights over a run, against the weighted mean of weights that were kept."""

import types

import keras
import numpy as np
import pytest

from keras_inr.choosing.sizes import fresh, ladder
from keras_inr.metrics import psnr
from keras_inr.training import fit
from keras_inr.training._state import TrainingState
from keras_inr.training.averaging import Averager
from keras_inr.training.callbacks import probe_pixels
from training.small_fits import small_field, small_picture

STEPS = (1, 2, 5, 13, 14, 30)
BRIEF = {"batch_size": 32, "learning_rate": 0.05, "progress": False}


def weighted_mean(steps, kept, power):
    """Of weights after some steps, each for the steps since the one before."""
    sides = np.array([0, *steps], float) ** (power + 1)
    return [np.average(weights, axis=0, weights=np.diff(sides)) for weights in zip(*kept, strict=True)]


def drawn_weights():
    """Weights of two shapes after each of STEPS."""
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(3, 2)), rng.normal(size=4)) for _ in STEPS]


def averager_of(power, state, dtype="float64"):
    weights = [keras.Variable(np.full(shape, 7.0), dtype=dtype) for shape in ((3, 2), (4,))]
    return Averager(state, weights, power), weights


def tell(averager, weights, state, steps, kept):
    averager.on_train_begin()
    for step, values in zip(steps, kept, strict=True):
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)
        state.step = step
        averager.on_train_batch_end(0)


class TestAverager:
    @pytest.mark.parametrize("power", [0.0, 1.0, 4.0, 20.5])
    def test_weighted_mean(self, power):
        state = TrainingState(total_steps=30)
        averager, weights = averager_of(power, state)
        kept = drawn_weights()
        tell(averager, weights, state, STEPS, kept)
        for average, expected in zip(averager.averages, weighted_mean(STEPS, kept, power), strict=True):
            # six products and sums of numbers around 1
            np.testing.assert_allclose(average.numpy(), expected, rtol=0, atol=40 * 2**-53)

    def test_without_power_all_steps_count_alike(self):
        state = TrainingState(total_steps=3)
        averager, weights = averager_of(0.0, state)
        kept = drawn_weights()[:3]
        tell(averager, weights, state, (1, 2, 3), kept)
        np.testing.assert_allclose(averager.averages[1].numpy(), np.mean([part for _, part in kept], 0), atol=1e-15)

    def test_the_first_step_leaves_nothing_of_the_start(self):
        state = TrainingState(total_steps=30)
        averager, weights = averager_of(4.0, state)
        tell(averager, weights, state, STEPS[:1], drawn_weights()[:1])
        for average, value in zip(averager.averages, drawn_weights()[0], strict=True):
            np.testing.assert_allclose(average.numpy(), value, rtol=0, atol=8 * 2**-53)

    def test_it_goes_on_from_what_a_checkpoint_had(self):
        state, kept = TrainingState(total_steps=30), drawn_weights()
        whole, weights = averager_of(4.0, state)
        tell(whole, weights, state, STEPS, kept)
        state = TrainingState(total_steps=30)
        first, weights = averager_of(4.0, state)
        tell(first, weights, state, STEPS[:3], kept[:3])
        state = TrainingState(total_steps=30)
        second, weights = averager_of(4.0, state)
        state.step = STEPS[2]  # a checkpoint is restored after the averager is made
        for average, value in zip(second.averages, first.averages, strict=True):
            average.assign(value)
        tell(second, weights, state, STEPS[3:], kept[3:])
        for one, other in zip(second.averages, whole.averages, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())

    def test_applied_is_taken_back(self):
        state = TrainingState(total_steps=30)
        averager, weights = averager_of(4.0, state, "float32")
        tell(averager, weights, state, STEPS, drawn_weights())
        before = [weight.numpy() for weight in weights]
        with averager.applied():
            for weight, average, old in zip(weights, averager.averages, before, strict=True):
                np.testing.assert_array_equal(weight.numpy(), average.numpy())
                assert not np.array_equal(weight.numpy(), old)
        with pytest.raises(ZeroDivisionError), averager.applied():
            1 / 0  # noqa: B018
        for weight, old in zip(weights, before, strict=True):
            np.testing.assert_array_equal(weight.numpy(), old)
        averager.apply()
        for weight, average in zip(weights, averager.averages, strict=True):
            np.testing.assert_array_equal(weight.numpy(), average.numpy())


class Keeper(keras.callbacks.Callback):
    """Keeps the weights after every call of the training function."""

    def __init__(self):
        super().__init__()
        self.kept = []

    def on_train_batch_end(self, batch, logs=None):
        self.kept.append([weight.numpy() for weight in self.model.trainable_variables])


class TestFit:
    @pytest.mark.parametrize("power", [0.5, 4.0])
    @pytest.mark.parametrize("schedule", ["inverse", "cosine"])
    def test_the_field_is_left_with_the_averages(self, power, schedule):
        field, keeper = small_field("siren"), Keeper()
        result = fit(field, small_picture(), steps=20, averaging=power, schedule=schedule, callbacks=[keeper], **BRIEF)
        assert (result.steps, len(keeper.kept)) == (20, 20)
        for weight, expected in zip(field.weights, weighted_mean(range(1, 21), keeper.kept, power), strict=True):
            # 20 averages in float32
            np.testing.assert_allclose(weight.numpy(), expected, rtol=0, atol=20 * np.abs(expected).max() * 2**-24)
        assert not np.allclose(field.weights[0], keeper.kept[-1][0], rtol=0, atol=1e-4)

    def test_calls_of_several_steps(self):
        signal = small_picture()
        field, keeper = fresh(ladder(signal.size)[0], signal.size, 3, seed=0), Keeper()
        result = fit(field, signal, steps=20, averaging=4.0, callbacks=[keeper], **BRIEF)
        steps = [8, 16, 20]
        assert (result.steps, len(keeper.kept)) == (20, len(steps))
        for weight, expected in zip(field.weights, weighted_mean(steps, keeper.kept, 4.0), strict=True):
            np.testing.assert_allclose(weight.numpy(), expected, rtol=0, atol=3 * np.abs(expected).max() * 2**-24)

    def test_frozen_layers_stay(self):
        field = small_field("siren")
        before = field.stack[0].get_weights()
        fit(field, small_picture(), steps=5, averaging=4.0, freeze="sine_0", **BRIEF)
        for one, other in zip(before, field.stack[0].get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_figures_are_those_of_the_averages(self):
        field, signal = small_field("siren"), small_picture()
        result = fit(field, signal, steps=20, averaging=4.0, **BRIEF)
        assert result.psnr_db == psnr(signal.values, field.sample_grid())
        # all of the picture's 120 pixels are probed, in another order
        assert result.rows[-1]["average_psnr_db"] == pytest.approx(result.psnr_db, rel=1e-6)
        assert "average_psnr_db" not in fit(small_field("siren"), signal, steps=3, **BRIEF).rows[-1]

    def test_a_goal_is_that_of_the_averages(self):
        field, signal = small_field("siren"), small_picture()
        result = fit(field, signal, steps=2000, averaging=4.0, schedule="inverse", goal_psnr_db=22.0, **BRIEF)
        assert (result.stopped_by, result.psnr_db >= 22.0) == ("psnr", True)
        assert result.rows[-1]["picture_psnr_db"] == result.psnr_db == psnr(signal.values, field.sample_grid())
        assert all(row.get("picture_psnr_db", 0.0) < 22.0 for row in result.rows[:-1])

    def test_training_goes_on_from_the_weights_and_not_from_their_averages(self):
        """Whatever is measured on the way."""
        keepers = [Keeper(), Keeper()]
        for keeper, goal_psnr_db in zip(keepers, (None, 90.0), strict=True):
            more = {"averaging": 4.0, "goal_psnr_db": goal_psnr_db} if goal_psnr_db else {}
            fit(small_field("siren"), small_picture(), steps=12, callbacks=[keeper], **more, **BRIEF)
        for one, other in zip(*(keeper.kept[-1] for keeper in keepers), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("size", "number"), [((3, 5), 15), ((16, 32), 512), ((20, 40), 512), ((64, 128), 1024), ((300, 400), 8192)]
)
def test_probed_pixels(size, number):
    values = np.random.default_rng(0).random((*size, 2)).astype("float32")
    signal = types.SimpleNamespace(values=values)
    (coords, probed), (again, _) = probe_pixels(signal), probe_pixels(signal)
    np.testing.assert_array_equal(coords, again)
    assert (coords.shape, probed.shape) == ((number, 2), (1, number, 2))
    assert len(np.unique(coords, axis=0)) == number
    columns, rows = ((np.asarray(coords) * max(size) + [size[1] - 1, size[0] - 1]) / 2).T
    np.testing.assert_array_equal(values[np.rint(rows).astype(int), np.rint(columns).astype(int)], probed[0])
