"""Strips and tiles of a TIFF page before they are decoded: are they all there, and how large do they become?"""

import dataclasses
import math

import imagecodecs
import numpy as np
import tifffile

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Header, check_pixels
from keras_inr.signals._decoding.jpeg import jpeg_headers, jpeg_with_filler
from keras_inr.signals._decoding.png import png_header
from keras_inr.signals._decoding.tiff_fax import FAX, check_fax
from keras_inr.signals._decoding.webp import webp_headers

_COMPRESSION = tifffile.COMPRESSION
_OF_BYTES = frozenset(  # decoded into a buffer of the segment's size, which they cannot exceed
    [
        *(_COMPRESSION.NONE, _COMPRESSION.LZW, _COMPRESSION.ADOBE_DEFLATE, _COMPRESSION.DEFLATE),
        *(_COMPRESSION.PACKBITS, _COMPRESSION.LZMA, 50000, 34926),  # zstd, and its older number
    ]
)
_SMALLEST_LIMIT = 2**20  # pixels of a tile that are harmless, whatever max_pixels is
_MOST_PASSES = 4  # how often over the bytes of all strips and tiles may be those of the file
_SHARED_BYTES = 2**24  # and as many more, as empty tiles may share one place
_PADDING = 64  # rows and columns by which blocks of JPEG and its like may reach over the edge
_JPEG = (7, 33007, 34892)
_END_OF_JPEG = b"\xff\xd9"
_JPEG2000 = (33003, 33004, 33005, 34712)
_START_OF_JPEG2000 = b"\xff\x4f\xff\x51"
_MOST_STARTS = 64


def check_segments(page: tifffile.TiffPage, data: bytes, max_pixels: int) -> None:
    """Raises ImageError unless all strips or tiles of the page are in `data` and decode to what they are for.

    What `max_pixels` allows holds for what is decoded: for tiles, which may reach over the edge, all together, and for
    a picture of its own inside of a strip or tile, such as a PNG, by that picture's own header, which must tell of as
    many samples a pixel as the page does.
    """
    (rows, columns), planes, grid = _layout(page)
    most = _MOST_PASSES * max(max_pixels, _SMALLEST_LIMIT)
    if page.is_tiled:
        check_pixels(rows, columns, max(max_pixels, _SMALLEST_LIMIT), what="a tile of source")
        check_pixels(grid[0] * rows, grid[1] * columns, most, what="all tiles of source")
    check_places(page, data)
    if page.compression in _OF_BYTES:
        return
    pixels = 0
    for index, (start, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True)):
        pixels += check_segment(page, data[start : start + count], index)
        if pixels > most * planes:
            raise ImageError(
                "source is a TIFF file that is broken: the pictures inside its strips or tiles have more than "
                f"{most * planes} pixels"
            )


def check_places(page: tifffile.TiffPage, data: bytes) -> None:
    """Raises ImageError unless all strips or tiles of the page lie in `data`, of which only the length is looked at."""
    (rows, _), planes, grid = _layout(page)
    _check_presence(page, data, grid[0] * grid[1] * planes)
    _check_uncompressed(page, rows, grid[0])


def check_segment(page: tifffile.TiffPage, segment: bytes, index: int) -> int:
    """Raises ImageError unless a strip or tile decodes to what it is for; the pixels of pictures that are inside."""
    if page.compression in _OF_BYTES:
        return 0
    (rows, columns), _, grid = _layout(page)
    if page.compression in FAX:
        check_fax(
            page, segment, rows if page.is_tiled else min(rows, page.imagelength - index % grid[0] * rows), columns
        )
        return 0
    shared = [header for content in _tables(page) for header in jpeg_headers(content)]
    return _check_picture(page, segment, rows, columns, shared)


def _layout(page):
    """(rows and columns of a strip or tile, planes, rows and columns of them in a plane)."""
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    if rows < 1 or columns < 1:
        raise ImageError(f"source is a TIFF file that is broken: its strips or tiles have {rows} x {columns} pixels")
    planes = page.samplesperpixel if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else 1
    return (rows, columns), planes, (math.ceil(page.imagelength / rows), math.ceil(page.imagewidth / columns))


def _tables(page: tifffile.TiffPage) -> list[bytes]:
    """What is put in front of each strip or tile of JPEG."""
    if page.compression not in (_COMPRESSION.OJPEG, *_JPEG):
        return []
    return [content for content in (page.jpegtables, page.jpegheader) if content is not None]


def _check_presence(page: tifffile.TiffPage, data: bytes, wanted: int) -> None:
    kind = "tiles" if page.is_tiled else "strips"
    present = sum(start > 0 and count > 0 for start, count in zip(page.dataoffsets, page.databytecounts, strict=False))
    if min(len(page.dataoffsets), len(page.databytecounts)) < wanted or present < wanted:
        raise ImageError(
            f"source is a TIFF file that is truncated or damaged: it needs {wanted} {kind} and has {present}"
        )
    if any(start + count > len(data) for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)):
        raise ImageError(f"source is a TIFF file that is truncated: it ends after {len(data)} bytes")
    own = page.imagelength * page.imagewidth * page.samplesperpixel * page.bitspersample // 8
    most, total = _MOST_PASSES * len(data) + _SHARED_BYTES + own, sum(page.databytecounts)
    total += sum(map(len, _tables(page))) * len(page.databytecounts)  # read again for each
    if total > most:
        raise ImageError(
            f"source is a TIFF file that is broken: its {kind} lie over one another, with {total} bytes in all in a "
            f"file of {len(data)}"
        )


