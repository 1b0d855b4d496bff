"""Checks of arguments that several public names share."""

import dataclasses
import difflib
import functools
import math
import operator
import os
import pathlib
from collections.abc import Collection, Iterable
from typing import Any, SupportsFloat, SupportsIndex, TypeVar

from keras_inr.errors import InputError, InputTypeError

T = TypeVar("T")

INT32_MAX = 2**31 - 1
"""The largest size of an axis that TensorFlow's kernels count with."""

STEEPEST = 1e6
"""The most that arguments of sines and bumps are multiplied with: phases of so many radians are 0.06 apart in float32.
Of more, second derivatives leave the range of float32."""

PATTERN_CHARACTERS = "[\\"
"""What TensorFlow takes for a pattern in the name of a checkpoint, which is then not found under its own name."""


def did_you_mean(received: object, names: Iterable[str]) -> str:
    """The end of a message about a name that does not exist: which one was probably meant; "" if none is near.

    >>> did_you_mean("chelsa", ["camera", "chelsea"]), did_you_mean("tokyo", ["camera", "chelsea"])
    ("; did you mean 'chelsea'?", '')
    """
    if not isinstance(received, str):
        return ""
    known = {name.lower(): name for name in names}
    text = received.strip().lower()
    found = difflib.get_close_matches(text, known, n=1)
    found = found or [name for name in known if len(text) > 2 and (text in name or name in text)]
    return f"; did you mean {known[found[0]]!r}?" if found else ""


def one_of(name: str, value: Any, allowed: Collection[str]) -> str:
    """The value.

    Raises:
        InputError: if it is not one of `allowed`, naming the nearest.

    >>> one_of("form", "real", ("real", "complex"))
    'real'
    """
    if value not in allowed:
        raise InputError(f"{name} must be one of {allowed}, received {value!r}{did_you_mean(value, allowed)}")
    return value


def names_arguments(cls: type[T]) -> type[T]:
    """Decorates a dataclass: a TypeError about an argument that it does not take names the nearest that it takes.

    >>> @names_arguments
    ... @dataclasses.dataclass
    ... class Step:
    ...     rate: float = 0.1
    >>> Step(rat=0.2)
    Traceback (most recent call last):
    keras_inr.errors.InputTypeError: Step takes no argument 'rat'; did you mean 'rate'?
    """
    decorated: Any = cls
    plain, names = decorated.__init__, [field.name for field in dataclasses.fields(decorated) if field.init]

    @functools.wraps(plain)
    def __init__(self, *args, **kwargs):
        for name in kwargs:
            if name not in names:
                raise InputTypeError(f"{cls.__name__} takes no argument {name!r}{did_you_mean(name, names)}")
        plain(self, *args, **kwargs)

    decorated.__init__ = __init__
    return cls


def positive_int(name: str, value: SupportsIndex, most: int = INT32_MAX) -> int:
    """The value as an int.

    Raises:
        InputError: if it is not an integer from 1 to `most`.

    >>> positive_int("units", 64)
    64
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise InputError(f"{name} must be a positive integer, received {value!r}")
    if number > most:
        raise InputError(f"{name} must be at most {most}, received {value!r}")
    return number


def as_list(name: str, values: Iterable[T]) -> list[T]:
    """The values as a list.

    Raises:
        InputTypeError: if there is nothing to list.

    >>> as_list("seeds", range(3))
    [0, 1, 2]
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InputTypeError(f"{name} must be a list, received {type(values).__name__}")
    return list(values)


def count(name: str, value: SupportsIndex, most: int = INT32_MAX) -> int:
    """The value as an int, where there may be none of something.

    Raises:
        InputError: if it is not an integer from 0 to `most`.

    >>> count("num_frequencies", 0)
    0
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= most or isinstance(value, bool):
        raise InputError(f"{name} must be an integer from 0 to {most}, received {value!r}")
    return number


def positive_float(name: str, value: SupportsFloat, most: float | None = None, least: float | None = None) -> float:
    """The value as a float.

    Args:
        name, value: of the argument.
        most: the largest that is allowed; None for all that are finite.
        least: the smallest that is allowed beside `most`; None for all above 0.

    Raises:
        InputError: if it is not such a number.

    >>> positive_float("scale", 30, most=STEEPEST)
    30.0
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if 0 < number < math.inf and (least or 0) <= number <= (most or math.inf):
        return number
    if most is None:
        raise InputError(f"{name} must be finite and positive, received {value!r}")
    start = "(0" if least is None else f"[{least:g}"
    raise InputError(f"{name} must be in {start}, {most:g}], received {value!r}")


