import re

import numpy as np
import pytest

from keras_inr.arguments import number_range, positive_int, positive_ints


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(255)])
def test_positive_int_takes_any_integer(value):
    number = positive_int("width", value)
    assert number == value
    assert type(number) is int


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, np.float32(2), float("nan"), [1]])
def test_positive_int_refuses(value):
    with pytest.raises(ValueError, match=re.escape(f"width must be a positive integer, received {value!r}")):
        positive_int("width", value)


@pytest.mark.parametrize("values", [[3], (1, 2), np.array([4, 5]), (number for number in (6, 7))])
def test_positive_ints_gives_a_tuple(values):
    numbers = positive_ints("units", values)
    assert numbers in {(3,), (1, 2), (4, 5), (6, 7)}
    assert all(type(number) is int for number in numbers)


@pytest.mark.parametrize("values", [5, "12", None, ()])
def test_positive_ints_refuses_what_is_no_sequence(values):
    message = f"units must be a sequence of positive integers, received {values!r}"
    with pytest.raises(ValueError, match=re.escape(message)):
        positive_ints("units", values)


def test_positive_ints_names_the_entry():
    with pytest.raises(ValueError, match=r"units must be a positive integer, received 0\.5"):
        positive_ints("units", (64, 0.5))


def test_number_range_takes_two_ascending_numbers():
    assert number_range("value_range", (0, 1)) == (0.0, 1.0)


@pytest.mark.parametrize("value", [1, (1,), (0, 1, 2), (1, 0), (0, 0), (0, float("inf")), ("a", "b"), None])
def test_number_range_names_what_it_received(value):
    with pytest.raises(
        ValueError,
        match=re.escape(f"value_range must be two finite numbers, the first below the second, received {value!r}"),
    ):
        number_range("value_range", value)
