"""CCITT fax in a strip or tile of a TIFF: are all rows there? Decoders fill up with white and say nothing."""

import functools
import struct

import imagecodecs
import numpy as np
import tifffile

from keras_inr.errors import ImageError

_GROUP3 = tifffile.COMPRESSION.CCITTFAX3
FAX = frozenset([tifffile.COMPRESSION.CCITTRLE, _GROUP3, tifffile.COMPRESSION.CCITTFAX4])
_SKIP_FILL = 4  # the option that zeros may stand in front of the end of a line
_BLACK_ROW = {
    0: 0b00110101_010_0_000000000001,
    1: 0b1_00110101_010_000000000001,
}  # by whether lines have a tag in front


def check_fax(page: tifffile.TiffPage, segment: bytes, rows: int, columns: int) -> None:
    """Raises ImageError where a segment ends before its last row begins.

    A last row that is not whole cannot be told from one that its writer left to be filled up with white; nor can a
    segment of zeros alone.
    """
    if page.fillorder == 2:
        segment = bytes(imagecodecs.bitorder_decode(segment))
    options = (page.tags.valueof(292) or 0) if page.compression == _GROUP3 else 0
    if page.compression == _GROUP3:
        is_whole = _is_whole_group3(segment, rows, columns, options)
    else:
        is_whole = _is_whole(int(page.compression), segment, rows, columns)
    if not is_whole:
        raise ImageError(
            "source is a TIFF file that is truncated or damaged: a strip or tile of CCITT fax ends before its "
            f"{rows} rows"
        )


def _is_whole(compression: int, segment: bytes, rows: int, columns: int) -> bool:
    """By libtiff, which does not fill up what it reads row by row."""
    tags = {256: columns, 257: rows, 258: 1, 259: compression, 262: 0, 273: 0, 277: 1, 278: rows, 279: len(segment)}
    place = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, place if tag == 273 else tags[tag]) for tag in tags)
    try:
        imagecodecs.tiff_decode(struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4) + segment)
    except imagecodecs.TiffError:
        return False
    return True


def _is_whole_group3(segment: bytes, rows: int, columns: int, options: int) -> bool:
    """Whether rows of black behind the segment make no difference to the rows that are wanted.

    Zeros lead up to them, so many that no code which was cut is completed and none that tells of a first line is found
    too late.
    """
    black = _BLACK_ROW[options & 1].to_bytes(3)
    filled = segment + bytes(columns // 4 + 4) + b"\1" + 4 * black
    decode = functools.partial(imagecodecs.ccittfax3_decode, height=rows, width=columns, t4options=options | _SKIP_FILL)
    try:
        found = decode(segment)
    except imagecodecs.Ccittfax3Error:  # what the segment holds is told when it is decoded
        return True
    try:
        return np.array_equal(found, decode(filled))
    except imagecodecs.Ccittfax3Error:
        return False
