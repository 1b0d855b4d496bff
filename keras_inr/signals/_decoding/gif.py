"""GIF: Pillow gets the first frame alone, without comments, programs' blocks and what is to come of later frames."""

from PIL import GifImagePlugin

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Raster, check_pixels
from keras_inr.signals._decoding.pillow import decoded, opened

_TRUNCATED = "source is a GIF file that is broken or truncated: it ends before its first frame"
_CONTROL = 0xF9


def decode_gif(data: bytes, max_pixels: int) -> Raster:
    """Raster of the first frame of a GIF file, on its canvas."""
    height, width = int.from_bytes(data[8:10], "little"), int.from_bytes(data[6:8], "little")
    place = 13 + _palette_bytes(data, 10)
    control = b""
    while data[place : place + 1] != b",":
        if data[place : place + 1] == b"!":
            end = _end_of_blocks(data, place + 2)
            if data[place + 1] == _CONTROL and data[place + 2] >= 4:
                flags = data[place + 3] & 1  # whether a colour is transparent; not what becomes of the frame later
                control = b"!\xf9\4" + bytes([flags]) + data[place + 4 : place + 7] + b"\0"
            place = end
        elif data[place : place + 1] in (b"", b";"):
            raise ImageError(_TRUNCATED)
        else:  # as Pillow and browsers do
            place += 1
    left, top, across, down = (int.from_bytes(data[place + n : place + n + 2], "little") for n in (1, 3, 5, 7))
    height, width = max(height, top + down), max(width, left + across)
    check_pixels(height, width, max_pixels)
    size = b"".join(min(side, 65535).to_bytes(2, "little") for side in (width, height))
    frame = b"".join([data[:6], size, data[10 : 13 + _palette_bytes(data, 10)], control, data[place:]])
    return decoded(opened(GifImagePlugin.GifImageFile, frame, max_pixels))


def _palette_bytes(data: bytes, place: int) -> int:
    if place >= len(data):
        raise ImageError(_TRUNCATED)
    return 3 << (data[place] & 7) + 1 if data[place] & 128 else 0


def _end_of_blocks(data: bytes, place: int) -> int:
    """Behind a chain of blocks, each with its length in front; the last has none."""
    while place < len(data):
        if data[place] == 0:
            return place + 1
        place += 1 + data[place]
    raise ImageError(_TRUNCATED)
