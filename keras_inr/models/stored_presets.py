"""Presets that are stored: folders as Keras and KerasHub have them, on this machine or on a hub."""

import importlib
import json
import os
import pathlib
from collections.abc import Callable
from types import ModuleType

import keras

from keras_inr._arguments import local_path
from keras_inr._files import atomic_folder, flush
from keras_inr._version import __version__
from keras_inr.errors import InputError
from keras_inr.initializers._blank import blank_tables
from keras_inr.models.field import Field
from keras_inr.models.field_files import bare_copy

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


def save_to_preset(field: Field, folder: str | os.PathLike[str]) -> pathlib.Path:
    """Writes a field as a folder, as an unzipped .keras file has it, without optimizer; see `Field.save_to_preset`."""
    path = local_path("folder", folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"folder must not exist, or be empty, received {str(path)!r}")
    with atomic_folder(path) as temporary:
        keras.saving.save_model(bare_copy(field), temporary, zipped=False)
        _complete(temporary, field)
    return path


def _complete(folder: pathlib.Path, field: Field) -> None:
    """Adds what KerasHub has in its metadata, takes away what is empty, and lets the disk hold all."""
    metadata = json.loads((folder / METADATA).read_text())
    metadata |= {"keras_inr_version": __version__, "parameter_count": field.count_params()}
    (folder / METADATA).write_text(json.dumps(metadata, indent=4))
    for entry in sorted(folder.iterdir()):
        if entry.is_file():
            flush(entry)
        elif not any(entry.iterdir()):
            entry.rmdir()


def is_stored(name: object) -> bool:
    """Whether a preset's name is that of a stored one: a handle of a hub, or a path.

    >>> is_stored("hf://somebody/cat"), is_stored("./cat"), is_stored("siren")
    (True, True, False)
    """
    if isinstance(name, os.PathLike):
        return True
    return isinstance(name, str) and ("://" in name or os.sep in name or os.path.isdir(name))


def read_stored(name: str | os.PathLike[str]) -> Field:
    """The field that a folder holds, or a folder that is fetched from a hub.

    Args:
        name: path of a folder; "hf://USER/NAME" for the Hugging Face Hub, by huggingface_hub; or
            "kaggle://USER/MODEL/keras/VARIATION" for Kaggle, by kagglehub.

    Raises:
        InputError: for what is no such folder or handle, a package that is not installed, what a hub refuses, or a
            folder that holds something else than a field.
    """
    text = os.fspath(name)
    scheme, found, handle = text.partition("://")
    if not found:
        return _read_folder(local_path("preset", text), text)
    if scheme not in HUBS:
        raise InputError(
            f"preset must be a name, a folder, {' or '.join(f'{s}://...' for s in HUBS)}, received {text!r}"
        )
    return _read_folder(HUBS[scheme](handle, text), text)


def _read_folder(folder: pathlib.Path, name: str) -> Field:
    if not folder.is_dir():
        raise InputError(f"preset must be a name or a folder, and {name!r} is neither")
    missing = [part for part in (CONFIG, WEIGHTS) if not (folder / part).is_file()]
    if missing:
        raise InputError(f"preset {name!r} must be a folder with {CONFIG} and {WEIGHTS}: {missing[0]} is missing")
    try:
        with blank_tables():
            model = keras.saving.load_model(folder, compile=False)
    except Exception as error:  # whatever a torn or foreign folder makes Keras raise
        raise InputError(f"preset {name!r} cannot be loaded: {' '.join(str(error).split())}") from None
    if not isinstance(model, Field):
        raise InputError(f"preset {name!r} must hold a field of keras_inr, received a {type(model).__name__}")
    return model


def _from_hugging_face(handle: str, name: str) -> pathlib.Path:
    if handle.count("/") != 1 or not all(handle.split("/")):
        raise InputError(f"preset must be hf://USER/NAME, received {name!r}")
    hub = _imported("huggingface_hub", name)
    described = {"library_name": "keras_inr", "library_version": __version__}
    return _fetched(lambda: hub.snapshot_download(repo_id=handle, **described), name)


def _from_kaggle(handle: str, name: str) -> pathlib.Path:
    hub = _imported("kagglehub", name)
    return _fetched(lambda: hub.model_download(handle), name)


HUBS: dict[str, Callable[[str, str], pathlib.Path]] = {"hf": _from_hugging_face, "kaggle": _from_kaggle}


def _imported(package: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise InputError(f"preset {name!r} needs {package}: pip install {package}") from None


def _fetched(download: Callable[[], str], name: str) -> pathlib.Path:
    try:
        return pathlib.Path(download())
    except Exception as error:  # each hub has its own for no network, no such model, no permission
        told = " ".join(str(error).split())
        raise InputError(f"preset {name!r} cannot be fetched: {type(error).__name__}: {told}") from error
