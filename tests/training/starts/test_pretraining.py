"""pretrain: what each method learns, refuses, and how it goes on."""

import math

import numpy as np
import pytest

from keras_inr.errors import CheckpointError, DivergedError
from keras_inr.models import Siren
from keras_inr.signals import load_image
from keras_inr.training import fit
from keras_inr.training.starts.pretraining import METHODS, PretrainingRecipe, pretrain
from training.small_fits import StopAfter

TOP = 60
CROPS = [load_image("sample:coffee", crop=(TOP, left, 120, 120), size=(16, 16)) for left in (0, 120, 240, 360)]
HELD_OUT = load_image("sample:coffee", crop=(TOP + 130, 240, 120, 120), size=(16, 16))
QUIET = {"steps": 60, "batch_size": 128, "progress": False}


def small(seed=0):
    return Siren(units=(24, 24), scheme="init-33", seed=seed)


def held_out_psnr(field, steps=10):
    return fit(field, HELD_OUT, steps=steps, sampling="full", learning_rate=1e-3, progress=False).psnr_db


@pytest.fixture(scope="module")
def from_scratch():
    return held_out_psnr(small())


@pytest.mark.parametrize("method", ["average", "reptile", "maml", "shared_layers"])
def test_a_held_out_picture_is_learnt_sooner(method, from_scratch):
    field = small()
    rates = {"maml": {"learning_rate": 3e-3}, "shared_layers": {"learning_rate": 3e-3}}.get(method, {})
    result = pretrain(field, CROPS, method=method, **QUIET, **rates)
    assert result.stopped_by == "steps"
    assert result.psnr_db > 8
    assert held_out_psnr(field) > from_scratch + 1


@pytest.mark.parametrize("method", METHODS)
def test_frozen_layers_stay(method):
    field = small()
    field.stack[0].trainable = False
    before = field.get_weights()
    pretrain(field, CROPS[:2], method=method, **{**QUIET, "steps": 3})
    moved = [bool(np.any(old != new)) for old, new in zip(before, field.get_weights(), strict=True)]
    assert moved == [False] * 2 + [True] * 4


def test_prefit_is_a_fit_to_the_first():
    field, other = small(), small()
    result = pretrain(field, CROPS, method="prefit", **QUIET)
    recipe = {"steps": 60, "batch_size": 128, "learning_rate": 1e-3, "schedule": "cosine", "progress": False}
    assert fit(other, CROPS[0], **recipe).psnr_db == result.psnr_db
    for ours, theirs in zip(field.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_average_is_the_mean_of_fits():
    field = small()
    pretrain(field, CROPS[:2], method="average", **QUIET)
    ends = []
    for crop in CROPS[:2]:
        ends.append(small())
        fit(ends[-1], crop, steps=60, batch_size=128, learning_rate=1e-3, schedule="cosine", progress=False)
    for weight, *parts in zip(field.weights, *(end.weights for end in ends), strict=True):
        np.testing.assert_allclose(weight, np.mean(parts, axis=0), atol=2e-4)  # float32 through 60 steps


@pytest.mark.parametrize("method", ["prefit", "reptile", "shared_layers"])
def test_an_interrupted_run_goes_on_to_the_same_weights(method, tmp_path):
    undisturbed, field = small(), small()
    recipe = {**QUIET, "steps": 12, "method": method}
    whole = pretrain(undisturbed, CROPS, **recipe)
    first = pretrain(field, CROPS, checkpoint_dir=tmp_path, should_stop=StopAfter(4), **recipe)
    assert first.stopped_by == "interrupt"
    again = small()
    last = pretrain(again, CROPS, checkpoint_dir=tmp_path, **recipe)
    assert [row["step"] for row in last.rows] == [row["step"] for row in whole.rows]
    for ours, theirs in zip(again.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_interrupted_average_has_no_figure():
    result = pretrain(small(), CROPS, method="average", should_stop=StopAfter(2), **QUIET)
    assert result.stopped_by == "interrupt"
    assert math.isnan(result.psnr_db)


def test_checkpoints_of_another_run(tmp_path):
    pretrain(small(), CROPS, checkpoint_dir=tmp_path, method="reptile", **{**QUIET, "steps": 2})
    with pytest.raises(CheckpointError, match="belongs to another run: seed was 0 and is 1"):
        pretrain(small(), CROPS, checkpoint_dir=tmp_path, method="reptile", seed=1, **{**QUIET, "steps": 2})


@pytest.mark.parametrize("method", METHODS)
def test_methods_that_diverge_say_so(method):
    field = small()
    field.weights[0].assign(np.full(field.weights[0].shape, np.nan))
    with pytest.raises(DivergedError, match=r"diverged|the loss became nan"):
        pretrain(field, CROPS, method=method, **QUIET)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_draws_the_same(method):
    runs = [small() for _ in range(2)]
    for field in runs:
        pretrain(field, CROPS[:2], method=method, **{**QUIET, "steps": 2})
    for ours, theirs in zip(*(field.get_weights() for field in runs), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_refusals():
    other = load_image("sample:coffee", size=(8, 12))
    for signals, arguments, message in (
        ([], {"method": "maml"}, "signals must be one at least, received none"),
        ([CROPS[0], other], {"method": "maml"}, r"must be of one size for maml, received \[\(8, 12\), \(16, 16\)\]"),
        (CROPS, {"method": "guess"}, "method must be one of .*, received 'guess'"),
        (CROPS, {"method": "maml", "steps": 0}, "steps must be .* received 0"),
        (CROPS, {"method": "maml", "learning_rate": -1.0}, "learning_rate must be .* received -1.0"),
        (CROPS, {"method": "shared_layers", "own": "tail"}, "own must name some of the layers .*, received 'tail'"),
    ):
        with pytest.raises(ValueError, match=message):
            pretrain(small(), signals, **arguments)
    with pytest.raises(ValueError, match="the picture has 1 channels"):
        pretrain(small(), [load_image("sample:camera", size=8)], method="average")


def test_rates_are_the_methods_own():
    assert PretrainingRecipe("reptile").learning_rate == 1.0
    assert PretrainingRecipe("maml").inner_learning_rate == 1e-2
    assert PretrainingRecipe("maml", learning_rate=0.5).learning_rate == 0.5
