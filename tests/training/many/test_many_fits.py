"""Many fits at once against as many fits one after the other."""

import importlib

import numpy as np
import pytest

from keras_inr.models import ReluMLP, Siren
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.many.many_fits import chunks, fit_in_batches, fit_many, groups
from keras_inr.training.recipe import Recipe
from training.one_by_one import NAMES, compare, pictures, sirens


@pytest.mark.parametrize("sampling", ["full", "random", "shuffled", "continuous"])
def test_equals_separate_fits(sampling):
    compare(sirens, pictures(), steps=30, sampling=sampling, batch_size=50)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "sgd", "learning_rate": 0.03},
        {"clip_norm": 0.01, "optimizer": "sgd", "learning_rate": 1.0},
        {"optimizer": "muon", "weight_decay": 0.1},
        {"freeze": "sine_0"},
        {"schedule": "plateau", "plateau_patience": 2, "plateau_factor": 0.3, "learning_rate": 0.03},
        {"schedule": "warmup_exponential", "warmup_epochs": 5.0, "half_life_epochs": 7.0},
    ],
    ids=lambda recipe: ",".join(map(str, recipe.values())),
)
def test_equals_separate_fits_under(recipe):
    compare(sirens, pictures(), rtol=1e-5, **{"steps": 30, "sampling": "full", **recipe})  # rates are float32


def test_learning_rates_fall_apart_at_plateaus():
    one_by_one, _ = compare(
        sirens,
        pictures(),
        rtol=1e-5,
        steps=60,
        sampling="full",
        schedule="plateau",
        plateau_patience=2,
        plateau_factor=0.3,
        learning_rate=0.03,
    )
    assert len({result.rows[-1]["learning_rate"] for result in one_by_one}) > 1


@pytest.mark.slow
def test_pictures_of_different_sizes():
    signals = [load_image(f"sample:{name}", size=size) for name, size in zip(NAMES, (12, 20, 15), strict=True)]
    for sampling in ("random", "full"):
        compare(sirens, signals, steps=20, sampling=sampling, batch_size=50)


@pytest.mark.slow
def test_each_ends_at_the_goal_and_the_others_go_on_in_a_smaller_model():
    flat = load_image(np.full((12, 12, 3), 0.5, "float32"))
    signals = [flat, *pictures(), flat]
    _, at_once = compare(
        lambda: sirens(range(5)), signals, steps=400, sampling="full", learning_rate=3e-3, goal_psnr_db=32.0
    )
    ends = [result.steps for result in at_once]
    assert len(set(ends)) > 2
    assert [result.stopped_by for result in at_once] == ["psnr"] * 5


def test_own_seeds_of_batches():
    signals = pictures(names=("chelsea", "chelsea"))
    fields = [Siren(units=(8,), seed=0) for _ in signals]
    first, second = fit_many(fields, signals, steps=5, batch_size=20, seeds=(0, 1), progress=False)
    alone = fit(Siren(units=(8,), seed=0), signals[1], steps=5, batch_size=20, seed=1, progress=False)
    assert second.rows[-1]["loss"] == pytest.approx(alone.rows[-1]["loss"], rel=1e-4)
    assert first.rows[-1]["loss"] != pytest.approx(alone.rows[-1]["loss"], rel=1e-4)


def test_one_that_diverges_does_not_stop_the_others():
    signals, fields = pictures(), sirens()
    fields[1].weights[0].assign(np.full(fields[1].weights[0].shape, np.nan, "float32"))
    results = fit_many(fields, signals, steps=20, sampling="full", progress=False)
    alone = fit(sirens()[2], signals[2], steps=20, sampling="full", progress=False)
    assert [result.stopped_by for result in results] == ["steps", "diverged", "steps"]
    assert results[1].psnr_db is None
    assert results[1].rows[-1]["loss"] is None
    assert results[2].psnr_db == pytest.approx(alone.psnr_db, abs=1e-3)


def test_batches_of_fields():
    signals = pictures(names=NAMES * 2)
    apart, together = sirens(range(6)), sirens(range(6))
    whole = fit_many(apart, signals, steps=10, sampling="full", progress=False)
    parts = fit_many(together, signals, steps=10, sampling="full", fields_per_batch=4, progress=False)
    for one, other in zip(whole, parts, strict=True):
        assert one.psnr_db == pytest.approx(other.psnr_db, abs=1e-3)


def test_large_networks_are_fitted_fewer_at_a_time(monkeypatch, capsys):
    fields = [ReluMLP(units=(8,), seed=seed) for seed in (0, 1)]
    module = importlib.import_module(
        "keras_inr.training.many.many_fits"
    )  # the package has the function under this name
    monkeypatch.setattr(module, "MOST_WEIGHTS", 2 * fields[0].count_params() - 1)
    fit_many(fields, pictures()[:2], steps=3, sampling="full")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["1/2 pictures", "2/2 pictures"]


