"""Pictures that are read window by window: rows that lie one behind the other in a file, and what is decoded there."""

import dataclasses
import math
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Raster

Read = Callable[[int, int, int, int], np.ndarray]
"""A function from a window (top, left, height, width) inside of the picture to its samples (height, width, samples)."""

Lost = Callable[[int, int, int, int], np.ndarray]
"""A function from a window that was read to which of its pixels (height, width, 1) could not be."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """A picture as it lies in a file, of which windows can be read.

    Attributes:
        height, width: of the samples as they are stored, before the picture is turned upright.
        read: from a window (top, left, height, width) to a `Raster` of its samples.
        scratch: None, or a file that is closed with the picture.
        lost: None, or `Lost`, where parts that are damaged are read as 0.
    """

    height: int
    width: int
    read: Callable[[int, int, int, int], Raster]
    scratch: BinaryIO | None = None
    lost: Lost | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


def rows_in_file(file: BinaryIO, offset: int, shape: tuple[int, int, int], dtype: np.dtype) -> Read:
    """Reads windows of an array (H, W, samples) that lies row by row in a file.

    By reads, not by a map: what a file has lost since is an error then, and not the end of the process; and what was
    read does not count as memory of the process.
    """
    row_bytes, pixel_bytes = (math.prod(shape[axis:]) * dtype.itemsize for axis in (1, 2))

    def read(top: int, left: int, height: int, width: int) -> np.ndarray:
        found = np.empty((height, width * pixel_bytes), np.uint8)
        for row in range(height):
            place = offset + (top + row) * row_bytes + left * pixel_bytes
            part = os.pread(file.fileno(), width * pixel_bytes, place)
            if len(part) < width * pixel_bytes:
                raise ImageError(f"source ends early: row {top + row} is not whole in the file")
            found[row] = np.frombuffer(part, np.uint8)
        return found.view(dtype).reshape(height, width, shape[2])

    return read


def check_room(wanted: int) -> None:
    """Raises an ImageError where the temporary folder has no room for so many bytes."""
    folder = pathlib.Path(tempfile.gettempdir())
    room = shutil.disk_usage(folder).free
    if wanted > room:
        raise ImageError(
            f"source needs {wanted / 1e6:.0f} MB of a scratch file and {folder} has room for {room / 1e6:.0f} MB; name "
            "a folder with more room in TMPDIR"
        )


def in_scratch_file(raster: Raster) -> Stored:
    """The same picture with its samples in a file that has no name, which goes with the process.

    Raises:
        ImageError: where the temporary folder has no room for it.
    """
    samples = np.ascontiguousarray(raster.samples)
    check_room(samples.nbytes)
    scratch = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the picture)
    try:
        scratch.write(samples.data)
        scratch.flush()
    except OSError as error:
        raise ImageError(f"source cannot be kept in a scratch file: {error.strerror}") from error
    read = rows_in_file(scratch, 0, samples.shape, samples.dtype)
    bare = dataclasses.replace(raster, samples=samples[:0])
    height, width = samples.shape[:2]
    return Stored(height, width, lambda *window: dataclasses.replace(bare, samples=read(*window)), scratch)
