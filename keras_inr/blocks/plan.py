"""What a run of blocks is, all of it, in one value."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from keras_inr._arguments import positive_int
from keras_inr.choosing.choice import choose, recipe_for_any_time
from keras_inr.choosing.goal import Goal
from keras_inr.coordinates import reduced_size
from keras_inr.errors import InputError
from keras_inr.models.cell_grid import Layout
from keras_inr.models.field import Field
from keras_inr.models.lattice import Lattice
from keras_inr.presets import from_preset
from keras_inr.runs.plan import ARGUMENT_OF_UNIT, AUTO, MOST_EPOCHS, recipe_for
from keras_inr.signals._mask import weights_of
from keras_inr.signals.image import ImageSignal
from keras_inr.signals.large import Windows
from keras_inr.training.callbacks import check_goals
from keras_inr.training.recipe import LENGTHS, Recipe

BLOCK_SIDE = 1024
"""Pixels along a cell's longest side, by default; see benchmarks/NOTES.md."""

MARGIN = 8
"""Pixels by which blocks reach over their cells."""

LARGE = 2**22
"""Pixels of a picture beyond which a call without a preset makes a field of blocks; see benchmarks/NOTES.md."""

DEFAULT_GOAL_DB = 40.0
"""What each block is fitted to where nothing is said."""


