"""Callbacks against a model that is only said to train: clock, rows, stops, plateaus."""

import math
import re
import types

import keras
import numpy as np
import pytest

from keras_inr.errors import DivergedError
from keras_inr.training import callbacks
from keras_inr.training._state import TrainingState
from keras_inr.training.callbacks import Plateau, Recorder, StopAtGoal, StopOnDivergence, StopWhen
from training.small_fits import StopAfter, small_picture

RATE = 0.25
VALUES = types.SimpleNamespace(knows_values=True, measures_psnr=True)
DERIVATIVES = types.SimpleNamespace(knows_values=False, measures_psnr=False)


class Run:
    """Calls callbacks as `Model.fit` does, on a model that has only what they look at."""

    def __init__(self, *watchers, optimizer=None):
        self.watchers = watchers
        self.sums = [keras.Variable(0.0), keras.Variable(0.0, dtype="float64")]
        self.model = types.SimpleNamespace(
            optimizer=optimizer or keras.optimizers.SGD(RATE),
            metrics_variables=self.sums,
            stop_training=False,
        )

    def round(self, *calls, per_call=1, steps=None, psnr_db=20.0):
        """A round of calls of the training function with these running losses."""
        for sum_ in self.sums:
            sum_.assign(0.0)
        params = {"epochs": 1, "steps": steps or len(calls) * per_call}
        self.tell("set_model", self.model)
        self.tell("set_params", params)
        self.tell("on_epoch_begin", 0)
        for call, loss in enumerate(calls):
            for sum_ in self.sums:
                sum_.assign_add(loss)
            self.tell("on_train_batch_end", (call + 1) * per_call - 1, {"loss": loss, "psnr_db": psnr_db})
            if self.model.stop_training:
                break
        self.tell("on_epoch_end", 0, {"loss": calls[-1], "psnr_db": psnr_db})

    def tell(self, what, *arguments):
        for watcher in self.watchers:
            getattr(watcher, what)(*arguments)


@pytest.fixture
def at(monkeypatch):
    """at(seconds, ...): what the clock will say, call by call."""
    ticks = []
    monkeypatch.setattr(callbacks, "time", types.SimpleNamespace(perf_counter=lambda: ticks.pop(0)))
    return lambda *seconds: ticks.extend(seconds)


class TestRecorder:
    def test_the_clock_counts_the_first_call_as_long_as_the_second(self, at):
        state = TrainingState(total_steps=4)
        run = Run(Recorder(state, started=100.0))
        at(108.0, 108.5, 109.0, 110.0)  # 7.5 s of set-up, then steps of 0.5, 0.5, 0.5 and 1 s
        run.round(0.5, 0.5)
        assert (state.setup_seconds, state.train_seconds) == (7.5, 1.0)
        run.round(0.5, 0.5)
        assert (state.setup_seconds, state.train_seconds) == (7.5, 2.5)

    def test_a_second_call_slower_than_everything_before_leaves_no_set_up(self, at):
        state = TrainingState(total_steps=2)
        at(101.0, 105.0)
        Run(Recorder(state, started=100.0)).round(0.5, 0.5)
        assert (state.setup_seconds, state.train_seconds) == (0.0, 5.0)

    def test_a_run_of_one_call_is_all_training(self, at):
        state = TrainingState(total_steps=1)
        recorder = Recorder(state, started=100.0)
        at(103.0)
        Run(recorder).round(0.5)
        recorder.finish()
        assert (state.setup_seconds, state.train_seconds) == (0.0, 3.0)

    def test_a_resumed_run_goes_on_counting(self, at):
        state = TrainingState(total_steps=9, step=4, train_seconds=20.0, setup_seconds=3.0)
        recorder = Recorder(state, started=500.0)
        at(502.0, 503.0)
        Run(recorder).round(0.5, 0.5)
        recorder.finish()
        assert (state.setup_seconds, state.train_seconds, state.step) == (4.0, 22.0, 6)

    def test_rows(self, at):
        state = TrainingState(total_steps=6)
        run = Run(Recorder(state, started=0.0))
        at(1.0, 1.25, 2.0)
        run.round(0.5, 0.25, psnr_db=math.inf)
        run.round(0.125, psnr_db=12.5)
        shared = {"learning_rate": RATE}
        assert state.rows == [
            {"step": 2, "seconds": 0.5, "loss": 0.25, "psnr_db": None, **shared},
            {"step": 3, "seconds": 1.25, "loss": 0.125, "psnr_db": 12.5, **shared},
        ]

    def test_steps_of_calls_of_several_that_end_with_fewer(self, at):
        state = TrainingState(total_steps=20, step=3)
        at(*range(3))
        Run(Recorder(state, started=0.0)).round(0.5, 0.5, 0.5, per_call=8, steps=17)
        assert state.step == 20

    def test_a_round_cut_by_an_interrupt_goes_on_from_its_sums(self, at):
        state = TrainingState(total_steps=4)
        recorder = Recorder(state, started=0.0)
        at(*range(9))
        run = Run(recorder, StopWhen(state, StopAfter(2)))
        run.round(0.1, 0.2, 0.3, 0.4)
        cut = [np.float32(0.1) + np.float32(0.2), 0.1 + 0.2]
        assert (state.step, state.rows, state.open_round) == (2, [], [float(value) for value in cut])
        state.stopped_by = None
        resumed = Run(recorder)
        resumed.round(0.3, 0.4)
        narrow, wide = (float(value) for value in resumed.sums)
        assert narrow == cut[0] + np.float32(0.3) + np.float32(0.4)
        assert wide == 0.1 + 0.2 + 0.3 + 0.4
        assert (state.step, len(state.rows), state.open_round) == (4, 1, [])

    def test_an_interrupt_at_the_end_of_a_round_leaves_none_open(self, at):
        state = TrainingState(total_steps=4)
        at(*range(2))
        Run(Recorder(state, started=0.0), StopWhen(state, StopAfter(2))).round(0.1, 0.2)
        assert (state.stopped_by, state.open_round, len(state.rows)) == ("interrupt", [], 1)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_divergence_names_step_and_rate(loss):
    state = TrainingState(total_steps=40, step=17)
    with pytest.raises(DivergedError, match=rf"the loss became {loss} at step 17: the learning rate \(now 0\.25\) is"):
        Run(StopOnDivergence(state)).round(0.5, loss)
    Run(StopOnDivergence(state)).round(0.5, 1e30)


