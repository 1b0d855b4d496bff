"""Trainings in a row are one run."""

import gc
import itertools
import pathlib

import numpy as np
import pytest

from keras_inr.cli.console.continued_run import GrowingRun
from keras_inr.errors import InputError
from keras_inr.presets import from_preset
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

SIGNAL = load_image("sample:camera", size=12)
RECIPE = Recipe(steps=1, batch_size=16, learning_rate=0.01, schedule="constant")


def make_field():
    return from_preset("siren", channels=1, picture_size=SIGNAL.size, seed=0, units=(4,))


def make_run(recipe=RECIPE):
    return GrowingRun(make_field(), SIGNAL, recipe)


def assert_same(run, field):
    for learnt, expected in zip(run.field.get_weights(), field.get_weights(), strict=True):
        np.testing.assert_array_equal(learnt, expected)  # to the bit


@pytest.mark.slow
def test_as_without_pauses():
    """Where a training ends, and where a person stops one."""
    run = make_run()
    assert run.train(5).stopped_by == "steps"
    calls = itertools.count()
    stopped = run.train(100, should_stop=lambda: next(calls) == 3)
    assert (stopped.stopped_by, stopped.steps) == ("interrupt", 9)
    assert run.train(31).steps == run.step == 40
    undisturbed = make_field()
    fit(undisturbed, SIGNAL, RECIPE, steps=40, progress=False)
    assert_same(run, undisturbed)


def test_the_state_is_removed_with_the_run():
    run = make_run()
    run.train(1)
    folder = pathlib.Path(run.folder)
    assert any(folder.iterdir())
    del run
    gc.collect()
    assert not folder.exists()


def test_progress_counts_this_training():
    run, told = make_run(), []
    run.train(3)
    run.train(4, on_progress=told.append)
    assert [(progress.step, progress.total_steps) for progress in told] == [(step, 4) for step in (1, 2, 3, 4)]
    assert all(np.isfinite([progress.loss, progress.psnr_db]).all() for progress in told)


def test_divergence_leaves_what_was_there():
    run = make_run(recipe=Recipe(steps=1, batch_size=16, learning_rate=900.0, optimizer="sgd", schedule="constant"))
    before = run.field.get_weights()
    told = "the loss became .*: the learning rate 900 is probably too high, try a third of it; the network is what"
    with pytest.raises(InputError, match=told):
        run.train(300)
    for left, expected in zip(run.field.get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, expected)
    assert run.step == 0


def test_ctrl_c_keeps_the_last_step():
    run = make_run()
    run.train(2)

    def watch(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(10, watch)
    assert run.step == 5
    undisturbed = make_run()
    undisturbed.train(5)
    assert_same(run, undisturbed.field)
