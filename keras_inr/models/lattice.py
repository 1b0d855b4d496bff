"""Where the blocks of a large picture lie, and how they are blended."""

import dataclasses
import math
from typing import Any

import tensorflow as tf

from keras_inr._arguments import positive_int, positive_ints
from keras_inr.errors import InputError
from keras_inr.forward_rules import Jet

TensorOrJet = Any
"""A tensor, or a `Jet`, which has the same sums and products."""


@dataclasses.dataclass(frozen=True)
class Lattice:
    """A picture cut into equal cells; the block of a cell reaches `margin` pixels beyond it on every side.

    Near a border between cells, where both blocks are, their weights are s(t) and 1 - s(t) with
    s(t) = t^3 (6 t^2 - 15 t + 10) and t from 0 to 1 over the 2 * margin pixels around the border. The weight of a block
    is the product of those of its column and its row. Weights sum to 1 everywhere, are 0 with their first and second
    derivatives where a block ends, and 1 in its middle and beyond the picture's own edges. So a field of blocks is as
    smooth as they are.

    Blocks are numbered row by row from 0. The coordinates of a block are those of a picture of its `block_size`, see
    `keras_inr.coordinates`. The outermost blocks reach over the picture's edges.

    Args:
        picture_size: (height, width) in pixels.
        cell: (height, width) of a cell, in pixels.
        margin: in pixels; cells are at least twice as long, where there are several.

    Raises:
        InputError: for numbers out of range.

    >>> lattice = Lattice((100, 200), (50, 70), 4)
    >>> lattice.grid, lattice.block_size, lattice.corner(4)
    ((2, 3), (58, 78), (46, 66))
    """

    picture_size: tuple[int, int]
    cell: tuple[int, int]
    margin: int

    def __post_init__(self) -> None:
        for name in ("picture_size", "cell"):
            size = positive_ints(name, getattr(self, name))
            if len(size) != 2:
                raise InputError(f"{name} must be (height, width), received {size!r}")
            object.__setattr__(self, name, size)
        object.__setattr__(self, "margin", positive_int("margin", self.margin))
        for number, side in zip(self.grid, self.cell, strict=True):
            if number > 1 and side < 2 * self.margin:
                raise InputError(f"cell must be at least twice the margin of {self.margin}, received {self.cell}")

    @classmethod
    def of(cls, picture_size: tuple[int, int], side: int, margin: int, multiple: int = 1) -> "Lattice":
        """Cells of at most `side` pixels, as equal as they can be; where there are several, multiples of a number.

        >>> Lattice.of((100, 200), 64, 4).cell, Lattice.of((100, 200), 64, 4, multiple=4).cell
        ((50, 50), (52, 52))
        """

        def cell(length: int) -> int:
            number = -(-length // side)
            return length if number == 1 else multiple * -(-length // (number * multiple))

        return cls(picture_size, (cell(picture_size[0]), cell(picture_size[1])), margin)

    @property
    def arguments(self) -> dict[str, Any]:
        """What it was made with."""
        return dataclasses.asdict(self)

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of cells."""
        rows, columns = (math.ceil(length / side) for length, side in zip(self.picture_size, self.cell, strict=True))
        return rows, columns

    @property
    def num_blocks(self) -> int:
        """How many blocks there are."""
        return self.grid[0] * self.grid[1]

    @property
    def block_size(self) -> tuple[int, int]:
        """(height, width) of a block, in pixels."""
        return self.cell[0] + 2 * self.margin, self.cell[1] + 2 * self.margin

    def corner(self, block: int) -> tuple[int, int]:
        """(row, column) of a block's first pixel in the picture; negative where it lies outside."""
        row, column = divmod(block, self.grid[1])
        return row * self.cell[0] - self.margin, column * self.cell[1] - self.margin

    def places(self, coords: TensorOrJet) -> TensorOrJet:
        """Distances (..., 2), (x, y), in pixels from the picture's left and upper edge, of float64 coords."""
        return coords * (max(self.picture_size) / 2) + [side / 2 for side in reversed(self.picture_size)]

    def places_along(self, axis: int, coords: tf.Tensor) -> tf.Tensor:
        """One axis of `places`."""
        return coords * (max(self.picture_size) / 2) + self.picture_size[1 - axis] / 2

    def cells_at(self, axis: int, places: tf.Tensor) -> tf.Tensor:
        """The one or two cells along an axis (0 is x) whose blocks have a weight at places (N): int32 (N, 2).

        Where there is only one, the second is -1.
        """
        number, side = self.grid[1 - axis], self.cell[1 - axis]
        own = tf.clip_by_value(tf.cast(tf.floor(places / side), "int32"), 0, number - 1)
        inside = places - tf.cast(own * side, places.dtype)
        is_upper = inside * 2 >= side
        neighbour = own + tf.where(is_upper, 1, -1)
        to_border = tf.where(is_upper, side - inside, inside)
        there = (neighbour >= 0) & (neighbour < number) & (to_border < self.margin)
        return tf.stack([own, tf.where(there, neighbour, -1)], axis=1)

    def weights(self, axis: int, places: TensorOrJet, cells: tf.Tensor) -> TensorOrJet:
        """What a cell's block weighs along an axis at float64 places; cells are numbers of one shape with them, or one.

        s(t) at its lower border times s(t) at its upper one, but for borders that are the picture's.
        """
        number, side = self.grid[1 - axis], self.cell[1 - axis]
        lower = tf.cast(cells * side - self.margin, tf.float64)
        upper = tf.cast((cells + 1) * side + self.margin, tf.float64)
        rise = smooth_step(_clipped((places + -lower) * (0.5 / self.margin) + tf.cast(cells == 0, tf.float64) * FAR))
        fall = _clipped((places * -1.0 + upper) * (0.5 / self.margin) + tf.cast(cells == number - 1, tf.float64) * FAR)
        return rise * smooth_step(fall)

    def local(self, axis: int, places: TensorOrJet, cells: tf.Tensor) -> TensorOrJet:
        """Places along an axis as coordinates of the blocks of cells, see `weights`."""
        height, width = self.block_size
        first = tf.cast(cells * self.cell[1 - axis] - self.margin, tf.float64)
        return (places + -first) * (2 / max(height, width)) + -(width, height)[axis] / max(height, width)


FAR = 1e9
"""Widths of the blended strip that a border lies away which is none."""


def _clipped(t: TensorOrJet) -> TensorOrJet:
    """t clipped to [0, 1]."""
    if not isinstance(t, Jet):
        return tf.clip_by_value(t, 0.0, 1.0)
    inside = tf.cast((t.value > 0) & (t.value < 1), t.value.dtype)
    return t.chain(tf.clip_by_value(t.value, 0.0, 1.0), inside)


def smooth_step(t: TensorOrJet) -> TensorOrJet:
    """t^3 (6 t^2 - 15 t + 10): from 0 to 1, with first and second derivatives of 0 at both ends.

    >>> smooth_step(tf.constant([0.0, 0.5, 1.0])).numpy().tolist()
    [0.0, 0.5, 1.0]
    """
    return t * t * t * (t * (t * 6.0 + -15.0) + 10.0)
