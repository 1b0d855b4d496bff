"""What is typed, as numbers and arguments."""

import re

import pytest

from keras_inr.cli.console.answers import typed_arguments, typed_count, typed_size
from keras_inr.errors import InputError

CODE = "__import__('os').system('touch x')"


class TestCount:
    @pytest.mark.parametrize(("text", "number"), [("1", 1), (" 1000 ", 1000)])
    def test_whole_numbers(self, text, number):
        assert typed_count("epochs", text, 1000) == number

    @pytest.mark.parametrize("text", ["", " "])
    def test_nothing_where_it_is_optional(self, text):
        assert typed_count("side", text, 9, optional=True) is None

    @pytest.mark.parametrize("text", ["", "0", "-1", "1001", "1.5", "1 2", "ten", "9" * 5000, CODE])
    def test_out_of_range(self, text):
        with pytest.raises(InputError, match=re.escape(f"must be a whole number from 1 to 1000, received {text!r}")):
            typed_count("epochs", text, 1000)


class TestSize:
    @pytest.mark.parametrize("text", ["", "x", "3x", "3x4x5", "3x4.5", "big", "3 4", CODE])
    def test_another_form(self, text):
        with pytest.raises(InputError, match=re.escape(f"or a factor such as 4, received {text!r}")):
            typed_size(text)


class TestArguments:
    def test_nothing(self):
        assert typed_arguments("relu", "  ") == {}

    def test_a_layout(self):
        text = "layout=14:8:4,16:2:8 form=source"
        assert typed_arguments("cell_grid", text) == {"layout": ((14, 8.0, 4), (16, 2.0, 8)), "form": "source"}

    @pytest.mark.parametrize("text", [CODE, "units", "units=8 64"])
    def test_without_an_equals_sign(self, text):
        with pytest.raises(InputError, match=r"arguments must be NAME=VALUE .*, received ['\"]"):
            typed_arguments("relu", text)

    def test_a_name_twice(self):
        with pytest.raises(InputError, match="arguments must have units once, received 'units=8 units=9'"):
            typed_arguments("relu", "units=8 units=9")

    @pytest.mark.parametrize("text", ["[(14,8,4)]", "exec('1')", "(14,8.0,4)", "14:8"])
    def test_code_is_text(self, text):
        with pytest.raises(InputError, match=re.escape(f"such as 14:8:4,16:2:8, received {text!r}")):
            typed_arguments("cell_grid", f"layout={text}")
