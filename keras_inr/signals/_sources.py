"""Which kind of source it is: a path, a sample, a data set, bytes or an array."""

import hashlib
import importlib.util
import mmap
import os
import pathlib
import re
import stat
from typing import cast

import numpy as np

from keras_inr._arguments import did_you_mean
from keras_inr.errors import ImageError
from keras_inr.signals._arrays import array_sha256, raster_from_array
from keras_inr.signals._decoding.decode import HEAD_BYTES, check_header, decode_image, format_of
from keras_inr.signals._decoding.decoded import Raster
from keras_inr.signals._tfds import read_tfds

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | np.ndarray
"""What `load_image` takes."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: "C:\picture.png" is a path
_SUFFIXES = (".png", ".jpg", ".tif", ".gif")

BYTES_PER_PIXEL = 32
"""Of a file, at the most: four floats of 64 bits are what a TIFF may take for a pixel."""

ALLOWANCE = 2**26
"""Bytes of a file beyond those of its pixels: profiles and previews."""

# Functions of skimage.data that are named unlike their file.
_SAMPLE_FILES = {
    "cat": "chelsea",
    "checkerboard": "chessboard_GRAY",
    "clock": "clock_motion",
    "colorwheel": "color",
    "immunohistochemistry": "ihc",
    "shepp_logan_phantom": "phantom",
}

# Functions of skimage.data whose files are not in its package.
_DOWNLOADED_SAMPLES = (
    *("brain", "cells3d", "eagle", "human_mitosis", "kidney", "lily", "nickel_solidification"),
    *("palisades_of_vogt", "protein_transport", "skin", "vortex"),
)


def read_source(source: Source, max_pixels: int, data_dir: str | os.PathLike[str] | None) -> tuple[Raster, str, str]:
    """(raster, display name, SHA-256) of any source that `load_image` documents; ImageError names the source."""
    if isinstance(source, np.ndarray):
        return raster_from_array(source, max_pixels), "array", array_sha256(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decoded(bytes(source), "bytes", max_pixels)
    if isinstance(source, str):
        scheme = _SCHEME.match(source)
        if scheme and scheme[1] == "sample":
            return _decoded(_read(sample_path(source[len("sample:") :]), max_pixels), source, max_pixels)
        if scheme and scheme[1] == "tfds":
            return read_tfds(source, max_pixels, data_dir)
        if scheme and not os.path.lexists(source):
            raise ImageError(f"source {source!r} has the unknown prefix '{scheme[0]}'; known are 'sample:' and 'tfds:'")
    if isinstance(source, (str, os.PathLike)):
        return _decoded(_read(source, max_pixels), os.fsdecode(source), max_pixels)
    raise ImageError(
        "source must be a path, 'sample:NAME', 'tfds:NAME/SPLIT#INDEX', bytes or a NumPy array, "
        f"received {type(source).__name__}"
    )


def sample_path(name: str) -> pathlib.Path:
    """Path of a picture inside the scikit-image package; ImageError lists the names.

    >>> sample_path("chelsea").name
    'chelsea.png'
    """
    files = sample_files()
    if name in files:
        return files[name]
    if name in _DOWNLOADED_SAMPLES:
        reason, meant = "is not inside the scikit-image package and nothing is downloaded", ""
    else:
        reason, meant = "is unknown", did_you_mean(name, files)
    raise ImageError(f"source 'sample:{name}' {reason}; the samples are {', '.join(sorted(files))}{meant}")


def sample_files() -> dict[str, pathlib.Path]:
    """Name -> path of every picture inside the scikit-image package, aliases too.

    >>> "camera" in sample_files()
    True
    """
    files = {path.stem: path for path in _sample_folder().iterdir() if path.suffix in _SUFFIXES}
    return files | {alias: files[stem] for alias, stem in _SAMPLE_FILES.items() if stem in files}


def _sample_folder() -> pathlib.Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ImageError("the samples are in the package scikit-image, which is not installed")
    return pathlib.Path(spec.origin).parent / "data"


def picture_path(source: str | os.PathLike[str], folders: bool = False) -> pathlib.Path:
    """The path of a regular file, or of a folder where that may be; ImageError says why it is none."""
    name = repr(os.fsdecode(source))
    if name == "''":
        raise ImageError("source must not be empty: it must be a path, 'sample:NAME' or 'tfds:NAME/SPLIT#INDEX'")
    try:
        path = pathlib.Path(os.fsdecode(source)).expanduser()
        mode = path.stat().st_mode
    except FileNotFoundError:
        scheme = _SCHEME.match(os.fsdecode(source))
        if folders and scheme and scheme[1] in ("sample", "tfds"):
            message = f"source must be the path of a file to be read window by window, received {name}"
            raise ImageError(message) from None
        raise ImageError(f"source {name} does not exist") from None
    except (OSError, ValueError, RuntimeError) as error:  # no permission; a null byte; "~nobody", who has no home
        raise ImageError(f"source {name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not (stat.S_ISREG(mode) or (folders and stat.S_ISDIR(mode))):  # a pipe or a device might never end
        kind = "is a directory" if stat.S_ISDIR(mode) else "is a pipe, a device or a socket"
        raise ImageError(f"source {name} must be a picture file but {kind}")
    return path


def _read(source: str | os.PathLike[str], max_pixels: int) -> bytes:
    """The bytes of a regular file that starts as a picture does and is not too long; ImageError says why not."""
    path = picture_path(source)
    try:
        return picture_bytes(path, max_pixels)
    except ImageError as error:
        raise ImageError(f"{os.fsdecode(source)}: {error}") from error
    except OSError as error:
        raise ImageError(f"source {os.fsdecode(source)!r} cannot be read: {error.strerror or error}") from error


def picture_bytes(path: pathlib.Path, max_pixels: int) -> bytes:
    """The bytes of a file that starts as a picture does and is not too long for its pixels."""
    with path.open("rb") as file:
        format_of(file.read(HEAD_BYTES))
        length = os.fstat(file.fileno()).st_size
        pixels, told = max_pixels, f"for max_pixels={max_pixels}"
        if length > ALLOWANCE:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                found = check_header(cast("bytes", view), max_pixels)
            if found is not None:
                pixels, told = found, f"for the {found} pixels of its header"
    limit = BYTES_PER_PIXEL * pixels + ALLOWANCE
    if length > limit:
        raise ImageError(
            f"source has {length} bytes, more than the {limit} that are read {told} "
            f"({BYTES_PER_PIXEL} a pixel and {ALLOWANCE})"
            f"{'; raise max_pixels if you trust it' if pixels == max_pixels else ''}"
        )
    return path.read_bytes()


def _decoded(data: bytes, name: str, max_pixels: int) -> tuple[Raster, str, str]:
    try:
        raster = decode_image(data, max_pixels)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from (error.__cause__ or error)  # what went wrong first
    return raster, name, hashlib.sha256(data).hexdigest()
