"""What a file tells beside its pixels: which way up it is, and that something of it had to be ignored."""

import contextlib
import re
import warnings

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.tiff_directory import Directory, read_directory

ORIENTATION_TAG = 274
_XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=[\"']|>)([0-9])")
_TIFF_STARTS = (b"II*\0", b"MM\0*")


def warn_without_stopping(message: str) -> None:
    """A warning about what does not matter enough to stop anything, not even where warnings are made errors."""
    with contextlib.suppress(UserWarning):
        warnings.warn(message, stacklevel=2)


def warn_ignored(what: str, reason: str) -> None:
    """One warning that something beside the pixels is ignored."""
    warn_without_stopping(f"the picture's {what} {reason}; it is ignored")


def orientation_of(exif: bytes | None, xmp: bytes | None = None) -> int:
    """1 to 8 out of an EXIF block, or else out of XMP; 1 where neither tells. A broken block gives a warning.

    >>> orientation_of(None, b"<x tiff:Orientation='6'/>")
    6
    """
    found = None
    if exif:
        exif = exif.removeprefix(b"Exif\0\0")
        try:
            if exif[:4] not in _TIFF_STARTS:
                raise ImageError("it is no directory")
            found = numbered_orientation(exif, read_directory(exif), "EXIF block")
        except ImageError:
            warn_without_stopping("Corrupt EXIF data in the picture; it is ignored")
    if found is None and xmp:
        match = _XMP_ORIENTATION.search(xmp)
        found = int(match[1]) if match else None
    return found if found is not None and 1 <= found <= 8 else 1


def numbered_orientation(data: bytes, directory: Directory, where: str) -> int | None:
    """The orientation's number in a directory, or None; a warning where it is there and no number."""
    found = directory.number(data, ORIENTATION_TAG)
    if found is None and ORIENTATION_TAG in directory.entries:
        warn_ignored(f"orientation in its {where}", "is not one whole number")
    return found
