"""Fields from .keras files."""

import os
import pathlib
import zipfile
from typing import BinaryIO

import keras

from keras_inr._reading import MOST_BYTES, open_regular
from keras_inr.errors import InputError
from keras_inr.models.field import Field


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
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever a torn or foreign file makes Keras raise
        raise InputError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from None
    if not isinstance(model, Field):
        raise InputError(f"{path} must hold a field of keras_inr, received a {type(model).__name__}")
    return model


def _check_sizes(path: pathlib.Path, file: BinaryIO) -> None:
    """Raises a ValueError for an archive that says it unpacks to far more than it has: Keras compresses nothing."""
    with zipfile.ZipFile(file) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    texts = max((size for name, size in sizes.items() if name.endswith(".json")), default=0)
    if texts > MOST_BYTES or sum(sizes.values()) > 8 * path.stat().st_size + MOST_BYTES:
        raise InputError(f"{path} must not unpack to more than a field needs, received {sum(sizes.values())} bytes")
