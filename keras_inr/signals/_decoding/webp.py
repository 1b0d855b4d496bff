"""WebP: libwebp, by way of Pillow, gets the chunks that pixels need; profile and orientation are read here."""

from collections.abc import Iterator

from PIL import WebPImagePlugin

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Raster, check_pixels
from keras_inr.signals._decoding.metadata import orientation_of
from keras_inr.signals._decoding.pillow import decoded, opened

_PIXELS = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
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
    for height, width in webp_sizes(data):
        check_pixels(height, width, max_pixels)
    body = b"".join(kept)
    image = opened(
        WebPImagePlugin.WebPImageFile, b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body, max_pixels
    )
    return decoded(image, told.get(b"ICCP"), orientation_of(told.get(b"EXIF"), told.get(b"XMP ")))


def webp_sizes(data: bytes) -> list[tuple[int, int]]:
    """(height, width) of the canvas and of each still picture that the file declares."""
    sizes = []
    for name, start, _ in _chunks(data):
        head = data[start : start + 10]
        if name == b"VP8X":
            sizes.append((1 + int.from_bytes(head[7:10], "little"), 1 + int.from_bytes(head[4:7], "little")))
        elif name == b"VP8 ":
            height, width = (int.from_bytes(head[n : n + 2], "little") & 0x3FFF for n in (8, 6))
            sizes.append((height, width))
        elif name == b"VP8L":
            bits = int.from_bytes(head[1:5], "little")
            sizes.append((1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF)))
    return sizes


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of every chunk's content, the last of which may reach beyond the data."""
    start = 12
    while start + 8 <= len(data):
        length = int.from_bytes(data[start + 4 : start + 8], "little")
        yield data[start : start + 4], start + 8, start + 8 + length
        start += 8 + length + length % 2
