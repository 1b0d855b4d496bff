"""Checks of arguments that several public names share."""

import math
import operator


def positive_int(name, value):
    """The value as an int.

    Raises:
        ValueError: if it is not an integer of at least 1.

    >>> positive_int("units", 64)
    64
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(f"{name} must be a positive integer, received {value!r}")
    return number


def positive_ints(name, values):
    """The values as a tuple of at least one positive int.

    Raises:
        ValueError: if it is not a sequence of positive integers.

    >>> positive_ints("units", [64, 32])
    (64, 32)
    """
    if isinstance(values, str) or not hasattr(values, "__iter__") or not (values := tuple(values)):
        raise ValueError(f"{name} must be a sequence of positive integers, received {values!r}")
    return tuple(positive_int(name, value) for value in values)


def number_range(name, value):
    """The value as a tuple (low, high) of floats.

    Raises:
        ValueError: if it is not two finite numbers, the first below the second.

    >>> number_range("value_range", [-1, 1])
    (-1.0, 1.0)
    """
    try:
        low, high = (float(number) for number in value)
    except (TypeError, ValueError):
        low = high = math.nan
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"{name} must be two finite numbers, the first below the second, received {value!r}")
    return (low, high)