class TestStopWhen:
    def test_time(self):
        state = TrainingState(total_steps=10, train_seconds=4.9)
        run = Run(StopWhen(state, None, max_seconds=5.0))
        run.round(0.5)
        assert (state.stopped_by, run.model.stop_training) == (None, False)
        state.train_seconds = 5.0
        run.round(0.5, 0.5)
        assert (state.stopped_by, run.model.stop_training) == ("time", True)

    def test_should_stop_is_asked_after_every_call(self):
        questions = StopAfter(None)
        for left, stopped_by in ((4, None), (3, "interrupt")):
            questions.left = left
            state = TrainingState(total_steps=10)
            Run(StopWhen(state, questions)).round(0.5, 0.5, 0.5)
            assert state.stopped_by == stopped_by


class TestStopAtGoal:
    PICTURE = small_picture(12, 12)

    def run(self, *calls, at=None, error=0.01, rows=1, objective=VALUES, offset=0.0, **arguments):
        """A round on a state that `Recorder` has kept; error is the mean squared one of the field."""
        state = TrainingState(total_steps=10, rows=[{} for _ in range(rows)])
        values = self.PICTURE.values
        prediction = np.where(values < 0.5, values + np.sqrt(error), values - np.sqrt(error))
        field = types.SimpleNamespace(sample_grid=lambda height, width: prediction + offset)
        run = Run(StopAtGoal(state, field, self.PICTURE, objective, **arguments))
        run.round(*calls, psnr_db=at or 20.0)
        return state, run.model.stop_training

    def test_psnr_of_the_picture_decides(self):
        state, stopped = self.run(0.01, at=20.0, goal_psnr_db=19.9, error=0.01)
        assert (state.stopped_by, stopped) == ("psnr", True)
        # float32 predictions and values
        assert state.rows[-1]["picture_psnr_db"] == pytest.approx(20.0, abs=1e-4)

    def test_batches_alone_do_not_reach_a_goal(self):
        state, stopped = self.run(0.01, at=30.0, goal_psnr_db=25.0, error=0.01)
        assert (state.stopped_by, stopped) == (None, False)
        assert state.rows[-1]["picture_psnr_db"] == pytest.approx(20.0, abs=1e-4)

    def test_the_picture_is_evaluated_within_1_db_only(self):
        for at, evaluated in ((18.99, False), (19.0, True)):
            state, stopped = self.run(0.01, at=at, goal_psnr_db=20.0, error=0.1)
            assert ("picture_psnr_db" in state.rows[-1], stopped) == (evaluated, False)

    def test_an_exact_picture_is_beyond_every_goal(self):
        state, _ = self.run(0.01, at=math.inf, goal_psnr_db=200.0, error=0.0)
        assert state.stopped_by == "psnr"
        assert state.rows[-1]["picture_psnr_db"] is None  # JSON knows no infinity

    def test_interrupt_comes_before_time(self):
        state, stopped = self.run(0.5, max_seconds=1e-9, should_stop=lambda: True)
        assert (state.stopped_by, stopped) == ("interrupt", True)

    @pytest.mark.parametrize(("spent", "looks"), [(5.9, 2), (6.1, 1)])
    def test_a_look_that_would_end_after_the_run_is_not_begun(self, monkeypatch, spent, looks):
        clock = iter([100.0, 104.0, 200.0, 204.0])  # a look takes 4 s
        monkeypatch.setattr("keras_inr.training.callbacks.time.perf_counter", lambda: next(clock))
        state, taken = TrainingState(total_steps=10, rows=[{}]), []
        field = types.SimpleNamespace(sample_grid=lambda height, width: taken.append(1) or self.PICTURE.values * 0.5)
        stopper = StopAtGoal(state, field, self.PICTURE, VALUES, goal_psnr_db=30.0, max_seconds=10.0)
        for seconds in (1.0, spent):
            state.train_seconds = seconds
            stopper.measure({"psnr_db": 30.0})
        assert len(taken) == looks

    def test_without_goals_nothing_is_evaluated(self):
        state, stopped = self.run(0.01, at=90.0)
        assert (state.stopped_by, stopped, state.rows) == (None, False, [{}])


