"""Named architectures of the zoo."""

import dataclasses
import functools
import importlib
import inspect
import json
import pathlib
import pkgutil

import keras_inr.models
from keras_inr._arguments import did_you_mean, one_of
from keras_inr.choosing.choice import choose
from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.models.initial_weights import read_start
from keras_inr.models.preset import Preset as Preset
from keras_inr.models.preset import PresetInfo as PresetInfo

MEASURED = pathlib.Path(__file__).with_name("measured.json")


@functools.cache
def _presets():
    """Name -> `Preset` of all modules of keras_inr.models that have `PRESETS`, by name."""
    names = [module.name for module in pkgutil.iter_modules(keras_inr.models.__path__, "keras_inr.models.")]
    found = [preset for name in names for preset in getattr(importlib.import_module(name), "PRESETS", ())]
    measured = json.loads(MEASURED.read_text())["presets"]
    found = [_with_figures(preset, measured.get(preset.info.name, {})) for preset in found]
    presets = {preset.info.name: preset for preset in sorted(found, key=lambda preset: preset.info.name)}
    if len(presets) < len(found):
        raise InputError(f"two presets have one name: {sorted(preset.info.name for preset in found)}")
    return presets


def _with_figures(preset, figures):
    return dataclasses.replace(preset, info=dataclasses.replace(preset.info, **figures))


def list_presets():
    """What the zoo holds: a `PresetInfo` each, with figures measured on one footing.

    >>> "siren_256" in [info.name for info in list_presets()]
    True
    """
    return [preset.info for preset in _presets().values()]


def get_preset(name):
    """The `Preset` behind a name.

    Raises:
        InputError: for a name that `list_presets` does not show.
    """
    return _presets()[one_of("preset", name, list(_presets()))]


def from_preset(name, /, weights=None, **arguments):
    """A field with fresh weights, or with learnt ones to begin a fit with.

    Args:
        name: a name of `list_presets()`; or "auto", with signal=... and perhaps goal="40dB", "50kB" or "30s": then
            `keras_inr.choosing.choice.choose` picks network and size for the picture; for how many steps, ask that.
        weights: None for weights drawn by the preset's rule; "photos" for those learnt from photographs, where they
            are shipped (see `keras_inr.models.initial_weights.list_starts`); or the path of a .keras file with a field
            of the same network. A colour start serves for grey pictures too, and the other way round.
        **arguments: any argument of the preset's model, such as channels, seed, picture_size, dtype, units.

    Raises:
        InputError: for an unknown name or argument, or weights of another network.

    >>> from_preset("siren_256", channels=1).count_params()
    198401
    """
    if name == "auto":
        if weights is not None:
            raise InputError(
                f"weights must be None for preset 'auto', whose network is not known, received {weights!r}"
            )
        return _chosen(**arguments)
    preset = get_preset(name)
    allowed = _arguments_of(preset.model)
    for argument in arguments:
        if argument not in allowed:
            meant = did_you_mean(argument, allowed)
            raise InputError(f"{argument!r} is not an argument of preset {name!r}, which takes {allowed}{meant}")
    field = preset.model(**{**preset.arguments, **arguments})
    if weights is not None:
        read_start(weights, name).assign_to(field)
    return field


def _arguments_of(model):
    """Names of what a model takes: its own arguments, those that it hands on to `Field`, and Keras's."""
    parameters = [p for cls in (model, Field) for p in inspect.signature(cls.__init__).parameters.values()]
    named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name != "self"]
    return [*dict.fromkeys(named), "dtype", "name"]


def _chosen(signal=None, goal=None, **arguments):
    """The field that suits a picture and a goal."""
    allowed = ("seed", "dtype", "name")
    for argument in arguments:
        if argument not in allowed:
            told = f"{argument!r} is not an argument of preset 'auto', which takes signal, goal, {allowed}"
            raise InputError(f"{told}{did_you_mean(argument, ('signal', 'goal', *allowed))}")
    if signal is None:
        raise InputError("preset 'auto' needs signal=..., what load_image returns, received None")
    return choose(signal, goal).candidate.field(signal, **arguments)
