"""What is done with every picture of a fleet run."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.models.initial_weights import Start, read_start
from keras_inr.models.stacking import network_of
from keras_inr.presets import from_preset
from keras_inr.signals.image import check_image_options
from keras_inr.training.callbacks import check_goals
from keras_inr.training.freezing import frozen_layers
from keras_inr.training.many.many_fits import check_recipe, needs_one_size
from keras_inr.training.recipe import Recipe

NOT_OF_THE_RUN = ("pictures_per_task", "weights", "start")


@dataclasses.dataclass(frozen=True)
class FleetPlan:
    """What is done with every picture.

    Args:
        preset: name of the architecture.
        recipe: a `Recipe`; its seed draws initial weights and batches of every picture, so that each
            ends as it would alone under keras-inr fit.
        arguments: the preset's overridden arguments.
        image_options: further arguments of `load_image`.
        precision: a Keras policy.
        goal_psnr_db: None, or where each picture's fit stops.
        weights: None, or what every fit starts from, see `from_preset`; read once, and sent to other machines.
        pictures_per_task: the most pictures that are fitted together, and lost together with a machine.

    Raises:
        InputError: naming what is wrong.

    >>> FleetPlan("siren", Recipe(steps=100)).recipe.steps
    100
    """

    preset: str
    recipe: Recipe
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    image_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    precision: str = "float32"
    goal_psnr_db: float | None = None
    pictures_per_task: int = 64
    weights: str | None = None
    start: Start | None = dataclasses.field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if "mask" in self.image_options:
            told = "for many pictures, each of which would need its own"
            raise InputError(f"image_options must hold no mask {told}, received {self.image_options['mask']!r}")
        check_image_options(**self.image_options)
        if self.weights is not None:
            object.__setattr__(self, "start", read_start(self.weights, self.preset))
        check_recipe(self.recipe)
        check_goals(self.goal_psnr_db, None)
        if self.precision == "mixed_float16":
            raise InputError("precision must not be mixed_float16 for many fields, whose loss scale they would share")
        field = self.drawn_field((16, 16), self.start.channels if self.start else 3)
        frozen_layers(field, self.recipe.freeze)
        if self.start is not None and not self.network_has_size:
            self.start.assign_to(field)
        if self.pictures_per_task < 1:
            raise InputError(f"pictures_per_task must be at least 1, received {self.pictures_per_task!r}")
        json.dumps(self.identity, allow_nan=False)

    def field(self, size: tuple[int, int], channels: int) -> Field:
        """A field for a picture, with the weights that its fit starts from."""
        field = self.drawn_field(size, channels)
        if self.start is not None:
            self.start.assign_to(field)
        return field

    def drawn_field(self, size: tuple[int, int], channels: int) -> Field:
        """A field for a picture with the weights of its seed."""
        shared: dict[str, Any] = {"channels": channels, "picture_size": size, "seed": self.recipe.seed}
        return from_preset(self.preset, **shared, dtype=self.precision, name=self.preset, **self.arguments)

    @property
    def network_has_size(self) -> bool:
        """Whether the network is another one for pictures of another size."""
        networks = [network_of(self.drawn_field(size, 3)) for size in ((16, 16), (16, 24), (48, 16))]
        return any(network != networks[0] for network in networks)

    @property
    def needs_one_size(self) -> bool:
        """Whether only pictures of one size can be fitted together."""
        return needs_one_size(self.recipe) or self.network_has_size

    @property
    def identity(self) -> dict[str, Any]:
        """All that makes two runs the same run, as JSON has it."""
        names = [field.name for field in dataclasses.fields(self) if field.name not in NOT_OF_THE_RUN]
        whole = {name: getattr(self, name) for name in names} | {"recipe": dataclasses.asdict(self.recipe)}
        if self.start is not None:
            whole |= {"weights_sha256": self.start.sha256}
        return json.loads(json.dumps(whole))
