"""What a person types, as numbers and arguments; nothing typed is ever evaluated as code."""

import os
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar, overload

from keras_inr._arguments import local_path
from keras_inr.cli.preset_arguments import parse_overrides
from keras_inr.errors import InputError

Number = TypeVar("Number", int, float)


@overload
def typed_numbers(
    name: str, text: str, form: str, separator: str | None, count: int, kind: Callable[[str], Number]
) -> tuple[Number, ...]: ...


@overload
def typed_numbers(
    name: str, text: str | None, form: str, separator: str | None, count: int, kind: Callable[[str], Number]
) -> tuple[Number, ...] | None: ...


def typed_numbers(
    name: str, text: str | None, form: str, separator: str | None, count: int, kind: Callable[[str], Number]
) -> tuple[Number, ...] | None:
    """So many numbers with a separator between them, None for None.

    Args:
        name: what they are called in errors.
        text: what was typed.
        form: how it should look, for errors.
        separator: between two numbers.
        count: how many there must be.
        kind: int or float.

    Raises:
        InputError: for another count, or what is no number of that kind.

    >>> typed_numbers("size", "600x902", "HEIGHTxWIDTH", "x", 2, int)
    (600, 902)
    """
    if text is None:
        return None
    try:
        found = tuple(kind(part) for part in text.split(separator))
    except ValueError:
        found = ()
    if len(found) != count:
        raise InputError(f"{name} must be {form}, received {text!r}")
    return found


def typed_count(name: str, text: str, most: int, optional: bool = False) -> int | None:
    """A whole number from 1 to `most`; where it is optional, None for an empty text.

    Raises:
        InputError: for anything else.

    >>> typed_count("epochs", "20", most=1000)
    20
    """
    if optional and not text.strip():
        return None
    form = f"a whole number from 1 to {most}"
    (number,) = typed_numbers(name, text, form, None, 1, int)
    if not 1 <= number <= most:
        raise InputError(f"{name} must be {form}, received {text!r}")
    return number


def typed_size(text: str) -> dict[str, Any]:
    """The argument of `RenderSettings` that a size is: HEIGHTxWIDTH, or how many times as large as the picture.

    Raises:
        InputError: for anything else.

    >>> typed_size("600x902"), typed_size("2.5")
    ({'size': (600, 902)}, {'scale': 2.5})
    """
    form = "HEIGHTxWIDTH in pixels, or a factor such as 4"
    if "x" in text:
        return {"size": typed_numbers("size", text, form, "x", 2, int)}
    return {"scale": typed_numbers("size", text, form, None, 1, float)[0]}


def typed_arguments(preset: str, text: str) -> dict[str, Any]:
    """Arguments for `from_preset` out of NAME=VALUE with spaces between them, values as in `parse_overrides`.

    Raises:
        InputError: for another form, a name that comes twice, and as `parse_overrides`.

    >>> typed_arguments("siren", "units=64,64 omega_0=20")
    {'units': (64, 64), 'omega_0': 20.0}
    """
    texts: dict[str, str] = {}
    for part in text.split():
        name, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"arguments must be NAME=VALUE with spaces between them, received {part!r}")
        if name in texts:
            raise InputError(f"arguments must have {name} once, received {text!r}")
        texts[name] = value
    return parse_overrides(preset, texts)


def typed_path(name: str, text: str | os.PathLike[str]) -> pathlib.Path:
    """A file or folder on this machine, see `keras_inr._arguments.local_path`.

    Raises:
        InputError: for what cannot be one.

    >>> typed_path("out", "cat.png")
    PosixPath('cat.png')
    """
    return local_path(name, text)
