import pathlib
import zipfile

import keras
import numpy as np
import pytest

from keras_inr.errors import InputError
from keras_inr.models import Field, Siren, field_files
from keras_inr.models.field_files import bare_copy, model_path, read_field, save_field


def test_a_field_comes_back(tmp_path):
    field = Siren(units=(8,), picture_size=(20, 30), seed=0)
    field.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(read_field(tmp_path / "model.keras").render(), field.render())


def test_a_large_field_is_the_same_file(tmp_path, monkeypatch):
    field = Siren(units=(8,), picture_size=(20, 30), seed=0)
    save_field(field, tmp_path / "small.keras")
    monkeypatch.setattr(field_files, "LARGE_BYTES", 0)
    save_field(field, tmp_path / "large.keras")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.keras", "small.keras"]
    contents = [zipfile.ZipFile(tmp_path / f"{name}.keras").namelist() for name in ("small", "large")]
    assert sorted(contents[0]) == sorted(contents[1])
    for name in ("small", "large"):
        np.testing.assert_array_equal(read_field(tmp_path / f"{name}.keras").render(), field.render())
        np.testing.assert_array_equal(keras.saving.load_model(tmp_path / f"{name}.keras").render(), field.render())


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


def test_a_bare_copy_has_what_is_frozen_but_no_optimizer():
    """Also within a layer that holds others, some of them frozen."""
    inner = keras.Sequential([keras.layers.Dense(4, "tanh"), keras.layers.Dense(4, "tanh")])
    field = Field([inner, keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)], picture_size=(5, 6))
    inner.layers[0].trainable = field.stack[1].trainable = False
    field.compile("sgd", "mse")
    copy = bare_copy(field, picture_size=None)
    assert (copy.picture_size, copy.compiled) == (None, False)
    kernels = [weight.trainable for weight in copy.weights[::2]]
    assert kernels == [weight.trainable for weight in field.weights[::2]] == [False, True, False, True]
    for ours, theirs in zip(copy.get_weights(), field.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
