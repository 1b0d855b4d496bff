"""Writing a file or a folder so that its name holds either the whole new content or what was there before."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path for the writer of a `with` block; its file takes the place of `path` when the block succeeds.

    The temporary file lies in the same folder (so that the replacement is one rename) and its name ends in the whole
    name of `path` (so that writers which go by the extension see it). On success it is flushed to the disk and renamed;
    when the block or the flush raises, Ctrl-C included, it is removed and `path` is untouched. Only a killed process
    leaves one behind, recognisable by the prefix `.tmp-`. A symbolic link at `path` is replaced, not followed.

    Args:
        path: str or path of a file, in a folder that exists.

    Yields:
        pathlib.Path that does not exist yet.

    Raises:
        FileNotFoundError: if the block has written nothing there.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_path(folder / "metrics.json") as temporary:
    ...     size = temporary.write_text("{}")
    >>> [entry.name for entry in folder.iterdir()]
    ['metrics.json']
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}-{path.name}")
    try:
        yield temporary
        if not temporary.is_file():
            raise FileNotFoundError(f"nothing was written to {str(temporary)!r}, the temporary file of {str(path)!r}")
        flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # of a write or a flush, which does not say where
            error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):  # which must not hide what went wrong
            temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder for the writer of a `with` block, which becomes `path` when the block succeeds.

    It lies beside `path`, whose parents are made, and is removed when the block raises. Where `path` is there already,
    which may be the root of a file system, it lies inside, and what it holds is moved up, one rename for each entry.

    Args:
        path: str or path of a folder that does not exist, or is empty.

    Yields:
        pathlib.Path of an empty folder.

    >>> import tempfile
    >>> parent = Path(tempfile.mkdtemp())
    >>> with atomic_folder(parent / "crops") as temporary:
    ...     size = (temporary / "000.txt").write_text("a picture")
    >>> [entry.name for entry in (parent / "crops").iterdir()]
    ['000.txt']
    """
    path = Path(path)
    inside = path.is_dir()
    temporary = (path if inside else path.parent) / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}-{path.name}"
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if inside:
            for entry in sorted(temporary.iterdir()):
                os.replace(entry, path / entry.name)
        else:
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    flush_folder(path if inside else path.parent)


def flush(path: Path | str) -> None:
    """Makes the disk hold a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path | str) -> None:
    """Makes renames in a folder last through a power cut. Not every file system can; files are whole either way."""
    with contextlib.suppress(OSError):
        flush(folder)
