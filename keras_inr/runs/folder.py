"""The folder of a run: how it is chosen, claimed, recognised and refused.

A run is resumed in these steps. The command puts the flags that run.json keeps in front of those that are given
(`keras_inr.cli.flagfile`). `plan_fit` takes what was automatic from the identity in run.json. `claim_run_folder`
compares the plan's identity with that one. `run_image_fit` returns the metrics of a run that is finished and whole; for
any other, `keras_inr.training.fitting.fit` restores the newest checkpoint and trains on.
"""

import contextlib
import fcntl
import json
import numbers
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_inr._arguments import servable_path
from keras_inr._disk_errors import FULL, disk_error
from keras_inr._files import TEMPORARY_PREFIX, atomic_path
from keras_inr._reading import kind_of, read_json
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.runs.layout import LOCK, RUN_JSON, check_files_and_folders, has_checkpoint, remove_written

FORMAT_VERSION = 1
RUNS = "runs"
OF_MANY = ("fleet", "comparison")
"""Kinds of runs that have a model for each of many pictures, and are not replaced."""
PSEUDO_FILE_SYSTEMS = ("/proc", "/sys")
"""Where even those who may write cannot make a folder."""


@contextlib.contextmanager
def claim_run_folder(
    out: str | os.PathLike[str] | None,
    identity: Mapping[str, Any],
    resume: bool = False,
    overwrite: bool = False,
    may_grow: Sequence[str] = (),
    flags_text: str | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Iterator[pathlib.Path]:
    """Gives the folder to one process for as long as the context lasts.

    Args:
        out: None for a new numbered folder under runs/, or a path, in which "~" is expanded.
        identity: JSON-able dict of all that makes two runs the same run; kept in run.json.
        resume: go on with the run in `out`; an absent or empty folder starts.
        overwrite: replace the run in `out`; files that no run writes stay.
        may_grow: names in the identity whose numbers may be larger than those of the run that is resumed. What that had
            finished stays until it is replaced.
        flags_text: None, or a flagfile that repeats the run. It is kept in run.json too, so that the run is there, with
            all that is needed to go on with it, as soon as that one file is.
        defaults: name -> value of settings that run.json of an older version does not name.

    Yields:
        The folder's path. It holds run.json, and what the run being resumed had written.

    Raises:
        InputError: for a folder that holds something else, another run, a run in progress, or cannot be written.
        OSError: where the disk is full.
    """
    check_run_folder(out, identity, resume, overwrite, may_grow, defaults)
    try:
        folder = _next_numbered(pathlib.Path(RUNS)) if out is None else folder_path(out)
        lock = _opened_lock(folder)
    except OSError as error:
        raise _unusable(error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is at work in {folder}") from None
        # again: another process may just have finished there
        check_run_folder(folder, identity, resume, overwrite, may_grow, defaults)
        if overwrite:
            remove_written(folder)
        run_json = folder / RUN_JSON
        if not run_json.exists() or any(_differing(_stored(run_json)["identity"], _as_json(identity), defaults)):
            flags = {} if flags_text is None else {"flags": flags_text}
            write_json(run_json, {"format_version": FORMAT_VERSION, "identity": identity, **flags})
        yield folder


def check_run_folder(
    out: str | os.PathLike[str] | None,
    identity: Mapping[str, Any],
    resume: bool = False,
    overwrite: bool = False,
    may_grow: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Raises the `InputError` that `claim_run_folder` would raise for a folder as it is now; writes nothing."""
    if resume and overwrite:
        raise InputError("give one of resume and overwrite, received both")
    if resume and out is None:
        raise InputError("resume needs out, the folder of the run to go on with")
    folder = pathlib.Path(RUNS, "0001") if out is None else folder_path(out)
    try:
        if out is None:
            return _check_writable(folder)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"out must be a folder, received the file {folder}")
        if folder.exists() and _holds_anything(folder):
            _check_run(folder, identity, resume, overwrite, may_grow, defaults)
        _check_writable(folder)
    except OSError as error:
        raise _unusable(error) from None


def folder_path(out: str | os.PathLike[str]) -> pathlib.Path:
    """The path of a run's folder; InputError for one that a run cannot be exported to."""
    return servable_path("out", out)


def holds_run(out: str | os.PathLike[str]) -> bool:
    """Whether there is a run, finished or not, in a folder."""
    return (folder_path(out) / RUN_JSON).is_file()


def run_identity(out: str | os.PathLike[str], *needed: str) -> dict[str, Any]:
    """What makes the run in a folder this run, as it was started; InputError where it is damaged or lacks a name."""
    run_json = folder_path(out) / RUN_JSON
    identity = _stored(run_json)["identity"]
    missing = [name for name in needed if name not in identity]
    if missing:
        raise InputError(f"{run_json} is damaged: identity.{missing[0]} is missing")
    return identity


def run_flags(out: str | os.PathLike[str]) -> str | None:
    """The flagfile that a run was started with, as text; None for a run that has none."""
    return _stored(folder_path(out) / RUN_JSON).get("flags")


def keep_flags(folder: pathlib.Path, text: str) -> None:
    """Lets the run.json of a claimed folder keep a flagfile, where it keeps one and that is another."""
    content = _stored(folder / RUN_JSON)
    if content.get("flags", text) != text:
        write_json(folder / RUN_JSON, {**content, "flags": text})


def _check_run(folder, identity, resume, overwrite, may_grow, defaults):
    """Raises an InputError unless a folder that is not empty holds a run which may be resumed or replaced."""
    run_json = folder / RUN_JSON
    if not run_json.is_file():
        if has_checkpoint(folder):
            raise InputError(f"{folder} has checkpoints but its {RUN_JSON} is missing; give another folder")
        raise InputError(f"{folder} is not empty and holds no run; give another folder")
    if not resume and not overwrite:
        ways = "resume=True" if identity.get("kind") in OF_MANY else "resume=True or overwrite=True"
        raise InputError(f"{folder} holds a run already; add {ways}, or give another folder")
    stored = _stored(run_json)["identity"]
    check_files_and_folders(folder)
    if overwrite and stored.get("kind") in OF_MANY:  # its pictures would stay, unreachable
        kinds = [f"a run of kind {one.get('kind', 'fit')!r}" for one in (stored, identity)]
        raise InputError(f"{folder} holds {kinds[0]}, which {kinds[1]} does not replace; give another folder")
    if resume:
        _check_same(folder, stored, _as_json(identity), may_grow, defaults)


def _check_writable(folder):
    """Raises an InputError where a folder could not be made or written in; as far as can be known without trying."""
    place = next(path for path in (folder, *folder.parents, pathlib.Path()) if path.exists())
    pseudo = any(place.resolve().is_relative_to(root) for root in PSEUDO_FILE_SYSTEMS)
    if pseudo or not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        problem = f"'{folder}' cannot be written" if place == folder else f"'{folder}' cannot be made in '{place}'"
        raise InputError(f"out must be a folder that can be written: {problem}")


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Writes strict JSON (no NaN or Infinity) at once or not at all."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text)


def _next_numbered(runs):
    """A new folder runs/0001, runs/0002 ..., made here so that no other process takes the same."""
    runs.mkdir(exist_ok=True)
    number = max((int(path.name) for path in runs.iterdir() if path.name.isdecimal()), default=0)
    while True:
        number += 1
        with contextlib.suppress(FileExistsError):
            folder = runs / f"{number:04d}"
            folder.mkdir()
            return folder


def _opened_lock(folder):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    if path.exists() and (kind := kind_of(path)) != "file":  # to open a pipe waits for whoever reads it
        raise InputError(f"{path} must be a file for a run to lock, received a {kind}")
    return open(path, "a")


def _unusable(error):
    """The error to raise for a folder that cannot be made or opened: the disk's own where room would help."""
    problem = disk_error(error)
    if problem is not None and problem.errno in FULL:
        return problem
    return InputError(f"out must be a folder that can be written: {problem or error}")


def _holds_anything(folder):
    """Whether there is more than a lock and torn temporaries."""
    return any(path.name != LOCK and not path.name.startswith(TEMPORARY_PREFIX) for path in folder.iterdir())


def _stored(run_json):
    """What a run.json holds; a file of that name which is not ours must not make a folder one to be replaced."""
    try:
        content = read_json(run_json, {"format_version": int, "identity": dict}, {"flags": str})
    except DamagedFileError as error:
        raise InputError(f"{error}; the run can be neither resumed nor overwritten") from None
    if content["format_version"] != FORMAT_VERSION:
        raise InputError(
            f"{run_json} must have format_version {FORMAT_VERSION}, received {content['format_version']!r}"
        )
    return content


def _check_same(folder, stored, identity, may_grow, defaults):
    changed = dict(_differing(stored, identity, defaults))
    grown = [name for name in may_grow if name in changed and _has_grown(*changed[name])]
    if list(changed) != grown:
        changes = "; ".join(f"{name} was {before!r} and is {now!r}" for name, (before, now) in changed.items())
        raise InputError(f"{folder} holds a run with other settings: {changes}")
    if grown and not has_checkpoint(folder):
        raise InputError(f"{folder} has no checkpoint to be resumed from to {grown[0]}={identity[grown[0]]}")


def _has_grown(before, now):
    return isinstance(before, numbers.Real) and isinstance(now, numbers.Real) and before < now


def _differing(stored, identity, defaults=None):
    """Yields (name, (before, now)) of what differs, in dicts inside of dicts too."""
    stored = {**_as_json({name: value for name, value in (defaults or {}).items() if name in identity}), **stored}
    for name in sorted({*stored, *identity}):
        before, now = stored.get(name), identity.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differing(before, now)
        elif before != now:
            yield name, (before, now)


def _as_json(identity):
    return json.loads(json.dumps(identity))
