"""What a person types, as numbers and arguments; nothing typed is ever evaluated as code."""

from typing import Any

from keras_inr.cli.numbers import parse_numbers
from keras_inr.cli.preset_arguments import parse_overrides
from keras_inr.errors import InputError


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
    (number,) = parse_numbers(name, text, form, None, (1,), int)
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
        return {"size": parse_numbers("size", text, form, "x", (2,), int)}
    return {"scale": parse_numbers("size", text, form, None, (1,), float)[0]}


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
