"""JPEG: libjpeg, by way of Pillow, gets the segments that pixels need; profile and orientation are read here."""

import re
from collections.abc import Iterator

import numpy as np
from PIL import JpegImagePlugin

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Header, Raster
from keras_inr.signals._decoding.metadata import orientation_of, warn_ignored
from keras_inr.signals._decoding.pillow import decoded, opened

_PROFILE, _EXIF, _XMP = b"ICC_PROFILE\0", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_HUFFMAN_FRAMES = frozenset([0xC0, 0xC1, 0xC2])
_SCAN, _COMMENT, _END = 0xDA, 0xFE, 0xD9
_SEGMENT = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")  # these markers have no content
_END_OF_SCAN = re.compile(rb"(?<!\xff)\xff+[^\x00\xd0-\xd7\xff]")
_MOST_SEGMENTS = 2**16  # before the pixels
_MOST_BETWEEN = 2**24  # bytes that are passed over
_MOST_SCANS = 100  # each of which goes over the whole picture; writers make about ten
_LONGEST_RUN = b"\xff" * 2**16
_NOISE = bytes(range(7, 251, 12)) + bytes(range(254, 0, -17))
_FILLER = _NOISE + b"".join(bytes([0xFF, 0xD0 + n]) + _NOISE for n in range(8))  # restarts, in case one is due


def decode_jpeg(data: bytes, max_pixels: int) -> Raster:
    """Raster of a JPEG file; a comment or an application's segment, however broken, does not matter to its pixels."""
    segments = list(jpeg_segments(data))
    if not segments or segments[-1][0] != _SCAN:
        raise ImageError("source is a JPEG file that is broken or truncated: it ends before its pixels")
    kept = [data[:2]]
    for marker, start, end in segments[:-1]:
        is_aside = marker in range(0xE0, 0xF0) or marker == _COMMENT
        if not is_aside or _tells_colours(marker, data[start:end]):
            kept += [bytes([0xFF, marker]), data[start - 2 : end]]
    kept.append(data[segments[-1][1] - 4 :])
    essence = b"".join(kept)
    filled = jpeg_with_filler(essence)
    image = opened(JpegImagePlugin.JpegImageFile, essence, max_pixels)
    applications = [(marker, data[start:end]) for marker, start, end in segments if marker in (0xE1, 0xE2)]
    exif = next((content for marker, content in applications if marker == 0xE1 and content.startswith(_EXIF)), None)
    xmp = next((content for marker, content in applications if marker == 0xE1 and content.startswith(_XMP)), None)
    profile = _profile([content for marker, content in applications if marker == 0xE2])
    raster = decoded(image, profile, orientation_of(exif, xmp))
    if filled is not None:
        other = decoded(opened(JpegImagePlugin.JpegImageFile, filled, max_pixels))
        if not np.array_equal(raster.samples, other.samples):
            raise ImageError("source is a JPEG file that is truncated or damaged: its pixels are not whole")
    return raster


def jpeg_segments(data: bytes, place: int = 2) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of every segment's content up to the next scan, found as libjpeg finds them."""
    count = 0
    while found := _SEGMENT.search(data, place, place + _MOST_BETWEEN):  # what lies between segments is passed over
        marker, place = found[1][0], found.end()
        length = int.from_bytes(data[place : place + 2])
        if marker == _END or length < 2 or place + length > len(data):
            return
        if (count := count + 1) > _MOST_SEGMENTS:
            raise ImageError(f"source is a JPEG file that is broken: it has more than {_MOST_SEGMENTS} segments")
        yield marker, place + 2, place + length
        if marker == _SCAN:
            return
        place += length


def jpeg_headers(data: bytes) -> list[Header]:
    """Every frame that is declared before the first scan; one in a sound file."""
    frames = [data[start : min(start + 6, end)] for marker, start, end in jpeg_segments(data) if marker in _FRAMES]
    return [
        Header(*(int.from_bytes(frame[first:last]) for first, last in ((1, 3), (3, 5), (5, 6), (0, 1))))
        for frame in frames
    ]


def jpeg_with_filler(data: bytes) -> bytes | None:
    """The JPEG with noise behind the bytes of each scan, to find out whether libjpeg reads beyond them.

    Then it would fill up with grey, and says nothing of it: pixels are whole if the noise makes no difference. A
    progressive picture that is cut right behind one of its scans cannot be told from one of less detail. None for a
    picture that is not Huffman-coded; ImageError for one with far too many scans, or none of one of its colours.
    """
    kinds: set[int] = set()
    colours: set[int] = set()
    shown: set[int] = set()
    parts: list[bytes] = []
    place = 2
    while True:
        segments = list(jpeg_segments(data, place))
        for marker, start, end in segments:
            if marker in _FRAMES:
                kinds.add(marker)
                colours.update(data[start + 6 : end : 3])
        if not segments or segments[-1][0] != _SCAN:
            break
        _, start, end = segments[-1]
        shown.update(data[start + 1 : start + 2 * data[start] : 2] if start < end else b"")
        found = _END_OF_SCAN.search(data, end)
        if data.find(_LONGEST_RUN, end, found.end() if found else len(data)) >= 0:  # Pillow would read it over and over
            raise ImageError("source is a JPEG file that is broken: its pixels are filled up with bytes of 255")
        written, place = (place if parts else 0), found.start() if found else len(data)
        parts += [data[written:place], _FILLER]
        if len(parts) > 2 * _MOST_SCANS:
            raise ImageError(f"source is a JPEG file that is broken: it has more than {_MOST_SCANS} scans")
    if not kinds or not kinds <= _HUFFMAN_FRAMES:
        return None
    if colours - shown:
        raise ImageError("source is a JPEG file that is truncated or damaged: it has no pixels of one of its colours")
    return b"".join([*parts, data[place:]])


def _tells_colours(marker: int, content: bytes) -> bool:
    """Whether it is one of the two that libjpeg looks at to know the colours: JFIF and Adobe, neither too short."""
    is_jfif = marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14
    return is_jfif or (marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12)


def _profile(contents: list[bytes]) -> bytes | None:
    """The ICC profile out of its numbered parts, or None."""
    parts = sorted(content[len(_PROFILE) :] for content in contents if content.startswith(_PROFILE))
    if not parts:
        return None
    if [part[:1] for part in parts] != [bytes([n & 255]) for n in range(1, len(parts) + 1)] or any(
        part[1:2] != bytes([len(parts) & 255]) for part in parts
    ):
        warn_ignored("ICC profile", "is not whole")
        return None
    return b"".join(part[2:] for part in parts)