def positive_ints(name: str, values: Iterable[SupportsIndex]) -> tuple[int, ...]:
    """The values as a tuple of at least one positive int.

    Raises:
        InputError: if it is not a sequence of positive integers.

    >>> positive_ints("units", [64, 32])
    (64, 32)
    """
    if isinstance(values, str) or not hasattr(values, "__iter__") or not (values := tuple(values)):
        raise InputError(f"{name} must be a sequence of positive integers, received {values!r}")
    return tuple(positive_int(name, value) for value in values)


def positive_floats(name: str, values: Iterable[SupportsFloat], most: float) -> tuple[float, ...]:
    """The values as a tuple of at least one float.

    Raises:
        InputError: if it is not a sequence of numbers in (0, most].

    >>> positive_floats("scales", [0.5, 1], most=1.0)
    (0.5, 1.0)
    """
    if isinstance(values, str) or not hasattr(values, "__iter__") or not (values := tuple(values)):
        raise InputError(f"{name} must be a sequence of numbers in (0, {most:g}], received {values!r}")
    return tuple(positive_float(name, value, most) for value in values)


def number_range(
    name: str, value: Iterable[SupportsFloat], most: float = 1e6, least: float = 1e-6
) -> tuple[float, float]:
    """The value as a tuple (low, high) of floats.

    Raises:
        InputError: if it is not two numbers within +-most, the second larger by at least `least`.

    >>> number_range("value_range", [-1, 1])
    (-1.0, 1.0)
    """
    try:
        low, high = (float(number) for number in value)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not (-most <= low < high <= most and high - low >= least):
        wanted = f"two numbers within +-{most:g}, the second larger by at least {least:g}"
        raise InputError(f"{name} must be {wanted}, received {value!r}")
    return (low, high)


def local_path(name: str, value: str | bytes | os.PathLike[str]) -> pathlib.Path:
    """A file or folder on this machine as a `pathlib.Path`, with "~" expanded.

    Raises:
        InputTypeError: for what is no path.
        InputError: for an empty text, a URL, bytes that are no text, a null character, or the home of nobody.

    >>> local_path("out", "runs/0001")
    PosixPath('runs/0001')
    """
    if not isinstance(value, str | bytes | os.PathLike):
        raise InputTypeError(f"{name} must be a path, received {value!r}")
    text = os.fsdecode(value)
    if not text:
        raise InputError(f"{name} must be a path, received {text!r}")
    if "://" in text:
        raise InputError(f"{name} must be a path on this machine, received {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"{name} must be a path that is text, received {text!r}") from None
    if "\0" in text:
        raise InputError(f"{name} must be a path without null characters, received {text!r}")
    try:
        return pathlib.Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"{name} must begin with the home of a user of this machine, received {text!r}") from None


def servable_path(name: str, value: str | bytes | os.PathLike[str]) -> pathlib.Path:
    """As `local_path`, for a folder that TensorFlow is to load a SavedModel from.

    Raises:
        InputError: also for a path with `[` or a backslash.

    >>> servable_path("out", "runs/0001")
    PosixPath('runs/0001')
    """
    path = local_path(name, value)
    if holds_pattern(path):
        wanted = "a path without [ and \\, which TensorFlow takes for patterns"
        raise InputError(f"{name} must be {wanted}, received {os.fsdecode(value)!r}")
    return path


def holds_pattern(path: pathlib.Path) -> bool:
    """Whether TensorFlow would look for other names than the path's own."""
    return any(character in path.as_posix() for character in PATTERN_CHARACTERS)
