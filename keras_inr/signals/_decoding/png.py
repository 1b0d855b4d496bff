"""PNG: the chunks that pixels need go to libpng, three more are read here, and nothing else is looked at."""

import itertools
import zlib
from collections.abc import Iterator

import imagecodecs

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Header, Raster, check_pixels
from keras_inr.signals._decoding.metadata import orientation_of, warn_ignored

_COLOURS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # Adam7
_LONGEST_SIDE = 10**6  # libpng's own limit
_LONGEST_CHUNK = 2**30
_MOST_CHUNKS = 2**18  # of pixels, mostly, which many a writer cuts into chunks of some KB
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_BROKEN = "source is a PNG file that is broken or truncated"
_MOST_METADATA = 2**24  # bytes that a compressed profile or text may unpack to
_EXIF_TEXT = b"Raw profile type exif"
_XMP_TEXT = b"XML:com.adobe.xmp"


def decode_png(data: bytes, max_pixels: int) -> Raster:
    """PNG pixels by libpng: Pillow drops the low byte of 16-bit colours and misreads tRNS of 2 and 4-bit greys.

    A profile or an EXIF block that is broken, or whose checksum is wrong, is ignored with a warning.
    """
    if data[12:16] != b"IHDR" or data[8:12] != b"\0\0\0\r" or len(data) < 33:
        raise ImageError(f"{_BROKEN}: it does not begin with its header, IHDR")
    height, width = png_size(data)
    check_pixels(height, width, max_pixels)
    if max(height, width) > _LONGEST_SIDE:
        raise ImageError(f"source must be a PNG of sides up to {_LONGEST_SIDE}, received {height} x {width}")
    if data[25] not in _COLOURS or data[24] not in (1, 2, 4, 8, 16) or data[28] > 1:
        kind = f"colour type {data[25]}, {data[24]} bits a sample and interlacing {data[28]}"
        raise ImageError(f"{_BROKEN}: its header tells of {kind}")
    chunks = list(_chunks(data))
    samples = imagecodecs.png_decode(_essence(data, chunks))
    samples = samples[..., None] if samples.ndim == 2 else samples
    model = "grey" if samples.shape[2] <= 2 else "rgb"
    peak, bit_depth = (65535, 16) if samples.dtype == "uint16" else (255, 8)
    has_alpha = samples.shape[2] in (2, 4)
    return Raster(samples, model, has_alpha, peak, bit_depth, _profile(data, chunks), _orientation(data, chunks))


def png_size(data: bytes) -> tuple[int, int]:
    """(height, width) of the header."""
    return int.from_bytes(data[20:24]), int.from_bytes(data[16:20])


def png_header(data: bytes) -> Header:
    """The header with the samples that libpng makes of palettes and transparency."""
    height, width = png_size(data)
    before = itertools.takewhile(lambda chunk: chunk[0] != b"IDAT", _chunks(data))
    is_transparent = any(name == b"tRNS" for name, _, _ in before)
    samples = 3 if data[25] == 3 else _COLOURS.get(data[25], 0)
    return Header(height, width, samples + is_transparent, max(data[24], 8))


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of every chunk's content up to the end of the picture; ImageError for one that is unknown."""
    start, count = 8, 0
    while (end := start + 8 + int.from_bytes(data[start : start + 4])) + 4 <= len(data):
        name = data[start + 4 : start + 8]
        if name not in _CRITICAL and not name[0] & 0x20:  # the bit that a decoder may pass it by
            raise ImageError(f"{_BROKEN}: it has a chunk that is not known, {name!r}")
        if (count := count + 1) > _MOST_CHUNKS:
            raise ImageError(f"{_BROKEN}: it has more than {_MOST_CHUNKS} chunks")
        yield name, start + 8, end
        if name == b"IEND":
            return
        start = end + 4
    raise ImageError("source is a PNG file that is truncated: its last chunk, IEND, is missing")


