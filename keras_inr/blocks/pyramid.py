"""A picture and its reduced ones, each a quarter as long, in one pass over each; and where the details are."""

import dataclasses
import os
import tempfile
from collections.abc import Callable

import numpy as np

from keras_inr.coordinates import REDUCTION, reduced_size
from keras_inr.errors import ImageError
from keras_inr.models.lattice import Lattice
from keras_inr.signals._decoding.stored import check_room, rows_in_file
from keras_inr.signals.large import Windows, lost_in

MOST_LISTED = 20


@dataclasses.dataclass(frozen=True)
class Pyramid:
    """A picture and its reduced ones.

    Attributes:
        pictures: the picture first; each other one has means of 4 x 4 pixels of the one before.
        detail: for each block of the picture, the root of the mean squared difference between the pixels of its cell
            and those means.
        damaged: blocks of the picture whose cells hold pixels that could not be read.
    """

    pictures: list[Windows]
    detail: np.ndarray
    damaged: list[int] = dataclasses.field(default_factory=list)

    def close(self) -> None:
        """Gives the scratch files back."""
        for picture in self.pictures[1:]:
            assert isinstance(picture, Reduced)
            picture.close()


class Reduced:
    """A reduced picture in a scratch file, whose parts are put in and read as windows.

    Args:
        original: the picture that it is of.
    """

    def __init__(self, original: Windows) -> None:
        self.source, self.sha256, self.bit_depth = original.source, original.sha256, original.bit_depth
        self.size, self.channels = reduced_size(*original.size), original.channels
        self._pixel_bytes = 4 * self.channels
        check_room(self.size[0] * self.size[1] * self._pixel_bytes)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the picture)
        self._read = rows_in_file(self._file, 0, (*self.size, self.channels), np.dtype("float32"))

    def put(self, top: int, left: int, values: np.ndarray) -> None:
        """Writes a part (height, width, channels), float32."""
        for row, content in enumerate(np.ascontiguousarray(values)):
            os.pwrite(self._file.fileno(), content.data, ((top + row) * self.size[1] + left) * self._pixel_bytes)

    def window(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Values (height, width, channels) of a part."""
        return self._read(top, left, height, width)

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


def pyramid_of(picture: Windows, lattices: list[Lattice], between: Callable[[], None] = lambda: None) -> Pyramid:
    """Reads a picture once, and each reduced one once, cell by cell of lattices whose cells are multiples of 4.

    Args:
        picture: the picture.
        lattices: of it, and of its reduced ones.
        between: called before each cell; what it raises ends the reading.

    Raises:
        ImageError: for a picture that is damaged, which names the blocks that it touches.
    """
    pyramid = Pyramid([picture], np.zeros(lattices[0].num_blocks), [])
    try:
        for above, lattice in zip(pyramid.pictures, lattices, strict=False):  # which grows
            smaller = Reduced(above) if len(pyramid.pictures) < len(lattices) else None
            if smaller is not None:
                pyramid.pictures.append(smaller)
            elif above is not picture:
                break
            for block in range(lattice.num_blocks):
                between()
                _reduce(pyramid, above, smaller, lattice, block)
    except BaseException:
        pyramid.close()
        raise
    return pyramid


def _reduce(pyramid: Pyramid, above: Windows, smaller: Reduced | None, lattice: Lattice, block: int) -> None:
    """Puts the means of a cell into the smaller picture; of one of the picture itself, what it finds of it."""
    try:
        top, left, values = cell_of(above, lattice, block)
    except ImageError as error:
        raise ImageError(f"{error}; {which_blocks(above, lattice, block)} cannot be read") from error
    means = reduced(values, REDUCTION)
    if smaller is not None:
        smaller.put(top // REDUCTION, left // REDUCTION, means)
    if above is pyramid.pictures[0]:
        back = np.repeat(np.repeat(means, REDUCTION, 0), REDUCTION, 1)[: values.shape[0], : values.shape[1]]
        pyramid.detail[block] = np.sqrt(np.mean(np.square(values - back)))
        lost = lost_in(above, top, left, *values.shape[:2])
        if lost is not None and lost.any():
            pyramid.damaged.append(block)


def which_blocks(picture: Windows, lattice: Lattice, first: int) -> str:
    """Names those blocks, from one that cannot be read on, whose cells cannot be."""
    names = [str(first)]
    for block in range(first + 1, lattice.num_blocks):
        try:
            cell_of(picture, lattice, block)
        except ImageError:
            names.append(str(block))
    return listed(names, lattice.num_blocks)


def listed(blocks: list[str], number: int) -> str:
    """Blocks as text.

    >>> listed(["3"], 9), listed(["3", "4"], 9)
    ('block 3 of 9', 'blocks 3, 4 of 9')
    """
    shown = ", ".join(blocks[:MOST_LISTED]) + (", ..." if len(blocks) > MOST_LISTED else "")
    return f"block{'s' if len(blocks) > 1 else ''} {shown} of {number}"


def cell_of(picture: Windows, lattice: Lattice, block: int) -> tuple[int, int, np.ndarray]:
    """Row and column of a cell's first pixel, and its values, without the block's margin."""
    top, left = (corner + lattice.margin for corner in lattice.corner(block))
    height, width = min(lattice.cell[0], picture.size[0] - top), min(lattice.cell[1], picture.size[1] - left)
    return top, left, picture.window(top, left, height, width)


def reduced(values: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor x factor pixels (height, width, channels), at the lower and right edge of fewer.

    >>> reduced(np.arange(5.0).reshape(1, 5, 1), 2).ravel().tolist()
    [0.5, 2.5, 4.0]
    """
    edges = [np.arange(0, side, factor) for side in values.shape[:2]]
    sums = np.add.reduceat(np.add.reduceat(values, edges[0], axis=0, dtype=np.float64), edges[1], axis=1)
    rows, columns = (np.diff([*edge, side]) for edge, side in zip(edges, values.shape, strict=False))
    return (sums / np.outer(rows, columns)[..., None]).astype(values.dtype)
