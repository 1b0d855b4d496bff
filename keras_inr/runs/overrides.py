"""Arguments of the zoo's models as text: what there is, and text to typed values."""

import dataclasses
import inspect
import re
import types
import typing

import keras_inr.layers
import keras_inr.models
from keras_inr.models.presets import get_preset, list_presets
from keras_inr.runs.errors import InputError
from keras_inr.training.recipe import CHOICES, Recipe

FROM_ELSEWHERE = ("channels", "picture_size", "num_fields", "seed")
"""Arguments that the picture and the run decide."""


def model_arguments():
    """Name -> help text of every argument that some preset's model takes.

    >>> "omega_0" in model_arguments()
    True
    """
    texts = {}
    for model in dict.fromkeys(get_preset(info.name).model for info in list_presets()):
        described = _described(model)
        for name in _annotations(model):
            texts.setdefault(name, []).append(f"{model.__name__}: {described.get(name, '')}")
    return {name: " ".join(text) for name, text in texts.items()}


def recipe_arguments():
    """Name -> (int, float or str, default, allowed texts or None, help text) of every `Recipe` argument but its length.

    >>> recipe_arguments()["clip_norm"]
    (<class 'float'>, 0.0, None, 'longest gradient over all weights of an optimizer; 0 clips nothing.')
    """
    described = _described(Recipe)
    fields = [field for field in dataclasses.fields(Recipe) if field.name not in ("steps", "epochs")]
    kinds = {field.name: (typing.get_args(field.type) or (field.type,))[0] for field in fields}
    return {f.name: (kinds[f.name], f.default, CHOICES.get(f.name), described[f.name]) for f in fields}


def parse_overrides(preset, texts):
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
            raise InputError(f"preset {preset!r} takes {', '.join(annotations)}, received {name!r}")
        arguments[name] = _parse(name, annotations[name], text)
    return arguments


def preset_arguments(preset):
    """Name -> type of every argument that can be overridden in a preset.

    Raises:
        InputError: for an unknown preset.

    >>> list(preset_arguments("relu"))[0]
    'units'
    """
    try:
        return _annotations(get_preset(preset).model)
    except ValueError as error:
        raise InputError(str(error)) from None


def _annotations(model):
    parameters = inspect.signature(model.__init__).parameters
    return {
        name: parameter.annotation
        for name, parameter in parameters.items()
        if name not in ("self", "kwargs", *FROM_ELSEWHERE)
    }


def _parse(name, annotation, text):
    if isinstance(annotation, types.UnionType):
        if text.lower() == "none":
            return None
        annotation = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    try:
        if typing.get_origin(annotation) is tuple:
            return _parse_tuple(annotation, text, ",:")
        if annotation is bool:
            return {"true": True, "false": False}[text.lower()]
        return annotation(text)
    except (ValueError, KeyError):
        raise InputError(f"{name} must be {_WANTED[annotation]}, received {text!r}") from None


def _parse_tuple(annotation, text, separators):
    """A tuple whose parts stand between the first separator, and parts of those between the next one."""
    kinds = typing.get_args(annotation)
    parts = text.split(separators[0])
    kinds = kinds[:1] * len(parts) if kinds[-1] is ... else kinds
    return tuple(
        _parse_tuple(kind, part, separators[1:]) if typing.get_origin(kind) is tuple else kind(part)
        for kind, part in zip(kinds, parts, strict=True)
    )


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
    """Argument -> its text in the docstring of a class, after that of the layer or model which the text points to."""
    section = inspect.getdoc(owner).partition("Args:\n")[2].partition("\n\n")[0]
    described = {}
    for names, text in re.findall(r"^    (\w[\w, ]*): (.*(?:\n {8}.*)*)", section, flags=re.MULTILINE):
        text = " ".join(text.split())
        pointer = re.fullmatch(r"see `(\w+)`\. ?(.*)", text)
        there = pointer and (getattr(keras_inr.layers, pointer[1], None) or getattr(keras_inr.models, pointer[1], None))
        elsewhere, own = (_described(there), pointer[2]) if there else ({}, "")
        described |= {n: f"{elsewhere[n]} {own}".strip() if n in elsewhere else text for n in names.split(", ")}
    return described
