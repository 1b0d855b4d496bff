"""One pass over a picture before its blocks are fitted: what it looks like from afar, and where its details are."""

import dataclasses
import math

import numpy as np

from keras_inr.models.lattice import Lattice
from keras_inr.signals.large import Windows

PREVIEW_SIDE = 1024
"""Pixels along the longer side of a preview, at most."""


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a pass over a picture found.

    Attributes:
        factor: how many pixels a pixel of the reduced picture has along each side.
        reduced: (height, width, channels), means of factor x factor pixels.
        detail: for each block, the root of the mean squared difference between its cell's pixels and the reduced ones.
    """

    factor: int
    reduced: np.ndarray
    detail: np.ndarray

    def order(self) -> list[int]:
        """Blocks in the order in which they are fitted: one of the middle, which tells the price, then hard ones first.

        >>> Survey(1, np.zeros((1, 1, 1)), np.array([0.1, 0.4, 0.2])).order()
        [2, 1, 0]
        """
        hard_first = np.argsort(-self.detail, kind="stable").tolist()
        pilot = hard_first.pop(len(hard_first) // 2)
        return [pilot, *hard_first]


def survey(picture: Windows, lattice: Lattice) -> Survey:
    """Looks at a picture once, cell by cell."""
    factor = math.ceil(max(picture.size) / PREVIEW_SIDE)
    rows, columns = (math.ceil(side / factor) for side in picture.size)
    totals, counts = np.zeros((rows, columns, picture.channels)), np.zeros((rows, columns, 1))
    detail = np.zeros(lattice.num_blocks)
    for block in range(lattice.num_blocks):
        top, left, values = cell_of(picture, lattice, block)
        means, numbers = reduced(values, factor, top % factor, left % factor)
        place = (
            slice(top // factor, top // factor + means.shape[0]),
            slice(left // factor, left // factor + means.shape[1]),
        )
        totals[place] += means * numbers
        counts[place] += numbers
        back = np.repeat(np.repeat(means, factor, 0), factor, 1)[top % factor :, left % factor :]
        detail[block] = np.sqrt(np.mean(np.square(values - back[: values.shape[0], : values.shape[1]])))
    return Survey(factor, (totals / counts).astype(np.float32), detail)


def cell_of(picture: Windows, lattice: Lattice, block: int) -> tuple[int, int, np.ndarray]:
    """Row and column of a cell's first pixel, and its values, without the block's margin."""
    top, left = (corner + lattice.margin for corner in lattice.corner(block))
    height, width = min(lattice.cell[0], picture.size[0] - top), min(lattice.cell[1], picture.size[1] - left)
    return top, left, picture.window(top, left, height, width)


def reduced(values: np.ndarray, factor: int, above: int = 0, before: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Means of factor x factor pixels, and of how many pixels each is, of a part that begins inside of such a square.

    Args:
        values: (height, width, channels).
        factor: along each side.
        above, before: rows and columns that the first square has in front of the part.

    >>> means, numbers = reduced(np.arange(4.0).reshape(1, 4, 1), 2, before=1)
    >>> means.ravel().tolist(), numbers.ravel().tolist()
    ([0.0, 1.5, 3.0], [1.0, 2.0, 1.0])
    """
    edges = [
        np.unique([0, *range(factor - skip, side, factor)])
        for side, skip in zip(values.shape, (above, before), strict=False)
    ]
    sums = np.add.reduceat(np.add.reduceat(values, edges[0], axis=0, dtype=np.float64), edges[1], axis=1)
    lengths = [np.diff([*edge, side]) for edge, side in zip(edges, values.shape, strict=False)]
    numbers = np.outer(*lengths)[..., None].astype(np.float64)
    return sums / numbers, numbers
