"""Fits of alike networks compile once, and leave no graphs behind."""

import gc
import pathlib
import subprocess
import sys
import weakref

import numpy as np
import pytest
from tensorflow.python.framework.func_graph import FuncGraph

from keras_inr.models import from_preset
from keras_inr.signals.image import load_image
from keras_inr.training import _shared_steps as shared_steps
from keras_inr.training.fitting import fit

SIGNAL = load_image("sample:camera", size=12)
SMALL = {"siren": {"units": (4,)}, "multi_hash": {"num_levels": 2, "table_size": 16, "units": (4,)}}


def fitted(preset, seed=0, **arguments):
    field = from_preset(preset, channels=1, seed=seed, **SMALL[preset])
    fit(field, SIGNAL, progress=False, **{"steps": 4, "batch_size": 16, **arguments})
    return field


def graphs():
    gc.collect()
    return sum(type(item) is FuncGraph for item in gc.get_objects())


@pytest.mark.parametrize("preset", SMALL)
def test_a_second_fit_compiles_nothing_and_leaves_nothing(preset):
    """Nor does one at another rate, or of another length."""
    fitted(preset)
    compiled, before = len(shared_steps.COMPILED), graphs()
    kept = [weakref.ref(fitted(preset, seed, learning_rate=0.01 * seed, steps=4 * seed)) for seed in (1, 2, 3)]
    assert len(shared_steps.COMPILED) == compiled
    assert graphs() <= before
    assert [reference() for reference in kept] == [None] * 3


@pytest.mark.parametrize("preset", SMALL)
def test_it_ends_as_if_it_had_compiled(preset, monkeypatch):
    """Also after fits of other recipes, whose steps differ in constants alone."""
    for learning_rate in (0.1, 0.01):
        fitted(preset, learning_rate=learning_rate)
    shared = fitted(preset, 7, learning_rate=0.05).get_weights()
    monkeypatch.setattr(shared_steps, "COMPILED", {})
    for one, other in zip(shared, fitted(preset, 7, learning_rate=0.05).get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_steps_are_not_shared():
    fitted("siren")
    before = len(shared_steps.COMPILED)
    fitted("siren", clip_norm=0.5)
    fitted("siren", optimizer="sgd")
    assert len(shared_steps.COMPILED) > before + 1


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("preset", SMALL)
def test_a_process_does_not_grow_by_its_fits(preset):
    """Each variable with a name of its own would leave 25 kB, each fit 0.7 MB."""
    script = pathlib.Path(__file__).with_name("growth_process.py")
    done = subprocess.run([sys.executable, script, preset], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 16  # 7.6 to 12.6 were seen
