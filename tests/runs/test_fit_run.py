"""A run from picture to run folder: what it leaves, and that it can be stopped, broken and gone on with."""

import csv
import io
import json
import math
import os
import pathlib
import shutil
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_runs import CROP, load_field, make_settings, names, plan, read_strict, run_planned, weights_sha

from keras_inr.errors import DivergedError, InputError, InterruptedRunError, NotExportedError
from keras_inr.runs import fit_run, results
from keras_inr.runs.fit_run import run_image_fit
from keras_inr.runs.layout import RESULTS, SAVED_MODEL, missing_results, written_paths
from keras_inr.signals.image import load_image

METRICS = (
    *("psnr_db", "psnr_8bit_db", "ssim", "steps", "train_seconds", "setup_seconds", "num_parameters", "height"),
    *("width", "channels", "seed", "device", "versions", "image_sha256", "format_version"),
)
FILES = (
    *(".lock", "checkpoints/step-0000000001.npz", "checkpoints/step-0000000060.npz", "comparison.png", "curves.png"),
    *("flags.cfg", "history.csv"),
    *("metrics.json", "model.keras", "reconstruction.png", "run.json"),
    *("saved_model/1/fingerprint.pb", "saved_model/1/saved_model.pb"),
    *("saved_model/1/variables/variables.data-00000-of-00001", "saved_model/1/variables/variables.index"),
)
PREVIEWS = ("previews/step-0000020.png", "previews/step-0000040.png", "previews/step-0000060.png")


def run(settings, out, **options):
    """The metrics of a run."""
    folder, metrics = run_planned(settings, out, **options)
    assert folder == out
    return metrics


