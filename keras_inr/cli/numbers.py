"""Numbers out of flags and out of what a person types; no text is ever evaluated as code."""

from collections.abc import Callable, Collection
from typing import Any

from keras_inr.errors import InputError


def parse_numbers(
    name: str, text: str, form: str, separator: str | None, counts: Collection[int], kind: Callable[[str], float]
) -> Any:
    """A tuple of the numbers between separators.

    Args:
        name: what they are called in errors.
        text: what was given.
        form: how it should look, for errors.
        separator: between two numbers.
        counts: how many there may be.
        kind: int or float.

    Raises:
        InputError: for another count, or what is no number of that kind.

    >>> parse_numbers("size", "600x902", "HEIGHTxWIDTH", "x", (2,), int)
    (600, 902)
    """
    try:
        found = tuple(kind(part) for part in text.split(separator))
    except ValueError:
        found = ()
    if len(found) not in counts:
        raise InputError(f"{name} must be {form}, received {text!r}")
    return found
