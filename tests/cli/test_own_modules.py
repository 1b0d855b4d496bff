"""--module: presets of a person's own file in every command."""

import functools
import json
import pathlib
import sys

import pytest

from cli.fit_calls import call, forked

MINE = '''
import keras

from keras_inr import Field
from keras_inr.models.preset import Preset, PresetInfo


@keras.saving.register_keras_serializable(package="mine")
class Tanh(Field):
    """Layers of tanh.

    Args:
        units: widths of the layers.
    """

    def __init__(self, units: tuple[int, ...] = (8,), **kwargs):
        super().__init__(**kwargs)
        self.units = tuple(units)
        layers = [keras.layers.Dense(width, activation="tanh") for width in self.units]
        self.set_stack([*layers, keras.layers.Dense(self.channels)])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


PRESETS = (Preset(PresetInfo("tanh", 51, "tanh", "mine"), Tanh, {}),)
'''
SHORT = ("--size=12", "--steps=3", "--noprogress", "--notensorboard", "--out=run")


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


keras_inr = functools.partial(forked, "keras_inr")


@pytest.mark.slow
def test_fitted_gone_on_with_rendered_and_exported(mine):
    flags = ("--module=mine.py", "--preset=tanh", "--units=4,4", *SHORT)
    done = call("fit", *flags, cwd=mine, command=[sys.executable, "-m", "keras_inr"])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tanh (47 parameters) on sample:chelsea")
    assert f"--module={mine}/mine.py\n" in (mine / "run" / "flags.cfg").read_text()
    (mine / "run" / "metrics.json").unlink()
    elsewhere = mine / "elsewhere"
    elsewhere.mkdir()
    done = keras_inr("fit", f"--out={mine}/run", "--resume", cwd=elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((mine / "run" / "metrics.json").read_text())["preset"] == "tanh"
    done = keras_inr("render", "--module=mine.py", "--run=run", "--scale=2", "--out=large.png", cwd=mine)
    assert (done.returncode, (mine / "large.png").is_file()) == (0, True), done.stderr
    done = keras_inr("render", "--run=run", "--scale=2", "--out=other.png", cwd=mine)
    assert done.returncode == 2  # the class is not known
    assert "Tanh" in done.stderr


def test_help_knows_it(mine):
    done = keras_inr("fit", "--module", "mine.py", "--preset=tanh", "--help", cwd=mine)
    assert done.returncode == 0
    assert "--units                   Tanh: widths of the layers." in done.stdout or "Tanh: widths" in done.stdout
    assert "--omega_0" not in done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "module mine.py does not exist"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("PRESETS = 3", "PRESETS"),
    ],
)
def test_what_cannot_be_loaded(tmp_path, text, told):
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    done = keras_inr("fit", "--module=mine.py", *SHORT, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("keras-inr fit: module ")
    assert told in done.stderr
    assert [path for path in pathlib.Path(tmp_path).iterdir() if path.name == "run"] == []
