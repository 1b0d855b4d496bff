"""Pictures and arrays written strip by strip, so that they may be larger than memory: PNG, TIFF, NPY."""

import itertools
import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile

PNG_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # grey, RGB, RGBA


def write_npy_strips(
    path: str | os.PathLike[str],
    strips: Iterable[np.ndarray],
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    description: str = "",
) -> None:
    """Writes an array as NPY, version 1.0, row-major.

    Args:
        path: of the file.
        strips: iterable of arrays (rows, *shape[1:]), from top to bottom, shape[0] rows in all.
        shape: of the whole array.
        dtype: of the array and of every strip.
        description: ignored, since NPY has no place for it.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     write_npy_strips(file.name, [np.zeros((1, 3)), np.ones((1, 3))], (2, 3), "float64")
    ...     np.load(file.name).tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    dtype = np.dtype(dtype)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for strip in strips:
            file.write(np.ascontiguousarray(strip, dtype).data)


def write_tiff_strips(
    path: str | os.PathLike[str],
    strips: Iterable[np.ndarray],
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    description: str = "",
) -> None:
    """Writes a picture (height, width, channels) as uncompressed TIFF, as BigTIFF where it needs to be.

    One channel is grey, three are RGB, four RGBA with unassociated alpha; others are samples without a meaning.

    Args:
        path: of the file.
        strips: iterable of arrays (rows, width, channels), all of as many rows as the first but for the last.
        shape: (height, width, channels).
        dtype: uint8, uint16 or float32.
        description: ASCII text for the ImageDescription tag.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".tif") as file:
    ...     write_tiff_strips(file.name, [np.zeros((2, 5, 3)), np.ones((1, 5, 3))], (3, 5, 3), "uint16")
    ...     tifffile.imread(file.name)[:, 0, 0].tolist()
    [0, 0, 1]
    """
    dtype, (height, width, channels) = np.dtype(dtype), shape
    strips = iter(strips)
    first = next(strips)
    # as bytes: NumPy's tofile, which tifffile writes arrays with, loses the error when a small one finds no room
    encoded = (np.ascontiguousarray(strip, dtype).tobytes() for strip in itertools.chain([first], strips))
    layout: dict[str, Any] = {"photometric": "rgb" if channels in (3, 4) else "minisblack"}
    if channels == 1:
        shape = (height, width)
    else:
        unassociated = ["unassalpha"] if channels == 4 else []
        layout["planarconfig"] = "contig"
        layout["extrasamples"] = unassociated if channels in (3, 4) else ["unspecified"] * (channels - 1)
    tifffile.imwrite(
        path,
        encoded,
        shape=shape,
        dtype=dtype,
        rowsperstrip=len(first),
        bigtiff=height * width * channels * dtype.itemsize > 2**32 - 2**25,  # room for the tags
        description=description,
        metadata=None,
        **layout,
    )


def write_png_strips(
    path: str | os.PathLike[str],
    strips: Iterable[np.ndarray],
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    description: str = "",
) -> None:
    """Writes a picture (height, width, channels) as PNG with 8 or 16 bits, every row filtered by Paeth.

    Args:
        path: of the file.
        strips: iterable of arrays (rows, width, channels), from top to bottom, height rows in all.
        shape: (height, width, channels), with 1 channel (grey), 3 (RGB) or 4 (RGBA).
        dtype: uint8 or uint16.
        description: Latin-1 text for a tEXt chunk.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
    ...     write_png_strips(file.name, [np.zeros((2, 5, 3)), np.ones((1, 5, 3))], (3, 5, 3), "uint8")
    ...     np.asarray(Image.open(file.name))[:, 0, 0].tolist()
    [0, 0, 1]

    Source: Portable Network Graphics (PNG) Specification, second edition, W3C 2003, sections 5, 9 and 11.
    """
    dtype, (height, width, channels) = np.dtype(dtype), shape
    above = np.zeros(width * channels * dtype.itemsize, np.uint8)
    compressor = zlib.compressobj()
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        kind = (8 * dtype.itemsize, PNG_COLOUR_TYPES[channels], 0, 0, 0)
        _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, *kind))
        if description:
            _write_chunk(file, b"tEXt", b"Description\0" + description.encode("latin-1"))
        for strip in strips:
            rows = np.ascontiguousarray(strip, dtype.newbyteorder(">")).view(np.uint8).reshape(len(strip), -1)
            _write_chunk(file, b"IDAT", compressor.compress(_paeth_filtered(rows, above, channels * dtype.itemsize)))
            above = rows[-1]
        _write_chunk(file, b"IDAT", compressor.flush())
        _write_chunk(file, b"IEND", b"")


def _paeth_filtered(rows: np.ndarray, above: np.ndarray, step: int) -> bytes:
    """Bytes of rows (N, bytes) after PNG's filter 4, each led by its number; step is the bytes of a pixel."""
    up = np.concatenate([above[None], rows[:-1]]).astype(np.int16)
    left, corner = np.zeros_like(up), np.zeros_like(up)
    left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
    to_left, to_up = np.abs(up - corner), np.abs(left - corner)
    to_corner = np.abs(left + up - 2 * corner)
    nearest = np.where(to_up <= to_corner, up, corner)
    nearest = np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
    filtered = np.empty((rows.shape[0], 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = 4
    filtered[:, 1:] = rows - nearest.astype(np.uint8)
    return filtered.tobytes()


def _write_chunk(file: BinaryIO, kind: bytes, content: bytes) -> None:
    if content or kind == b"IEND":
        file.write(struct.pack(">I", len(content)) + kind + content)
        file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))
