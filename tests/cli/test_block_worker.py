"""The process that fits blocks for a run from the command line."""

import re
import signal

import numpy as np
import pytest
from blocks.small_blocks import fit_cat

from keras_inr import presets
from keras_inr.blocks.progress import GROWTH
from keras_inr.cli import block_worker
from keras_inr.errors import InputError, InterruptedRunError, MachineError
from keras_inr.models.field_files import read_field


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return fit_cat(folder, folder / "run")


@pytest.mark.slow
def test_it_fits_the_same_field(alone, tmp_path):
    with block_worker.block_worker() as execute:
        held = []
        folder, metrics = fit_cat(
            tmp_path, tmp_path / "run", execute=execute, tell=lambda line: held.append((execute.held(), line))
        )
        fits, line = held[1]  # after the first block
        assert 2**28 < fits < 2**32  # TensorFlow at least
        assert float(re.search(r"([0-9.]+) GB of memory", line)[1]) > GROWTH * fits / 1e9
        assert execute.process.poll() is not None  # it ends with the last block
    fields = [read_field(place / "model.keras") for place in (folder, alone[0])]
    for weight, other in zip(*(field.get_weights() for field in fields), strict=True):
        np.testing.assert_array_equal(weight, other)
    assert metrics["psnr_db"] == alone[1]["psnr_db"]


@pytest.mark.slow
def test_a_process_that_is_killed(alone, tmp_path):
    blocks = tmp_path / "run" / "blocks"
    with block_worker.block_worker() as execute:

        def mortal(tasks, plan, should_stop):
            for number, outcomes in enumerate(execute(tasks, plan, should_stop)):
                yield outcomes
                if number == 1:
                    execute.process.send_signal(signal.SIGKILL)

        with pytest.raises(MachineError, match=r"has ended by signal 9, perhaps for want of memory; finished"):
            fit_cat(tmp_path, tmp_path / "run", execute=mortal)
    kept = {path.name: path.read_bytes() for path in blocks.iterdir()}
    assert len(kept) == 2
    _, metrics = fit_cat(tmp_path, tmp_path / "run", resume=True)
    assert metrics["psnr_db"] == alone[1]["psnr_db"]
    assert {name: (blocks / name).read_bytes() for name in kept} == kept


def test_it_stops_in_the_middle_of_a_block(tmp_path):
    with block_worker.block_worker() as execute:

        def told_to_stop(tasks, plan, should_stop):
            signal.raise_signal(signal.SIGTERM)
            return execute(tasks, plan, lambda: should_stop() and execute.process.poll() is None)

        with pytest.raises(InterruptedRunError):
            fit_cat(tmp_path, tmp_path / "run", execute=told_to_stop, recipe={"steps": 10**7, "batch_size": 256})
    assert execute.process.returncode == -signal.SIGKILL


def test_errors_come_through(tmp_path):
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    assert str(block_worker.portable(InputError("a sentence"))) == "a sentence"
    assert isinstance(block_worker.portable(InputError("a sentence")), InputError)
    assert "Odd: 1 and 2" in str(block_worker.portable(Odd(1, 2)))
    with block_worker.block_worker() as execute, pytest.raises(AttributeError, match="has no attribute"):
        list(execute([1], "no plan", lambda: False))


MODULE = """
from keras_inr.models import Siren
from keras_inr.models.preset import Preset, PresetInfo

PRESETS = (Preset(PresetInfo("tiny", Siren(units=(8, 8)).count_params(), "a small SIREN", "a test"), Siren, {}),)
"""


@pytest.mark.slow
def test_it_knows_presets_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "_loaded", {})
    presets._presets.cache_clear()
    path = tmp_path / "mine.py"
    path.write_text(MODULE)
    presets.load_module(path)
    arguments = {"recipe": {"steps": 3}, "arguments": {"units": (8, 8)}}
    with block_worker.block_worker([str(path)]) as execute:
        _, metrics = fit_cat(tmp_path, tmp_path / "run", "tiny", execute=execute, **arguments)
    assert metrics["preset"] == "tiny"
    presets._presets.cache_clear()
