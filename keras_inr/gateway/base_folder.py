"""What a gateway reads of a model base: names, labels, and the folders of versions."""

import contextlib
import pathlib

from keras_inr.errors import InputError
from keras_inr.export.models_config import MODELS_CONFIG, read_models_config


class BaseFolder:
    """A model base, as `keras_inr.export.export_model_base` makes it.

    Where models.config cannot be read later on, or lists no model, what it said before holds: it may be an editor that
    is writing it.

    Args:
        path: of the folder.

    Raises:
        InputError: for a folder without models.config, or one that cannot be read.
    """

    def __init__(self, path: pathlib.Path) -> None:
        if not (path / MODELS_CONFIG).is_file():
            raise InputError(f"base must be a folder with {MODELS_CONFIG}, received {str(path)!r}")
        self.path = path
        self._labels = self._read()

    def models(self) -> list[str]:
        """Names of all models."""
        return sorted(self._current())

    def labels_of(self, model: str) -> dict[str, int]:
        """Label -> version of a model."""
        return self._current().get(model, {})

    def folder_of(self, model: str, version: int) -> pathlib.Path | None:
        """The folder of a version; None where it is not there (any more)."""
        folder = self.path / model / str(version)
        return folder if folder.is_dir() else None

    def _current(self):
        with contextlib.suppress(InputError, OSError):
            self._labels = self._read() or self._labels
        return self._labels

    def _read(self):
        """Name of a model -> its labels."""
        return {
            entry.name: dict(entry.version_labels) for entry in read_models_config(self.path).model_config_list.config
        }
