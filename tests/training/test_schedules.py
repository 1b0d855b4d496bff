"""Schedules against their formulas in NumPy float64."""

import json
import math

import keras
import numpy as np
import pytest

from keras_inr.training import Recipe
from keras_inr.training.schedules import InverseDecay, WarmupExponentialDecay, make_schedule

SQUARE = 512 * 512
# float32: t / 40 is rounded (6e-8 of an exponent of 5 at most, times ln 2), then a power and two products
FLOAT32 = 1e-6
INVERSE = {"epochs": 9, "learning_rate": 0.02, "schedule": "inverse"}
DESCENT = {"epochs": 200, "learning_rate": 0.02, "schedule": "warmup_exponential", "warmup_epochs": 10}


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_descent_schedule_at_steps_of_all_epochs():
    schedule = make_schedule(Recipe(**DESCENT), SQUARE)
    # the first, a middle and the last step of each of the 200 epochs of 16 steps
    steps = np.arange(200 * 16).reshape(200, 16)[:, [0, 7, 15]].ravel()
    t = steps // 16 + 0.5
    expected = 0.02 * np.minimum(t / 10, 1) * 0.5 ** (t / 40)
    np.testing.assert_allclose(np.asarray(schedule(steps)), expected, rtol=FLOAT32)


@pytest.mark.parametrize(("epoch", "rate"), [(1, 9.9e-4), (11, 1.667e-2), (40, 1.01e-2), (200, 6.3e-4)])
def test_descent_schedule_at_published_points(epoch, rate):
    schedule = make_schedule(Recipe(**DESCENT), SQUARE)
    # published to two or four digits
    np.testing.assert_allclose(rates(schedule, [16 * (epoch - 1), 16 * epoch - 1]), rate, rtol=5e-3)


def test_descent_schedule_peaks_in_epoch_11():
    schedule = make_schedule(Recipe(**DESCENT), SQUARE)
    assert int(np.argmax(rates(schedule, 16 * np.arange(200)))) == 10


def test_exponential_decay_without_warm_up():
    schedule = make_schedule(Recipe(**{**DESCENT, "warmup_epochs": 0, "half_life_epochs": 3}), num_pixels=100)
    t = np.arange(30) + 0.5  # a small picture has epochs of one step
    np.testing.assert_allclose(rates(schedule, range(30)), 0.02 * 0.5 ** (t / 3), rtol=FLOAT32)


@pytest.mark.parametrize("final_fraction", [0.0, 0.1])
def test_cosine(final_fraction):
    schedule = make_schedule(Recipe(steps=100, learning_rate=0.01, final_fraction=final_fraction), SQUARE)
    steps = np.array([0, 1, 25, 50, 99, 100, 101])
    falling = (1 + np.cos(np.pi * np.minimum(steps, 100) / 100)) / 2
    expected = 0.01 * (final_fraction + (1 - final_fraction) * falling)
    # near the end 1 + cos cancels: an error of 1e-7 of the initial_learning_rate
    np.testing.assert_allclose(rates(schedule, steps), expected, rtol=FLOAT32, atol=2e-9)


def test_cosine_with_warm_up():
    recipe = Recipe(epochs=10, learning_rate=0.01, warmup_epochs=2)
    schedule = make_schedule(recipe, SQUARE)
    total, warmup = 160, 32
    steps = np.arange(total + 1)
    rising = steps / warmup
    falling = (1 + np.cos(np.pi * (steps - warmup) / (total - warmup))) / 2
    expected = 0.01 * np.where(steps < warmup, rising, falling)
    # as above
    np.testing.assert_allclose(rates(schedule, steps), expected, rtol=FLOAT32, atol=2e-9)


@pytest.mark.parametrize(("steps", "warmup_epochs"), [(1, 0), (1, 5), (2, 5), (16, 1)])
def test_cosine_of_runs_no_longer_than_their_warm_up(steps, warmup_epochs):
    schedule = make_schedule(Recipe(steps=steps, learning_rate=0.01, warmup_epochs=warmup_epochs), SQUARE)
    values = rates(schedule, range(steps))
    assert all(math.isfinite(value) and 0 <= value <= 0.01 * (1 + FLOAT32) for value in values)
    assert max(values) > 0 or steps == 1


@pytest.mark.parametrize(("hold_epochs", "hold_steps"), [(8, 128), (0.5, 8), (1e-3, 1)])
def test_inverse(hold_epochs, hold_steps):
    schedule = make_schedule(Recipe(**{**INVERSE, "hold_epochs": hold_epochs}), SQUARE)
    steps = np.array([0, 1, 6, 7, 8, 127, 128, 129, 3199, 10**6])
    expected = 0.02 * np.where(steps < hold_steps, 1.0, hold_steps / (steps + 1.0))
    np.testing.assert_allclose(rates(schedule, steps), expected, rtol=FLOAT32)


def test_inverse_knows_no_length():
    short, long = (make_schedule(Recipe(**{**INVERSE, "epochs": epochs}), SQUARE) for epochs in (1, 10**5))
    assert rates(short, range(0, 4000, 90)) == rates(long, range(0, 4000, 90))


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_schedules_that_start_as_a_number(schedule):
    assert make_schedule(Recipe(steps=100, learning_rate=0.01, schedule=schedule), SQUARE) == 0.01


@pytest.mark.parametrize(
    "recipe", [Recipe(**DESCENT), Recipe(**INVERSE), Recipe(epochs=10, warmup_epochs=1)], ids=lambda r: r.schedule
)
def test_serialisation_round_trip(recipe):
    schedule = make_schedule(recipe, SQUARE)
    text = json.dumps(keras.optimizers.schedules.serialize(schedule))
    again = keras.optimizers.schedules.deserialize(json.loads(text))
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert rates(again, range(0, 160, 7)) == rates(schedule, range(0, 160, 7))


def test_registered_name_is_a_file_format():
    schedule = WarmupExponentialDecay(0.02, 16, 10, 40)
    assert keras.saving.get_registered_name(type(schedule)) == "keras_inr>WarmupExponentialDecay"
    assert keras.saving.get_registered_name(InverseDecay) == "keras_inr>InverseDecay"
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(keras.optimizers.Adam(schedule)))
    assert optimizer.get_config()["learning_rate"]["config"] == schedule.get_config()