@dataclasses.dataclass(frozen=True)
class BlockPlan:
    """All that makes a field of blocks this field; nothing in it is open any more. `plan_blocks` makes it.

    Args:
        image: path of the picture, and image_options, further arguments of `open_image`.
        image_sha256: of the picture.
        lattice: `Lattice` of the blocks.
        channels: of the picture.
        recipe: `Recipe` of each block's fit.
        preset: "auto", which takes for each block the smallest pixel grid that comes to the goal; or the name of a
            network that all blocks have, and arguments, its overridden arguments.
        goal_psnr_db: None, or where the fit of a block ends, over its own pixels.
        max_seconds: None, or seconds of training, of which each block has the same part.
        max_parameters: None, or the most weights of a block whose network is chosen.
        precision: "float32" or "float64".

    Raises:
        InputError: for arguments out of range.
    """

    image: str
    image_sha256: str
    lattice: Lattice
    channels: int
    recipe: Recipe
    preset: str = AUTO
    image_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    goal_psnr_db: float | None = DEFAULT_GOAL_DB
    max_seconds: float | None = None
    max_parameters: int | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_goals(self.goal_psnr_db, self.max_seconds)
        if self.max_parameters is not None:
            positive_int("max_parameters", self.max_parameters)
        if self.preset == AUTO and self.arguments:
            raise InputError(f"preset must be one of list_presets() to take {', '.join(self.arguments)}")
        if self.preset == AUTO and self.goal_psnr_db is None:
            raise InputError("goal must be given in dB for blocks whose networks are chosen, received none")
        if self.recipe.supervise != "value":
            raise InputError(f"supervise must be 'value' for a field of blocks, received {self.recipe.supervise!r}")
        if self.preset != AUTO and (reason := self._named((16, 16)).unstackable):
            raise InputError(
                f"preset must be a network whose weights can be stacked, received {self.preset!r}: {reason}"
            )
        json.dumps(self.identity, allow_nan=False)

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs share that are the same run, as run.json has it."""
        facts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "image"}
        facts |= {"lattice": self.lattice.arguments, "recipe": dataclasses.asdict(self.recipe)}
        return json.loads(json.dumps({"kind": "blocks", **facts}))

    @property
    def lattices(self) -> list[Lattice]:
        """Of the picture, and of its reduced ones."""
        return lattices_of(self.lattice)

    @property
    def seconds_per_block(self) -> float | None:
        """The most seconds of training that a block has."""
        number = sum(lattice.num_blocks for lattice in self.lattices)
        return None if self.max_seconds is None else self.max_seconds / number

    def start(self, signal: ImageSignal) -> tuple[Field, tuple[Layout, ...]]:
        """What the fit of a block begins with: a new field, and the layouts that it may grow to."""
        if self.preset != AUTO:
            return self._named(signal.size), ()
        choice = choose(signal, Goal(cast(float, self.goal_psnr_db), "dB"), self.max_parameters, compared=())
        return from_preset("pixel_grid", **self._shared(signal.size), **choice.arguments), choice.larger

    def _named(self, size):
        return from_preset(self.preset, **self._shared(size), **self.arguments)

    def _shared(self, size):
        shared = {"channels": self.channels, "picture_size": size, "seed": self.recipe.seed}
        return {**shared, "dtype": self.precision}


def plan_blocks(
    picture: Windows,
    image: str | os.PathLike[str],
    preset: str = AUTO,
    *,
    block_size: int = BLOCK_SIDE,
    image_options: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    goal: str | None = None,
    goal_psnr_db: float | None = None,
    max_seconds: float | None = None,
    max_parameters: int | None = None,
    precision: str = "float32",
) -> BlockPlan:
    """Decides and checks all of a run of blocks; writes nothing.

    Args:
        picture: what `open_image` opened.
        image, image_options, preset, arguments, max_seconds, max_parameters, precision: see `BlockPlan`.
        block_size: most pixels along a side of a block's cell; of a picture that is thinner, cells are longer.
        recipe: those arguments of `Recipe` that are given, of each block's fit.
        goal: text such as "40dB" or "600s", which stands for goal_psnr_db or max_seconds.
        goal_psnr_db: see `BlockPlan`; 40 dB by default where networks are chosen.

    Raises:
        InputError: naming what is wrong.

    >>> from keras_inr.signals import load_image
    >>> plan_blocks(load_image("sample:chelsea"), "cat.png", block_size=128).lattice.grid
    (3, 4)
    """
    if weights_of(picture) is not None:
        raise InputError("picture must have no mask for a field of blocks, received one with weights")
    if goal is not None:
        aim = Goal.parse(goal)
        if aim.unit == "kB":
            raise InputError(f"goal must be in dB or s for a field of blocks, received {aim}")
        given = {"dB": goal_psnr_db, "s": max_seconds}[aim.unit]
        if given is not None and given != aim.amount:
            raise InputError(f"give one of goal and {ARGUMENT_OF_UNIT[aim.unit]}, received {aim} and {given!r}")
        goal_psnr_db, max_seconds = (aim.amount, max_seconds) if aim.unit == "dB" else (goal_psnr_db, aim.amount)
    if positive_int("block_size", block_size) < 2 * MARGIN:
        raise InputError(f"block_size must be at least {2 * MARGIN}, received {block_size}")
    side = block_size * max(1, block_size // max(min(picture.size), 2 * MARGIN))  # longer in a thin picture
    lattice = Lattice.of(picture.size, side, MARGIN, 4 ** levels_below(picture.size, side))
    return BlockPlan(
        image=os.fspath(image),
        image_sha256=picture.sha256,
        lattice=lattice,
        channels=picture.channels,
        recipe=_recipe(preset, recipe or {}, lattice),
        preset=preset,
        image_options=dict(image_options or {}),
        arguments=dict(arguments or {}),
        goal_psnr_db=DEFAULT_GOAL_DB if goal_psnr_db is None and preset == AUTO else goal_psnr_db,
        max_seconds=max_seconds,
        max_parameters=max_parameters,
        precision=precision,
    )


def lattices_of(lattice: Lattice) -> list[Lattice]:
    """That of a picture, and those of its reduced ones until one is a single block.

    >>> [level.grid for level in lattices_of(Lattice((8320, 6144), (1040, 1024), 8))]
    [(8, 6), (2, 2), (1, 1)]
    """
    found, side = [lattice], max(lattice.cell)
    while found[-1].num_blocks > 1:
        size = reduced_size(*found[-1].picture_size)
        found.append(Lattice.of(size, side, lattice.margin, 4 ** levels_below(size, side)))
    return found


def levels_below(size: tuple[int, int], side: int) -> int:
    """How often a picture is reduced until it is no longer than a block.

    >>> levels_below((3072, 1000), 1024), levels_below((8320, 6144), 1024)
    (1, 2)
    """
    number = 0
    while max(size) > side:
        size, number = reduced_size(*size), number + 1
    return number


def _recipe(preset, given, lattice):
    if preset != AUTO:
        return recipe_for(preset, given)
    chosen = {**recipe_for_any_time(lattice.block_size), **given}
    return Recipe(**(chosen if any(given.get(name) for name in LENGTHS) else {**chosen, "epochs": MOST_EPOCHS}))


def block_window(picture: Windows, lattice: Lattice, block: int) -> ImageSignal:
    """A block's part of a picture; where it reaches over the edge, the picture's outermost pixels go on."""
    (top, left), (height, width) = lattice.corner(block), lattice.block_size
    bottom, right = min(top + height, picture.size[0]), min(left + width, picture.size[1])
    first_row, first_column = max(top, 0), max(left, 0)
    values = picture.window(first_row, first_column, bottom - first_row, right - first_column)
    rows, columns = (first_row - top, top + height - bottom), (first_column - left, left + width - right)
    padded = np.pad(values, (rows, columns, (0, 0)), mode="edge")
    return ImageSignal(padded, f"{picture.source}, block {block}", picture.sha256, picture.bit_depth)