def _check_uncompressed(page: tifffile.TiffPage, rows: int, strips: int) -> None:
    """Strips that are stored as they are must be as long as their rows."""
    if page.compression != _COMPRESSION.NONE or page.is_tiled:
        return
    samples = 1 if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else page.samplesperpixel
    row_bytes = (page.imagewidth * samples * page.bitspersample + 7) // 8
    for index, count in enumerate(page.databytecounts):
        its_rows = min(rows, page.imagelength - index % strips * rows)
        if count < its_rows * row_bytes:
            raise ImageError(
                f"source is a TIFF file that is truncated or damaged: strip {index} needs {its_rows * row_bytes} bytes "
                f"and has {count}"
            )


def _check_picture(page: tifffile.TiffPage, segment: bytes, rows: int, columns: int, shared: list[Header]) -> int:
    """How many pixels a segment has that is a picture of its own, which must be of the segment's size and samples."""
    samples = 1 if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else page.samplesperpixel
    bits = 8 if page.bitspersample <= 8 else max(page.bitspersample, 16)
    headers = _declared(page, segment) + shared
    if not headers:
        raise ImageError(
            "source is a TIFF file that is broken: a strip or tile has no header that tells its height and width"
        )
    for header in headers:
        if header.height > rows + _PADDING or header.width > columns + _PADDING:
            raise ImageError(
                f"source is a TIFF file that is broken: inside a strip or tile of {rows} x {columns} pixels lies a "
                f"picture of {header.height} x {header.width}"
            )
        if header.samples != samples or header.bits > bits:
            raise ImageError(
                f"source is a TIFF file that is broken: in a strip or tile of samples per pixel {samples} and up to "
                f"{bits} bits lies a picture of samples per pixel {header.samples} and {header.bits} bits"
            )
    if page.compression in _JPEG:
        if segment.rfind(_END_OF_JPEG) < 0:  # libjpeg would fill up with grey
            raise ImageError("source is a TIFF file that is truncated or damaged: a strip or tile of JPEG has no end")
        _check_jpeg(page, segment)
    return sum(header.height * header.width for header in headers)


def _check_jpeg(page: tifffile.TiffPage, segment: bytes) -> None:
    filled = jpeg_with_filler(segment)
    if filled is None:
        return
    found, other = (imagecodecs.jpeg8_decode(content, tables=page.jpegtables) for content in (segment, filled))
    if not np.array_equal(found, other):
        raise ImageError("source is a TIFF file that is truncated or damaged: a strip or tile of JPEG is not whole")


def _declared(page: tifffile.TiffPage, segment: bytes) -> list[Header]:
    """Every header inside a segment; ImageError for a compression that is not known."""
    try:
        if page.compression in (_COMPRESSION.OJPEG, *_JPEG):
            return jpeg_headers(segment)
        if page.compression == _COMPRESSION.PNG:
            return [png_header(segment)] if len(segment) >= 33 else []
        if page.compression in (50001, 34927):
            return webp_headers(segment)
        if page.compression in _JPEG2000:
            return _jpeg2000_headers(segment)
    except ImageError as error:
        what = str(error).removeprefix("source is ")
        raise ImageError(f"source is a TIFF file that is broken or truncated: a strip or tile is {what}") from error
    raise ImageError(
        "source must be a TIFF that is not compressed, or by CCITT fax, LZW, deflate, PackBits, LZMA, zstd, JPEG, "
        f"JPEG 2000, PNG or WebP, received compression {compression_name(page.compression)}"
    )


def _jpeg2000_headers(segment: bytes) -> list[Header]:
    """By every mark that may be a code stream's first; the size of an area of a grid, from its corner.

    A palette in front of the code stream tells of its own number of samples. Signed ones count for more bits than
    there is room for.
    """
    headers, place = [], -1
    while (place := segment.find(_START_OF_JPEG2000, place + 1)) >= 0:
        width, height = (int.from_bytes(segment[place + n : place + n + 4]) for n in (8, 12))
        samples = int.from_bytes(segment[place + 40 : place + 42])
        kinds = segment[place + 42 : place + 42 + 3 * samples : 3]
        headers.append(
            Header(height, width, samples, max(((kind & 127) + 1 + (kind >> 7) * 8 for kind in kinds), default=0))
        )
        if len(headers) > _MOST_STARTS:
            raise ImageError("source is a JPEG 2000 file that is broken: it has many beginnings")
    if headers and (place := segment.find(b"pclr", 0, segment.find(_START_OF_JPEG2000))) >= 0:
        palette = segment[place + 6 : place + 7]  # behind its name and number of colours
        headers.append(dataclasses.replace(headers[0], samples=int.from_bytes(palette)))
    return headers


def compression_name(code: int) -> str:
    """Name of a compression's number, or the number.

    >>> compression_name(5), compression_name(9999)
    ('LZW', '9999')
    """
    try:
        return _COMPRESSION(code).name
    except ValueError:
        return str(code)
