"""Runs that are gone on with: of an earlier version, begun but not there yet, finished but not whole, and longer."""

import json
import os
import pathlib
import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_runs import load_field, make_settings, names, plan, read_strict, run_planned, weights_sha

from keras_inr._reading import read_json
from keras_inr.cli.flagfile import flags_of_run
from keras_inr.errors import CheckpointError, InputError
from keras_inr.runs import results
from keras_inr.runs.folder import run_flags
from keras_inr.runs.layout import RESULTS
from keras_inr.runs.results import holds_weights
from keras_inr.training.checkpoints import load_checkpoint, save_checkpoint
from keras_inr.training.fitting import fit

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "run_v1"
OF_GOLDEN = {
    "image": "sample:camera",
    "image_options": {"size": 16},
    "preset": "siren",
    "arguments": {"units": (8, 8)},
    "progress": False,
    "tensorboard": False,
}
CONSTANT = {"steps": 40, "batch_size": 64, "schedule": "constant", "optimizer": "adam", "learning_rate": 1e-3}
LAST = "checkpoints/step-0000000040.npz"


def run(out, settings, **options):
    return run_planned(settings, out, resume=True, **options)[1]


def settings(**changes):
    return make_settings(**OF_GOLDEN, recipe={**CONSTANT, **changes})


@pytest.fixture
def golden(tmp_path):
    """A finished run of version 1, without its SavedModel and two of its pictures."""
    return shutil.copytree(GOLDEN, tmp_path / "run")


def without(path, *keys):
    """Takes names out of a run.json, as an earlier version would not have written them."""
    content = json.loads(path.read_text())
    for key in keys:
        del content["identity"][key]
    path.write_text(json.dumps(content))


class TestOfVersion1:
    def test_what_it_lacks_is_made_and_nothing_else(self, golden):
        before = {name: (golden / name).read_bytes() for name in names(golden)}
        metrics = run(golden, settings())
        assert metrics == read_strict(GOLDEN / "metrics.json")
        added = set(names(golden)) - set(before) - {".lock"}
        assert {name for name in added if not name.startswith("saved_model/1/")} == {"comparison.png", "curves.png"}
        assert {name: (golden / name).read_bytes() for name in before if name != "flags.cfg"} == {
            name: content for name, content in before.items() if name != "flags.cfg"
        }
        assert holds_weights(golden / "saved_model" / "1", load_field(golden))

    @pytest.mark.slow
    def test_stopped_it_is_gone_on_with(self, golden):
        for name in ("metrics.json", "model.keras", "reconstruction.png", "history.csv", LAST):
            (golden / name).unlink()
        assert run(golden, settings())["steps"] == 40
        fresh = golden.with_name("fresh")
        run(fresh, settings())
        assert weights_sha(golden) == weights_sha(fresh)

    def test_a_setting_that_it_did_not_know_was_as_by_default(self, golden):
        without(golden / "run.json", "clip_norm", "freeze", "precision")
        arrays, state = load_checkpoint(golden / "checkpoints")[1:]
        for name in ("clip_norm", "derivative_rule", "field_num_fields"):
            del state["identity"][name]
        save_checkpoint(golden / "checkpoints", 40, arrays, state)
        (golden / "metrics.json").unlink()
        assert run(golden, settings())["steps"] == 40
        with pytest.raises(InputError, match=r"holds a run with other settings: clip_norm was 0\.0 and is 1\.0"):
            run(golden, settings(clip_norm=1.0))


def test_a_run_is_there_with_its_flags_in_one_step(tmp_path, monkeypatch):
    """Killed between run.json and flags.cfg, it still knows its flags."""
    out = tmp_path / "run"

    def killed(path):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("keras_inr.runs.fit_run.atomic_path", killed)
        with pytest.raises(SystemExit):
            run(out, settings(), flags_text="--steps=40\n")
    assert names(out) == [".lock", "run.json"]
    assert run_flags(out) == "--steps=40\n"
    run(out, settings(), flags_text="--steps=40\n")
    assert (out / "flags.cfg").read_text() == "--steps=40\n"
    assert run_flags(GOLDEN) is None


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    run(out, settings())
    return out


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


