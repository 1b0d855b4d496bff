"""Checkpoints: one file holds a run's whole state, appears at once or not at all, and is checked when read."""

import io
import json
import pathlib

import numpy as np

from keras_inr.files import TEMPORARY_PREFIX, atomic_path

FORMAT_VERSION = 1
KEPT = 2


class CheckpointError(ValueError):
    """Checkpoints exist and none of them can be used."""


def save_checkpoint(folder, step, arrays, state):
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
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for torn in folder.glob(f"{TEMPORARY_PREFIX}*.npz"):
        torn.unlink()
    header = {"format_version": FORMAT_VERSION, "step": step, "state": state, "arrays": _described(arrays)}
    text = json.dumps(header, allow_nan=False)
    target = folder / f"step-{step:010d}.npz"
    with atomic_path(target) as temporary, open(temporary, "wb") as file:
        np.savez(file, __state__=np.frombuffer(text.encode(), np.uint8), **arrays)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()
    return target


def load_checkpoint(folder):
    """The newest readable checkpoint of a folder.

    Returns:
        (step, arrays, state), or None if the folder holds no checkpoint. A torn or damaged file is passed over: every
        member of the archive carries a checksum, and the header lists what must be there.

    Raises:
        CheckpointError: if there are checkpoints and none can be read.
    """
    problems = []
    for path in _newest_first(pathlib.Path(folder)):
        try:
            return _read(path)
        except Exception as error:  # damage makes zipfile and NumPy raise whatever its place brings about
            problems.append(f"{path.name}: {error}")
    if problems:
        raise CheckpointError(f"no checkpoint in {folder} can be read ({'; '.join(problems)})")
    return None


def _newest_first(folder):
    return sorted(folder.glob("step-*.npz"), reverse=True)


def _read(path):
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(arrays.pop("__state__").tobytes())
    if header["format_version"] != FORMAT_VERSION:
        raise ValueError(f"format_version must be {FORMAT_VERSION}, received {header['format_version']!r}")
    received, expected = _described(arrays), header["arrays"]
    if received != expected:
        wrong = [name for name in {**expected, **received} if received.get(name) != expected.get(name)]
        raise ValueError(f"its arrays {wrong} are not what its header says")
    return header["step"], arrays, header["state"]


def _described(arrays):
    return {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
