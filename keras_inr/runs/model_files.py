"""Fields read back from run folders and .keras files."""

import pathlib

import keras

from keras_inr.models.field import Field
from keras_inr.runs.errors import InputError


def model_path(run=None, model=None):
    """Where the .keras file is that one of two flags names: `run`, a run folder, or `model`, the file itself.

    Raises:
        InputError: unless one of them is given.

    >>> str(model_path(run="runs/0001"))
    'runs/0001/model.keras'
    """
    if (run is None) == (model is None):
        received = "neither" if run is None else f"--run={run} and --model={model}"
        raise InputError(f"give one of --run, a run folder, and --model, a .keras file, received {received}")
    return pathlib.Path(run, "model.keras") if model is None else pathlib.Path(model)


def load_field(path):
    """The `Field` in a .keras file.

    Raises:
        InputError: for a file that does not exist, is torn, or holds something else.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise InputError(f"there is no model: {path} does not exist")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # whatever a torn or foreign file makes Keras raise
        raise InputError(f"{path} cannot be loaded: {' '.join(str(error).split())}") from None
    if not isinstance(model, Field):
        raise InputError(f"{path} must hold a field of keras_inr, received a {type(model).__name__}")
    return model
