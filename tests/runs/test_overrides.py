"""Arguments of the zoo's models as text."""

import inspect
import re

import pytest

from keras_inr.models.presets import from_preset, get_preset, list_presets
from keras_inr.runs.errors import InputError
from keras_inr.runs.overrides import FROM_ELSEWHERE, model_arguments, parse_overrides


def text_of(value, separators=",:"):
    """A default as it is typed."""
    if not isinstance(value, tuple):
        return str(value)
    return separators[0].join(text_of(part, separators[1:]) for part in value)


class TestModelArguments:
    def test_every_argument_of_every_model_is_there_and_has_a_text_of_each(self):
        texts = model_arguments()
        expected = set()
        for model in {get_preset(info.name).model for info in list_presets()}:
            arguments = set(inspect.signature(model.__init__).parameters) - {"self", "kwargs", *FROM_ELSEWHERE}
            for name in arguments:
                assert re.search(rf"\b{model.__name__}: \S.{{5,}}", texts[name]), (model, name, texts[name])
            expected |= arguments
        assert set(texts) == expected

    def test_one_line_each(self):
        for text in model_arguments().values():
            assert text == " ".join(text.split())

    def test_a_text_that_goes_over_lines_is_whole(self):
        assert "its config" in model_arguments()["scheme"]

    def test_a_text_that_points_to_a_layer_is_the_one_there(self):
        texts = model_arguments()
        assert texts["num_levels"] == "MultiHash: number of lattices."
        for told in ("Siren: widths of the sine layers.", "Finer: widths of the sine layers."):
            assert told in texts["units"]
        assert texts["base_resolution"] == texts["finest_resolution"]
        assert not [text for text in texts.values() if "see `" in text]

    def test_what_the_picture_and_the_run_decide_is_left_out(self):
        assert not set(FROM_ELSEWHERE) & set(model_arguments())


class TestParse:
    @pytest.mark.parametrize(
        ("preset", "name", "text", "value"),
        [
            ("siren", "units", "64,32", (64, 32)),
            ("siren", "units", "64", (64,)),
            ("siren", "units", " 64, 32 ", (64, 32)),
            ("siren", "value_range", "-1,1.5", (-1.0, 1.5)),
            ("siren", "omega_0", "20", 20.0),
            ("siren", "omega_0", "3e1", 30.0),
            ("siren", "omega_0", "none", None),
            ("siren", "omega_0", "None", None),
            ("siren", "scheme", "init-33", "init-33"),
            ("relu_pe", "num_frequencies", "6", 6),
            ("relu_pe", "include_input", "true", True),
            ("relu_pe", "include_input", "False", False),
            ("multi_hash", "interpolation", "quintic", "quintic"),
            ("multi_hash", "negative_slope", "0", 0.0),
        ],
    )
    def test_typed_by_the_model(self, preset, name, text, value):
        parsed = parse_overrides(preset, {name: text})
        assert parsed == {name: value}
        assert type(parsed[name]) is type(value)
        if isinstance(value, tuple):
            assert [type(part) for part in parsed[name]] == [type(part) for part in value]

    @pytest.mark.parametrize("preset", [info.name for info in list_presets()])
    def test_every_default_as_text_gives_the_same_network(self, preset):
        """So every annotation is one that texts can be turned into."""
        model = get_preset(preset).model
        defaults = {name: p.default for name, p in inspect.signature(model.__init__).parameters.items()}
        defaults |= get_preset(preset).arguments
        values = {name: defaults[name] for name in defaults if name not in ("self", "kwargs", *FROM_ELSEWHERE)}
        texts = {name: text_of(value) for name, value in values.items()}
        parsed = parse_overrides(preset, texts)
        assert parsed == values
        assert from_preset(preset, **parsed).count_params() == from_preset(preset).count_params()

    def test_none_given(self):
        assert parse_overrides("relu", {}) == {}

    @pytest.mark.parametrize(
        ("preset", "name", "text", "wanted"),
        [
            ("siren", "units", "", "whole numbers with commas between them, such as 64,64"),
            ("siren", "units", "64,", "whole numbers with commas between them, such as 64,64"),
            ("siren", "units", "64;32", "whole numbers with commas between them, such as 64,64"),
            ("siren", "units", "64,32.5", "whole numbers with commas between them, such as 64,64"),
            ("siren", "value_range", "1", "two numbers with a comma between them, such as -1,1"),
            ("siren", "value_range", "0,1,2", "two numbers with a comma between them, such as -1,1"),
            ("siren", "omega_0", "fast", "a number"),
            ("multi_hash", "num_levels", "4.5", "an integer"),
            ("multi_hash", "num_levels", "none", "an integer"),
            ("relu_pe", "include_input", "yes", "true or false"),
            ("relu_pe", "include_input", "1", "true or false"),
        ],
    )
    def test_text_of_another_type(self, preset, name, text, wanted):
        with pytest.raises(InputError, match=re.escape(f"{name} must be {wanted}") + f".*, received {text!r}$"):
            parse_overrides(preset, {name: text})

    @pytest.mark.parametrize("name", ["depth", "num_frequencies", "seed", "channels", "kwargs", "self"])
    def test_an_argument_that_the_model_does_not_take(self, name):
        with pytest.raises(InputError, match=f"preset 'siren' takes units, scheme, .*, received '{name}'"):
            parse_overrides("siren", {"units": "8", name: "3"})

    def test_an_unknown_preset(self):
        with pytest.raises(InputError, match=r"preset must be one of \['bacon', .*\], received 'sirens'"):
            parse_overrides("sirens", {"units": "8"})
