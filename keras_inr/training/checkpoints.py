"""Checkpoints: one file holds a run's whole state, appears at once or not at all, and is checked when read.

`Checkpointer` writes those of a run in progress, and `restore` puts the newest one back into it.
"""

import dataclasses
import io
import json
import math
import os
import pathlib
import re
import time
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr._arguments import local_path
from keras_inr._disk_errors import disk_error
from keras_inr._files import TEMPORARY_PREFIX, atomic_path
from keras_inr._reading import open_regular
from keras_inr.errors import CheckpointError, InputError
from keras_inr.training._state import TrainingState, state_problem

FORMAT_VERSION = 1
KEPT = 2
NAME = re.compile(r"step-\d{10}[.]npz", re.ASCII)
"""What our checkpoints are called; files of other names are someone else's, and neither read nor removed."""

TORN = re.compile(rf"{re.escape(TEMPORARY_PREFIX)}[0-9a-f]{{16}}-{NAME.pattern}", re.ASCII)
MOST_PADDING = 2**16
"""How much longer than its arrays a checkpoint's archive says to be, at most: nothing in it is compressed."""

EXPLOSION = 100
"""How far above its best the loss may be for a state to be worth a checkpoint."""

NOISE = 1e-6
"""A loss that is as good as zero."""


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


class Checkpointer(keras.callbacks.Callback):
    """Writes a checkpoint at the end of a round if the last one is old enough, and at the end of the run.

    Args:
        state: the `TrainingState`.
        folder: where checkpoints go.
        seconds: least time between two.
        more: variables beside those of model and optimizer, such as averages of weights.
    """

    def __init__(
        self, state: TrainingState, folder: str | os.PathLike[str], seconds: float, more: Sequence[tf.Variable] = ()
    ) -> None:
        super().__init__()
        self.state = state
        self.folder = folder
        self.seconds = seconds
        self.more = more
        self.saved_at = -math.inf  # the first round is saved, however short

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        ending = self.model.stop_training or self.state.step >= self.state.total_steps
        losses = [row["loss"] for row in self.state.rows]
        exploding = bool(losses) and losses[-1] > EXPLOSION * max(min(losses), NOISE)
        if ending or (time.perf_counter() - self.saved_at >= self.seconds and not exploding):
            self.save()

    def save(self) -> None:
        """Writes a checkpoint, unless something in it is not finite."""
        arrays = {f"{i:04d}": np.asarray(v) for i, v in enumerate(run_variables(self.model, self.more))}
        if all(np.isfinite(array).all() for array in arrays.values()):
            save_checkpoint(self.folder, self.state.step, arrays, dataclasses.asdict(self.state))
        self.saved_at = time.perf_counter()


def restore(
    model: keras.Model,
    state: TrainingState,
    folder: str | os.PathLike[str],
    identity_defaults: Mapping[str, Any] | None = None,
    more: Sequence[tf.Variable] = (),
) -> None:
    """Puts the newest checkpoint of a folder, if there is one, into weights, optimizer and state.

    Args:
        model: a compiled model whose optimizer is built.
        state: the `TrainingState`, whose identity says which run it is.
        folder: where checkpoints are.
        identity_defaults: values of settings that the identity of an older version's checkpoint does not name.
        more: as in `Checkpointer`.

    Raises:
        CheckpointError: for checkpoints that cannot be read, or are of another run or of more steps.
    """
    checkpoint = load_checkpoint(folder)
    if checkpoint is None:
        return
    _, arrays, stored = checkpoint
    if problem := state_problem(stored):
        raise CheckpointError(f"the checkpoint in {folder} is damaged: {problem}; remove it to start again")
    variables = run_variables(model, more)
    if [v.shape for v in variables] != [a.shape for a in arrays.values()]:
        expected, received = (sum(math.prod(x.shape) for x in xs) for xs in (variables, arrays.values()))
        raise CheckpointError(
            f"the checkpoint in {folder} belongs to another network or optimizer: expected {expected} numbers in "
            f"{len(variables)} arrays, received {received} in {len(arrays)}"
        )
    before = {**(identity_defaults or {}), **(stored.get("identity") or state.identity)}
    changed = [name for name, value in state.identity.items() if before.get(name) != value]
    if changed:
        told = "; ".join(f"{name} was {before.get(name)!r} and is {state.identity[name]!r}" for name in changed)
        raise CheckpointError(f"the checkpoint in {folder} belongs to another run: {told}")
    for variable, array in zip(variables, arrays.values(), strict=True):
        variable.assign(array)
    if stored["step"] > state.total_steps:
        raise CheckpointError(
            f"the checkpoint in {folder} has {stored['step']} steps already, the run must have as many, "
            f"received steps={state.total_steps}"
        )
    for name, value in stored.items():
        if name != "total_steps":
            setattr(state, name, value)
    if state.stopped_by in ("interrupt", "steps"):  # perhaps more steps are asked for now
        state.stopped_by = None


def run_variables(model: keras.Model, more: Sequence[tf.Variable] = ()) -> list[keras.Variable | tf.Variable]:
    """Everything that a step changes: weights, then the optimizer's variables, then more."""
    return [*model.weights, *model.optimizer.variables, *more]


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
