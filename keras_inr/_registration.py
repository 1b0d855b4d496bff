"""The classes that .keras files may hold, made known to Keras."""

import importlib
import pkgutil

from keras_inr._backend import require_tensorflow

HOLDING = ("layers", "models")
"""Packages all of whose modules are imported, also those that a person has added."""


def register() -> None:
    """Imports Keras on TensorFlow and every module whose classes may be in a .keras file.

    Raises:
        ImportError: see `keras_inr._backend.require_tensorflow`.
    """
    require_tensorflow()
    for name in HOLDING:
        package = importlib.import_module(f"keras_inr.{name}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in ("metrics", "losses"):
        importlib.import_module(f"keras_inr.{name}")
