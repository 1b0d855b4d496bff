"""JPEG: libjpeg, by way of Pillow, gets the segments that pixels need; profile and orientation are read here."""

from collections.abc import Iterator

from PIL import JpegImagePlugin

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Raster
from keras_inr.signals._decoding.metadata import orientation_of, warn_ignored
from keras_inr.signals._decoding.pillow import decoded, opened

_PROFILE, _EXIF, _XMP = b"ICC_PROFILE\0", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN, _COMMENT = 0xDA, 0xFE


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
    image = opened(JpegImagePlugin.JpegImageFile, b"".join(kept), max_pixels)
    applications = [(marker, data[start:end]) for marker, start, end in segments if marker in (0xE1, 0xE2)]
    exif = next((content for marker, content in applications if marker == 0xE1 and content.startswith(_EXIF)), None)
    xmp = next((content for marker, content in applications if marker == 0xE1 and content.startswith(_XMP)), None)
    profile = _profile([content for marker, content in applications if marker == 0xE2])
    return decoded(image, profile, orientation_of(exif, xmp))


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of every segment's content up to the first scan, found as libjpeg finds them."""
    place = 2
    while (place := data.find(b"\xff", place)) >= 0:  # what lies between segments is passed over
        while data[place : place + 1] == b"\xff":
            place += 1
        marker = data[place] if place < len(data) else 0xD9
        place += 1
        if marker == 0xD9:
            return
        if marker in (0x00, 0x01, 0xD8) or 0xD0 <= marker <= 0xD7:  # have no content
            continue
        length = int.from_bytes(data[place : place + 2])
        if length < 2 or place + length > len(data):
            return
        yield marker, place + 2, place + length
        if marker == _SCAN:
            return
        place += length


def jpeg_sizes(data: bytes) -> list[tuple[int, int]]:
    """(height, width) of every frame that is declared before the first scan; one in a sound file."""
    frames = [data[start:end] for marker, start, end in jpeg_segments(data) if marker in _FRAMES]
    return [(int.from_bytes(frame[1:3]), int.from_bytes(frame[3:5])) for frame in frames]


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
