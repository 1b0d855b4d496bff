"""Learnt weights to begin a fit with: those that are shipped, or any field's in a file."""

import dataclasses
import hashlib
import os
import pathlib
from typing import Any

import numpy as np

from keras_inr._arguments import did_you_mean, local_path
from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.models.field_files import read_field
from keras_inr.models.stacking import network_of
from keras_inr.signals.luma import LUMA

SHIPPED = pathlib.Path(__file__).with_name("shipped_weights")
"""A folder for each name, in it PRESET.keras and about.json; `experiments/starting_points` puts them there."""

NOT_OF_A_START = ("channels", "dtype", "num_fields")


@dataclasses.dataclass(frozen=True)
class Start:
    """Weights that a fit may begin with.

    Attributes:
        source: where they are from, for messages.
        sha256: of the file.
        network: what a field must be to take them.
        channels: of the field that they are from.
        arrays: the weights, in the order of `field.weights`.
    """

    source: str
    sha256: str
    network: dict[str, Any]
    channels: int
    arrays: tuple[np.ndarray, ...]

    def assign_to(self, field: Field) -> None:
        """Gives a single field these weights.

        A field with one channel takes those of a colour field so that it shows the same picture in grey (0.299 red +
        0.587 green + 0.114 blue), and a colour field those of a grey one in all three channels: both are exact, as the
        last layer is linear.

        Raises:
            InputError: for a field of another network, or with other channels than that.
        """
        network = _network(field)
        if network != self.network:
            names = [name for name in {**network, **self.network} if network.get(name) != self.network.get(name)]
            told = ", ".join(f"{name} {self.network.get(name)}" for name in names)
            received = ", ".join(f"{name} {network.get(name)}" for name in names)
            raise InputError(f"weights from {self.source} are for {told}, received {received}")
        if field.channels != self.channels and {field.channels, self.channels} != {1, 3}:
            raise InputError(
                f"weights from {self.source} are for pictures with {self.channels} channels, received {field.channels}"
            )
        for variable, array in zip(field.weights, self.arrays, strict=True):
            variable.assign(array if array.shape == variable.shape else _recoloured(array))


def read_start(weights: str | os.PathLike[str], preset: str | None = None) -> Start:
    """The `Start` that a name or a path stands for.

    Args:
        weights: a name of `list_starts(preset)`, or the path of a .keras file with a single field in it.
        preset: name of the preset, for shipped weights.

    Raises:
        InputError: for a name that there are no weights of for the preset, or a file that cannot be read.
    """
    path, source = local_path("weights", weights), str(weights)
    if weights in list_starts(preset):  # even where a folder of pictures has that name
        path, source = SHIPPED / weights / f"{preset}.keras", f"{weights!r}"
    elif path.is_dir() and weights not in list_starts("*"):
        hint = f": give {path / 'model.keras'}" if (path / "model.keras").is_file() else ""
        raise InputError(f"weights must be a .keras file, received the folder {path}{hint}")
    elif path.suffix != ".keras":
        known = ", ".join(repr(name) for name in list_starts(preset)) or f"none is shipped for {preset!r}"
        meant = did_you_mean(weights, list_starts(preset))
        raise InputError(f"weights must be a .keras file or a name ({known}), received {weights!r}{meant}")
    try:
        field = read_field(path)
    except ValueError as error:
        raise InputError(f"weights cannot be read: {error}") from None
    if field.num_fields is not None:
        raise InputError(f"weights must be of a single field, received num_fields={field.num_fields} in {path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Start(source, digest, _network(field), field.channels, tuple(v.numpy() for v in field.weights))


def list_starts(preset: str | None) -> list[str]:
    """Names of the weights that are shipped for a preset, or for any ("*").

    >>> list_starts("siren"), list_starts("relu")
    (['photos'], [])
    """
    return sorted({path.parent.name for path in SHIPPED.glob(f"*/{preset}.keras")})


def _network(field: Field) -> dict[str, Any]:
    return {name: value for name, value in network_of(field).items() if name not in NOT_OF_A_START}


def _recoloured(array: np.ndarray) -> np.ndarray:
    """A last layer's weights (..., 3) for grey, or (..., 1) for colour."""
    return array @ np.array(LUMA, array.dtype)[:, None] if array.shape[-1] == 3 else np.repeat(array, 3, axis=-1)
