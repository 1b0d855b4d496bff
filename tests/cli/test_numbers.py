"""Numbers out of text."""

import re

import pytest

from keras_inr.cli.numbers import parse_numbers
from keras_inr.errors import InputError


def test_one_of_several_counts():
    assert parse_numbers("size", "400", "N or NxN", "x", (1, 2), int) == (400,)
    assert parse_numbers("size", "3 x 4.5", "N or NxN", "x", (1, 2), float) == (3.0, 4.5)


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "1,b", "1,2.5", "__import__('os').system('touch x')"])
def test_another_form(text):
    with pytest.raises(InputError, match=re.escape(f"size must be HEIGHT,WIDTH, received {text!r}")):
        parse_numbers("size", text, "HEIGHT,WIDTH", ",", (2,), int)
