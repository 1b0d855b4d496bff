"""Runs whose grid grows: their folders, and that they go on wherever they were stopped."""

import csv
import json
import shutil
import signal

import keras
import pytest
from small_runs import load_field, make_settings, names, plan, read_strict, run_planned, weights_sha

from keras_inr.choosing.choice import recipe_for_any_time
from keras_inr.choosing.sizes import ladder, num_parameters
from keras_inr.errors import InputError, InterruptedRunError
from keras_inr.runs import fit_run
from keras_inr.runs.layout import missing_results

SIZE = (32, 48)
RUNGS = ladder(SIZE)
NEVER = 10**9


def settings(**changes):
    """Of a run that stalls in its first grid and reaches its goal in the second."""
    return make_settings(
        **{
            "preset": "pixel_grid",
            "arguments": {"layout": RUNGS[3]},
            "image_options": {"size": 48},
            "recipe": {**recipe_for_any_time(SIZE), "epochs": 10_000, "steps": None},
            "goal_psnr_db": 35.0,
            "grow": True,
            "max_parameters": num_parameters(RUNGS[5], SIZE, 3),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, metrics) of an undisturbed run."""
    return run_planned(settings(preview_every=80, tensorboard=True), tmp_path_factory.mktemp("grown") / "run")


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished[0], tmp_path / "run")


def history(folder):
    with open(folder / "history.csv", newline="") as file:
        return [{**row, "seconds": None} for row in csv.DictReader(file)]


def assert_alike(folder, metrics, finished):
    assert weights_sha(folder) == weights_sha(finished[0])
    kept = ("psnr_db", "steps", "stopped_by", "goal_met", "num_parameters", "arguments")
    both = [json.loads(json.dumps({name: part[name] for name in kept})) for part in (metrics, finished[1])]
    assert both[0] == both[1]
    assert history(folder) == history(finished[0])


@pytest.mark.slow
class TestFinished:
    def test_metrics_are_those_of_the_grid_that_has_grown(self, finished):
        folder, metrics = finished
        field = load_field(folder)
        assert field.layout in RUNGS[4:6]
        assert metrics["num_parameters"] == field.count_params() > num_parameters(RUNGS[3], SIZE, 3)
        assert tuple(map(tuple, metrics["arguments"]["layout"])) == field.layout
        assert (metrics["stopped_by"], metrics["goal"], metrics["goal_met"]) == ("psnr", "35 dB", True)
        assert metrics["psnr_db"] >= 35.0

    def test_the_run_is_the_one_that_was_begun(self, finished):
        identity = read_strict(finished[0] / "run.json")["identity"]
        assert (identity["grow"], identity["max_parameters"]) == (True, num_parameters(RUNGS[5], SIZE, 3))
        assert identity["arguments"]["layout"] == json.loads(json.dumps(RUNGS[3]))

    def test_history_goes_through_all_stages(self, finished):
        rows = history(finished[0])
        steps = [int(row["step"]) for row in rows]
        assert steps == sorted(set(steps))
        assert steps[-1] == finished[1]["steps"]
        assert all(float(row["average_psnr_db"]) > 0 for row in rows)

    def test_every_stage_has_folders_of_its_own(self, finished):
        written = names(finished[0])
        assert [name for name in written if name.startswith("checkpoints/step-")]
        for start in ("checkpoints/grown-1/step-", "previews/grown-1/step-", "tensorboard/grown-1/events"):
            assert [name for name in written if name.startswith(start)], start
        assert missing_results(finished[0]) == []

    @pytest.mark.slow
    def test_what_is_lost_is_made_again(self, finished, copy):
        before = (copy / "metrics.json").read_bytes()
        (copy / "model.keras").unlink()
        run_planned(settings(), copy, resume=True)
        assert (copy / "metrics.json").read_bytes() == before
        assert weights_sha(copy) == weights_sha(finished[0])
        (copy / "metrics.json").unlink()
        assert_alike(*run_planned(settings(), copy, resume=True), finished)

    def test_other_limits_are_another_run(self, copy):
        for changes, told in (
            ({"grow": False}, "grow was True and is False"),
            ({"max_parameters": 10**6}, r"max_parameters was \d+ and is 1000000"),
        ):
            with pytest.raises(InputError, match=told):
                run_planned(settings(**changes), copy, resume=True)

    @pytest.mark.slow
    def test_overwriting_removes_all_stages(self, copy):
        (copy / "checkpoints" / "grown-1" / "notes.txt").touch()
        run_planned(make_settings(recipe={"steps": 2}), copy, overwrite=True)
        assert not [name for name in names(copy) if "grown" in name]
        assert not list(copy.rglob("grown-*"))
        assert load_field(copy).units == (16, 16)


class AtStep(keras.callbacks.Callback):
    """Calls something after so many calls of the training function."""

    def __init__(self, work, calls):
        super().__init__()
        self.work = work
        self.left = calls

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.work()


class TestStopped:
    def stop(self, monkeypatch, work, moments, out, error, **options):
        """A run in which something happens after so many calls of its stages."""
        with monkeypatch.context() as patched:

            def watcher(folder, **shown):
                number = int(folder.name.removeprefix("grown-")) if folder.name != "tensorboard" else 0
                return AtStep(work, moments.get(number, NEVER))

            patched.setattr(fit_run, "TensorBoardLog", watcher)
            with pytest.raises(error):
                run_planned(settings(tensorboard=True), out, **options)
        assert "metrics.json" not in names(out)

    @pytest.mark.slow
    def test_interrupted_in_every_stage(self, finished, tmp_path, monkeypatch):
        out = tmp_path / "run"

        def interrupt():
            signal.raise_signal(signal.SIGINT)

        self.stop(monkeypatch, interrupt, {0: 7}, out, InterruptedRunError)
        assert not [name for name in names(out) if "grown" in name]
        self.stop(monkeypatch, interrupt, {1: 4}, out, InterruptedRunError, resume=True)
        assert [name for name in names(out) if name.startswith("checkpoints/grown-1/")]
        assert history(out) == history(finished[0])[: len(history(out))]
        assert_alike(*run_planned(settings(), out, resume=True), finished)

    @pytest.mark.slow
    def test_killed_in_the_second(self, finished, tmp_path, monkeypatch):
        out = tmp_path / "run"

        def kill():
            raise SystemExit  # and nothing is tidied up

        self.stop(monkeypatch, kill, {1: 6}, out, SystemExit)
        assert [name for name in names(out) if name.startswith("checkpoints/grown-1/")]
        assert_alike(*run_planned(settings(), out, resume=True), finished)

    @pytest.mark.slow
    def test_killed_before_the_second_has_a_checkpoint(self, finished, tmp_path, monkeypatch):
        out = tmp_path / "run"

        def kill():
            raise SystemExit

        self.stop(monkeypatch, kill, {1: 1}, out, SystemExit)
        assert not [name for name in names(out) if name.startswith("checkpoints/grown-1/")]
        assert_alike(*run_planned(settings(), out, resume=True), finished)


@pytest.mark.slow
def test_what_is_decided_is_told(tmp_path):
    told = []
    planned = plan(settings(goal_psnr_db=140.0, arguments={"layout": RUNGS[4]}))
    assert planned.larger == [RUNGS[5]]
    display = fit_run.Display(tensorboard=False, progress=False, tell=told.append)
    _, metrics = fit_run.run_image_fit(planned, tmp_path / "run", display=display)
    assert (metrics["stopped_by"], metrics["goal_met"], len(told)) == ("stalled", False, 1)
    assert f"will not come to 140 dB: growing to {metrics['num_parameters']:,} parameters" in told[0]
    assert planned.field.layout == RUNGS[4]  # what is planned may be run again
