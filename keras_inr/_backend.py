"""The Keras backend that the package needs."""

import json
import os
import pathlib
from typing import Any

ALLOWED = {"floatx": ("float16", "float32", "float64"), "image_data_format": ("channels_last", "channels_first")}


def require_tensorflow() -> None:
    """Imports Keras on TensorFlow.

    Raises:
        ImportError: if Keras is set to another backend, before that backend is asked for packages of its own; or if
            its keras.json holds what neither Keras nor TensorFlow could be imported with.
    """
    backend = os.environ.get("KERAS_BACKEND") or _settings().get("backend", "tensorflow")
    if backend == "tensorflow":
        import keras

        backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"keras_inr needs Keras on TensorFlow, and the backend is {backend!r}: "
            "set KERAS_BACKEND=tensorflow before the first import of keras",
            name="keras",
        )


def _settings() -> dict[str, Any]:
    """What keras.json holds; {} if there is none, or no JSON, which Keras overlooks too."""
    home = os.path.expanduser("~")
    folder = os.environ.get("KERAS_HOME", os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras"))
    path = pathlib.Path(os.path.expanduser(os.path.join(folder, "keras.json")))
    try:
        settings = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    except OSError as error:
        raise ImportError(f"{path}, Keras's settings, cannot be read: {error.strerror}", name="keras") from None
    if not isinstance(settings, dict):
        raise ImportError(f"{path} must hold an object with Keras's settings, received {settings!r}", name="keras")
    for name, allowed in ALLOWED.items():
        if settings.get(name, allowed[0]) not in allowed:
            told = f"{name} in {path} must be one of {allowed}, received {settings[name]!r}"
            raise ImportError(told, name="keras")
    if not isinstance(settings.get("epsilon", 1e-7), float):
        raise ImportError(f"epsilon in {path} must be a float, received {settings['epsilon']!r}", name="keras")
    return settings
