"""scripts/export.py: from a run folder to a SavedModel, and one readable line for what it cannot do."""

import functools
import importlib.util
import json
import sys
import types

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from absl import flags

from cli.fit_calls import SCRIPTS, call, forked
from keras_inr.cli import export as command
from keras_inr.errors import InputError
from keras_inr.export.formats import FORMATS
from keras_inr.export.publish import existing_versions
from keras_inr.models import Siren
from keras_inr.signals.image import load_image

SCRIPT = SCRIPTS / "export.py"
DEFINES = ("DEFINE_string", "DEFINE_integer", "DEFINE_bool", "DEFINE_list", "DEFINE_enum")
METRICS = {"psnr_db": 31.5, "image_sha256": "ab", "seed": 3, "steps": 10, "width": 999}


export = functools.partial(forked, SCRIPT)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder as `scripts/fit.py` leaves it, as far as the export reads it."""
    folder = tmp_path_factory.mktemp("runs") / "a run"
    folder.mkdir()
    Siren(units=(8,), picture_size=(20, 30), seed=0).save(folder / "model.keras")
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    return folder


def test_exports_a_run_from_any_folder(run, tmp_path):
    done = call(f"--run={run}", "--max_pixels=600", cwd=tmp_path, command=[sys.executable, SCRIPT])
    assert (done.returncode, done.stderr) == (0, "")
    version = run / "saved_model" / "1"
    lines = done.stdout.splitlines()
    assert lines[0] == str(version)
    assert "  render_png(box, size) -> png_bytes" in lines
    assert "  serving_default(coords) -> valid, values" in lines
    assert f"docker run --rm -p 8500:8500 -p 8501:8501 -v '{run}/saved_model:/models/field'" in done.stdout
    # the two lines of the example run as they are printed
    example = lines[lines.index("load it in Python:") + 1 :][:2]
    scope = {"tf": tf}
    exec(example[0].strip(), scope)
    values = eval(example[1].strip(), scope)
    field = keras.saving.load_model(run / "model.keras")
    np.testing.assert_allclose(values, field(np.zeros((1, 2))), atol=1e-5)
    info = json.loads(scope["served"].signatures["info"](query=tf.constant([""]))["info"][0].numpy())
    assert {key: info[key] for key in METRICS} == {**METRICS, "width": 30}
    assert info["limits"]["max_pixels"] == 600


@pytest.mark.slow
def test_exports_a_file_as_a_given_version(run, tmp_path):
    """Without a metrics.json beside it, a model goes without figures."""
    (tmp_path / "my.keras").write_bytes((run / "model.keras").read_bytes())
    done = export("--model=my.keras", "--base_path=served/here", "--version=12", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == str(tmp_path / "served" / "here" / "12")
    again = export("--model=my.keras", "--base_path=served/here", "--version=12", cwd=tmp_path)
    assert_refused(again, "export.py: version must not exist yet under 'served/here', received 12")


def assert_refused(done, message):
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_base_path_that_is_a_file(run, tmp_path):
    (tmp_path / "file").touch()
    message = "export.py: base_path must be a folder to write to, received 'file': File exists"
    assert_refused(export(f"--run={run}", "--base_path=file", cwd=tmp_path), message)


def test_neither_run_nor_model(tmp_path):
    told = "export.py: give one of --run=FOLDER and --model=FILE.keras, received neither\n"
    assert_refused(export(cwd=tmp_path), told)
    assert list(tmp_path.iterdir()) == []


class TestBase:
    @pytest.mark.slow
    def test_a_run_becomes_a_model_of_a_base(self, run, tmp_path):
        done = export(f"--run={run}", "--to=models", "--label=stable", "--max_pixels=600", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[:2] == [str(tmp_path / "models" / name / "1") for name in ("model_pictures", "model")]
        assert "model: version 1, stable is version 1" in lines
        assert f"docker run --rm -p 8500:8500 -p 8501:8501 -v {tmp_path}/models:/models:ro" in done.stdout
        assert sum(line.startswith("  curl ") for line in lines) == 6
        again = export(f"--run={run}", "--to=models", cwd=tmp_path)
        assert_refused(again, "export.py: 'model' is in models already: add a version of it")
        more = export(f"--run={run}", "--to=models", "--add_version", "--max_pixels=600", cwd=tmp_path)
        assert "model: version 2, stable is version 1" in more.stdout.splitlines()
        self.show_and_change(tmp_path)

    @pytest.mark.slow
    def test_the_original_of_a_run(self, tmp_path):
        picture, run = tmp_path / "fox.png", tmp_path / "run"
        run.mkdir()
        values = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        PIL.Image.fromarray(values).save(picture)
        Siren(units=(8,), picture_size=(10, 15), seed=0).save(run / "model.keras")
        signal = load_image(picture, size=15)
        facts = {"image": str(picture), "image_options": {"size": 15}, "image_sha256": signal.sha256}
        (run / "metrics.json").write_text(json.dumps(METRICS | facts))
        done = export(f"--run={run}", "--to=models", "--original", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        kept = PIL.Image.open(tmp_path / "models" / "fox_pictures" / "1" / "assets.extra" / "original.png")
        np.testing.assert_array_equal(np.asarray(kept), np.rint(signal.values * 255))
        PIL.Image.fromarray(values[::-1]).save(picture)
        again = export(f"--run={run}", "--to=models", "--add_version", "--original", cwd=tmp_path)
        assert_refused(
            again, f"export.py: --original: {picture} is not the picture any more that the model was fitted to"
        )

    def show_and_change(self, folder):
        base = functools.partial(forked, "keras_inr", "base", cwd=folder)
        shown = base("--base=models").stdout.splitlines()
        assert [line.split()[:3] for line in shown] == [["model", "version", "1"], ["model", "version", "2"]]
        assert shown[0].endswith("MB  stable")
        assert_refused(
            base("--base=models", "--retire=1"), "keras-inr base: --name is required to change something: one of model"
        )
        message = "keras-inr base: version 1 has the label 'stable': move it before it is retired"
        assert_refused(base("--base=models", "--name=model", "--retire=1"), message)
        done = base("--base=models", "--name=model", "--label=stable", "--version=2", "--keep=1")
        first, second = done.stdout.splitlines()
        assert first == "model: removed 1"
        assert second.endswith("MB  stable")
        refused = base("--base=models", "--name=model", "--keep=0")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "flag --keep=0: 0 is not a positive integer" in refused.stderr
        message = "keras-inr base: label must be one of stable, received 'canary'"
        assert_refused(base("--base=models", "--name=model", "--remove_label=canary"), message)
        message = "keras-inr base: label must have more than digits, which name a version, received '2'"
        assert_refused(base("--base=models", "--name=model", "--label=2", "--version=2"), message)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--to=models", "--base_path=b"], "--base_path is for one SavedModel: give it or --to"),
            (["--name=fox"], "--name goes with --to"),
            (["--original"], "--original goes with --to"),
            (
                ["--to=models", "--original"],
                "--original is for runs: the picture that the model was fitted to is not known",
            ),
            (["--to=models", "--name=a/b"], "name must be 1 to 100 letters, digits"),
            (["--to=models", "--container_path=b"], "container_path must begin with '/', received 'b'"),
            (
                ["--to=models", "--add_version"],
                "models has no version of 'model' yet: export its first without --add_version",
            ),
        ],
    )
    def test_flags_that_do_not_fit(self, run, tmp_path, arguments, message):
        assert_refused(export(f"--run={run}", *arguments, cwd=tmp_path), f"export.py: {message}")
        assert list(tmp_path.iterdir()) == []

    def test_a_base_that_is_none(self, tmp_path):
        base = functools.partial(forked, "keras_inr", "base", cwd=tmp_path)
        assert_refused(base(), "keras-inr base: --base is required")
        assert_refused(base("--base=nothing"), "keras-inr base: --base must be a folder with models.config")


def skip_without(format):
    """Looks for the packages without importing them: OpenVINO's tells Intel of it."""
    if any(importlib.util.find_spec(package) is None for package in FORMATS[format].packages):
        pytest.skip(f"needs keras_inr[{format}]")


