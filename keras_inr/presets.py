"""Named architectures of the zoo."""

import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import pathlib
import pkgutil
import sys
import types
from collections.abc import Iterable
from typing import Any, cast

import keras_inr.models
from keras_inr._arguments import did_you_mean, local_path, one_of
from keras_inr.choosing.choice import choose
from keras_inr.choosing.sizes import fresh
from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.models.initial_weights import read_start
from keras_inr.models.preset import Preset as Preset
from keras_inr.models.preset import PresetInfo as PresetInfo
from keras_inr.models.stored_presets import is_stored, read_stored

MEASURED = pathlib.Path(__file__).with_name("measured.json")
RECIPES = pathlib.Path(__file__).with_name("recipes.json")
"""What experiments/recipes measured: the best learning rate of each preset under each optimizer."""

_loaded: dict[pathlib.Path, tuple[Preset, ...]] = {}
"""The presets of the files that `load_module` has read, by the files' resolved paths."""


@functools.cache
def _presets() -> dict[str, Preset]:
    """Name -> `Preset` of all modules of keras_inr.models that have `PRESETS`, and of loaded files, by name."""
    names = [module.name for module in pkgutil.iter_modules(keras_inr.models.__path__, "keras_inr.models.")]
    found = [preset for name in names for preset in getattr(importlib.import_module(name), "PRESETS", ())]
    measured, recipes = (json.loads(path.read_text())["presets"] for path in (MEASURED, RECIPES))
    found = [_with_figures(preset, measured.get(preset.info.name, {})) for preset in found]
    found = [_with_recipes(preset, recipes.get(preset.info.name, {})) for preset in found]
    found += [preset for presets in _loaded.values() for preset in presets]
    presets = {preset.info.name: preset for preset in sorted(found, key=lambda preset: preset.info.name)}
    if len(presets) < len(found):
        raise InputError(f"two presets have one name: {sorted(preset.info.name for preset in found)}")
    return presets


def _with_figures(preset: Preset, figures: dict[str, Any]) -> Preset:
    return dataclasses.replace(preset, info=dataclasses.replace(preset.info, **figures))


def _with_recipes(preset: Preset, measured: dict[str, dict[str, float]]) -> Preset:
    """The preset with the measured recipes, unless it or its model has some."""
    recipes = {optimizer: {"learning_rate": row["learning_rate"]} for optimizer, row in measured.items()}
    return preset if preset.own_recipes else dataclasses.replace(preset, recipes=recipes)


def load_module(path: str | os.PathLike[str]) -> list[PresetInfo]:
    """Makes the presets in a Python file of your own known, as if it lay among the package's.

    From then on `list_presets`, `get_preset` and `from_preset` know them in this process, and .keras files load that
    hold the classes which the file registers. The file is run as a module of its own: what it imports must be
    importable. A file that has been loaded already is not run again.

    Args:
        path: of a .py file with `PRESETS`, a tuple of `keras_inr.presets.Preset`s, whose models are subclasses of
            `Field`. docs/guides/own_layers.md has an example.

    Returns:
        What `list_presets` tells of its presets.

    Raises:
        InputError: naming the file, for what is no .py file, raises when it is run, has no such presets, or one whose
            name another preset has; no preset is made known then.

    >>> load_module("nowhere.py")
    Traceback (most recent call last):
    keras_inr.errors.InputError: module nowhere.py does not exist
    """
    file = _checked_file(path)
    if file not in _loaded:
        presets = _checked_presets(file, getattr(_imported(file), "PRESETS", None), _presets())
        _loaded[file] = presets
        _presets.cache_clear()
    return [preset.info for preset in _loaded[file]]


def _checked_file(path: str | os.PathLike[str]) -> pathlib.Path:
    """The resolved path of a Python file."""
    file = local_path("module", path)
    if not file.exists():
        raise InputError(f"module {file} does not exist")
    if not file.is_file() or file.suffix != ".py":
        received = "something else" if file.is_file() else "a folder" if file.is_dir() else "no file"
        raise InputError(f"module must be a file whose name ends in .py, received {received}: {file}")
    return file.resolve()


def _imported(file: pathlib.Path) -> types.ModuleType:
    """The module that a file is, under a name that no other file has."""
    name = f"keras_inr_module_{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None  # as the file's name ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where annotations, and Keras, look for what it holds
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a person's file may raise
        del sys.modules[name]
        told = " ".join(str(error).split())
        raise InputError(f"module {file} cannot be imported: {type(error).__name__}: {told}") from error
    return module


def _checked_presets(file: pathlib.Path, presets: Any, known: Iterable[str]) -> tuple[Preset, ...]:
    """What a file has as `PRESETS`, once it is known to be usable beside other presets."""
    if not isinstance(presets, (tuple, list)) or not presets:
        raise InputError(f"module {file} must have PRESETS, a tuple of keras_inr.presets.Preset, received {presets!r}")
    taken = set(known)
    for preset in presets:
        if not isinstance(preset, Preset) or not isinstance(preset.info, PresetInfo):
            raise InputError(f"PRESETS of module {file} must be keras_inr.presets.Preset, received {preset!r}")
        if not isinstance(preset.model, type) or not issubclass(preset.model, Field) or preset.model is Field:
            told = f"must have a subclass of Field as model, received {preset.model!r}"
            raise InputError(f"preset {preset.info.name!r} of module {file} {told}")
        if preset.info.name in taken:
            raise InputError(f"presets of module {file} must have new names, received {preset.info.name!r}")
        taken.add(preset.info.name)
    return tuple(presets)