def decibels(target, prediction):
    return -10 * math.log10(np.mean((np.asarray(target, float) - np.clip(prediction, 0, 1)) ** 2))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, metrics) of a run with everything on."""
    settings = make_settings(preview_every=20, tensorboard=True)
    out = tmp_path_factory.mktemp("finished") / "run"
    return out, run(settings, out, flags_text="--steps=60\n")


class TestFinishedRun:
    def test_files(self, finished):
        written = names(finished[0])
        assert [name for name in written if not name.startswith("tensorboard/")] == sorted([*FILES, *PREVIEWS])
        assert len([name for name in written if name.startswith("tensorboard/events.out.tfevents.")]) == 1
        assert (finished[0] / "flags.cfg").read_text() == "--steps=60\n"

    def test_files_are_those_that_overwriting_removes(self, finished):
        written = [path.relative_to(finished[0]).parts[0] for path in written_paths(finished[0])]
        assert {path.name for path in finished[0].iterdir()} == {".lock", *written}
        assert missing_results(finished[0]) == []

    def test_metrics(self, finished):
        folder, metrics = finished
        read = read_strict(folder / "metrics.json")
        assert read == json.loads(json.dumps(metrics))
        assert set(METRICS) <= set(read)
        assert (read["steps"], read["stopped_by"], read["seed"]) == (60, "steps", 0)
        assert (read["height"], read["width"], read["channels"]) == (24, 32, 3)
        assert read["image_sha256"] == load_image("sample:chelsea").sha256
        assert read["num_parameters"] == load_field(folder).count_params()
        assert read["train_seconds"] > 0

    def test_history(self, finished):
        with open(finished[0] / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["step"]) for row in rows] == list(range(1, 61))
        assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
        seconds = [float(row["seconds"]) for row in rows]
        assert seconds == sorted(seconds)
        assert {row["picture_psnr_db"] for row in rows} == {""}

    def test_quality_is_that_of_the_model_and_of_the_picture(self, finished):
        folder, metrics = finished
        target = load_image("sample:chelsea", **CROP).values
        # float64 sums of the same 2304 squares in another order
        np.testing.assert_allclose(
            metrics["psnr_db"], decibels(target, load_field(folder).sample_grid(24, 32)), rtol=1e-9
        )
        picture = np.asarray(Image.open(folder / "reconstruction.png"))
        # the library rounds k/255 to float32
        np.testing.assert_allclose(metrics["psnr_8bit_db"], decibels(target, picture / 255), rtol=1e-6)

    def test_the_reloaded_model_renders_the_reconstruction(self, finished):
        field = load_field(finished[0])
        assert field.picture_size == (24, 32)
        np.testing.assert_array_equal(field.render(), np.asarray(Image.open(finished[0] / "reconstruction.png")))

    def test_the_saved_model_answers_like_it(self, finished):
        served = tf.saved_model.load(str(finished[0] / "saved_model" / "1")).signatures
        coords = load_image("sample:chelsea", **CROP).coords
        values = served["serving_default"](coords=tf.constant(coords))["values"]
        # the same float32 operations, fused differently
        np.testing.assert_allclose(values, load_field(finished[0])(coords), atol=1e-6)
        info = json.loads(served["info"](query=tf.constant([""]))["info"][0].numpy())
        assert info["psnr_db"] == finished[1]["psnr_db"]

    def test_pictures_are_pictures(self, finished):
        assert np.asarray(Image.open(finished[0] / "reconstruction.png")).shape == (24, 32, 3)
        for name in ("comparison.png", "curves.png"):
            picture = np.asarray(Image.open(finished[0] / name).convert("L"))
            assert max(picture.shape) > 600, picture.shape
            assert picture.std() > 5

    def test_the_last_preview_is_the_reconstruction(self, finished):
        last, result = (Image.open(finished[0] / name) for name in (PREVIEWS[-1], "reconstruction.png"))
        np.testing.assert_array_equal(np.asarray(last), np.asarray(result))

    def test_previews_as_jpeg(self, finished, tmp_path):
        """The same pictures; overwriting removes them, too."""
        run(make_settings(preview_every=20, preview_format="jpeg"), tmp_path / "run")
        folder = tmp_path / "run" / "previews"
        assert sorted(path.name for path in folder.iterdir()) == [
            pathlib.PurePath(name).with_suffix(".jpg").name for name in PREVIEWS
        ]
        for name in PREVIEWS:
            expected = io.BytesIO()
            Image.open(finished[0] / name).save(expected, "JPEG", quality=90)
            assert (tmp_path / "run" / name).with_suffix(".jpg").read_bytes() == expected.getvalue()
        assert folder in [path.parent for path in written_paths(tmp_path / "run")]

    def test_resumed_it_is_only_read(self, finished, monkeypatch):
        def never(*args, **kwargs):
            raise AssertionError("worked")

        folder, metrics = finished
        before = {name: os.stat(folder / name).st_mtime_ns for name in names(folder)}
        for name in ("fit", "write_results", "write_history_and_curves"):
            monkeypatch.setattr(fit_run, name, never)
        settings = make_settings(preview_every=3)  # what only shows a run may differ
        assert run(settings, folder, resume=True) == json.loads(json.dumps(metrics))
        assert {name: os.stat(folder / name).st_mtime_ns for name in names(folder)} == before

    def test_resumed_with_other_settings_it_is_refused(self, finished):
        with pytest.raises(InputError, match=r"other settings: steps was 60 and is 61$"):
            run(make_settings(recipe={"steps": 61}), finished[0], resume=True)
        with pytest.raises(InputError, match=r"units was \[16, 16\] and is \[16, 8\]"):
            run(make_settings(arguments={"units": (16, 8)}), finished[0], resume=True)

    def test_without_resume_it_is_refused(self, finished):
        with pytest.raises(InputError, match="holds a run already"):
            run(make_settings(), finished[0])


class SignalAtStep(keras.callbacks.Callback):
    """Sends the process a signal after some steps."""

    def __init__(self, number, step):
        super().__init__()
        self.number = number
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(self.number)


class TestUnfinishedRun:
    def interrupt(self, monkeypatch, number, step, out, **options):
        """A run that gets a signal while it trains."""
        with monkeypatch.context() as patched:
            patched.setattr(fit_run, "TensorBoardLog", lambda folder, **shown: SignalAtStep(number, step))
            go_on = f"go on with out='{out}', resume=True"
            with pytest.raises(InterruptedRunError, match="the state is saved, " + go_on) as caught:
                run(make_settings(tensorboard=True), out, **options)
        assert caught.value.signal_number == number

    @pytest.mark.slow
    def test_interrupted_twice_it_ends_with_the_weights_of_an_undisturbed_one(self, finished, tmp_path, monkeypatch):
        out = tmp_path / "run"
        self.interrupt(monkeypatch, signal.SIGINT, 17, out)
        present = set(names(out))
        assert {"checkpoints/step-0000000018.npz", "run.json", "history.csv", "flags.cfg"} <= present
        assert not {"metrics.json", "model.keras", "reconstruction.png"} & present
        self.interrupt(monkeypatch, signal.SIGTERM, 20, out, resume=True)
        metrics = run(make_settings(), out, resume=True)
        assert weights_sha(out) == weights_sha(finished[0])
        assert metrics["psnr_db"] == finished[1]["psnr_db"]
        assert metrics["steps"] == 60

    @pytest.mark.slow
    def test_interrupted_by_its_last_step(self, finished, tmp_path, monkeypatch):
        out = tmp_path / "run"
        self.interrupt(monkeypatch, signal.SIGTERM, 59, out)  # noted while the last one is under way
        assert run(make_settings(), out, resume=True)["psnr_db"] == finished[1]["psnr_db"]

    @pytest.mark.slow
    def test_results_that_cannot_be_written(self, finished, tmp_path, monkeypatch):
        """Whatever fails, the run is not finished, what it has learnt is kept, and a resume ends it."""
        out = tmp_path / "run"
        for module, name in (
            (results, "export_saved_model"),
            (results, "save_png"),
            (results, "save_comparison"),
            (results, "save_curves"),
            (results, "write_json"),
        ):
            with monkeypatch.context() as patched:
                patched.setattr(module, name, full_disk)
                with pytest.raises(OSError, match="No space left on device"):
                    run(make_settings(), out, resume=True)
            assert "metrics.json" not in names(out)
            assert not [name for name in names(out) if "tmp" in name]
            assert "checkpoints/step-0000000060.npz" in names(out)
        metrics = run(make_settings(), out, resume=True)
        assert names(out) == sorted(FILES)
        assert metrics["psnr_db"] == finished[1]["psnr_db"]
        assert metrics["train_seconds"] > 0

    def test_no_checkpoint_can_be_read(self, tmp_path, monkeypatch):
        out = tmp_path / "run"
        self.interrupt(monkeypatch, signal.SIGINT, 2, out)
        for path in (out / "checkpoints").iterdir():
            path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(InputError, match=r"no checkpoint in .* can be read \(.*\); remove them to start"):
            run(make_settings(), out, resume=True)


def full_disk(*args, **kwargs):
    raise OSError(28, "No space left on device")


class TestAgain:
    @pytest.mark.slow
    def test_what_was_prepared_once_may_be_run_twice(self, tmp_path):
        """Each starts from fresh weights; and overwriting leaves nothing but what no run writes."""
        prepared = plan(make_settings(recipe={"steps": 5}))
        first = run_image_fit(prepared, tmp_path / "run")[1]
        sha = weights_sha(tmp_path / "run")
        (tmp_path / "run" / "my_notes.txt").touch()
        second = run_image_fit(prepared, tmp_path / "run", overwrite=True)[1]
        assert second["psnr_db"] == first["psnr_db"]
        assert weights_sha(tmp_path / "run") == sha
        assert (tmp_path / "run" / "my_notes.txt").exists()

    @pytest.mark.slow
    def test_longer_it_ends_with_the_weights_of_an_undisturbed_longer_one(self, tmp_path):
        recipe = {"schedule": "constant", "steps": 20}
        run(make_settings(recipe=recipe), tmp_path / "run")
        metrics = run(make_settings(recipe={**recipe, "steps": 30}), tmp_path / "run", resume=True)
        whole = run(make_settings(recipe={**recipe, "steps": 30}), tmp_path / "whole")
        assert (metrics["steps"], metrics["psnr_db"]) == (30, whole["psnr_db"])
        assert weights_sha(tmp_path / "run") == weights_sha(tmp_path / "whole")
        with open(tmp_path / "run" / "history.csv", newline="") as file:
            assert [int(row["step"]) for row in csv.DictReader(file)] == list(range(1, 31))
        with pytest.raises(InputError, match="steps was 30 and is 20"):
            run(make_settings(recipe=recipe), tmp_path / "run", resume=True)


class TestDamagedResults:
    """A finished run that has lost some of what it wrote gets it back from its checkpoint, without training."""

    @pytest.fixture
    def damaged(self, finished, tmp_path, monkeypatch):
        """A copy of the finished run, in which no step can be trained."""
        monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: pytest.fail("trained"))
        return shutil.copytree(finished[0], tmp_path / "run")

    def assert_whole(self, folder, finished):
        assert [name for name in names(folder) if not name.startswith("tensorboard/")] == sorted([*FILES, *PREVIEWS])
        assert weights_sha(folder) == weights_sha(finished[0])
        kept = ("psnr_db", "psnr_8bit_db", "ssim", "steps", "train_seconds", "stopped_by")
        read = read_strict(folder / "metrics.json")
        assert {name: read[name] for name in kept} == {name: finished[1][name] for name in kept}

    @pytest.mark.parametrize("content", ['{"psnr_db": 1', "{}", "null", ""])
    def test_metrics(self, finished, damaged, content):
        (damaged / "metrics.json").write_text(content)
        run(make_settings(preview_every=20, tensorboard=True), damaged, resume=True)
        self.assert_whole(damaged, finished)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", [*RESULTS, *(f"saved_model/1/{name}" for name in SAVED_MODEL)])
    @pytest.mark.parametrize("torn", [False, True])
    def test_results(self, finished, damaged, name, torn):
        (damaged / name).unlink()
        if torn:
            (damaged / name).touch()
        run(make_settings(), damaged, resume=True)
        self.assert_whole(damaged, finished)

    def test_versions_that_were_exported_later_stay(self, finished, damaged):
        shutil.copytree(damaged / "saved_model" / "1", damaged / "saved_model" / "5")
        (damaged / "model.keras").unlink()
        run(make_settings(), damaged, resume=True)
        assert sorted(path.name for path in (damaged / "saved_model").iterdir()) == ["1", "5"]

    def test_without_a_checkpoint(self, damaged):
        shutil.rmtree(damaged / "checkpoints")
        assert run(make_settings(), damaged, resume=True)["steps"] == 60  # which needs none
        (damaged / "model.keras").unlink()
        shutil.rmtree(damaged / "saved_model")
        told = (
            f"{damaged} is finished but lacks model.keras, saved_model, and has no checkpoint to make that again from"
        )
        with pytest.raises(InputError, match=f"{told}; add overwrite=True to begin anew"):
            run(make_settings(), damaged, resume=True)

    @pytest.mark.parametrize("name", ["checkpoints", "saved_model"])
    def test_a_file_in_the_place_of_a_folder(self, damaged, name):
        shutil.rmtree(damaged / name)
        (damaged / name).touch()
        with pytest.raises(InputError, match=f"{damaged / name} must be a folder for a run to write in"):
            run(make_settings(), damaged, resume=True)


class TestOddPictures:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("shape", "dtype", "settings", "recipe"),
        [
            ((1, 1, 3), "float32", {}, {"sampling": "shuffled"}),
            ((1, 40), "uint8", {"precision": "mixed_bfloat16"}, {"sampling": "continuous", "epochs": 3, "steps": None}),
            ((12, 13, 4), "uint8", {"precision": "float64", "image_options": {"alpha": "keep"}}, {"sampling": "full"}),
            ((13, 12, 3), "uint16", {"precision": "mixed_float16", "preset": "relu_pe"}, {"batch_size": 0}),
        ],
        ids=["one pixel", "a grey line", "transparent", "16 bits"],
    )
    def test_go_all_the_way(self, tmp_path, shape, dtype, settings, recipe):
        values = np.random.default_rng(0).random(shape)
        top = np.iinfo(dtype).max if dtype.startswith("u") else 1
        picture = (values * top).astype(dtype)
        out = tmp_path / "run"
        metrics = run(make_settings(picture, {"steps": 8, **recipe}, **settings), out)
        height, width, channels = (*shape, 1)[:3]
        assert (metrics["height"], metrics["width"], metrics["channels"]) == (height, width, channels)
        assert metrics["bit_depth"] == {"uint8": 8, "uint16": 16, "float32": 32}[dtype]
        assert (metrics["ssim"] is None) == (min(height, width) < 11)
        field = load_field(out)
        assert field.dtype_policy.name == settings.get("precision", "float32")
        target = (picture / top).reshape(height, width, channels)
        # the target is rounded to float32, at 1e-7, and errors are about 0.3
        np.testing.assert_allclose(metrics["psnr_db"], decibels(target, field.sample_grid()), rtol=1e-6)
        written = np.asarray(Image.open(out / "reconstruction.png")).reshape(height, width, channels)
        np.testing.assert_array_equal(field.render(), written)
        read_strict(out / "metrics.json")

    @pytest.mark.slow
    def test_exact(self, tmp_path):
        """White is what values above 1 are clamped to."""
        white = np.full((12, 12, 3), 255, np.uint8)
        arguments = {"units": (4,), "value_range": (-9.0, -8.0)}
        metrics = run(make_settings(white, {"steps": 3, "learning_rate": 1e-6}, arguments=arguments), tmp_path / "run")
        assert (metrics["psnr_db"], metrics["psnr_8bit_db"], metrics["ssim"]) == (None, None, 1.0)
        assert read_strict(tmp_path / "run" / "metrics.json")["psnr_db"] is None
        with open(tmp_path / "run" / "history.csv", newline="") as file:
            assert {row["psnr_db"] for row in csv.DictReader(file)} == {""}


class TestStops:
    def test_at_a_psnr(self, tmp_path):
        metrics = run(make_settings(goal_psnr_db=8.0, recipe={"steps": 2000, "learning_rate": 0.01}), tmp_path / "run")
        assert metrics["stopped_by"] == "psnr"
        assert metrics["psnr_db"] >= 8.0
        assert metrics["steps"] < 2000
        with open(tmp_path / "run" / "history.csv", newline="") as file:
            last = list(csv.DictReader(file))[-1]
        assert float(last["picture_psnr_db"]) == metrics["psnr_db"]

    @pytest.mark.slow
    def test_at_a_time(self, tmp_path):
        metrics = run(make_settings(max_seconds=0.2, recipe={"steps": 10**6}), tmp_path / "run")
        assert metrics["stopped_by"] == "time"
        assert metrics["train_seconds"] >= 0.2

    @pytest.mark.slow
    def test_that_cannot_be_served(self, tmp_path, monkeypatch):
        """Resumed, it ends in the same way: what is missing is asked for again."""

        def refuse(*arguments, **options):
            raise InputError("the export's 'laplacian' must equal the field within 1.0e-04, received nan")

        monkeypatch.setattr(results, "export_saved_model", refuse)
        out = tmp_path / "run"
        told = rf"^{out}/model\.keras is written but cannot be served: the export's .*, received nan$"
        for resume in (False, True):
            with pytest.raises(NotExportedError, match=told):
                run(make_settings(recipe={"steps": 2}), out, resume=resume)
            assert load_field(out).units == (16, 16)
            assert {"history.csv", "reconstruction.png", "comparison.png"} <= set(names(out))
            assert not (out / "metrics.json").exists()
        assert issubclass(NotExportedError, InputError)  # scripts end with 2 and one line
        monkeypatch.undo()
        assert run(make_settings(recipe={"steps": 2}), out, resume=True)["steps"] == 2

    def test_divergence(self, tmp_path):
        recipe = {"optimizer": "sgd", "learning_rate": 1000.0, "schedule": "constant"}
        with pytest.raises(DivergedError, match=r"became nan at step \d+: the learning rate .*1e\+03.* too high"):
            run(make_settings(recipe=recipe), tmp_path / "run")
        left = set(names(tmp_path / "run"))
        assert not {"metrics.json", "model.keras"} & left
        assert "history.csv" in left  # how it came to that


class TestBadSettings:
    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            ({"precision": "float16"}, "precision must be one of .*, received 'float16'"),
            ({"goal_psnr_db": 0.0}, "goal_psnr_db must be positive, received 0.0"),
            ({"goal_psnr_db": math.inf}, "goal_psnr_db must be positive, received inf"),
            ({"max_seconds": -1.0}, "max_seconds must be positive, received -1.0"),
            ({"max_seconds": math.nan}, "max_seconds must be positive, received nan"),
            ({"preview_every": -1}, "preview_every must not be negative, received -1"),
            ({"preview_format": "jpg"}, r"preview_format must be one of \('png', 'jpeg'\), received 'jpg'"),
            ({"preset": "sirens"}, "preset must be one of .*, received 'sirens'"),
            ({"arguments": {"depth": 3}}, "'depth' is not an argument of preset 'siren', which takes"),
            ({"arguments": {"scheme": "best"}}, "received 'best'"),
            ({"arguments": {"units": ()}}, r"units must be .* positive integers, received \(\)"),
            ({"arguments": {"value_range": (1.0, 0.0)}}, r"the second larger by at least 1e-06, received \(1.0, 0.0\)"),
            ({"recipe": {"steps": 0}}, "steps must be .*, received 0"),
            ({"recipe": {"epochs": 3}}, "give one of steps and epochs, received steps=60 and epochs=3"),
            ({"recipe": {"learning_rate": 0.0}}, "learning_rate must be .*, received 0.0"),
            ({"recipe": {"step": 3}}, "step"),
            ({"image_options": {"crop": (0, 0, 999, 1)}}, "crop .*999"),
            ({"image_options": {"size": 0}}, "size must be .*, received 0"),
            ({"image_options": {"sizes": 3}}, "sizes"),
            ({"image": "sample:dog"}, "source 'sample:dog' is unknown"),
            ({"image": np.zeros((0, 3, 3))}, "height x width is 0 x 3"),
        ],
    )
    def test_one_sentence(self, settings, reason):
        with pytest.raises(InputError, match=reason) as caught:
            run_planned(make_settings(**settings), "nowhere")
        assert "\n" not in str(caught.value)

    def test_what_a_file_cannot_hold(self):
        with pytest.raises(InputError, match=r"arguments must be numbers that JSON can hold, received .*int64"):
            plan(make_settings(arguments={"units": (np.int64(8),)}))
