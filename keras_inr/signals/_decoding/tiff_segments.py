"""Strips and tiles of a TIFF page before they are decoded: are they all there, and how large do they become?"""

import math

import tifffile

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import check_pixels
from keras_inr.signals._decoding.jpeg import jpeg_sizes
from keras_inr.signals._decoding.png import png_size
from keras_inr.signals._decoding.webp import webp_sizes

_COMPRESSION = tifffile.COMPRESSION
_OF_BYTES = frozenset(  # decoded into a buffer of the segment's size, which they cannot exceed
    [
        *(_COMPRESSION.NONE, _COMPRESSION.CCITTRLE, _COMPRESSION.CCITTFAX3, _COMPRESSION.CCITTFAX4, _COMPRESSION.LZW),
        *(_COMPRESSION.ADOBE_DEFLATE, _COMPRESSION.DEFLATE, _COMPRESSION.PACKBITS, _COMPRESSION.LZMA),
        *(50000, 34926),  # zstd, and its older number
    ]
)
_SMALLEST_LIMIT = 2**20  # pixels of a tile that are harmless, whatever max_pixels is
_PADDING = 64  # rows and columns by which blocks of JPEG and its like may reach over the edge
_JPEG = (7, 33007, 34892)
_END_OF_JPEG = b"\xff\xd9"
_JPEG2000 = (33003, 33004, 33005, 34712)
_START_OF_JPEG2000 = b"\xff\x4f\xff\x51"


def check_segments(page: tifffile.TiffPage, data: bytes, max_pixels: int) -> None:
    """Raises ImageError unless all strips or tiles of the page are in `data` and decode to what they are for.

    What `max_pixels` allows holds for what is decoded: for tiles, which may reach over the edge, all together, and for
    a picture of its own inside of a strip or tile, such as a PNG, by that picture's own header.
    """
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
    if rows < 1 or columns < 1:
        raise ImageError(f"source is a TIFF file that is broken: its strips or tiles have {rows} x {columns} pixels")
    planes = page.samplesperpixel if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else 1
    grid = math.ceil(page.imagelength / rows), math.ceil(page.imagewidth / columns)
    if page.is_tiled:
        check_pixels(rows, columns, max(max_pixels, _SMALLEST_LIMIT), what="a tile of source")
        check_pixels(
            grid[0] * rows, grid[1] * columns, 4 * max(max_pixels, _SMALLEST_LIMIT), what="all tiles of source"
        )
    _check_presence(page, data, grid[0] * grid[1] * planes)
    _check_uncompressed(page, rows, grid[0])
    if page.compression not in _OF_BYTES:
        for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            _check_picture(page, data[start : start + count], rows, columns)


def _check_presence(page: tifffile.TiffPage, data: bytes, wanted: int) -> None:
    kind = "tiles" if page.is_tiled else "strips"
    present = sum(start > 0 and count > 0 for start, count in zip(page.dataoffsets, page.databytecounts, strict=False))
    if min(len(page.dataoffsets), len(page.databytecounts)) < wanted or present < wanted:
        raise ImageError(
            f"source is a TIFF file that is truncated or damaged: it needs {wanted} {kind} and has {present}"
        )
    if any(start + count > len(data) for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)):
        raise ImageError(f"source is a TIFF file that is truncated: it ends after {len(data)} bytes")


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


def _check_picture(page: tifffile.TiffPage, segment: bytes, rows: int, columns: int) -> None:
    """A segment that is a picture of its own must be of the segment's size."""
    sizes = _declared_sizes(page, segment)
    if not sizes:
        raise ImageError(
            "source is a TIFF file that is broken: a strip or tile has no header that tells its height and width"
        )
    if page.compression in _JPEG and segment.rfind(_END_OF_JPEG) < 0:  # libjpeg would fill up with grey
        raise ImageError("source is a TIFF file that is truncated or damaged: a strip or tile of JPEG has no end")
    for height, width in sizes:
        if height > rows + _PADDING or width > columns + _PADDING:
            raise ImageError(
                f"source is a TIFF file that is broken: inside a strip or tile of {rows} x {columns} pixels lies a "
                f"picture of {height} x {width}"
            )


def _declared_sizes(page: tifffile.TiffPage, segment: bytes) -> list[tuple[int, int]]:
    """(height, width) of every header inside a segment; ImageError for a compression that is not known."""
    if page.compression in (_COMPRESSION.OJPEG, *_JPEG):
        header = page.jpegtables or b""
        return (
            jpeg_sizes(segment) + jpeg_sizes(header) + ([] if page.jpegheader is None else jpeg_sizes(page.jpegheader))
        )
    if page.compression == _COMPRESSION.PNG:
        return [png_size(segment)] if len(segment) >= 24 else []
    if page.compression in (50001, 34927):
        return webp_sizes(segment)
    if page.compression in _JPEG2000:
        return _jpeg2000_sizes(segment)
    raise ImageError(
        "source must be a TIFF that is not compressed, or by CCITT fax, LZW, deflate, PackBits, LZMA, zstd, JPEG, "
        f"JPEG 2000, PNG or WebP, received compression {compression_name(page.compression)}"
    )


def _jpeg2000_sizes(segment: bytes) -> list[tuple[int, int]]:
    """By every mark that may be a code stream's first; the size of an area of a grid, from its corner."""
    sizes, place = [], -1
    while (place := segment.find(_START_OF_JPEG2000, place + 1)) >= 0:
        numbers = [int.from_bytes(segment[place + n : place + n + 4]) for n in (8, 12)]
        sizes.append((numbers[1], numbers[0]))
    return sizes


def compression_name(code: int) -> str:
    """Name of a compression's number, or the number.

    >>> compression_name(5), compression_name(9999)
    ('LZW', '9999')
    """
    try:
        return _COMPRESSION(code).name
    except ValueError:
        return str(code)
