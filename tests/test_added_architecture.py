"""The example of CONTRIBUTING.md as a file of a copy of the package: with no other edit, every process knows it."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import keras_inr.models
from keras_inr.presets import from_preset, list_presets

ROOT = pathlib.Path(__file__).resolve().parents[1]
COORDS = [[0.1, -0.2], [0.7, 0.4]]
LOADS = """
import json, runpy, sys

import keras
import keras_inr

coords, *paths = json.loads(sys.argv[1])
loaded = {path: keras.models.load_model(path) for path in paths}
told = {path: [type(field).__name__, field(keras.ops.array(coords)).numpy().tolist()] for path, field in loaded.items()}
counts = {info.name: [info.num_parameters, keras_inr.from_preset(info.name).count_params()]
          for info in keras_inr.list_presets() if info.name in NEW}
print(json.dumps([told, counts]))
sys.argv = ["fit.py", "--help", "--preset=gauss_pe"]
runpy.run_path("scripts/fit.py", run_name="__main__")
"""


def example():
    """(path, text) of the file in CONTRIBUTING.md."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    return re.search(r"as `(\S+\.py)`, is whole:\n\n```python\n(.*?)```\n", page, flags=re.DOTALL).groups()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of package and scripts with the example's file."""
    folder = tmp_path_factory.mktemp("added") / "checkout"
    for name in ("keras_inr", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path, text = example()
    assert not (folder / path).exists()
    (folder / path).write_text(text)
    return folder


def python(*arguments, cwd):
    """A fresh process, which finds the package in its folder."""
    environment = {**os.environ, "PYTHONPATH": str(cwd)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def run(checkout):
    """A run of the example's preset."""
    short = ("--image=sample:camera", "--size=8", "--steps=2", "--noprogress", "--notensorboard", "--out=run")
    done = python("scripts/fit.py", "--preset=gauss_pe", "--units=4,4", "--scale=2", *short, cwd=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gauss_pe (")
    return checkout / "run"


def test_the_example_is_whole_and_in_no_list():
    path, text = example()
    assert path == "keras_inr/models/gauss_pe.py"
    assert "EncodedGauss" not in vars(keras_inr.models)
    for name in ("self.place(", "self.make_head(", "ValueRange(", "self.values_dtype", "PRESETS = ("):
        assert name in text


def test_the_example_is_in_house_style(checkout):
    pytest.importorskip("ruff")
    for command in (["check"], ["format", "--check"]):
        done = python("-m", "ruff", *command, f"--config={ROOT / 'ruff.toml'}", example()[0], cwd=checkout)
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_run_of_it_is_rendered_in_another_process(checkout, run):
    done = python("scripts/render.py", "--run=run", "--out=large.png", "--scale=2", cwd=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert (checkout / "large.png").stat().st_size > 0


@pytest.mark.slow
def test_every_preset_loads_in_a_fresh_process(checkout, run, tmp_path):
    """With `import keras_inr` alone; so does the added one, which then is in `list_presets` and --help."""
    paths = {"EncodedGauss": str(run / "model.keras")}
    expected = {}
    for info in list_presets():
        field = from_preset(info.name, seed=0, picture_size=(20, 30))
        field.save(tmp_path / f"{info.name}.keras")
        paths[info.name] = str(tmp_path / f"{info.name}.keras")
        expected[paths[info.name]] = type(field).__name__, field(np.float32(COORDS)).numpy()
    program = LOADS.replace("NEW", repr(["gauss_pe"]))
    done = python("-c", program, json.dumps([COORDS, *paths.values()]), cwd=checkout)
    assert done.returncode == 0, done.stderr
    first, _, help_text = done.stdout.partition("\n")
    told, counts = json.loads(first)
    assert told[paths["EncodedGauss"]][0] == "EncodedGauss"
    for path, (name, values) in expected.items():
        assert told[path][0] == name
        np.testing.assert_allclose(told[path][1], values, rtol=1e-5, atol=1e-6)  # sums may be ordered otherwise
    assert counts == {"gauss_pe": [5955, 5955]}
    assert re.search(r"--preset +<[^>]*\bgauss_pe\b", help_text)
    assert re.search(r"EncodedGauss:\s+widths\s+of\s+the\s+Gaussian\s+layers", help_text)
    assert "--omega_0" not in help_text  # of other networks


@pytest.mark.slow
def test_an_argument_that_is_a_flag_is_refused_in_one_line(checkout):
    path, text = example()
    other = (checkout / path).with_name("clashing.py")
    for name, clashing in {"num_frequencies": "steps", "EncodedGauss": "Clashing", "gauss_pe": "clashing"}.items():
        text = text.replace(name, clashing)
    other.write_text(text)
    try:
        done = python("scripts/fit.py", "--dry_run", cwd=checkout)
    finally:
        other.unlink()
    assert (done.returncode, done.stdout) == (2, "")
    told = (
        "arguments of Clashing in keras_inr/models/clashing.py must have names that no flag has yet, received 'steps'"
    )
    assert done.stderr == f"fit.py: {told}\n"
