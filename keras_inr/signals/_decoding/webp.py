"""WebP: libwebp, by way of Pillow, gets the chunks that pixels need; profile and orientation are read here."""

from collections.abc import Iterator

from PIL import WebPImagePlugin

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Header, Raster, check_pixels
from keras_inr.signals._decoding.metadata import orientation_of
from keras_inr.signals._decoding.pillow import decoded, opened

_PIXELS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
_MOST_CHUNKS = 2**16  # each frame of an animation is one
_HAS_ALPHA = 0x10  # a bit of VP8X
_TELLS = 0x20 | 0x08 | 0x04  # bits of VP8X: there is a profile, EXIF, XMP


def decode_webp(data: bytes, max_pixels: int) -> Raster:
    """Raster of the first frame of a WebP file."""
    kept: list[bytes] = []
    told: dict[bytes, bytes] = {}
    for name, start, end in _chunks(data):
        padded = end + (end - start) % 2
        if name not in _PIXELS:
            told.setdefault(name, data[start:end])
        elif padded > len(data):
            raise ImageError("source is a WebP file that is truncated: its pixels are not whole")
        elif name == b"VP8X" and end - start >= 10:
            kept += [data[start - 8 : start], bytes([data[start] & ~_TELLS]), data[start + 1 : padded]]
        else:
            kept.append(data[start - 8 : padded])
    for header in webp_headers(data):
        check_pixels(header.height, header.width, max_pixels)
    body = b"".join(kept)
    image = opened(
        WebPImagePlugin.WebPImageFile, b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body, max_pixels
    )
    return decoded(image, told.get(b"ICCP"), orientation_of(told.get(b"EXIF"), told.get(b"XMP ")))


def is_animated(data: bytes) -> bool:
    """Whether it has frames, of which more may follow the first."""
    return any(name == b"ANMF" for name, _, _ in _chunks(data))


def webp_headers(data: bytes) -> list[Header]:
    """The canvas and each still picture that the file declares, all with alpha if one of them has it."""
    sizes, has_alpha = [], False
    for name, start, _ in _chunks(data):
        head = data[start : start + 10]
        if name == b"VP8X":
            sizes.append((1 + int.from_bytes(head[7:10], "little"), 1 + int.from_bytes(head[4:7], "little")))
            has_alpha |= bool(head[:1] and head[0] & _HAS_ALPHA)
        elif name == b"VP8 ":
            height, width = (int.from_bytes(head[n : n + 2], "little") & 0x3FFF for n in (8, 6))
            sizes.append((height, width))
        elif name == b"VP8L":
            bits = int.from_bytes(head[1:5], "little")
            sizes.append((1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)))
            has_alpha |= bool(bits >> 28 & 1)
    return [Header(height, width, 3 + has_alpha, 8) for height, width in sizes]


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of every chunk's content, the last of which may reach beyond the data."""
    start, count = 12, 0
    while start + 8 <= len(data) and data[start : start + 4] != bytes(4):  # a file may be filled up with zeros
        if (count := count + 1) > _MOST_CHUNKS:
            raise ImageError(f"source is a WebP file that is broken: it has more than {_MOST_CHUNKS} chunks")
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        yield data[start : start + 4], start + 8, start + 8 + length
        start += 8 + length + length % 2
