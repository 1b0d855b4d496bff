"""Which kind of source it is: a path, a sample, a data set, bytes or an array."""

import hashlib
import importlib.util
import os
import pathlib
import re
import stat

import numpy as np

from keras_inr.arguments import did_you_mean
from keras_inr.signals.arrays import array_sha256, raster_from_array
from keras_inr.signals.decoding import decode_image
from keras_inr.signals.errors import ImageError
from keras_inr.signals.tfds_source import read_tfds

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: "C:\picture.png" is a path
_SUFFIXES = (".png", ".jpg", ".tif", ".gif")

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


def read_source(source, max_pixels, data_dir):
    """(raster, display name, SHA-256) of any source that `load_image` documents; ImageError names the source."""
    if isinstance(source, np.ndarray):
        return raster_from_array(source, max_pixels), "array", array_sha256(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decoded(bytes(source), "bytes", max_pixels)
    if isinstance(source, str):
        scheme = _SCHEME.match(source)
        if scheme and scheme[1] == "sample":
            return _decoded(_read(sample_path(source[len("sample:") :])), source, max_pixels)
        if scheme and scheme[1] == "tfds":
            return read_tfds(source, max_pixels, data_dir)
        if scheme and not os.path.lexists(source):
            raise ImageError(f"source {source!r} has the unknown prefix '{scheme[0]}'; known are 'sample:' and 'tfds:'")
    if isinstance(source, (str, os.PathLike)):
        return _decoded(_read(source), os.fsdecode(source), max_pixels)
    raise ImageError(
        "source must be a path, 'sample:NAME', 'tfds:NAME/SPLIT#INDEX', bytes or a NumPy array, "
        f"received {type(source).__name__}"
    )


def sample_path(name):
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


def sample_files():
    """Name -> path of every picture inside the scikit-image package, aliases too.

    >>> "camera" in sample_files()
    True
    """
    files = {path.stem: path for path in _sample_folder().iterdir() if path.suffix in _SUFFIXES}
    return files | {alias: files[stem] for alias, stem in _SAMPLE_FILES.items() if stem in files}


def _sample_folder():
    return pathlib.Path(importlib.util.find_spec("skimage").origin).parent / "data"


def _read(source):
    """The bytes of a regular file; ImageError says why not."""
    name = repr(os.fsdecode(source))
    try:
        path = pathlib.Path(os.fsdecode(source)).expanduser()
        mode = path.stat().st_mode
        data = path.read_bytes() if stat.S_ISREG(mode) else None  # a pipe or a device might never end
    except FileNotFoundError:
        raise ImageError(f"source {name} does not exist") from None
    except (OSError, ValueError, RuntimeError) as error:  # no permission; a null byte; "~nobody", who has no home
        raise ImageError(f"source {name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if data is None:
        kind = "is a directory" if stat.S_ISDIR(mode) else "is a pipe, a device or a socket"
        raise ImageError(f"source {name} must be a picture file but {kind}")
    return data


def _decoded(data, name, max_pixels):
    try:
        raster = decode_image(data, max_pixels)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    return raster, name, hashlib.sha256(data).hexdigest()
