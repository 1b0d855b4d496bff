"""Reading back what was written: regular files alone, of a bounded size, with the content that is expected."""

import itertools
import json
import math
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from keras_inr.errors import DamagedFileError, InputError

MOST_BYTES = 2**24
"""The most that a JSON file or a flagfile of a run may have; theirs are a few kilobytes."""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """A regular file, open to be read as bytes.

    A pipe, a socket or a device is refused and not waited for: it might never begin, or never end.

    Raises:
        DamagedFileError: for what is no regular file.
        OSError: for what does not exist or cannot be opened.

    >>> open_regular("/dev/zero")
    Traceback (most recent call last):
    keras_inr.errors.DamagedFileError: /dev/zero must be a file, received a device
    """
    if (kind := kind_of(path)) != "file":
        raise DamagedFileError(f"{path} must be a file, received a {kind}")
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()  # it has been exchanged since
    raise DamagedFileError(f"{path} must be a file, received something else")


def kind_of(path: str | os.PathLike[str]) -> str:
    """What is at a path, links being followed: "file", "folder", "pipe", "socket" or "device".

    Raises:
        OSError: where nothing is there.

    >>> kind_of("/dev")
    'folder'
    """
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(os.stat(path).st_mode), "device")


def read_bytes(path: str | os.PathLike[str], most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file of at most `most_bytes`.

    Raises:
        DamagedFileError: for what is no regular file, or has more bytes.
        OSError: for what cannot be read.
    """
    with open_regular(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise DamagedFileError(f"{path} must have at most {most_bytes} bytes, received more")
    return data


def read_json(
    path: str | os.PathLike[str],
    needed: dict[str, Any] | None = None,
    optional: dict[str, Any] | None = None,
    most_bytes: int = MOST_BYTES,
) -> dict[str, Any]:
    """The object in a file of strict JSON.

    Args:
        path: of the file.
        needed: dict of name -> type, tuple of types or again such a dict: what must be there. A number may be of type
            float even if it is written as an integer, and True is no number.
        optional: the same of what may be absent.
        most_bytes: see `read_bytes`.

    Returns:
        A dict, with all that the file holds.

    Raises:
        DamagedFileError: for what is no regular file, too large, no strict JSON, no object, or has a name missing or of
            another type.
        OSError: for what cannot be read.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "run.json")
    >>> size = path.write_text('{"steps": "many"}')
    >>> read_json(path, {"steps": int})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    keras_inr.errors.DamagedFileError: .../run.json is damaged: steps must be of type int, received 'many'
    """
    data = read_bytes(path, most_bytes)
    try:
        content = json.loads(data, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise DamagedFileError(f"{path} is damaged: it is nested too deeply") from None
    except ValueError as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise DamagedFileError(f"{path} is damaged: it must hold an object, received {_short(content)}")
    for problem in itertools.chain(_problems(content, needed or {}, True), _problems(content, optional or {}, False)):
        raise DamagedFileError(f"{path} is damaged: {problem}")
    return content


def _problems(content: dict[str, Any], wanted: dict[str, Any], is_needed: bool, prefix: str = "") -> Iterator[str]:
    """Yields a sentence for each name that is missing or of another type."""
    for name, types in wanted.items():
        if name not in content:
            if is_needed:
                yield f"{prefix}{name} is missing"
        elif isinstance(types, dict):
            if isinstance(content[name], dict):
                yield from _problems(content[name], types, is_needed, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name} must be an object, received {_short(content[name])}"
        elif not _is_of(content[name], _listed(types)):
            told = " or ".join("null" if kind is type(None) else kind.__name__ for kind in _listed(types))
            yield f"{prefix}{name} must be of type {told}, received {_short(content[name])}"


def _listed(types: Any) -> tuple[type, ...]:
    return types if isinstance(types, tuple) else (types,)


def _is_of(value: object, types: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, types) or (isinstance(value, int) and float in types)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _refused(text: str) -> NoReturn:
    raise InputError(f"{text} is no strict JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InputError(f"{text} is too large a number")
    return number