class TestExportThatStands:
    @pytest.mark.parametrize("lost", RESULTS)
    def test_is_left_alone_when_something_else_is_made_again(self, copy, monkeypatch, lost):
        monkeypatch.setattr(results, "export_saved_model", lambda *args, **kwargs: pytest.fail("exported"))
        before = {name: (copy / name).stat().st_mtime_ns for name in names(copy)}
        (copy / lost).unlink()
        run(copy, settings())
        after = {name: (copy / name).stat().st_mtime_ns for name in names(copy)}
        assert set(after) == {*before, "flags.cfg"}
        assert {name for name in before if after[name] != before[name]} <= {lost, "flags.cfg"}

    def test_is_left_alone_by_a_run_that_was_killed_before_its_metrics(self, copy, monkeypatch):
        monkeypatch.setattr(results, "export_saved_model", lambda *args, **kwargs: pytest.fail("exported"))
        (copy / "metrics.json").unlink()
        run(copy, settings())
        assert (copy / "metrics.json").is_file()

    @pytest.mark.slow
    def test_is_there_until_that_of_the_longer_run_is(self, copy, monkeypatch):
        export = results.export_saved_model

        def watched(*args, **kwargs):
            assert holds_weights(copy / "saved_model" / "1", old)
            folder = export(*args, **kwargs)
            assert (copy / "saved_model" / "1" / "saved_model.pb").is_file()
            return folder

        old = load_field(copy)
        monkeypatch.setattr(results, "export_saved_model", watched)
        run(copy, settings(steps=50))
        assert [path.name for path in (copy / "saved_model").iterdir()] == ["2"]
        assert holds_weights(copy / "saved_model" / "2", load_field(copy))
        assert not holds_weights(copy / "saved_model" / "2", old)

    @pytest.mark.slow
    def test_others_that_were_exported_from_the_run_stay(self, copy):
        shutil.copytree(copy / "saved_model" / "1", copy / "saved_model" / "7")
        run(copy, settings(steps=50))
        assert sorted(path.name for path in (copy / "saved_model").iterdir()) == ["1", "7", "8"]

    def test_that_is_torn_is_replaced(self, copy):
        (copy / "saved_model" / "1" / "saved_model.pb").write_bytes(b"")
        run(copy, settings())
        assert [path.name for path in (copy / "saved_model").iterdir()] == ["1"]
        assert tf.saved_model.load(str(copy / "saved_model" / "1")).signatures

    def test_of_damaged_variables_holds_no_weights(self, copy):
        (copy / "saved_model" / "1" / "variables" / "variables.index").write_bytes(b"damaged")
        assert not holds_weights(copy / "saved_model" / "1", load_field(copy))


