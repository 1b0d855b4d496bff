"""Fields to .keras files, and back from them and from run folders."""

import os
import pathlib

from keras_inr._arguments import local_path
from keras_inr._files import atomic_path
from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.models.field_files import read_field


def model_path(run: str | os.PathLike[str] | None = None, model: str | os.PathLike[str] | None = None) -> pathlib.Path:
    """Where the .keras file is that one of two flags names: `run`, a run folder, or `model`, the file itself.

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


def load_field(path: str | os.PathLike[str]) -> Field:
    """The `Field` in a .keras file; InputError for what `keras_inr.models.field_files.read_field` refuses."""
    return read_field(path)


def bare_copy(field: Field) -> Field:
    """A field with the same weights and no optimizer, which would triple its file."""
    bare = type(field).from_config(field.get_config())
    bare.set_weights(field.get_weights())
    return bare


def save_field(field: Field, path: str | os.PathLike[str]) -> None:
    """Writes a field, as it is, to a .keras file, replacing the file atomically."""
    with atomic_path(path) as temporary:
        field.save(temporary)