def list_presets() -> list[PresetInfo]:
    """What the zoo holds: a `PresetInfo` each, with figures measured on one footing.

    >>> "siren_256" in [info.name for info in list_presets()]
    True
    """
    return [preset.info for preset in _presets().values()]


def get_preset(name: str) -> Preset:
    """The `Preset` behind a name.

    Raises:
        InputError: for a name that `list_presets` does not show.
    """
    return _presets()[one_of("preset", name, list(_presets()))]


def presets_of(model: type[Field]) -> dict[str, PresetInfo]:
    """Name -> `PresetInfo` of the presets of a class and its subclasses, as `Siren.presets` has them.

    >>> sorted(presets_of(keras_inr.models.Wire))
    ['wire', 'wire_own', 'wire_real']
    """
    return {preset.info.name: preset.info for preset in _presets().values() if issubclass(preset.model, model)}


def from_preset_of(model: type[Field], name: str | os.PathLike[str], /, **arguments: Any) -> Field:
    """As `from_preset`, of a class or its subclasses only: what `Siren.from_preset` does.

    Raises:
        InputError: as `from_preset`, and for a preset of another class.
    """
    known = _presets().get(name) if isinstance(name, str) else None
    if known is None and not is_stored(name) and name != "auto":
        one_of("preset", name, list(presets_of(model)))
    kind = known.model if known is not None else None
    field = from_preset(name, **arguments) if kind is None or issubclass(kind, model) else None
    if not isinstance(field, model):
        received = (kind or type(field)).__name__
        told = f"preset {os.fspath(name)!r} must be one of {model.__name__}, received one of {received}"
        raise InputError(f"{told}: {received}.from_preset takes it")
    return field


def from_preset(
    name: str | os.PathLike[str], /, weights: str | os.PathLike[str] | None = None, **arguments: Any
) -> Field:
    """A field with fresh weights, or with learnt ones to begin a fit with; or one that is stored.

    Args:
        name: a name of `list_presets()`; or "auto", with signal=... and perhaps goal="40dB", "50kB" or "30s": then
            `keras_inr.choosing.choice.choose` picks a pixel grid of the right size for the picture; and max_parameters.
            Or the path of a folder that `Field.save_to_preset` wrote, "hf://USER/NAME" or
            "kaggle://USER/MODEL/keras/VARIATION" for one on a hub: then it is the field with the weights that it was
            stored with, and takes no arguments.
        weights: None for weights drawn by the preset's rule; "photos" for those learnt from photographs, where they
            are shipped (see `keras_inr.models.initial_weights.list_starts`); or the path of a .keras file with a field
            of the same network. A colour start serves for grey pictures too, and the other way round.
        **arguments: any argument of the preset's model, such as channels, seed, picture_size, dtype, units.

    Raises:
        InputError: for an unknown name or argument, weights of another network, or what no field can be read from.

    >>> from_preset("siren_256", channels=1).count_params()
    198401
    """
    if name == "auto":
        if weights is not None:
            raise InputError(
                f"weights must be None for preset 'auto', whose network is not known, received {weights!r}"
            )
        return _chosen(**arguments)
    if name not in _presets() and is_stored(name):
        if weights is not None or arguments:
            given = ", ".join([*arguments, *(["weights"] if weights is not None else [])])
            raise InputError(f"preset {os.fspath(name)!r} is stored and takes no arguments, received {given}")
        return read_stored(name)
    preset = get_preset(cast(str, name))
    allowed = _arguments_of(preset.model)
    for argument in arguments:
        if argument not in allowed:
            meant = did_you_mean(argument, allowed)
            raise InputError(
                f"{argument!r} is not an argument of preset {preset.info.name!r}, which takes {allowed}{meant}"
            )
    field = preset.model(**{**preset.arguments, **arguments})
    field.recipes = preset.own_recipes
    if weights is not None:
        read_start(weights, preset.info.name).assign_to(field)
    return field


def _arguments_of(model: type[Field]) -> list[str]:
    """Names of what a model takes: its own arguments, those that it hands on to `Field`, and Keras's."""
    not_its_own = ("self", "layers")  # a model makes its layers
    parameters = [p for cls in (model, Field) for p in inspect.signature(cls.__init__).parameters.values()]
    named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in not_its_own]
    return [*dict.fromkeys(named), "dtype", "name"]


def _chosen(signal: Any = None, goal: str | None = None, max_parameters: int | None = None, **arguments: Any) -> Field:
    """The field that suits a picture and a goal."""
    allowed = ("signal", "goal", "max_parameters", "seed", "dtype", "name")
    for argument in arguments:
        if argument not in allowed:
            told = f"{argument!r} is not an argument of preset 'auto', which takes {allowed}"
            raise InputError(f"{told}{did_you_mean(argument, allowed)}")
    if signal is None:
        raise InputError("preset 'auto' needs signal=..., what load_image returns, received None")
    choice = choose(signal, goal, max_parameters)
    field = fresh(size=signal.size, channels=signal.channels, **choice.arguments, **arguments)
    field.recipes = {"muon": {name: value for name, value in choice.recipe.items() if name != "optimizer"}}
    return field
