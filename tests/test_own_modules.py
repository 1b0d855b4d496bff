"""`load_module`: presets in a person's file; and the examples of docs/guides/own_layers.md."""

import json
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_inr
from keras_inr import presets
from keras_inr.errors import InputError
from keras_inr.presets import from_preset, get_preset, list_presets, load_module

ROOT = pathlib.Path(__file__).resolve().parents[1]
COORDS = np.random.default_rng(0).uniform(-1, 1, (5, 2)).astype("float32")


def examples():
    """The three blocks of Python in the page."""
    page = (ROOT / "docs" / "guides" / "own_layers.md").read_text()
    return re.findall(r"```python\n(.*?)```\n", page, flags=re.DOTALL)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test loads is known to no other one."""
    modules = set(sys.modules)
    monkeypatch.setattr(presets, "_loaded", {})
    presets._presets.cache_clear()
    yield
    presets._presets.cache_clear()
    for name in set(sys.modules) - modules:
        if name.startswith("keras_inr_module_"):
            del sys.modules[name]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_networks.py"
    path.write_text(examples()[1])
    return path


def test_example_of_own_layers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {"__name__": "own_layers"}
    exec(examples()[0], found)
    field = found["field"]
    assert found["slopes"].shape == (found["signal"].height * found["signal"].width, 3, 2)
    loaded = keras.models.load_model("chirp.keras")
    assert type(loaded.stack[0]) is found["Chirp"]
    np.testing.assert_array_equal(loaded(COORDS), field(COORDS))
    assert keras_inr.laplacian(field, COORDS).shape == (5, 3)


def test_example_of_a_module(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    found = {}
    exec(examples()[2], found)
    assert (found["field"].units, found["field"].channels) == ((32, 32), 1)
    (info,) = [info for info in list_presets() if info.name == "tanh"]
    assert from_preset("tanh").count_params() == info.num_parameters


@pytest.mark.parametrize("place", [0, 1, 2])
def test_examples_are_in_house_style(place, tmp_path):
    ruff = pytest.importorskip("ruff")
    path = tmp_path / "example.py"
    path.write_text(examples()[place])
    for command in (["check"], ["format", "--check"]):
        line = [ruff.find_ruff_bin(), *command, f"--config={ROOT / 'ruff.toml'}", str(path)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_loaded_preset_is_one_among_the_others(file, tmp_path):
    before = [info.name for info in list_presets()]
    (info,) = load_module(file)
    assert (info.name, info.num_parameters) == ("tanh", 4547)
    assert [info.name for info in list_presets()] == sorted([*before, "tanh"])
    field = from_preset("tanh", seed=0, picture_size=(4, 5))
    assert type(field) is get_preset("tanh").model
    field.save(tmp_path / "tanh.keras")
    assert type(keras.models.load_model(tmp_path / "tanh.keras")) is type(field)
    with pytest.raises(ValueError, match=r"'unit' is not an argument of preset 'tanh', .*; did you mean 'units'"):
        from_preset("tanh", unit=(3,))
    weights = from_preset("tanh", weights=tmp_path / "tanh.keras")
    np.testing.assert_array_equal(weights(COORDS), field(COORDS))


def test_a_file_is_run_once_by_whatever_name(file, tmp_path):
    file.write_text(file.read_text() + "\nwith open(__file__ + '.runs', 'a') as notes:\n    notes.write('1')\n")
    (tmp_path / "link.py").symlink_to(file)
    first = load_module(str(file))
    model = get_preset("tanh").model
    assert load_module(file) == load_module(tmp_path / "link.py") == first
    assert get_preset("tanh").model is model
    assert file.with_name("my_networks.py.runs").read_text() == "1"


def test_files_of_one_name_are_two_modules(file, tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / file.name
    other.write_text(file.read_text().replace('"tanh", 4547', '"tanh_too", 4547').replace("TanhMLP", "OtherMLP"))
    load_module(file)
    load_module(other)
    assert (get_preset("tanh").model.__name__, get_preset("tanh_too").model.__name__) == ("TanhMLP", "OtherMLP")


def test_a_module_does_not_shadow_another(tmp_path, file):
    path = tmp_path / "json.py"
    path.write_text(file.read_text())
    load_module(path)
    assert sys.modules["json"] is json


def test_a_name_that_a_preset_has_is_refused(file):
    siren = file.with_name("siren.py")
    siren.write_text(file.read_text().replace('"tanh", 4547', '"siren", 4547'))
    with pytest.raises(InputError, match=rf"^presets of module {siren} must have new names, received 'siren'$"):
        load_module(siren)
    assert get_preset("siren").model is keras_inr.Siren
    load_module(file)
    other = file.with_name("again.py")
    other.write_text(file.read_text())
    with pytest.raises(InputError, match=rf"^presets of module {other} must have new names, received 'tanh'$"):
        load_module(other)
    assert len([info for info in list_presets() if info.name == "tanh"]) == 1


def test_two_presets_of_one_name_in_a_file_are_refused(file):
    file.write_text(file.read_text() + "\nPRESETS += PRESETS\n")
    with pytest.raises(InputError, match=r"my_networks\.py must have new names, received 'tanh'$"):
        load_module(file)
    assert "tanh" not in [info.name for info in list_presets()]


@pytest.mark.parametrize(
    ("text", "problem", "cause"),
    [
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero", ZeroDivisionError),
        ("def f(:", r"cannot be imported: SyntaxError: invalid syntax \(mine\.py, line 1\)", SyntaxError),
        ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_m", ImportError),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3", SystemExit),
        ("", r"must have PRESETS, a tuple of keras_inr\.presets\.Preset, received None", None),
        ("PRESETS = ()", r"must have PRESETS, a tuple of keras_inr\.presets\.Preset, received \(\)", None),
        ("PRESETS = (3,)", r"must be keras_inr\.presets\.Preset, received 3", None),
        (
            "from keras_inr.presets import Preset, PresetInfo\n"
            "PRESETS = (Preset(PresetInfo('mine', 1, '', ''), dict, {}),)",
            "must have a subclass of Field as model, received <class 'dict'>",
            None,
        ),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, text, problem, cause):
    path = tmp_path / "mine.py"
    path.write_text(text)
    modules = set(sys.modules)
    with pytest.raises(InputError, match=problem) as error:
        load_module(path)
    assert str(path) in str(error.value)
    assert error.value.__cause__ is None if cause is None else isinstance(error.value.__cause__, cause)
    if cause is not None:
        assert not [name for name in set(sys.modules) - modules if name.startswith("keras_inr_module_")]
    path.write_text(examples()[1])  # once it is mended, it can be loaded
    assert [info.name for info in load_module(path)] == ["tanh"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere.py", r"module .*nowhere\.py does not exist"),
        ("folder.py", r"a file whose name ends in \.py, received a folder: .*folder\.py"),
        ("notes.txt", r"a file whose name ends in \.py, received something else: .*notes\.txt"),
    ],
)
def test_a_path_that_is_no_python_file(tmp_path, name, problem):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "notes.txt").write_text("PRESETS = ()")
    with pytest.raises(InputError, match=problem):
        load_module(tmp_path / name)
    with pytest.raises(InputError, match=r"module must be a path, received ''"):
        load_module("")
