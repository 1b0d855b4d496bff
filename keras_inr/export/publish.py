"""Publishing a folder under a version number, all of it or nothing."""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from keras_inr._arguments import positive_int, servable_path
from keras_inr._disk_errors import MISPLACED, disk_error
from keras_inr._files import flush, flush_folder
from keras_inr.errors import InputError, VersionExistsError

MAX_VERSION = 2**63 - 1  # TensorFlow Serving reads versions as int64
STALE_SECONDS = 24 * 3600


def publish(
    base_path: str | os.PathLike[str], version: int | None, fill: Callable[[pathlib.Path], object]
) -> pathlib.Path:
    """Lets `fill(folder)` write a hidden folder, then gives it its number in one rename.

    Servers that poll base_path see a complete folder or none, whenever the process dies. Two exports at once get
    two numbers, or the later one is refused if both ask for the same.

    Args:
        base_path: folder of the versions, made if absent; "~" is expanded.
        version: integer >= 1 that does not exist yet, or None for the largest existing plus 1.
        fill: called with the `pathlib.Path` of an empty folder; if it raises, the folder is removed, and base_path
            with it if that was made here.

    Returns:
        `pathlib.Path` of base_path/version.

    Raises:
        InputError: for a version out of range, or a base_path that is a URL, holds `[` or a backslash, is no folder,
            or not writable.
        DiskError: where the disk is full.
        VersionExistsError: if the version exists.

    >>> import tempfile
    >>> publish(tempfile.mkdtemp(), None, lambda folder: (folder / "file").touch()).name
    '1'
    """
    (folder,) = publish_together({base_path: fill}, version)
    return folder


def publish_together(fills: Mapping[Any, Callable[[pathlib.Path], object]], version: int | None) -> list[pathlib.Path]:
    """As `publish`, for several folders of versions that get one number, as soon as all of them are filled.

    Each appears by a rename of its own, in the order given. Where a process dies between two of these, the later ones
    are absent under that number, and the next export takes a number above it.

    Args:
        fills: folder of versions -> what fills the new one.
        version: see `publish`; the largest existing is that of all the folders.

    Returns:
        The folders of the version.

    >>> import tempfile
    >>> base = pathlib.Path(tempfile.mkdtemp())
    >>> folders = publish_together({base / "a": pathlib.Path.touch, base / "b": pathlib.Path.touch}, 3)
    >>> [str(folder.relative_to(base)) for folder in folders]
    ['a/3', 'b/3']
    """
    bases, hidden = [], []
    try:
        for base_path in fills:
            bases.append(_made_folder(base_path, version))
        for (base, _), fill in zip(bases, fills.values(), strict=True):
            hidden.append(_hidden_folder(base))
            fill(hidden[-1])
            _sync(hidden[-1])
        targets = _claim(hidden, version)
    except BaseException as error:
        for folder in hidden:
            shutil.rmtree(folder, ignore_errors=True)
        for base, is_new in bases:
            if is_new:
                with contextlib.suppress(OSError):  # not empty: another export is at work in it
                    base.rmdir()
        if problem := disk_error(error, bases[0][0] if bases else None):  # TensorFlow's own words are about its kernels
            raise problem from error
        raise
    for base, _ in bases:
        flush_folder(base)
    return targets


def withdraw(folder: pathlib.Path) -> None:
    """Removes a version: its number goes in one rename, then its files.

    >>> import tempfile
    >>> folder = publish(tempfile.mkdtemp(), None, pathlib.Path.touch)
    >>> withdraw(folder)
    >>> existing_versions(folder.parent)
    []
    """
    shutil.rmtree(folder.rename(_hidden_name(folder.parent)))


def _hidden_name(base: pathlib.Path) -> pathlib.Path:
    return base / f"tmp.{uuid.uuid4().hex}"


def _hidden_folder(base: pathlib.Path) -> pathlib.Path:
    try:
        remove_stale(base)
        hidden = _hidden_name(base)
        hidden.mkdir()
    except OSError as error:
        raise _unwritable(base, error) from error
    return hidden


def existing_versions(base: str | os.PathLike[str]) -> list[int]:
    """Numbers of the versions in a folder, ascending; 007 counts as 7, as in TensorFlow Serving.

    >>> import tempfile
    >>> existing_versions(tempfile.mkdtemp())
    []
    """
    return sorted({int(name) for name in os.listdir(base) if name.isascii() and name.isdigit()})


def _made_folder(base_path: str | os.PathLike[str], version: int | None) -> tuple[pathlib.Path, bool]:
    """The folder's path, made if absent, and whether it was, after all that can be refused at once has been."""
    if version is not None:
        positive_int("version", version, MAX_VERSION)
    base = servable_path("base_path", base_path)
    is_new = not base.exists()
    try:
        base.mkdir(parents=True, exist_ok=True)
        taken = existing_versions(base)
    except OSError as error:
        raise _unwritable(base, error) from error
    if version in taken:
        raise _exists(base, version)
    return base, is_new


def _claim(hidden: list[pathlib.Path], version: int | None) -> list[pathlib.Path]:
    """Renames hidden folders to their number, one for all, and returns the paths."""
    while True:
        taken = [number for folder in hidden for number in existing_versions(folder.parent)]
        number = max([*taken, 0]) + 1 if version is None else version
        if number > MAX_VERSION:
            raise InputError(f"version must be given where {MAX_VERSION} exists, received None")
        claimed: list[pathlib.Path] = []
        for folder in hidden:
            try:
                claimed.append(folder.rename(folder.parent / str(number)))
            except OSError as error:
                for before, target in zip(hidden, claimed, strict=False):
                    target.rename(before)
                # another export was quicker: a rename does not replace a folder that holds something
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
                if version is not None:
                    raise _exists(folder.parent, version) from error
                break
        else:
            return claimed


def _unwritable(base: pathlib.Path, error: OSError) -> OSError | ValueError:
    """The error to raise for a folder that cannot be made or written in: the disk's own where room would help."""
    problem = disk_error(error)
    if problem is not None and problem.errno not in MISPLACED:
        return problem
    return InputError(f"base_path must be a folder to write to, received {str(base)!r}: {problem or error.strerror}")


def _exists(base: pathlib.Path, version: int) -> VersionExistsError:
    return VersionExistsError(f"version must not exist yet under {str(base)!r}, received {version}")


def remove_stale(base: pathlib.Path) -> None:
    """Removes what killed exports left behind, recognised by our own form of name and an age of a day."""
    for entry in os.scandir(base):
        if re.fullmatch("tmp[.][0-9a-f]{32}", entry.name) and entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(OSError):
                if time.time() - entry.stat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(entry.path, ignore_errors=True)


def _sync(folder: pathlib.Path) -> None:
    """Makes the disk hold every file of a folder before its name can appear."""
    for root, _, names in os.walk(folder):
        for name in names:
            flush(os.path.join(root, name))
        flush_folder(root)
