"""Arguments of the zoo's models as text: what there is, and text to typed values."""

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Collection, Mapping
from typing import Any

from keras_inr._arguments import did_you_mean
from keras_inr.errors import InputError
from keras_inr.presets import get_preset, list_presets
from keras_inr.training.recipe import CHOICES, Recipe

FROM_ELSEWHERE = ("channels", "picture_size", "num_fields", "seed")
"""Arguments that the picture and the run decide."""

SCALARS = (int, float, bool, str)
ALLOWED = "int, float, bool, str, or a tuple of them such as tuple[int, ...] or tuple[tuple[int, float], ...], or with"
ALLOWED += " `| None` behind it"


def model_arguments(taken: Collection[str] = ()) -> dict[str, str]:
    """Name -> help text of every argument that some preset's model takes.

    Args:
        taken: names that are flags already.

    Raises:
        InputError: for an argument that no flag can be made of, naming the file that it is in.

    >>> "omega_0" in model_arguments()
    True
    """
    texts: dict[str, list[str]] = {}
    for model in dict.fromkeys(get_preset(info.name).model for info in list_presets()):
        described = _described(model)
        for name in _annotations(model):
            if name in taken:
                raise InputError(f"arguments {_place(model)} must have names that no flag has yet, received {name!r}")
            texts.setdefault(name, []).append(f"{model.__name__}: {described.get(name, '')}")
    return {name: " ".join(text) for name, text in texts.items()}


def recipe_arguments() -> dict[str, tuple[Any, Any, tuple[str, ...] | None, str]]:
    """Name -> (int, float or str, default, allowed texts or None, help text) of every `Recipe` argument but its length.

    >>> recipe_arguments()["clip_norm"]
    (<class 'float'>, 0.0, None, 'longest gradient over all weights of an optimizer; 0 clips nothing.')
    """
    described = _described(Recipe)
    fields = [field for field in dataclasses.fields(Recipe) if field.name not in ("steps", "epochs")]
    kinds = {field.name: (typing.get_args(field.type) or (field.type,))[0] for field in fields}
    return {f.name: (kinds[f.name], f.default, CHOICES.get(f.name), described.get(f.name, "")) for f in fields}


def parse_overrides(preset: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Typed arguments for `from_preset`.

    Args:
        preset: a preset's name.
        texts: dict of argument name -> text, such as {"units": "64,64", "omega_0": "20"}.

    Raises:
        InputError: for an argument that the preset's model does not take, or text of another type.

    >>> parse_overrides("siren", {"units": "64,64", "omega_0": "20"})
    {'units': (64, 64), 'omega_0': 20.0}
    """
    annotations = preset_arguments(preset)
    arguments = {}
    for name, text in texts.items():
        if name not in annotations:
            meant = did_you_mean(name, annotations)
            raise InputError(f"preset {preset!r} takes {', '.join(annotations)}, received {name!r}{meant}")
        arguments[name] = _parse(name, annotations[name], text)
    return arguments


def as_text(value: object) -> str:
    """An argument as it is typed, which `parse_overrides` reads back.

    >>> as_text((64, 64)), as_text(((14, 8.0, 4), (16, 2.0, 8))), as_text(None), as_text(True)
    ('64,64', '14:8.0:4,16:2.0:8', 'none', 'true')
    """
    if isinstance(value, tuple | list):
        nested = any(isinstance(part, tuple | list) for part in value)
        return ",".join(":".join(map(as_text, part)) if nested else as_text(part) for part in value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def preset_arguments(preset: str) -> dict[str, Any]:
    """Name -> type of every argument that can be overridden in a preset.

    Raises:
        InputError: for an unknown preset, or one whose model has an argument that text cannot be turned into.

    >>> list(preset_arguments("relu"))[0]
    'units'
    """
    model = get_preset(preset).model
    return _annotations(model)


def _annotations(model):
    """Name -> type of the arguments that text is turned into."""
    parameters = inspect.signature(model.__init__).parameters.values()
    names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in ("self", *FROM_ELSEWHERE)]
    try:
        annotations = typing.get_type_hints(model.__init__)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise InputError(f"annotations {_place(model)} must be types that are imported, received: {error}") from None
    for name in names:
        if not _is_allowed(_without_none(annotations.get(name))):
            received = repr(annotations[name]) if name in annotations else "no annotation"
            raise InputError(f"argument {name!r} {_place(model)} must be annotated with {ALLOWED}, received {received}")
    return {name: annotations[name] for name in names}


def _place(model):
    """Where a model's arguments are, for messages."""
    return f"of {model.__name__} in {model.__module__.replace('.', '/')}.py"


def _without_none(annotation):
    """int for int | None."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return annotation
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 else annotation


def _is_allowed(annotation, depth=2):
    """Whether text can be turned into it: there are two separators for tuples in tuples."""
    if typing.get_origin(annotation) is not tuple:
        return annotation in SCALARS
    kinds = [kind for kind in typing.get_args(annotation) if kind is not ...]
    return depth > 0 and bool(kinds) and all(_is_allowed(kind, depth - 1) for kind in kinds)


def _parse(name, annotation, text):
    kind = _without_none(annotation)
    if kind is not annotation and text.lower() == "none":
        return None
    try:
        return _typed(kind, text, ",:")
    except (ValueError, KeyError):
        wanted = _WANTED.get(kind, f"values for {kind}, with commas between them and : within")
        raise InputError(f"{name} must be {wanted}, received {text!r}") from None


def _typed(kind, text, separators):
    """Text as a type; of a tuple, parts stand between the first separator, and parts of those between the next one."""
    if typing.get_origin(kind) is tuple:
        kinds, parts = typing.get_args(kind), text.split(separators[0])
        kinds = kinds[:1] * len(parts) if kinds[-1] is ... else kinds
        return tuple(_typed(kind, part, separators[1:]) for kind, part in zip(kinds, parts, strict=True))
    if kind is bool:
        return {"true": True, "false": False}[text.strip().lower()]
    return kind(text)


_WANTED = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    tuple[int, ...]: "whole numbers with commas between them, such as 64,64",
    tuple[tuple[int, float, int], ...]: "numbers with : within and commas between levels, such as 14:8:4,16:2:8",
    tuple[float, ...]: "numbers with commas between them, such as 0.25,0.75",
    tuple[float, float]: "two numbers with a comma between them, such as -1,1",
}


def _described(owner):
    """Argument -> its text in the docstring of a class, after that of what it imports and the text points to.

    Under python -OO there are no docstrings, and so no texts.
    """
    section = (inspect.getdoc(owner) or "").partition("Args:\n")[2].partition("\n\n")[0]
    described = {}
    for names, text in re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE):
        text = " ".join(text.split())
        pointer = re.fullmatch(r"see `(\w+)`\. ?(.*)", text)
        there = pointer and vars(sys.modules[owner.__module__]).get(pointer[1])
        elsewhere, own = (_described(there), pointer[2]) if there else ({}, "")
        described |= {n: f"{elsewhere[n]} {own}".strip() if n in elsewhere else text for n in names.split(", ")}
    return described
