"""Fields from .keras files."""

import pathlib
import zipfile

import keras

from keras_inr.models.field import Field


def read_field(path):
    """The `Field` in a .keras file.

    Raises:
        ValueError: for a file that does not exist, is torn, or holds something else.

    >>> read_field("nowhere.keras")
    Traceback (most recent call last):
    ValueError: there is no model: nowhere.keras does not exist
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise ValueError(f"there is no model: {path} does not exist")
    if path.is_dir():
        raise ValueError(f"model must be a .keras file, received the folder {path}; a run's folder goes with --run")
    if path.suffix != ".keras":
        raise ValueError(f"model must be a file whose name ends in .keras, received {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .keras file, or not a whole one")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever a torn or foreign file makes Keras raise
        raise ValueError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from None
    if not isinstance(model, Field):
        raise ValueError(f"{path} must hold a field of keras_inr, received a {type(model).__name__}")
    return model
