"""Fits that go on in larger and larger grids: when, from what, and until when."""

import itertools

import numpy as np
import pytest

from keras_inr.choosing.choice import recipe_for_any_time
from keras_inr.choosing.sizes import fresh, ladder
from keras_inr.metrics import psnr
from keras_inr.signals import load_image
from keras_inr.training import FitResult, Recipe, growing
from keras_inr.training.growing import fit_growing, out_of_reach, together
from training.small_fits import StopAfter, fingerprint

CAT = load_image("sample:chelsea", size=48)
RUNGS = ladder(CAT.size)
RECIPE = Recipe(**recipe_for_any_time(CAT.size), epochs=10_000)


def quiet(number):
    return {"progress": False}


def grow(first, larger, goal_psnr_db, stage=quiet, **more):
    """(field, result, lines that were told) of a fit to the cat."""
    told = []
    field = fresh(RUNGS[first], CAT.size, 3, seed=0)
    more = {"stage": stage, "tell": told.append, **more}
    return *fit_growing(field, CAT, RECIPE, [RUNGS[place] for place in larger], goal_psnr_db, **more), told


@pytest.fixture(scope="module")
def grown():
    return grow(0, (5, -1), 35.0)


class TestReached:
    @pytest.mark.slow
    def test_in_a_grid_that_is_as_large_as_it_takes(self, grown):
        field, result, told = grown
        assert (field.layout, field.count_params()) == (RUNGS[5], 2710)
        assert (result.stopped_by, result.psnr_db >= 35.0) == ("psnr", True)
        assert result.psnr_db == psnr(CAT.values, field.sample_grid())
        (line,) = told
        assert line.endswith("steps will not come to 35 dB: growing to 2,710 parameters (0.011 MB)")

    def test_steps_and_seconds_follow_each_other(self, grown):
        _, result, told = grown
        steps = [row["step"] for row in result.rows]
        assert steps == sorted(set(steps))
        assert steps[-1] == result.steps
        seconds = [row["seconds"] for row in result.rows]
        assert seconds == sorted(seconds)
        # rows have milliseconds
        assert seconds[-1] == pytest.approx(result.train_seconds, abs=0.002)
        stalled = int(told[0].split(" dB after ")[1].split()[0])
        assert growing.FIRST_STEPS <= stalled < result.steps
        assert stalled in steps


@pytest.mark.slow
def test_at_an_unreachable_goal_the_largest_stalls():
    field, result, told = grow(-3, (-1,), 140.0)
    assert (field.layout, result.stopped_by, len(told)) == (RUNGS[-1], "stalled", 1)
    assert 2 * growing.FIRST_STEPS <= result.steps < 3 * growing.FIRST_STEPS
    assert result.psnr_db == psnr(CAT.values, field.sample_grid())


def test_a_small_picture_is_given_the_steps_that_it_takes():
    """An epoch of which is a single step."""
    signal = load_image("sample:chelsea", size=16)
    recipe = Recipe(**recipe_for_any_time(signal.size), epochs=10_000)
    assert recipe.steps_per_epoch(signal.height * signal.width) == 1
    layout = ladder(signal.size)[-1]
    field, result = fit_growing(fresh(layout, signal.size, 3, seed=0), signal, recipe, [], 33.0, stage=quiet)
    assert (result.stopped_by, field.layout) == ("psnr", layout)


def test_without_a_goal_nothing_grows():
    recipe = Recipe(**recipe_for_any_time(CAT.size), steps=300)
    field = fresh(RUNGS[0], CAT.size, 3, seed=0)
    same, result = fit_growing(field, CAT, recipe, RUNGS[1:], None, stage=quiet)
    assert same is field
    assert (result.stopped_by, result.steps) == ("steps", 300)


@pytest.mark.slow
def test_stopped_in_each_stage_and_resumed(tmp_path):
    """It ends with the weights of an undisturbed one, to the bit."""

    def stages(*left):
        stops = [StopAfter(questions) for questions in left]
        return lambda number: {**quiet(number), "checkpoint_dir": tmp_path / str(number), "should_stop": stops[number]}

    expected, undisturbed, lines = grow(0, (5,), 33.0)
    for left in ((7,), (None, 3), (None, 4)):
        _, result, _ = grow(0, (5,), 33.0, stages(*left))
        assert result.stopped_by == "interrupt"
    field, result, told = grow(0, (5,), 33.0, stages(None, None))
    assert told == lines
    assert (result.stopped_by, result.steps, result.psnr_db) == ("psnr", undisturbed.steps, undisturbed.psnr_db)
    assert fingerprint(field) == fingerprint(expected)
    timeless = [[{**row, "seconds": None} for row in rows] for rows in (result.rows, undisturbed.rows)]
    assert timeless[0] == timeless[1]


