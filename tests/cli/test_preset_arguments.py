"""Arguments of the zoo's models as text."""

import inspect
import re
import sys
import types

import pytest

from keras_inr.cli import preset_arguments as overrides
from keras_inr.cli.preset_arguments import FROM_ELSEWHERE, model_arguments, parse_overrides
from keras_inr.errors import InputError
from keras_inr.presets import from_preset, get_preset, list_presets


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

    def test_without_docstrings(self, monkeypatch):
        """As under python -OO: the names are all there."""
        named = list(model_arguments()), list(overrides.recipe_arguments())
        monkeypatch.setattr(overrides.inspect, "getdoc", lambda owner: None)
        assert (list(model_arguments()), list(overrides.recipe_arguments())) == named

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


SINC = '''
class SincNet:
    """A net.

    Args:
        width: of it, see below.
    """

    def __init__(self, {argument}, channels=3, picture_size=None, **options):
        pass
'''


class TestAddedModel:
    """One whose file says what it likes."""

    @pytest.fixture
    def add(self, monkeypatch):
        def add(argument, header=""):
            module = types.ModuleType("keras_inr.models.sinc_net")
            monkeypatch.setitem(sys.modules, module.__name__, module)
            source = header + SINC.format(argument=argument)
            exec(compile(source, "sinc_net.py", "exec", dont_inherit=True), vars(module))
            preset = types.SimpleNamespace(model=module.SincNet)
            monkeypatch.setattr(overrides, "get_preset", lambda name: preset if name == "sinc" else get_preset(name))
            infos = [*list_presets(), types.SimpleNamespace(name="sinc")]
            monkeypatch.setattr(overrides, "list_presets", lambda: infos)

        return add

    def test_annotations_that_are_texts(self, add):
        add("width: tuple[int, ...] | None = None", "from __future__ import annotations\n")
        assert parse_overrides("sinc", {"width": "3,4"}) == {"width": (3, 4)}
        assert parse_overrides("sinc", {"width": "none"}) == {"width": None}
        assert model_arguments()["width"] == "SincNet: of it, see below."

    @pytest.mark.parametrize(
        ("annotation", "text", "value"),
        [
            ("typing.Optional[float]", "2", 2.0),
            ("typing.Optional[float]", "none", None),
            ("tuple[bool, ...]", "true,False", (True, False)),
            ("tuple[str, int]", "a,3", ("a", 3)),
            ("tuple[tuple[str, bool], ...]", "a:true,b:false", (("a", True), ("b", False))),
        ],
    )
    def test_other_types(self, add, annotation, text, value):
        add(f"width: {annotation} = None", "import typing\n")
        assert parse_overrides("sinc", {"width": text}) == {"width": value}

    @pytest.mark.parametrize(("annotation", "text"), [("tuple[int, int]", "3"), ("tuple[bool, ...]", "yes")])
    def test_what_has_no_text_of_its_own(self, add, annotation, text):
        add(f"width: {annotation} = None")
        told = f"width must be values for {annotation}, with commas between them and : within, received {text!r}"
        with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
            parse_overrides("sinc", {"width": text})

    @pytest.mark.parametrize(
        ("argument", "received"),
        [
            ("width=3", "no annotation"),
            ("width: list[int] = ()", "list[int]"),
            ("width: tuple = ()", "<class 'tuple'>"),
            ("width: int | float = 3", "int | float"),
            ("width: tuple[int | None, ...] = ()", "tuple[int | None, ...]"),
            ("width: tuple[tuple[tuple[int, ...], ...], ...] = ()", "tuple[tuple[tuple[int, ...], ...], ...]"),
            ("width: typing.Literal['a', 'b'] = 'a'", "typing.Literal['a', 'b']"),
        ],
    )
    @pytest.mark.parametrize("ask", [model_arguments, lambda: overrides.preset_arguments("sinc")])
    def test_an_annotation_that_no_text_can_be_turned_into(self, add, argument, received, ask):
        add(argument, "import typing\n")
        told = f"argument 'width' of SincNet in keras_inr/models/sinc_net.py must be annotated with {overrides.ALLOWED}"
        with pytest.raises(InputError, match=f"^{re.escape(f'{told}, received {received}')}$"):
            ask()

    def test_an_annotation_that_is_not_imported(self, add):
        add("width: Sequence[int] = ()", "from __future__ import annotations\n")
        told = "annotations of SincNet in keras_inr/models/sinc_net.py must be types that are imported, received: "
        with pytest.raises(InputError, match=f"^{re.escape(told)}name 'Sequence' is not defined"):
            model_arguments()

    def test_the_name_of_a_flag(self, add):
        add("steps: int = 3")
        told = "arguments of SincNet in keras_inr/models/sinc_net.py must have names that no flag has yet, received"
        with pytest.raises(InputError, match=f"^{told} 'steps'$"):
            model_arguments(taken={"steps", "out"})
        assert "steps" in model_arguments()
