"""Pictures in folders, written strip by strip: Deep Zoom tiles and Zarr arrays."""

import importlib.util
import json
import math
import os
import pathlib
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from keras_inr._files import TEMPORARY_PREFIX, atomic_path
from keras_inr.errors import InputError
from keras_inr.rendering.png import png_bytes

TILE = 256
"""Pixels along the sides of a Deep Zoom tile."""

CHUNK = 512
"""Pixels along the sides of a chunk of a Zarr array."""


def check_zarr() -> None:
    """Raises an InputError unless the package zarr is installed."""
    if importlib.util.find_spec("zarr") is None:
        raise InputError("out must be another format, since Zarr needs the package zarr: pip install 'keras_inr[zarr]'")


def write_zarr_strips(
    path: str | os.PathLike[str],
    strips: Iterable[np.ndarray],
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    description: str = "",
) -> None:
    """Writes an array as a Zarr folder, in chunks of 512 x 512 pixels, compressed without loss.

    Args:
        path: of the folder, which does not exist.
        strips: iterable of arrays (rows, *shape[1:]), from top to bottom, shape[0] rows in all.
        shape, dtype: of the whole array.
        description: JSON, the array's attributes.
    """
    import zarr

    chunks = (min(CHUNK, shape[0]), min(CHUNK, shape[1]), *shape[2:])
    array = zarr.create_array(
        str(path), shape=tuple(shape), chunks=chunks, dtype=np.dtype(dtype), attributes=json.loads(description or "{}")
    )
    row = 0
    for part in of_rows(strips, chunks[0]):
        array[row : row + len(part)] = part
        row += len(part)


def of_rows(strips: Iterable[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """The same rows in strips of so many; the last has what is left.

    >>> [len(strip) for strip in of_rows([np.zeros((3, 1)), np.zeros((4, 1))], 2)]
    [2, 2, 2, 1]
    """
    held: list[np.ndarray] = []
    for strip in strips:
        held.append(strip)
        if (number := sum(map(len, held))) >= rows:
            joined = np.concatenate(held)
            whole = number - number % rows
            for first in range(0, whole, rows):
                yield joined[first : first + rows]
            held = [joined[whole:]]
    joined = np.concatenate(held) if held else np.zeros((0,))
    if len(joined):
        yield joined


def levels_of_size(height: int, width: int) -> list[tuple[int, int]]:
    """(height, width) of the levels of a Deep Zoom pyramid, from one pixel to the whole.

    >>> levels_of_size(5, 8)
    [(1, 1), (2, 2), (3, 4), (5, 8)]
    """
    most = math.ceil(math.log2(max(height, width)))
    return [(math.ceil(height / 2**step), math.ceil(width / 2**step)) for step in range(most, -1, -1)]


def tiles_of(path: pathlib.Path) -> pathlib.Path:
    """The folder of tiles of NAME.dzi."""
    return path.with_name(f"{path.stem}_files")


def write_deep_zoom(
    path: pathlib.Path, size: tuple[int, int], strips_of: Callable[[int, int], Iterable[np.ndarray]]
) -> None:
    """Writes NAME.dzi and its tiles in NAME_files/LEVEL/COLUMN_ROW.png, which any static server can offer.

    The tiles get their name in one rename, and after them NAME.dzi. Tiles of an older one that is there are replaced.

    Args:
        path: of NAME.dzi.
        size: (height, width) of the whole picture.
        strips_of: a function of (height, width) of a level that gives its strips, uint8 (rows, width, channels).

    Source: the Deep Zoom file format of Microsoft, schema 2008; tiles of 256 pixels without an overlap.
    """
    tiles = tiles_of(path)
    new = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}-{tiles.name}")
    try:
        for level, (height, width) in enumerate(levels_of_size(*size)):
            folder = new / str(level)
            folder.mkdir(parents=True)
            for row, strip in enumerate(of_rows(strips_of(height, width), TILE)):
                for column in range(math.ceil(width / TILE)):
                    tile = strip[:, column * TILE : (column + 1) * TILE]
                    (folder / f"{column}_{row}.png").write_bytes(png_bytes(tile))
        shutil.rmtree(tiles, ignore_errors=True)
        os.replace(new, tiles)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    with atomic_path(path) as temporary:
        temporary.write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="png" Overlap="0" TileSize="{TILE}">'
            f'<Size Height="{size[0]}" Width="{size[1]}"/></Image>\n',
            encoding="utf-8",
        )