def result_of(steps, seconds, stopped_by, rows=()):
    rows = [{"step": step, "seconds": second, "loss": 0.5} for step, second in rows]
    return FitResult(20.0, 20.0, None, steps, seconds, 1.5, stopped_by, rows, None)


class TestStages:
    """Of fits that are only said to be."""

    @pytest.fixture
    def calls(self, monkeypatch):
        """What fit was called with."""
        given = []

        def fake(field, signal, recipe, **arguments):
            given.append({"layout": field.layout, "values": field.sample_grid(), **arguments})
            *_, head, _ = field.stack
            head.bias.assign_add([0.1, 0.2, 0.3])  # what it has learnt
            return result_of(100, 4.0, "stalled")

        monkeypatch.setattr(growing, "fit", fake)
        return given

    def test_time_is_that_of_all_together(self, calls):
        grow(0, range(1, 4), 40.0, max_seconds=10.0)
        assert [call["max_seconds"] for call in calls] == [10.0, 6.0, 2.0, 1e-3]
        grow(0, (1,), 40.0)
        assert [call["max_seconds"] for call in calls[4:]] == [None, None]

    def test_each_has_arguments_of_its_own(self, calls):
        grow(0, (2, 3), 40.0, stage=lambda number: {"checkpoint_dir": f"grown-{number}"})
        assert [call["layout"] for call in calls] == [RUNGS[0], RUNGS[2], RUNGS[3]]
        assert [call["checkpoint_dir"] for call in calls] == ["grown-0", "grown-1", "grown-2"]
        assert {call["goal_psnr_db"] for call in calls} == {40.0}

    def test_what_was_learnt_goes_on(self, calls):
        field, *_ = grow(0, (2, 5, -1), 40.0)
        for before, after in itertools.pairwise([*(call["values"] for call in calls), field.sample_grid()]):
            np.testing.assert_allclose(after - before, np.broadcast_to([0.1, 0.2, 0.3], after.shape), atol=1e-6)

    @pytest.mark.parametrize(("size", "first"), [((32, 48), 240), ((300, 450), 320)])
    def test_a_curve_is_judged_after_ten_epochs_and_240_steps(self, calls, size, first):
        """Of an epoch of 3 steps, and of 32."""
        signal = load_image(np.zeros((*size, 3), np.float32))
        recipe = Recipe(**recipe_for_any_time(size), epochs=100)
        fit_growing(fresh(ladder(size)[0], size, 3), signal, recipe, [], 90.0)
        hopeless = calls[0]["hopeless"]
        for last, expected in ((first - 1, False), (first, True)):
            rows = [{"step": step, "average_psnr_db": 20.0} for step in (1, last // 2, last)]
            assert hopeless(rows) == expected


class TestOutOfReach:
    def rows(self, *curve):
        return [{"step": step, "average_psnr_db": psnr_db} for step, psnr_db in curve]

    def test_two_and_a_half_times_the_last_doubling(self):
        rows = self.rows((50, 29.0), (100, 30.0), (150, 31.5), (200, 32.0))
        assert not out_of_reach(rows, 37.0)
        assert out_of_reach(rows, 37.01)

    def test_a_curve_that_falls(self):
        rows = self.rows((100, 30.0), (200, 29.0))
        assert out_of_reach(rows, 29.1)
        assert not out_of_reach(rows, 29.0)

    def test_what_cannot_be_told(self):
        rows = self.rows((100, 30.0), (150, 30.0))  # nothing is known of the first half
        assert not out_of_reach(rows, 90.0)
        assert not out_of_reach([], 90.0)
        assert not out_of_reach([{"step": 100}, {"step": 200}], 90.0)
        assert not out_of_reach(self.rows((100, 30.0), (200, 30.0)), None)
        assert not out_of_reach(self.rows((100, None), (200, 30.0)), 90.0)

    def test_before_the_first_step(self):
        rows = self.rows((100, 30.0), (200, 30.0))
        assert [out_of_reach(rows, 90.0, first) for first in (200, 201)] == [True, False]


def test_together():
    stages = [
        result_of(20, 2.5, "stalled", [(10, 1.25), (20, 2.5)]),
        result_of(30, 4.0, "stalled", [(30, 4.0)]),
        result_of(8, 1.0, "psnr", [(4, 0.5), (8, 1.0)]),
    ]
    whole = together(stages)
    assert (whole.steps, whole.train_seconds, whole.setup_seconds, whole.stopped_by) == (58, 7.5, 4.5, "psnr")
    assert [(row["step"], row["seconds"]) for row in whole.rows] == [
        *((10, 1.25), (20, 2.5), (50, 6.5)),
        *((54, 7.0), (58, 7.5)),
    ]
    assert [row["step"] for row in stages[1].rows] == [30]  # as they were
    assert all(before["step"] < after["step"] for before, after in itertools.pairwise(whole.rows))