class TestWhatIsDearestIsWrittenFirst:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["save_comparison", "save_curves", "save_png"])
    def test_a_picture_that_cannot_be_drawn_costs_nothing_else(self, tmp_path, monkeypatch, name):
        out = tmp_path / "run"

        def broken(*args, **kwargs):
            raise RuntimeError("latex could not be found")

        with monkeypatch.context() as patched:
            patched.setattr(results, name, broken)
            with pytest.raises(RuntimeError, match="latex") as caught:
                run(out, settings())
        assert "could not be drawn; everything else is written, resume=True draws it" in caught.value.__notes__[0]
        assert {"model.keras", "metrics.json", "history.csv", "saved_model/1/saved_model.pb"} <= set(names(out))
        monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: pytest.fail("trained"))
        run(out, settings())
        assert {"comparison.png", "curves.png", "reconstruction.png"} <= set(names(out))

    @pytest.mark.slow
    def test_an_old_picture_does_not_stand_for_a_longer_run(self, copy, monkeypatch):
        with monkeypatch.context() as patched:
            patched.setattr(results, "save_comparison", lambda *args, **kwargs: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                run(copy, settings(steps=50))
        assert "comparison.png" not in names(copy)


class TestDamaged:
    @pytest.mark.parametrize("text", ["[" * 200_000, "[]", '{"psnr_db": "high"}', "{}"])
    def test_metrics_are_made_again_from_the_checkpoint(self, copy, text):
        whole = (copy / "metrics.json").read_text()
        (copy / "metrics.json").write_text(text)
        run(copy, settings())
        assert json.loads((copy / "metrics.json").read_text())["psnr_db"] == json.loads(whole)["psnr_db"]

    def test_metrics_without_a_checkpoint_begin_nothing_anew(self, copy):
        shutil.rmtree(copy / "checkpoints")
        (copy / "metrics.json").write_text("{}")
        before = weights_sha(copy)
        with pytest.raises(
            InputError, match=r"metrics\.json is damaged, and there is no checkpoint to make it again from"
        ):
            run(copy, settings())
        assert weights_sha(copy) == before

    @pytest.mark.parametrize("name", ["metrics.json", "model.keras", "flags.cfg", "comparison.png"])
    def test_a_pipe_in_the_place_of_a_file(self, copy, name):
        (copy / name).unlink()
        os.mkfifo(copy / name)
        with pytest.raises(InputError, match=rf"{name} must be a file for a run to replace, received a pipe"):
            run(copy, settings())

    def test_a_pipe_in_the_place_of_a_folder_and_of_the_lock(self, copy):
        (copy / ".lock").unlink()
        os.mkfifo(copy / ".lock")
        with pytest.raises(InputError, match=r"\.lock must be a file for a run to lock, received a pipe"):
            run(copy, settings())
        shutil.rmtree(copy / "checkpoints")
        os.mkfifo(copy / "checkpoints")
        with pytest.raises(InputError, match=r"checkpoints must be a folder for a run to write in, received a pipe"):
            run(copy, settings())

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("step", "many", "its step must be of type int, received 'many'"),
            ("rows", [1], "its rows must be objects with step and loss"),
            ("rows", {}, "its rows must be of type list"),
            ("train_seconds", None, "its train_seconds must be of type float, received None"),
            ("plateau", [], "its plateau must be of type dict"),
            ("unknown", 1, "its state must not have 'unknown'"),
        ],
    )
    def test_the_state_of_a_checkpoint(self, copy, name, value, told):
        arrays, state = load_checkpoint(copy / "checkpoints")[1:]
        shutil.rmtree(copy / "checkpoints")
        save_checkpoint(copy / "checkpoints", 40, arrays, {**state, name: value})
        (copy / "metrics.json").unlink()
        with pytest.raises(InputError, match=told):
            run(copy, settings())

    def test_a_checkpoint_whose_state_is_no_object_or_has_no_step(self, tmp_path):
        prepared = plan(settings())
        for state, told in (([1], "its state must be an object, received list"), ({"rows": []}, "its step is missing")):
            save_checkpoint(tmp_path, 1, {"0": np.zeros(1)}, state)
            with pytest.raises(CheckpointError, match=told):
                fit(prepared.field, prepared.signal, prepared.plan.recipe, checkpoint_dir=tmp_path, progress=False)

    def test_an_identity_that_lacks_a_name(self, copy):
        without(copy / "run.json", "steps")
        with pytest.raises(InputError, match="steps was None and is 40"):
            run(copy, settings())
        assert "steps" not in read_json(copy / "run.json")["identity"]


def test_no_folder_is_not_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepared = plan(make_settings(recipe={"steps": 2}))
    with pytest.raises(ValueError, match="checkpoint_dir must be a path, received ''"):
        fit(prepared.field, prepared.signal, prepared.plan.recipe, checkpoint_dir="", progress=False)
    with pytest.raises(ValueError, match="checkpoint_dir must be a path, received ''"):
        save_checkpoint("", 1, {}, {})
    assert names(tmp_path) == []


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    out = tmp_path_factory.mktemp("short") / "run"
    run(out, settings(), flags_text="--steps=40\n")
    return out


