"""The folder of a run: how it is chosen, claimed, recognised and refused."""

import contextlib
import fcntl
import json
import pathlib
import shutil

from keras_inr.files import atomic_path
from keras_inr.runs.errors import InputError

FORMAT_VERSION = 1
RUNS = "runs"
MARKER = "run.json"
METRICS = "metrics.json"


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
    if resume and overwrite:
        raise InputError("give one of resume and overwrite, received both")
    if resume and out is None:
        raise InputError("resume needs out, the folder of the run to go on with")
    try:
        folder = _next_numbered(pathlib.Path(RUNS)) if out is None else pathlib.Path(out)
        _check(folder, identity, resume, overwrite)
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w")
    except OSError as error:
        raise InputError(f"out must be a folder that can be written: {error}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"another process is at work in {folder}") from None
        if overwrite:
            _empty(folder)
        if not (folder / MARKER).exists():
            write_json(folder / MARKER, {"format_version": FORMAT_VERSION, "identity": identity})
        yield folder


def is_run_folder(folder):
    """Whether a folder holds a run."""
    return (pathlib.Path(folder) / MARKER).is_file()


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


def _check(folder, identity, resume, overwrite):
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out must be a folder, received the file {folder}")
    if not folder.exists() or not _holds_anything(folder):
        return
    if not is_run_folder(folder):
        raise InputError(f"{folder} is not empty and holds no run; give another folder")
    if resume:
        _check_identity(folder, identity)
    elif not overwrite:
        raise InputError(f"{folder} holds a run already; add --resume or --overwrite, or give another folder")


def _check_identity(folder, identity):
    try:
        stored = json.loads((folder / MARKER).read_text())["identity"]
    except (ValueError, KeyError):
        raise InputError(f"{folder / MARKER} is damaged, so that the run cannot be resumed") from None
    identity = json.loads(json.dumps(identity))
    changed = [name for name in sorted({*stored, *identity}) if stored.get(name) != identity.get(name)]
    if changed:
        told = "; ".join(f"{name} was {stored.get(name)!r} and is {identity.get(name)!r}" for name in changed)
        raise InputError(f"{folder} holds a run with other settings: {told}")


def _holds_anything(folder):
    """Files with a leading dot are locks and torn temporaries."""
    return any(not path.name.startswith(".") for path in folder.iterdir())


def _empty(folder):
    # the marker goes last: a kill in between leaves what is still recognised as a run
    for path in sorted(folder.iterdir(), key=lambda path: path.name == MARKER):
        if path.name == ".lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
