import pathlib
import zipfile

import keras
import numpy as np
import pytest

from keras_inr.errors import InputError
from keras_inr.models import Siren
from keras_inr.models.field_files import model_path, read_field


def test_a_field_comes_back(tmp_path):
    field = Siren(units=(8,), picture_size=(20, 30), seed=0)
    field.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(read_field(tmp_path / "model.keras").render(), field.render())


def test_one_of_run_and_model():
    assert model_path(run="runs/1") == pathlib.Path("runs/1/model.keras")
    assert model_path(model="a.keras") == pathlib.Path("a.keras")
    for given, received in (({}, "neither"), ({"run": "a", "model": "b"}, "run='a' and model='b'")):
        with pytest.raises(InputError, match=f"one of run='FOLDER' and model='FILE.keras', received {received}"):
            model_path(**given)


def test_an_absent_model(tmp_path):
    with pytest.raises(InputError, match=f"there is no model: {tmp_path / 'model.keras'} does not exist"):
        read_field(tmp_path / "model.keras")


def test_a_path_elsewhere():
    with pytest.raises(InputError, match=r"run must be a path on this machine, received 'gs://a'"):
        model_path(run="gs://a")


def test_a_torn_model(tmp_path):
    path = tmp_path / "model.keras"
    Siren(units=(8,), seed=0).save(path)
    whole = path.read_bytes()
    for content in (b"", b"torn", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"^{path} is no .keras file, or not a whole one$"):
            read_field(path)


def test_another_archive(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "not a model")
    with pytest.raises(InputError, match=f"^{path} cannot be loaded: [^\n]+$"):
        read_field(path)


def test_a_folder_and_a_picture(tmp_path):
    with pytest.raises(InputError, match=f"model must be a .keras file, received the folder {tmp_path}; a run's "):
        read_field(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(InputError, match=f"model must be a file whose name ends in .keras, received {tmp_path}/a.png"):
        read_field(tmp_path / "a.png")


def test_a_foreign_model(tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)]).save(path)
    with pytest.raises(InputError, match=f"{path} must hold a field of keras_inr, received a Sequential"):
        read_field(path)
