"""A preset with as many weights as wanted."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from keras_inr.errors import InputError
from keras_inr.presets import from_preset, get_preset

TOLERANCE = 0.1
"""How far from what is wanted a network may be, as a part of it."""

WIDEST = 8192


def sized(preset: str, arguments: Mapping[str, Any], parameters: int, size: tuple[int, int]) -> dict[str, Any]:
    """Arguments that bring a preset to a number of trainable weights for a colour picture.

    The widths of its layers, `units`, are scaled alike, and are as near to it as whole numbers allow. A network that
    stays too large or too small so, such as a grid, whose weights are in its tables, is refused.

    Args:
        preset: its name.
        arguments: what is given of it. Where `units` are among them, they are what is scaled.
        parameters: weights wanted.
        size: of the picture, which some networks depend on.

    Returns:
        `arguments`, with other `units`.

    Raises:
        InputError: for a network that cannot be brought within a tenth of it.

    >>> sized("siren", {}, 20_000, (64, 64))
    {'units': (171, 86, 43, 21)}
    """

    def count(given: Mapping[str, Any]) -> int:
        field = from_preset(preset, channels=3, picture_size=size, seed=0, **given)
        return sum(math.prod(weight.shape) for weight in field.trainable_weights)

    best = min(_candidates(preset, arguments, count, parameters), key=lambda pair: abs(pair[1] - parameters))
    if abs(best[1] - parameters) > TOLERANCE * parameters:
        raise InputError(
            f"{preset!r} cannot be brought to {parameters:,} weights by the widths of its layers, the nearest are "
            f"{best[1]:,}: give its arguments in a file of variants, or leave parameters out of the budget"
        )
    return best[0]


def _candidates(
    preset: str, arguments: Mapping[str, Any], count: Callable[[Mapping[str, Any]], int], wanted: int
) -> list[tuple[dict[str, Any], int]]:
    """Arguments and weights of the network as it is, and of widths on both sides of what is wanted."""
    entry = get_preset(preset)
    default = inspect.signature(entry.model).parameters.get("units")
    units = {"units": None if default is None else default.default, **entry.arguments, **arguments}["units"]
    found = [(dict(arguments), count(arguments))]
    if units is None or units is inspect.Parameter.empty:
        return found
    widest = max(units) if isinstance(units, (tuple, list)) else units

    def tried(width: int) -> int:
        given = {**arguments, "units": _scaled(units, width, widest)}
        found.append((given, count(given)))
        return found[-1][1]

    low, high = 1, 2
    while high < WIDEST and tried(high) < wanted:  # from below, so that none is built that is far too large
        low, high = high, 2 * high
    while low < high:  # the narrowest that has as many as wanted
        middle = (low + high) // 2
        low, high = (low, middle) if tried(middle) >= wanted else (middle + 1, high)
    return found


def _scaled(units: Any, width: int, widest: int) -> Any:
    """Widths in the same proportions, the widest of them given."""
    if isinstance(units, (tuple, list)):
        return tuple(max(1, round(each * width / widest)) for each in units)
    return width
