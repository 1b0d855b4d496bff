"""What a named architecture is; each model's file ends in its own `PRESETS`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

DESCENT = "sjb3d/descent, examples/image_fit"


@dataclasses.dataclass(frozen=True)
class PresetInfo:
    """What `list_presets` tells.

    Attributes:
        name: for `from_preset`.
        num_parameters: trainable ones, for a colour picture; of cell grids for one of 512 x 512.
        summary: one line.
        source: paper or project.
        psnr_db, seconds, optimizer, learning_rate: what `experiments/zoo` measured with the preset as it is and its own
            recipe, on one small photograph in a few seconds; None for a preset that it has not fitted. Picture and
            machine are in `keras_inr/measured.json`.
    """

    name: str
    num_parameters: int
    summary: str
    source: str
    psnr_db: float | None = None
    seconds: float | None = None
    optimizer: str | None = None
    learning_rate: float | None = None


@dataclasses.dataclass(frozen=True)
class Preset:
    """A model class with the arguments that make it a published network.

    Attributes:
        info: what `list_presets` tells.
        model: a subclass of `keras_inr.models.field.Field`.
        arguments: name -> value of what it is made with, unless `from_preset` is given another.
        recipes: optimizer -> arguments of a `Recipe` that were measured best for it, the best optimizer first; the
            model's own by default.
    """

    info: PresetInfo
    model: type
    arguments: dict[str, Any]
    recipes: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def own_recipes(self) -> Mapping[str, Mapping[str, Any]]:
        """Its recipes, or its model's."""
        return getattr(self.model, "recipes", {}) if self.recipes is None else self.recipes
