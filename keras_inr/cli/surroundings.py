"""What a script does not leave to the place it is started from: its streams, warnings, and Matplotlib's settings."""

import importlib.util
import logging
import os
import sys
import warnings
from typing import Any, cast

from keras_inr.errors import RecipeWarning


def settle() -> None:
    """Call before importing TensorFlow or Keras: no stream, warning or figure setting of a person ends the script."""
    open_streams()
    show_warnings()
    import_matplotlib()


def open_streams() -> None:
    """Opens what was closed, or files would take its place; and what a stream cannot encode is written as `\\xe9`."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, as long as the process
    if hasattr(sys.stdout, "reconfigure"):  # a test's may not
        sys.stdout.reconfigure(errors="backslashreplace")


def show_warnings() -> None:
    """Shows the warnings that PYTHONWARNINGS or -W would raise: most are about the packages that the script uses."""
    filters = cast(list[Any], warnings.filters)
    filters[:] = [("default" if action == "error" else action, *rest) for action, *rest in filters]
    warnings.simplefilter("default", append=True)
    warnings.formatwarning = _format_warning


def _format_warning(message, category, filename, lineno, line=None):
    """A warning in one line; where it comes from only if it is not for a person who uses the package."""
    place = "" if category in (UserWarning, RecipeWarning) else f" ({category.__name__} of {filename}:{lineno})"
    return f"warning: {' '.join(str(message).split())}{place}\n"


def import_matplotlib() -> None:
    """Imports Matplotlib with its own settings, whatever matplotlibrc and MPLBACKEND hold: it draws into files alone.

    Keras imports it, and would fail where it does. A matplotlibrc in the current folder goes before all others, and
    the folder of Matplotlib's data has one with its own settings.
    """
    os.environ["MPLBACKEND"] = "agg"
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # not about folders that it may not write to
    data = os.path.join(os.path.dirname(cast(Any, importlib.util.find_spec("matplotlib")).origin), "mpl-data")
    here = os.open(".", os.O_RDONLY)  # a name would not lead back to a folder that has been deleted
    try:
        os.chdir(data)
        import matplotlib  # noqa: F401
    finally:
        os.fchdir(here)
        os.close(here)
