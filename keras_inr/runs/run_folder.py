"""The folder of a run: how it is chosen, claimed, recognised and refused."""

import contextlib
import fcntl
import json
import pathlib
import shutil

from keras_inr.files import TEMPORARY_PREFIX, atomic_path
from keras_inr.runs.errors import InputError

FORMAT_VERSION = 1
RUNS = "runs"
MARKER = "run.json"
METRICS = "metrics.json"
LOCK = ".lock"


@contextlib.contextmanager
def claim_run_folder(out, identity, resume=False, overwrite=False):
    """Gives the folder to one process for as long as the context lasts.

    Args:
        out: None for a new numbered folder under runs/, or a path.
        identity: JSON-able dict of all that makes two runs the same run; kept in run.json.
        resume: go on with the run in `out`; an absent or empty folder starts.
        overwrite: replace the run in `out`.

    Yields:
        The folder's path. It holds run.json, and what the run being resumed had written.

    Raises:
        InputError: for a folder that holds something else, another run, a run in progress, or cannot be written.
    """
    check_run_folder(out, identity, resume, overwrite)
    try:
        folder = _next_numbered(pathlib.Path(RUNS)) if out is None else pathlib.Path(out)
        lock = _opened_lock(folder)
    except OSError as error:
        raise _unusable(error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another process is at work in {folder}") from None
        check_run_folder(folder, identity, resume, overwrite)  # again: another process may just have finished there
        if overwrite:
            _empty(folder)
        if not (folder / MARKER).exists():
            write_json(folder / MARKER, {"format_version": FORMAT_VERSION, "identity": identity})
        yield folder


def check_run_folder(out, identity, resume=False, overwrite=False):
    """Raises the `InputError` that `claim_run_folder` would raise for a folder as it is now; writes nothing."""
    if resume and overwrite:
        raise InputError("give one of resume and overwrite, received both")
    if resume and out is None:
        raise InputError("resume needs out, the folder of the run to go on with")
    if out is None:
        return
    folder = pathlib.Path(out)
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"out must be a folder, received the file {folder}")
        if not folder.exists() or not _holds_anything(folder):
            return
        if not (folder / MARKER).is_file():
            raise InputError(f"{folder} is not empty and holds no run; give another folder")
        if not resume and not overwrite:
            raise InputError(f"{folder} holds a run already; add --resume or --overwrite, or give another folder")
        stored = _stored_identity(folder / MARKER)
    except OSError as error:
        raise _unusable(error) from None
    if resume:
        _check_same(folder, stored, identity)


def write_json(path, content):
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
    return open(folder / LOCK, "a")


def _unusable(error):
    return InputError(f"out must be a folder that can be written: {error}")


def _holds_anything(folder):
    """Whether there is more than a lock and torn temporaries."""
    return any(path.name != LOCK and not path.name.startswith(TEMPORARY_PREFIX) for path in folder.iterdir())


def _stored_identity(marker):
    """The identity in a run.json; a file of that name which is not ours must not make a folder one to be replaced."""
    try:
        content = json.loads(marker.read_text())
        version, identity = content["format_version"], dict(content["identity"])
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{marker} is damaged, so that the run can be neither resumed nor overwritten") from None
    if version != FORMAT_VERSION:
        raise InputError(f"{marker} must have format_version {FORMAT_VERSION}, received {version!r}")
    return identity


def _check_same(folder, stored, identity):
    identity = json.loads(json.dumps(identity))
    changed = [name for name in sorted({*stored, *identity}) if stored.get(name) != identity.get(name)]
    if changed:
        told = "; ".join(f"{name} was {stored.get(name)!r} and is {identity.get(name)!r}" for name in changed)
        raise InputError(f"{folder} holds a run with other settings: {told}")


def _empty(folder):
    # metrics first, marker last: a kill in between leaves what is recognised as a run, and not as a finished one
    for path in sorted(folder.iterdir(), key=lambda path: (path.name == MARKER, path.name != METRICS)):
        if path.name == LOCK:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
