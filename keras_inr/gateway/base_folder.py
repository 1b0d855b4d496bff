"""What a gateway reads of a model base: names, labels, and the folders of versions."""

import pathlib

from keras_inr.errors import InputError
from keras_inr.export.models_config import MODELS_CONFIG, find_model, read_models_config


class BaseFolder:
    """A model base, as `keras_inr.export.export_model_base` makes it.

    Args:
        path: of the folder.

    Raises:
        InputError: for a folder without models.config.
    """

    def __init__(self, path: pathlib.Path) -> None:
        if not (path / MODELS_CONFIG).is_file():
            raise InputError(f"base must be a folder with {MODELS_CONFIG}, received {str(path)!r}")
        self.path = path

    def models(self) -> list[str]:
        """Names of all models."""
        return sorted(entry.name for entry in read_models_config(self.path).model_config_list.config)

    def labels_of(self, model: str) -> dict[str, int]:
        """Label -> version of a model."""
        entry = find_model(read_models_config(self.path), model)
        return {} if entry is None else dict(entry.version_labels)

    def folder_of(self, model: str, version: int) -> pathlib.Path | None:
        """The folder of a version; None where it is not there (any more)."""
        folder = self.path / model / str(version)
        return folder if folder.is_dir() else None