@pytest.mark.slow
class TestFormat:
    """Files for other runtimes."""

    @pytest.mark.parametrize(("format", "name"), [("onnx", "model.onnx"), ("litert", "model.tflite")])
    def test_a_run(self, run, tmp_path, format, name):
        skip_without(format)
        (tmp_path / "model.keras").write_bytes((run / "model.keras").read_bytes())
        done = export("--run=.", f"--format={format}", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert lines[:2] == [str(tmp_path / name), "run it:"]
        scope = {}
        exec("\n".join(line.strip() for line in lines[2:4]), scope)
        values = eval(lines[4].strip(), scope)
        field = keras.saving.load_model(run / "model.keras")
        np.testing.assert_allclose(values, field(np.zeros((5, 2))), atol=1e-5)

    def test_a_folder_and_a_number_of_points(self, run, tmp_path):
        skip_without("openvino")
        done = export(f"--model={run / 'model.keras'}", "--format=openvino", "--to=here", "--batch=7", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert {path.name for path in (tmp_path / "here").iterdir()} == {"model.xml", "model.bin"}
        assert 'model(numpy.zeros((7, 2), "float32"))[0]' in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--format=torch"], "format must not be 'torch', which Keras writes from its PyTorch backend only"),
            (["--batch=7"], "--batch goes with --format=onnx, litert or openvino"),
            (["--format=onnx", "--label=stable"], "--label is for TensorFlow Serving, received --format=onnx"),
            (["--format=onnx", "--max_pixels=9"], "--max_pixels is for TensorFlow Serving, received --format=onnx"),
            (["--format=onnx", "--to=a.tflite"], "path must end in .onnx for ONNX, received 'a.tflite'"),
        ],
    )
    def test_flags_that_do_not_fit(self, run, tmp_path, arguments, message):
        assert_refused(export(f"--run={run}", *arguments, cwd=tmp_path), f"export.py: {message}")
        assert list(tmp_path.iterdir()) == []


