"""The progress bar: what stands on standard error, in a terminal and elsewhere."""

import io
import sys
import types

import pytest

from keras_inr.training._progress import ProgressBar
from keras_inr.training._state import TrainingState


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """shown(stream, state, steps per round) -> all that a run writes to standard error."""

    def run(stream, state, per_round):
        monkeypatch.setattr(sys, "stderr", stream)
        bar = ProgressBar(state)
        bar.set_model(types.SimpleNamespace(stop_training=False))
        while state.step < state.total_steps:
            bar.on_train_begin()  # each kind of round is a call of Model.fit
            state.step += per_round
            state.train_seconds += 2.0
            bar.on_epoch_end(0, {"loss": 0.0123456, "psnr_db": 19.0854})
        bar.close()
        return stream.getvalue()

    return run


def test_a_log_has_a_line_for_every_tenth(shown):
    lines = shown(io.StringIO(), TrainingState(total_steps=100), per_round=4).splitlines()
    assert len(lines) == 10
    # 12 of 100 steps took 6 s
    assert lines[0] == "step 12/100: loss 1.235e-02, PSNR 19.09 dB, about 44 s left"
    assert lines[-1] == "step 100/100: loss 1.235e-02, PSNR 19.09 dB, about 0 s left"


def test_a_resumed_run_starts_at_its_tenth(shown):
    lines = shown(io.StringIO(), TrainingState(total_steps=100, step=55, train_seconds=11.0), 5).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"step {step}/100" for step in (60, 70, 80, 90, 100)]


def test_a_run_of_few_rounds(shown):
    assert len(shown(io.StringIO(), TrainingState(total_steps=3), per_round=1).splitlines()) == 3


def test_a_terminal_has_one_line_that_ends_complete(shown):
    text = shown(Terminal(), TrainingState(total_steps=100), per_round=4)
    assert text.count("\n") == 1
    *_, last = text.rstrip().split("\r")
    assert "fitting: 100%" in last
    assert "100/100" in last
    assert "loss 1.235e-02, PSNR 19.09 dB" in last
    assert " steps/s" in last