def test_interrupt():
    asked = []

    def should_stop():
        asked.append(True)
        return len(asked) > 4

    options = {"steps": 50, "sampling": "full", "should_stop": should_stop, "progress": False}
    results = fit_many(sirens(), pictures(), **options)
    assert [(r.stopped_by, r.steps, r.psnr_db, r.prediction) for r in results] == [("interrupt", 4, None, None)] * 3
    asked.clear()
    one_by_one = fit_many(sirens(), pictures(), **options, fields_per_batch=1)
    assert [(r.stopped_by, r.steps) for r in one_by_one] == [("interrupt", 4), ("interrupt", 0), ("interrupt", 0)]


def test_batches_come_as_they_end_and_networks_are_compiled_once(monkeypatch):
    module = importlib.import_module("keras_inr.training.many.many_fits")
    made, stacks = [], module.Stacks
    monkeypatch.setattr(module, "Stacks", lambda *arguments: made.append(arguments) or stacks(*arguments))
    recipe, kept = Recipe(steps=20, sampling="full"), module.LastStacks()
    fields, expected = sirens(), sirens()
    found = [
        (places, [result.steps for result in results])
        for places, results in fit_in_batches(fields, pictures(), recipe, fields_per_batch=2, stacks=kept)
    ]
    assert found == [([0, 1], [20, 20]), ([2], [20])]
    list(fit_in_batches(sirens(), pictures(), recipe, fields_per_batch=2, stacks=kept))
    assert len(made) == 1
    list(fit_in_batches(sirens(), pictures((8, 8)), recipe, stacks=kept))  # an epoch has another length
    assert len(made) == 2
    fit_many(expected, pictures(), recipe, fields_per_batch=2, progress=False)
    for field, other in zip(fields, expected, strict=True):
        for one, two in zip(field.weights, other.weights, strict=True):
            np.testing.assert_array_equal(one, two)


def test_layers_that_the_caller_has_frozen_stay():
    fields = sirens()
    for field in fields:
        field.stack[0].trainable = False
    before = [field.stack[0].get_weights() for field in fields]
    fit_many(fields, pictures(), steps=5, sampling="full", progress=False)
    for field, kept in zip(fields, before, strict=True):
        for one, two in zip(field.stack[0].get_weights(), kept, strict=True):
            np.testing.assert_array_equal(one, two)
        assert not field.stack[0].trainable


def test_time_is_up():
    results = fit_many(sirens(), pictures(), steps=10**6, sampling="full", max_seconds=0.2, progress=False)
    assert {result.stopped_by for result in results} == {"time"}
    assert all(result.psnr_db > 5 for result in results)


def test_nothing_to_fit():
    assert fit_many([], [], steps=1, progress=False) == []


def test_progress_away_from_a_terminal(capsys):
    fit_many(sirens(), pictures(), steps=3, sampling="full", fields_per_batch=2)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["2/3 pictures", "3/3 pictures"]


def test_groups_and_chunks():
    signals = [*pictures((8, 8)), *pictures((9, 9))]
    assert groups(signals, Recipe(steps=1)) == [[0, 1, 2, 3, 4, 5]]
    assert groups(signals, Recipe(steps=1, sampling="full")) == [[0, 1, 2], [3, 4, 5]]
    assert groups(signals, Recipe(epochs=1)) == [[0, 1, 2], [3, 4, 5]]
    assert chunks(list(range(10)), 4) == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": (1,)}, "seeds must be as many as fields, 3, received 1"),
        ({"signals": pictures()[:2]}, "signals must be as many as fields, 3, received 2"),
        ({"supervise": "gradient"}, "supervise must be 'value' for many fields, received 'gradient'"),
        ({"fields_per_batch": 0}, "fields_per_batch must be a positive integer, received 0"),
        ({"goal_psnr_db": -1.0}, "goal_psnr_db must be positive, received -1.0"),
        ({"fields": sirens(dtype="mixed_float16")}, "fields must not be of the policy mixed_float16"),
        ({"fields": [*sirens((0, 1)), *sirens((2,), units=(8,))]}, r"received units \[16, 16\] and \[8\]"),
        ({"fields": [*sirens((0, 1)), Siren(units=(16, 16), channels=1)]}, "the picture has 3 channels"),
        ({"fields": [Siren(units=(8,))] * 3}, "fields must be different objects, received one of them twice"),
        ({"goal_psnr_db": [1]}, r"goal_psnr_db must be positive, received \[1\]"),
    ],
)
def test_refused(changes, message):
    arguments = {"fields": sirens(), "signals": pictures(), "steps": 1, "progress": False, **changes}
    with pytest.raises(ValueError, match=message):
        fit_many(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fields": None}, "fields must be a list, received NoneType"),
        ({"signals": 3}, "signals must be a list, received int"),
        ({"seeds": 3}, "seeds must be a list, received int"),
    ],
)
def test_what_is_no_list(changes, message):
    arguments = {"fields": sirens(), "signals": pictures(), "steps": 1, "progress": False, **changes}
    with pytest.raises(TypeError, match=message):
        fit_many(**arguments)