class TestMain:
    """The script's main function, with flags that no other test sees."""

    @pytest.fixture
    def call(self, monkeypatch, capsys):
        def call(*command_line):
            values = flags.FlagValues()
            own = {name: functools.partial(getattr(flags, name), flag_values=values) for name in DEFINES}
            monkeypatch.setattr(command, "flags", types.SimpleNamespace(**own))
            monkeypatch.setattr(command, "FLAGS", values)
            monkeypatch.setattr(command.own_modules, "define", lambda: None)
            command.define_flags()
            values(["export.py", *command_line])
            assert command.main(["export.py"]) == 0
            return capsys.readouterr().out

        return call

    def test_run_and_model(self, call, run, tmp_path):
        with pytest.raises(
            InputError, match=r"give one of run='FOLDER' and model='FILE.keras', received run='a' and model='b.keras'"
        ):
            call("--run=a", "--model=b.keras")

    @pytest.mark.slow
    def test_below_the_home_of_the_user(self, call, run, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(run.parent))
        for flag in ("--run=~/a run", "--model=~/a run/model.keras"):
            assert call(flag, "--base_path=~/versions").startswith(str(run.parent / "versions"))
        assert existing_versions(run.parent / "versions") == [1, 2]

    @pytest.mark.parametrize("flag", ["--base_path=e[1]", "--run=e[1]"])
    def test_a_place_that_cannot_be_served_from(self, call, run, tmp_path, monkeypatch, flag):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError, match=r"base_path must be a path without \[ and \\, .*, received 'e\[1\]"):
            call(f"--run={run}", flag)
        assert list(tmp_path.iterdir()) == []

    def test_from_a_folder_that_looks_like_a_pattern(self, call, run, tmp_path, monkeypatch):
        """Relative paths work there, and what is printed does too."""
        (tmp_path / "[a]").mkdir()
        monkeypatch.chdir(tmp_path / "[a]")
        out = call(f"--run={run}", "--base_path=versions")
        assert "  served = tf.saved_model.load('versions/1')" in out.splitlines()


def test_a_foreign_model(tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save(path)
    with pytest.raises(InputError, match=f"{path} must hold a field of keras_inr, received a Sequential"):
        command.read_field(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"psnr_db":', "is damaged: Expecting value"),
        ("[31.5]", r"is damaged: it must hold an object"),
    ],
)
def test_torn_metrics(tmp_path, text, message):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"{path} {message}"):
        command.load_metrics(path)
