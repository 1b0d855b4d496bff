"""Checkpoints: one file holds a run's whole state, appears at once or not at all, and is checked when read."""

import io
import json
import os
import pathlib
import re
import zipfile
from typing import Any

import numpy as np

from keras_inr._arguments import local_path
from keras_inr._disk_errors import disk_error
from keras_inr._files import TEMPORARY_PREFIX, atomic_path
from keras_inr._reading import open_regular
from keras_inr.errors import CheckpointError, InputError

FORMAT_VERSION = 1
KEPT = 2
NAME = re.compile(r"step-\d{10}[.]npz", re.ASCII)
"""What our checkpoints are called; files of other names are someone else's, and neither read nor removed."""

TORN = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[0-9a-f]{{16}}-{NAME.pattern}", re.ASCII)
MOST_PADDING = 2**16
"""How much longer than its arrays a checkpoint's archive says to be, at most: nothing in it is compressed."""


def save_checkpoint(
    folder: str | os.PathLike[str], step: int, arrays: dict[str, np.ndarray], state: dict[str, Any]
) -> pathlib.Path:
    """Writes `<folder>/step-<step>.npz`, then removes all but the newest two.

    What a killed process left half-written is removed first: a folder has one writer at a time.

    Args:
        folder: where checkpoints live; made if it is missing.
        step: the number of finished steps.
        arrays: dict of NumPy arrays.
        state: dict that JSON can hold.

    Returns:
        The file's path.
    """
    home = local_path("checkpoint_dir", folder)
    home.mkdir(parents=True, exist_ok=True)
    for torn in [path for path in home.iterdir() if TORN.fullmatch(path.name) and path.is_file()]:
        torn.unlink()
    header = {"format_version": FORMAT_VERSION, "step": step, "state": state, "arrays": _described(arrays)}
    text = json.dumps(header, allow_nan=False)
    contents: dict[str, Any] = {"__state__": np.frombuffer(text.encode(), np.uint8), **arrays}
    target = home / f"step-{step:010d}.npz"
    with atomic_path(target) as temporary, open(temporary, "wb") as file:
        np.savez(file, **contents)
    for old in checkpoint_paths(home)[KEPT:]:
        old.unlink()
    return target


def checkpoint_paths(folder: str | os.PathLike[str]) -> list[pathlib.Path]:
    """The checkpoints in a folder, the newest first; files of other names are left alone.

    >>> checkpoint_paths("/nowhere")
    []
    """
    folder = pathlib.Path(folder)
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name)] if folder.is_dir() else []
    return sorted((path for path in found if path.is_file()), reverse=True)


def load_checkpoint(folder: str | os.PathLike[str]) -> tuple[int, dict[str, np.ndarray], dict[str, Any]] | None:
    """The newest readable checkpoint of a folder.

    Returns:
        (step, arrays, state), or None if the folder holds no checkpoint. A torn or damaged file is passed over: every
        member of the archive carries a checksum, and the header lists what must be there.

    Raises:
        CheckpointError: if there are checkpoints and none can be read.
        InputError: for a folder without a name.
    """
    problems = []
    for path in checkpoint_paths(local_path("checkpoint_dir", folder)):
        try:
            return _read(path)
        except Exception as error:  # damage makes zipfile and NumPy raise whatever its place brings about
            if problem := disk_error(error):  # too many open files, say: nothing is wrong with the checkpoint
                raise problem from error
            problems.append(f"{path.name}: {error}")
    if problems:
        raise CheckpointError(
            f"no checkpoint in {folder} can be read ({'; '.join(problems)}); remove them to start again"
        )
    return None


def _read(path: pathlib.Path) -> tuple[int, dict[str, np.ndarray], dict[str, Any]]:
    with open_regular(path) as file:
        data = file.read()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > len(data) + MOST_PADDING:
        raise InputError(f"its arrays must be stored as they are, received {len(data)} bytes of {unpacked}")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("__state__").tobytes())
    if header["format_version"] != FORMAT_VERSION:
        raise InputError(f"format_version must be {FORMAT_VERSION}, received {header['format_version']!r}")
    received, expected = _described(arrays), header["arrays"]
    if received != expected:
        wrong = [name for name in {**expected, **received} if received.get(name) != expected.get(name)]
        raise InputError(f"its arrays {wrong} are not what its header says")
    return header["step"], arrays, header["state"]


def _described(arrays: dict[str, np.ndarray]) -> dict[str, list[Any]]:
    return {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
