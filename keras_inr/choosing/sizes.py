"""Pixel grids of every size for a picture, from small to large."""

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

from keras_inr.errors import InputError
from keras_inr.layers.cell_encoding import MOST_BITS, CellEncoding
from keras_inr.models.cell_grid import CellGrid, Layout, pixel_layout
from keras_inr.models.field import Field
from keras_inr.models.growth import is_larger

CELLS = 12
"""How many of the coarsest cells the longer side of a picture has at least, where it has as many pixels."""

SMALLEST_TABLE = 6
FEATURES = ((1, 1, 2, 4), (1, 1, 4, 4), (1, 4, 4, 4), (2, 4, 4, 4), (4, 4, 4, 4))
"""Features at cells of 1, 2, 4, and 8 or more pixels: of the layouts whose vertices share no entries."""

GROWTH, SHARED_FEATURES = 1.5, 2
"""Of cells from level to level, and of each vertex, in layouts for a goal in kB whose vertices share entries: what one
level mixes up the next tells apart."""

MOST_SHARED = 256
"""The most vertices that have one entry there: levels that had more are left out."""


def ladder(size: Sequence[int]) -> list[Layout]:
    """Layouts for a picture, each no smaller than the one before at any level, so that a field can grow from it.

    From tables that hold one entry for thousands of pixels, each twice as large as the one before, to four features
    for every pixel.

    Args:
        size: (height, width).

    >>> [layout[0] for layout in ladder((20, 30))][2:]
    [(8, 1.0, 1), (9, 1.0, 1), (24, 1.0, 1), (24, 1.0, 1), (24, 1.0, 2), (24, 1.0, 4)]
    """
    levels = _levels(size)
    found = [pixel_layout(_features(FEATURES[0], levels), bits) for bits in _shared(size)]
    found += [pixel_layout(_features(features, levels)) for features in FEATURES]
    return list(dict.fromkeys(found))  # of few levels some are the same


def all_layouts(size: tuple[int, int], units: Sequence[int] = (64, 64)) -> list[Layout]:
    """Layouts for a goal in kB, from few weights to many.

    Those of the `ladder` whose vertices share no entries, and with fewer weights levels that are closer to each other,
    whose tables are doubled one by one, the coarsest first.

    Args:
        size: (height, width).
        units: see `network`.

    >>> [layout[0] for layout in all_layouts((20, 40), units=(16,))]
    [(6, 1.0, 2), (6, 1.0, 2), (7, 1.0, 2), (7, 1.0, 2), (24, 1.0, 1), (24, 1.0, 1), (24, 1.0, 2), (24, 1.0, 4)]
    """
    cells = [GROWTH**level for level in range(_levels(size, GROWTH))]
    vertices = [math.prod(sides) for sides in CellEncoding([(1, cell, 1) for cell in cells], size).num_vertices]
    found = [
        tuple(
            (_bits(number, bits + (level >= first)), cell, SHARED_FEATURES)
            for level, (cell, number) in enumerate(zip(cells, vertices, strict=True))
            if number <= MOST_SHARED * 2**bits
        )
        for bits in range(SMALLEST_TABLE, MOST_BITS)
        for first in reversed(range(len(cells)))
    ]
    own = [pixel_layout(_features(features, _levels(size))) for features in FEATURES]

    def count(layout):
        return num_parameters(layout, size, 1, network(layout, units)["units"])

    shared = [layout for layout in dict.fromkeys(found) if count(layout) < count(own[0])]
    return sorted([*shared, *dict.fromkeys(own)], key=count)


def network(layout: Layout, units: Sequence[int]) -> dict[str, Any]:
    """What is behind a layout of `all_layouts`: deeper and with corners where vertices share entries.

    >>> network(((24, 1.0, 4),), units=(64, 64))
    {'units': (64,), 'activation': 'squareplus'}
    """
    if layout[0][0] < MOST_BITS:
        return {"units": tuple(units), "activation": "relu"}
    return {"units": tuple(units[:1]), "activation": "squareplus"}


def _levels(size, growth=2.0):
    return max(1, math.floor(math.log(max(size) / CELLS, growth)) + 1)


def _bits(vertices, bits):
    """log2 of a table's size; where it nearly has room for all vertices, they all get room."""
    return MOST_BITS if vertices <= 2 ** (bits + 0.5) else bits


def _shared(size):
    """log2 of the sizes of tables that have not room for all vertices."""
    return [bits for bits in range(SMALLEST_TABLE, MOST_BITS) if 2**bits < size[0] * size[1]]


def _features(first: Sequence[int], levels: int) -> list[int]:
    return [first[min(level, len(first) - 1)] for level in range(levels)]


def num_parameters(layout: Layout, size: tuple[int, int], channels: int, units: Sequence[int] = (64,)) -> int:
    """How many weights a `CellGrid` of a plain layout has, without making it.

    >>> layout = ladder((20, 30))[0]
    >>> field = CellGrid(layout, form="plain", activation="squareplus", picture_size=(20, 30))
    >>> num_parameters(layout, (20, 30), 3) == field.count_params()
    True
    """
    features = [number for _, _, number in layout]
    dense = sum((a + 1) * b for a, b in itertools.pairwise((sum(features), *units, channels)))
    return dense + sum(map(operator.mul, num_entries(layout, size), features))


def num_entries(layout: Layout, size: tuple[int, int]) -> tuple[int, ...]:
    """Entries of each level's table, for a picture of a size."""
    return CellEncoding(layout, size, form="plain").num_entries


def larger_layouts(field: CellGrid, size: tuple[int, int], max_parameters: int | None = None) -> list[Layout]:
    """The layouts of the `ladder` that a field may grow to, each no smaller than it at any level."""
    found = [layout for layout in ladder(size) if layout != field.layout and is_larger(layout, field.layout)]
    most = math.inf if max_parameters is None else max_parameters
    return [layout for layout in found if num_parameters(layout, size, field.channels, field.units) <= most]


def check_may_grow(field: Field, goal_psnr_db: float | None) -> None:
    """Raises an InputError for a field that cannot grow, or that has no PSNR to grow for."""
    if not isinstance(field, CellGrid) or field.form != "plain":
        raise InputError(f"grow needs a pixel grid, such as preset='pixel_grid', received a {type(field).__name__}")
    if goal_psnr_db is None:
        raise InputError("grow needs a goal in dB, such as goal='40dB', received none")


def fresh(
    layout: Layout, size: tuple[int, int], channels: int, activation: str = "squareplus", **arguments: Any
) -> CellGrid:
    """A `CellGrid` of a plain layout with new weights."""
    return CellGrid(layout, form="plain", activation=activation, picture_size=size, channels=channels, **arguments)
