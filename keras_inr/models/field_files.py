"""Fields to .keras files, and back from them."""

import os
import pathlib
import tempfile
import zipfile
from typing import Any, BinaryIO

import keras

from keras_inr._arguments import local_path
from keras_inr._files import TEMPORARY_PREFIX, atomic_path
from keras_inr._reading import MOST_BYTES, open_regular
from keras_inr.errors import InputError
from keras_inr.initializers._blank import blank_tables
from keras_inr.models.field import Field
from keras_inr.models.stacking import empty_copy

LARGE_BYTES = 2**26
"""Weights of a field that is written and read by way of a folder."""


def read_field(path: str | os.PathLike[str]) -> Field:
    """The `Field` in a .keras file.

    Raises:
        InputError: for a file that does not exist, is torn, or holds something else.

    >>> read_field("nowhere.keras")
    Traceback (most recent call last):
    keras_inr.errors.InputError: there is no model: nowhere.keras does not exist
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise InputError(f"there is no model: {path} does not exist")
    if path.is_dir():
        raise InputError(f"model must be a .keras file, received the folder {path}; a run's folder is run='{path}'")
    if path.suffix != ".keras":
        raise InputError(f"model must be a file whose name ends in .keras, received {path}")
    with open_regular(path) as file:
        if not zipfile.is_zipfile(file):
            raise InputError(f"{path} is no .keras file, or not a whole one")
        _check_sizes(path, file)
    try:
        with blank_tables():
            model = _loaded(path)
    except Exception as error:  # whatever a torn or foreign file makes Keras raise
        raise InputError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from None
    if not isinstance(model, Field):
        raise InputError(f"{path} must hold a field of keras_inr, received a {type(model).__name__}")
    return model


def _loaded(path: pathlib.Path) -> Any:
    """The model in a file. A large one is unpacked first, since Keras would have it in memory three times."""
    if path.stat().st_size < LARGE_BYTES:
        return keras.saving.load_model(path, compile=False)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        return keras.saving.load_model(folder, compile=False)


def _check_sizes(path: pathlib.Path, file: BinaryIO) -> None:
    """Raises an InputError for an archive that says it unpacks to far more than it has: Keras compresses nothing."""
    with zipfile.ZipFile(file) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    texts = max((size for name, size in sizes.items() if name.endswith(".json")), default=0)
    if texts > MOST_BYTES or sum(sizes.values()) > 8 * path.stat().st_size + MOST_BYTES:
        raise InputError(f"{path} must not unpack to more than a field needs, received {sum(sizes.values())} bytes")


def model_path(run: str | os.PathLike[str] | None = None, model: str | os.PathLike[str] | None = None) -> pathlib.Path:
    """Where the .keras file is that one of two arguments names: `run`, a run folder, or `model`, the file itself.

    Raises:
        InputError: unless one of them is given, and a path.

    >>> str(model_path(run="runs/0001"))
    'runs/0001/model.keras'
    """
    if run is not None and model is None:
        return local_path("run", run) / "model.keras"
    if model is not None and run is None:
        return local_path("model", model)
    received = "neither" if run is None else f"run={run!r} and model={model!r}"
    raise InputError(f"give one of run='FOLDER' and model='FILE.keras', received {received}")


def bare_copy(field: Field, **changes: Any) -> Field:
    """A field with the same weights and frozen layers, and no optimizer, which would triple its file.

    Args:
        field: a `Field`.
        **changes: arguments that it has otherwise, of those that change no weight.
    """
    bare = empty_copy(field, **changes)
    bare.set_weights(field.get_weights())
    return bare


def save_field(field: Field, path: str | os.PathLike[str]) -> None:
    """Writes a field, as it is, to a .keras file, replacing the file atomically.

    Keras would hold a copy of a large field's weights while it writes the file; it writes a folder here, which is
    packed then.
    """
    with atomic_path(path) as temporary:
        if 4 * field.count_params() < LARGE_BYTES:
            field.save(temporary)
            return
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=temporary.parent) as folder:
            keras.saving.save_model(field, folder, zipped=False)
            with zipfile.ZipFile(temporary, "w") as archive:
                for file in filter(pathlib.Path.is_file, sorted(pathlib.Path(folder).rglob("*"))):
                    archive.write(file, file.relative_to(folder))