class TestMadeLonger:
    """Killed at any write, a run that is made longer goes on with the flags that it keeps, and never loses a result."""

    def go_on(self, out, steps=None):
        """As a bare --resume does where no steps are given."""
        source, lines = flags_of_run(out)
        assert source.name == "run.json"
        steps = steps or int(lines[0].removeprefix("--steps="))
        return run(out, settings(steps=steps), flags_text=f"--steps={steps}\n")

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [1, *range(0, 25, 2)])
    def test_killed(self, short, tmp_path, monkeypatch, number):
        out, left = shutil.copytree(short, tmp_path / "run"), [number]
        figures = {name: (out / name).read_bytes() for name in ("metrics.json", "model.keras")}

        def counted(work):
            def write(*args, **kwargs):
                left[0] -= 1
                if left[0] < 0:
                    raise SystemExit  # and nothing is tidied up
                return work(*args, **kwargs)

            return write

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", counted(os.replace))
            patched.setattr(pathlib.Path, "unlink", counted(pathlib.Path.unlink))
            with pytest.raises(SystemExit):
                self.go_on(out, 60)
        present = {name: (out / name).read_bytes() for name in figures if (out / name).exists()}
        if present.get("metrics.json") == figures["metrics.json"]:
            assert present == figures
        longer = json.loads((out / "run.json").read_text())["identity"]["steps"] == 60
        assert self.go_on(out)["steps"] == (60 if longer else 40)
        assert self.go_on(out, 60)["steps"] == 60
        assert holds_weights(max((out / "saved_model").iterdir()), load_field(out))

    def test_its_results_stay_until_the_longer_ones_are_there(self, short, tmp_path, monkeypatch):
        out = shutil.copytree(short, tmp_path / "run")
        before = {name: (out / name).read_bytes() for name in ("metrics.json", *RESULTS)}

        def disk_is_full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("keras_inr.runs.fit_run.fit", disk_is_full)
            with pytest.raises(OSError, match="No space"):
                self.go_on(out, 60)
        assert {name: (out / name).read_bytes() for name in before} == before
        assert self.go_on(out)["steps"] == 60

    def test_without_a_checkpoint_it_does_not_begin_anew(self, short, tmp_path, monkeypatch):
        out = shutil.copytree(short, tmp_path / "run")
        with monkeypatch.context() as patched:
            patched.setattr("keras_inr.runs.fit_run.fit", lambda *args, **kwargs: sys.exit())
            with pytest.raises(SystemExit):
                self.go_on(out, 60)
        shutil.rmtree(out / "checkpoints")
        told = r"metrics.json is of a shorter run, and there is no checkpoint to make it again from; add overwrite"
        with pytest.raises(InputError, match=told):
            self.go_on(out)
        assert read_strict(out / "metrics.json")["steps"] == 40

    @pytest.mark.slow
    def test_metrics_of_an_older_version_have_no_recipe(self, short, tmp_path):
        out = shutil.copytree(short, tmp_path / "run")
        metrics = read_strict(out / "metrics.json")
        del metrics["recipe"]
        (out / "metrics.json").write_text(json.dumps(metrics))
        assert self.go_on(out) == metrics
        assert self.go_on(out, 60)["steps"] == 60

    def test_other_flags_are_kept_too(self, short, tmp_path):
        """Such as the place of a picture that has moved."""
        out = shutil.copytree(short, tmp_path / "run")
        text = "--image=elsewhere.png\n--steps=40\n"
        run(out, settings(), flags_text=text)  # finished, it is only read
        assert (flags_of_run(out)[1], (out / "flags.cfg").read_text()) == (["--steps=40"], "--steps=40\n")
        (out / "metrics.json").unlink()
        run(out, settings(), flags_text=text)
        assert (flags_of_run(out)[1], (out / "flags.cfg").read_text()) == (text.splitlines(), text)
