"""What a named architecture is; each model's file ends in its own `PRESETS`."""

import dataclasses

DESCENT = "sjb3d/descent, examples/image_fit"


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