class TestPlateau:
    def losses(self, state, run, *losses, steps=10):
        rates = []
        for loss in losses:
            state.step += steps
            run.round(loss)
            rates.append(float(run.model.optimizer.learning_rate))
        return rates

    def test_factor_and_patience(self):
        state = TrainingState(total_steps=1000)
        run = Run(Plateau(state, factor=0.5, patience=20))
        # the best loss so far is at step 20; 40 and 60 are a patience later, and 70 is better
        rates = self.losses(state, run, 0.5, 0.4, 0.4, 0.45, 0.41, 0.4, 0.3, 0.3)
        assert rates == [RATE] * 3 + [RATE / 2] * 2 + [RATE / 4] * 3

    def test_a_fall_counts_from_a_hundredth_of_a_percent(self):
        for share, falls in ((1 - 1.1e-4, True), (1 - 0.9e-4, False)):
            state = TrainingState(total_steps=1000)
            run = Run(Plateau(state, factor=0.5, patience=10))
            assert self.losses(state, run, 0.5, 0.5 * share) == ([RATE, RATE] if falls else [RATE, RATE / 2])

    def test_a_resumed_run_goes_on_alike(self):
        losses = (0.5, 0.4, 0.45, 0.41, 0.42, 0.4, 0.3, 0.31, 0.3)
        whole = TrainingState(total_steps=1000)
        expected = self.losses(whole, Run(Plateau(whole, 0.5, 20)), *losses)
        for cut in range(1, len(losses)):
            state = TrainingState(total_steps=1000)
            optimizer = keras.optimizers.SGD(RATE)
            rates = self.losses(state, Run(Plateau(state, 0.5, 20), optimizer=optimizer), *losses[:cut])
            state = TrainingState(1000, step=state.step, plateau=dict(state.plateau))
            rates += self.losses(state, Run(Plateau(state, 0.5, 20), optimizer=optimizer), *losses[cut:])
            assert rates == expected

    def test_an_open_round_is_not_judged(self):
        state = TrainingState(total_steps=100, open_round=[0.1], plateau={"loss": 0.5, "step": 0})
        run = Run(Plateau(state, factor=0.5, patience=1))
        assert self.losses(state, run, 0.6) == [RATE]
        assert state.plateau == {"loss": 0.5, "step": 0}

    def test_every_learning_rate_falls(self):
        tables, network = keras.optimizers.SGD(1.0), keras.optimizers.Adam(0.5)
        both = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(network, {".*/table": tables}))
        state = TrainingState(total_steps=100)
        run = Run(Plateau(state, factor=0.25, patience=10), optimizer=keras.optimizers.LossScaleOptimizer(both))
        for _ in range(2):
            state.step += 10
            run.round(0.5)
        assert (float(tables.learning_rate), float(network.learning_rate)) == (0.25, 0.125)


def test_the_learning_rate_told_is_the_networks():
    tables, network = keras.optimizers.SGD(1.0), keras.optimizers.SGD(0.5)
    both = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(network, {".*/table": tables}))
    assert callbacks.learning_rate(both) == callbacks.learning_rate(network) == 0.5
    told = str(callbacks.diverged("something happened", 3, both))
    assert re.match(r"something happened at step 3: the learning rate \(now 0\.5\) is probably too high", told)


class TestWithoutValues:
    def test_a_goal_is_measured_after_the_best_offset(self):
        goal = TestStopAtGoal()
        state, _ = goal.run(0.01, objective=DERIVATIVES, offset=5.0, error=0.0, goal_psnr_db=60.0)
        assert state.stopped_by == "psnr"
        state, _ = goal.run(0.01, objective=VALUES, at=70.0, offset=5.0, error=0.0, goal_psnr_db=60.0)
        assert state.stopped_by is None

    def test_the_picture_is_measured_20_times_a_run(self):
        measured = 0
        state = TrainingState(total_steps=400)
        field = types.SimpleNamespace(sample_grid=lambda height, width: TestStopAtGoal.PICTURE.values)
        watcher = StopAtGoal(state, field, TestStopAtGoal.PICTURE, DERIVATIVES)
        for step in range(2, 401, 2):
            state.step = step
            state.rows.append({"step": step})
            watcher.on_epoch_end(0, {"loss": 1.0})
            measured += "picture_psnr_db" in state.rows[-1]
        assert measured == 20
        assert "picture_psnr_db" in state.rows[-1]
