"""PNG: the chunks that pixels need go to libpng, three more are read here, and nothing else is looked at."""

import zlib

import imagecodecs

from keras_inr.signals.errors import ImageError
from keras_inr.signals.metadata import orientation_of, warn_ignored
from keras_inr.signals.raster import Raster, check_pixels

_COLOURS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"IEND")
_MOST_METADATA = 2**24  # bytes that a compressed profile or text may unpack to
_EXIF_TEXT = b"Raw profile type exif"
_XMP_TEXT = b"XML:com.adobe.xmp"


def decode_png(data, max_pixels):
    """PNG pixels by libpng: Pillow drops the low byte of 16-bit colours and misreads tRNS of 2 and 4-bit greys.

    A profile or an EXIF block that is broken, or whose checksum is wrong, is ignored with a warning.
    """
    if data[12:16] != b"IHDR" or data[8:12] != b"\0\0\0\r" or len(data) < 33:
        raise ImageError("source is a PNG file that is broken or truncated: it does not begin with its header, IHDR")
    check_pixels(*png_size(data), max_pixels)
    if data[25] not in _COLOURS:  # told here, as libpng's words do not tell which
        raise ImageError(f"source is a PNG file that is broken or truncated: its colour type is {data[25]}")
    chunks = list(_chunks(data))
    kept = [data[start - 8 : end + 4] for name, start, end in chunks if _is_kept(name, data)]
    samples = imagecodecs.png_decode(b"".join([data[:8], *kept]))
    samples = samples[..., None] if samples.ndim == 2 else samples
    model = "grey" if samples.shape[2] <= 2 else "rgb"
    peak, bit_depth = (65535, 16) if samples.dtype == "uint16" else (255, 8)
    has_alpha = samples.shape[2] in (2, 4)
    return Raster(samples, model, has_alpha, peak, bit_depth, _profile(data, chunks), _orientation(data, chunks))


def png_size(data):
    """(height, width) of the header."""
    return int.from_bytes(data[20:24]), int.from_bytes(data[16:20])


def _chunks(data):
    """(name, start, end) of every chunk's content up to the end of the picture."""
    start = 8
    while (end := start + 8 + int.from_bytes(data[start : start + 4])) + 4 <= len(data):
        name = data[start + 4 : start + 8]
        yield name, start + 8, end
        if name == b"IEND":
            return
        start = end + 4
    raise ImageError("source is a PNG file that is truncated: its last chunk, IEND, is missing")


def _is_kept(name, data):
    if name == b"PLTE":  # elsewhere only a proposal for screens of few colours
        return data[25] == 3
    if name == b"tRNS":  # forbidden beside an alpha channel
        return data[25] < 4
    return name in _KEPT or name.isupper()  # upper case marks what a decoder must know: libpng then says no


def _content(data, chunks, wanted, what):
    """Content of the first chunk of a name; None if there is none or its checksum is wrong, which gives a warning."""
    for name, start, end in chunks:
        if name == wanted:
            if zlib.crc32(data[start - 4 : end]) == int.from_bytes(data[end : end + 4]):
                return data[start:end]
            warn_ignored(what, "has a wrong checksum")
            return None
    return None


def _unpacked(content):
    """Inflated bytes, or None where they are broken or too many."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(content, _MOST_METADATA)
    except zlib.error:
        return None
    return found if unpacker.eof else None


def _profile(data, chunks):
    content = _content(data, chunks, b"iCCP", "ICC profile")
    if content is None:
        return None
    profile = _unpacked(content.partition(b"\0")[2][1:])  # after the name, one byte tells the method
    if profile is None:
        warn_ignored("ICC profile", f"is broken, or longer than {_MOST_METADATA} bytes")
    return profile


def _orientation(data, chunks):
    exif = _content(data, chunks, b"eXIf", "EXIF block")
    xmp = None
    for name, start, end in chunks:
        if name in (b"zTXt", b"tEXt") and exif is None and data.startswith(_EXIF_TEXT + b"\0", start):
            exif = _written_exif(data[start + len(_EXIF_TEXT) + 1 : end], name == b"zTXt")
        if name == b"iTXt" and data.startswith(_XMP_TEXT + b"\0", start):
            packed, content = data[start + len(_XMP_TEXT) + 1 : start + len(_XMP_TEXT) + 2], data[start:end]
            text = content[len(_XMP_TEXT) + 3 :].split(b"\0", 2)[-1]  # after the language and the keyword in it
            xmp = _unpacked(text) if packed == b"\1" else text
    return orientation_of(exif, xmp)


def _written_exif(text, packed):
    """EXIF in hexadecimal digits, as ImageMagick writes it: a name, a length, the digits; None if it is no such."""
    text = _unpacked(text[1:]) if packed else text
    try:
        return bytes.fromhex(b"".join((text or b"").split()[2:]).decode("ascii")) or None
    except ValueError:
        return None
