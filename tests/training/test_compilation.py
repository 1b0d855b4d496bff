"""The table of compilation: complete, and really what a field is compiled with."""

import itertools
import types

import pytest
from public_presets import PUBLIC

from keras_inr.models import from_preset
from keras_inr.training import Recipe, compilation
from keras_inr.training.compilation import TABLE, Compilation, compilation_for
from keras_inr.training.fitting import compile_model
from training.small_fits import small_field, small_objective

FAMILIES = {"siren": "wave", "multi_hash": "hash"}


def test_the_table_covers_families_and_devices():
    assert set(TABLE) == set(itertools.product(("dense", "wave", "hash"), ("CPU", "GPU")))
    for row in TABLE.values():
        assert isinstance(row.jit_compile, bool)
        assert row.steps_per_execution >= 1


@pytest.mark.parametrize("info", PUBLIC, ids=lambda info: info.name)
def test_on_a_cpu_tables_and_waves_compile_and_nothing_else_does(info):
    field = from_preset(info.name)
    tables = any(word in info.name for word in ("hash", "grid"))
    waves = any(word in info.name for word in ("siren", "finer", "wire", "mfn", "bacon"))
    assert compilation_for(field, "CPU").jit_compile == (tables or waves)
    assert compilation_for(field, "CPU", derivatives=True).jit_compile == tables


@pytest.mark.parametrize("gpus", [[], ["GPU:0"]])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_device_is_the_gpu_if_there_is_one(monkeypatch, kind, gpus):
    config = types.SimpleNamespace(list_logical_devices=lambda device_type: gpus if device_type == "GPU" else [])
    monkeypatch.setattr(compilation, "tf", types.SimpleNamespace(config=config))
    assert compilation_for(small_field(kind)) is TABLE[FAMILIES[kind], "GPU" if gpus else "CPU"]


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("row", [Compilation(False, 3), Compilation(True, 5)])
def test_compile_receives_the_row(monkeypatch, kind, row):
    monkeypatch.setitem(TABLE, (FAMILIES[kind], "CPU"), row)
    monkeypatch.setitem(TABLE, (FAMILIES[kind], "GPU"), row)
    field = small_field(kind)
    compile_model(field, small_objective(field), Recipe(steps=1), num_pixels=100)
    assert (field.jit_compile, field.steps_per_execution) == (row.jit_compile, row.steps_per_execution)