def _essence(data: bytes, chunks: list[tuple[bytes, int, int]]) -> bytes:
    """The PNG with its palette, transparency and pixels only, these unpacked to as many bytes as the header tells."""
    kept, packed = [data[:33]], []
    for name, start, end in chunks:
        if name == b"IDAT":
            if zlib.crc32(data[start - 4 : end]) != int.from_bytes(data[end : end + 4]):
                raise ImageError(f"{_BROKEN}: the checksum of its pixels (IDAT) is wrong")
            packed.append(data[start:end])
        elif (name == b"PLTE" and data[25] == 3) or (name == b"tRNS" and data[25] < 4 and not packed):
            kept.append(data[start - 8 : end + 4])
    stored = zlib.compress(_unpacked_pixels(b"".join(packed), _raw_bytes(data)), 0)
    for start in range(0, len(stored), _LONGEST_CHUNK):
        kept.append(_chunk(b"IDAT", stored[start : start + _LONGEST_CHUNK]))
    return b"".join([*kept, _chunk(b"IEND", b"")])


def _chunk(name: bytes, content: bytes) -> bytes:
    return b"".join([len(content).to_bytes(4), name, content, zlib.crc32(content, zlib.crc32(name)).to_bytes(4)])


def _raw_bytes(data: bytes) -> int:
    """Bytes of all rows, each with one in front that tells its filter."""
    height, width = png_size(data)
    bits = data[24] * _COLOURS[data[25]]
    passes = _PASSES if data[28] else ((0, 0, 1, 1),)
    sizes = [((height - top + dy - 1) // dy, (width - left + dx - 1) // dx) for top, left, dy, dx in passes]
    return sum(rows * (1 + (columns * bits + 7) // 8) for rows, columns in sizes if columns > 0)


def _unpacked_pixels(packed: bytes, size: int) -> bytes | bytearray:
    """`size` bytes out of deflated ones, of which there may be more: they are not unpacked, however many they are."""
    try:
        found = imagecodecs.deflate_decode(packed, out=size)
    except imagecodecs.DeflateError:  # also of a stream that is longer, or has no end
        found = zlib.decompressobj().decompress(packed, size)
    if len(found) < size:
        raise ImageError(f"{_BROKEN}: its pixels need {size} bytes and are {len(found)}")
    return found


def _content(data: bytes, chunks: list[tuple[bytes, int, int]], wanted: bytes, what: str) -> bytes | None:
    """Content of the first chunk of a name; None if there is none or its checksum is wrong, which gives a warning."""
    for name, start, end in chunks:
        if name == wanted:
            if zlib.crc32(data[start - 4 : end]) == int.from_bytes(data[end : end + 4]):
                return data[start:end]
            warn_ignored(what, "has a wrong checksum")
            return None
    return None


def _unpacked(content: bytes) -> bytes | None:
    """Inflated bytes, or None where they are broken or too many."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(content, _MOST_METADATA)
    except zlib.error:
        return None
    return found if unpacker.eof else None


def _profile(data: bytes, chunks: list[tuple[bytes, int, int]]) -> bytes | None:
    content = _content(data, chunks, b"iCCP", "ICC profile")
    if content is None:
        return None
    profile = _unpacked(content.partition(b"\0")[2][1:])  # after the name, one byte tells the method
    if profile is None:
        warn_ignored("ICC profile", f"is broken, or longer than {_MOST_METADATA} bytes")
    return profile


def _orientation(data: bytes, chunks: list[tuple[bytes, int, int]]) -> int:
    exif = _content(data, chunks, b"eXIf", "EXIF block")
    packed, plain, xmps = (
        [
            (start + len(start_of) + 1, end)
            for name, start, end in chunks
            if name == wanted and data.startswith(start_of + b"\0", start)
        ]
        for wanted, start_of in ((b"zTXt", _EXIF_TEXT), (b"tEXt", _EXIF_TEXT), (b"iTXt", _XMP_TEXT))
    )
    if exif is None and packed + plain:
        start, end = min(packed + plain)
        exif = _written_exif(data[start:end], (start, end) in packed)
    xmp = None
    if xmps:  # one alone is unpacked, the last
        content = data[slice(*xmps[-1])]
        text = content[2:].split(b"\0", 2)[-1]  # after the language and the keyword in it
        xmp = _unpacked(text) if content[:1] == b"\1" else text
    return orientation_of(exif, xmp)


def _written_exif(text: bytes, packed: bool) -> bytes | None:
    """EXIF in hexadecimal digits, as ImageMagick writes it: a name, a length, the digits; None if it is no such."""
    plain = _unpacked(text[1:]) if packed else text
    try:
        return bytes.fromhex(b"".join((plain or b"").split()[2:]).decode("ascii")) or None
    except ValueError:
        return None
