"""The progress bar: what stands on standard error, in a terminal and elsewhere."""

import io
import math
import sys
import types

import pytest

from keras_inr.training._progress import ProgressBar, gain_of_doubling, share_of_curve
from keras_inr.training._state import TrainingState


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(monkeypatch):
    """shown(stream, state, steps per round) -> all that a run writes to standard error."""

    def run(stream, state, per_round, rounds=10**6, row=lambda step: {}, **goals):
        monkeypatch.setattr(sys, "stderr", stream)
        bar = ProgressBar(state, **goals)
        bar.set_model(types.SimpleNamespace(stop_training=False))
        while state.step < state.total_steps and rounds:
            rounds -= 1
            bar.on_train_begin()  # each kind of round is a call of Model.fit
            state.step += per_round
            state.train_seconds += 2.0
            state.rows.append({"step": state.step, **row(state.step)})
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


def test_a_run_that_its_time_ends(shown):
    """Of which nobody knows the steps."""
    lines = shown(io.StringIO(), TrainingState(total_steps=10**6), 5, rounds=20, max_seconds=40.0).splitlines()
    assert len(lines) == 10
    assert lines[0] == "step 10: loss 1.235e-02, PSNR 19.09 dB, about 36 s left"
    assert lines[-1] == "step 100: loss 1.235e-02, PSNR 19.09 dB, about 0 s left"


def test_a_run_that_its_goal_ends(shown):
    """Each doubling of whose steps gains 2 dB: 32 times the first 8 steps are 10 dB more."""

    def row(step):
        return {"average_psnr_db": 20 + 2 * math.log2(step / 8)}

    state = TrainingState(total_steps=10**6)
    lines = shown(io.StringIO(), state, 8, rounds=32, row=row, goal_psnr_db=30.0).splitlines()
    # of 23 rounds of 2 s; steps of the second half, from 88 on, have gained 2 log2(184 / 88) dB
    left = 46 * (2 ** ((30 - row(184)["average_psnr_db"]) / (2 * math.log2(184 / 88))) - 1)
    assert f"step 184: loss 1.235e-02, PSNR 29.05 dB, about {left:.0f} s left" in lines
    assert lines[-1] == "step 256: loss 1.235e-02, PSNR 30.00 dB, about 0 s left"
    assert 8 <= len(lines) <= 10


def test_a_terminal_knows_the_steps_of_a_goal(shown):
    def row(step):
        return {"average_psnr_db": 20 + 2 * math.log2(step / 8)}

    text = shown(Terminal(), TrainingState(total_steps=10**6), 8, rounds=16, row=row, goal_psnr_db=30.0)
    assert "128/256" in text.rstrip().split("\r")[-1]


def test_share_of_a_curve():
    rows = [{"step": step, "average_psnr_db": psnr_db} for step, psnr_db in ((50, 28.0), (100, 30.0), (150, 31.0))]
    assert share_of_curve(rows, 31.0) == share_of_curve(rows, 25.0) == 1.0
    assert share_of_curve(rows, 37.0) == pytest.approx(0.5**2)  # the second half gained 3 dB
    assert share_of_curve(rows[:1], 37.0) == share_of_curve([], 37.0) == 0.0
    assert share_of_curve([{"step": 10}, {"step": 20}], 37.0) == 0.0
    assert share_of_curve([*rows, {"step": 300, "average_psnr_db": 31.0}], 37.0) == 0.0  # nothing is gained any more
    assert 0 < share_of_curve(rows, 150.0) < 1e-6


def test_gain_of_doubling():
    assert gain_of_doubling([(10, 30.0), (19, 31.0), (40, 31.5)]) == 0.5
    assert gain_of_doubling([(10, 30.0), (21, 31.0), (40, 31.5)]) == 1.5
    assert gain_of_doubling([(21, 31.0), (40, 31.5)]) is None
