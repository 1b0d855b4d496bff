"""Presets as Keras and KerasHub have them: a class's own, folders, and hubs, which fake modules stand for."""

import json
import pathlib
import shutil
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

import keras_inr
from keras_inr.errors import InputError
from keras_inr.models import BlockField, CellGrid, Field, Finer, MultiHash, Siren, Wire, from_preset, list_presets

FILES = {"config.json", "metadata.json", "model.weights.h5"}


@pytest.fixture
def field():
    return Siren(units=(8,), picture_size=(20, 30), seed=0)


@pytest.fixture
def folder(field, tmp_path):
    return field.save_to_preset(tmp_path / "cat")


class TestFolders:
    def test_what_is_in_it(self, field, folder):
        assert {path.name for path in folder.iterdir()} == FILES
        metadata = json.loads((folder / "metadata.json").read_text())
        assert metadata["keras_version"] == keras.__version__
        assert metadata["keras_inr_version"] == keras_inr.__version__
        assert metadata["parameter_count"] == field.count_params()
        assert json.loads((folder / "config.json").read_text())["registered_name"] == "keras_inr>Siren"
        assert [path.name for path in folder.parent.iterdir()] == ["cat"]

    @pytest.mark.parametrize("load", [keras_inr.from_preset, Field.from_preset, Siren.from_preset])
    def test_it_comes_back(self, field, folder, load, monkeypatch):
        monkeypatch.chdir(folder.parent)
        for name in (folder, str(folder), "./cat", "cat"):
            again = load(name)
            assert type(again) is Siren
            np.testing.assert_array_equal(again.render(), field.render())

    def test_keras_reads_it(self, field, folder):
        np.testing.assert_array_equal(keras.saving.load_model(folder).render(), field.render())

    def test_it_has_no_optimizer(self, field, tmp_path):
        plain = field.save_to_preset(tmp_path / "plain") / "model.weights.h5"
        signal = keras_inr.load_image("sample:chelsea", size=16)
        keras_inr.fit(field, signal, steps=2)
        fitted = field.save_to_preset(tmp_path / "fitted")
        assert (fitted / "model.weights.h5").stat().st_size == plain.stat().st_size
        np.testing.assert_array_equal(from_preset(fitted).render(20, 30), field.render(20, 30))

    def test_an_empty_folder_is_filled(self, field, tmp_path):
        assert field.save_to_preset(tmp_path) == tmp_path
        assert {path.name for path in tmp_path.iterdir()} == FILES

    def test_what_is_there_stays(self, field, folder, tmp_path):
        before = {path: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(InputError, match=f"folder must not exist, or be empty, received '{folder}'"):
            field.save_to_preset(folder)
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="folder must not exist, or be empty, received"):
            field.save_to_preset(tmp_path / "file")
        assert {path: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_failure_leaves_nothing(self, field, tmp_path, monkeypatch):
        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(keras.saving, "save_model", full)
        with pytest.raises(OSError, match="No space left"):
            field.save_to_preset(tmp_path / "cat")
        assert list(tmp_path.iterdir()) == []

    def test_arguments_are_refused(self, folder):
        with pytest.raises(
            InputError, match=r"preset '.*cat' is stored and takes no arguments, received channels, wei"
        ):
            from_preset(folder, channels=1, weights="photos")

    def test_another_class(self, folder):
        told = r"preset '.*cat' must be one of MultiHash, received one of Siren: Siren.from_preset takes it"
        with pytest.raises(InputError, match=told):
            MultiHash.from_preset(folder)

    def test_what_is_no_preset(self, field, folder, tmp_path):
        (tmp_path / "empty").mkdir()
        told = r"must be a folder with config.json and model.weights.h5: config.json is missing"
        with pytest.raises(InputError, match=told):
            from_preset(tmp_path / "empty")
        with pytest.raises(InputError, match=r"preset must be a name or a folder, and '.*nowhere' is neither"):
            from_preset(tmp_path / "nowhere")
        (folder / "model.weights.h5").write_bytes(b"torn")
        with pytest.raises(InputError, match=r"preset '.*cat' cannot be loaded: "):
            from_preset(folder)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        keras.saving.save_model(model, tmp_path / "other", zipped=False)
        with pytest.raises(InputError, match="must hold a field of keras_inr, received a Sequential"):
            from_preset(tmp_path / "other")


class TestClasses:
    def test_presets_of_a_class(self):
        assert Field.presets == {info.name: info for info in list_presets()}
        assert set(Wire.presets) == {"wire", "wire_own", "wire_real"}
        assert "siren_256" in Siren.presets
        assert not set(Siren.presets) & set(MultiHash.presets)
        assert BlockField.presets == {}

    def test_names_are_not_of_keras(self):
        assert not [name for name in ("presets", "from_preset", "save_to_preset") if hasattr(keras.Model, name)]

    def test_a_field_of_a_preset(self, field):
        made = Siren.from_preset("siren_256", channels=1, seed=0)
        assert type(made) is Siren
        np.testing.assert_array_equal(
            made.get_weights()[0], from_preset("siren_256", channels=1, seed=0).get_weights()[0]
        )
        assert type(Field.from_preset("multi_hash")) is MultiHash
        assert field.presets == Siren.presets

    def test_a_preset_of_another_class(self):
        told = "preset 'multi_hash' must be one of Siren, received one of MultiHash: MultiHash.from_preset takes it"
        with pytest.raises(InputError, match=told):
            Siren.from_preset("multi_hash")
        with pytest.raises(InputError, match=r"preset must be one of \['finer'\], received 'finr'; did you mean"):
            Finer.from_preset("finr")

    def test_auto(self):
        signal = keras_inr.load_image("sample:chelsea", size=16)
        assert type(CellGrid.from_preset("auto", signal=signal)) is CellGrid
        with pytest.raises(InputError, match="preset 'auto' must be one of Siren, received one of CellGrid"):
            Siren.from_preset("auto", signal=signal)


class TestHubs:
    @pytest.fixture
    def asked(self, folder, tmp_path, monkeypatch):
        """What the fake hubs were asked for; they hold `folder`, with the files that hubs add."""
        told = []
        held = shutil.copytree(folder, tmp_path / "snapshot")
        (held / "README.md").write_text("# A cat")
        (held / ".gitattributes").touch()

        def snapshot_download(repo_id, library_name, library_version):
            told.append((repo_id, library_name, library_version))
            return str(held)

        def model_download(handle):
            told.append(handle)
            return str(held)

        hub = types.SimpleNamespace(snapshot_download=snapshot_download)
        monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
        monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(model_download=model_download))
        return told

    def test_they_are_asked(self, field, asked):
        for name in ("hf://somebody/cat", "kaggle://somebody/cat/keras/small"):
            np.testing.assert_array_equal(Siren.from_preset(name).render(), field.render())
        assert asked == [("somebody/cat", "keras_inr", keras_inr.__version__), "somebody/cat/keras/small"]

    def test_another_class(self, asked):
        with pytest.raises(InputError, match="preset 'hf://somebody/cat' must be one of Wire, received one of Siren"):
            Wire.from_preset("hf://somebody/cat")

    @pytest.mark.parametrize("name", ["hf://cat", "hf://a/b/c", "hf:///cat", "hf://"])
    def test_no_such_handle(self, asked, name):
        with pytest.raises(InputError, match=f"preset must be hf://USER/NAME, received '{name}'"):
            from_preset(name)
        assert asked == []

    def test_another_place(self):
        with pytest.raises(
            InputError, match=r"preset must be a name, a folder, hf://... or kaggle://..., received 's3:"
        ):
            from_preset("s3://bucket/cat")

    @pytest.mark.parametrize(
        ("name", "package"), [("hf://a/b", "huggingface_hub"), ("kaggle://a/b/keras/c", "kagglehub")]
    )
    def test_a_package_that_is_not_installed(self, name, package, monkeypatch):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InputError, match=f"^preset '{name}' needs {package}: pip install {package}$"):
            from_preset(name)

    def test_what_a_hub_refuses(self, asked, monkeypatch):
        def offline(**kwargs):
            raise ConnectionError("no route\nto the hub")

        monkeypatch.setattr(sys.modules["huggingface_hub"], "snapshot_download", offline)
        told = "preset 'hf://a/b' cannot be fetched: ConnectionError: no route to the hub"
        with pytest.raises(InputError, match=told):
            from_preset("hf://a/b")


class TestWithoutTheImport:
    """`keras.models.load_model` in a process that does not know the package."""

    @pytest.fixture
    def load(self, tmp_path):
        def load(field, *before):
            path = tmp_path / "cat.keras"
            field.save(path)
            code = f"import keras\nkeras.models.load_model({str(path)!r})\nprint('loaded')"
            command = [sys.executable, "-c", "\n".join([*before, code])]
            root = pathlib.Path(keras_inr.__file__).parents[1]
            return subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=300, check=False)

        return load

    @pytest.mark.slow
    def test_the_error_says_what_to_import(self, field, load):
        done = load(field)
        assert done.returncode == 1
        assert done.stderr.strip().splitlines()[-1].startswith("TypeError: Could not locate class 'Siren'")
        assert "'to_load_it': 'import keras_inr before'" in done.stderr.strip().splitlines()[-1]

    @pytest.mark.slow
    def test_with_it(self, field, load):
        assert load(field, "import keras_inr").stdout == "loaded\n"

    def test_a_loaded_field_says_it_as_well(self, field, tmp_path):
        field.save(tmp_path / "cat.keras")
        again = keras.models.load_model(tmp_path / "cat.keras")
        assert again.get_build_config() == field.get_build_config()
