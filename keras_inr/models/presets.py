"""Named architectures of the zoo."""

import dataclasses
import inspect

from keras_inr.models.multi_hash import MultiHash
from keras_inr.models.relu_mlp import ReluMLP
from keras_inr.models.siren import Siren


@dataclasses.dataclass(frozen=True)
class PresetInfo:
    """What `list_presets` tells: name, trainable parameters (RGB), a one-line summary, and the source."""

    name: str
    num_parameters: int
    summary: str
    source: str


@dataclasses.dataclass(frozen=True)
class Preset:
    """A model class with the arguments that make it a published network."""

    info: PresetInfo
    model: type
    arguments: dict


_DESCENT = "sjb3d/descent, examples/image_fit"
_PRESETS = {
    preset.info.name: preset
    for preset in (
        Preset(
            PresetInfo("relu", 44099, "leaky ReLU 256-128-64-32 on raw coordinates", _DESCENT),
            ReluMLP,
            {"units": (256, 128, 64, 32)},
        ),
        Preset(
            PresetInfo("relu_pe", 51779, "leaky ReLU 256-128-64-32 on 8 octaves of sines and cosines", _DESCENT),
            ReluMLP,
            {"units": (256, 128, 64, 32), "num_frequencies": 8},
        ),
        Preset(
            PresetInfo("siren", 44099, "sine layers 256-128-64-32, omega folded into the first kernel", _DESCENT),
            Siren,
            {"units": (256, 128, 64, 32), "scheme": "descent", "value_range": (0.0, 1.0)},
        ),
        Preset(
            PresetInfo("multi_hash", 43977, "10 hash levels of up to 4096 entries, leaky ReLU 64-64", _DESCENT),
            MultiHash,
            {
                "num_levels": 10,
                "table_size": 4096,
                "num_features": 2,
                "base_resolution": 2,
                "finest_resolution": 512,
                "units": (64, 64),
            },
        ),
        Preset(
            PresetInfo(
                "siren_jax", 198915, "4 sine layers of 256, the paper's initialisation", "KeunwooPark/siren-jax"
            ),
            Siren,
            {"units": (256, 256, 256, 256), "scheme": "paper"},
        ),
        Preset(
            PresetInfo("siren_256", 198915, "4 sine layers of 256 on init-33", "KeunwooPark/siren-jax; pugh_torch"),
            Siren,
            {"units": (256, 256, 256, 256), "scheme": "init-33"},
        ),
    )
}


def list_presets():
    """What the zoo holds.

    >>> [info.name for info in list_presets()]
    ['relu', 'relu_pe', 'siren', 'multi_hash', 'siren_jax', 'siren_256']
    """
    return [preset.info for preset in _PRESETS.values()]


def get_preset(name):
    """The `Preset` behind a name.

    Raises:
        ValueError: for a name that `list_presets` does not show.
    """
    if name not in _PRESETS:
        raise ValueError(f"preset must be one of {list(_PRESETS)}, received {name!r}")
    return _PRESETS[name]


def from_preset(name, /, **arguments):
    """A field with fresh weights.

    Args:
        name: a name of `list_presets()`.
        **arguments: any argument of the preset's model, such as channels, seed, picture_size, dtype, units.

    Raises:
        ValueError: for an unknown name or argument.

    >>> from_preset("siren_256", channels=1).count_params()
    198401
    """
    preset = get_preset(name)
    allowed = [n for n in inspect.signature(preset.model.__init__).parameters if n not in ("self", "kwargs")]
    allowed += ["dtype", "name"]
    for argument in arguments:
        if argument not in allowed:
            raise ValueError(f"{argument!r} is not an argument of preset {name!r}, which takes {allowed}")
    return preset.model(**{**preset.arguments, **arguments})
