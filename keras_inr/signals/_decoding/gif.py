"""GIF: Pillow gets the first frame alone, without comments, programs' blocks and what is to come of later frames."""

import re

from PIL import GifImagePlugin

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Raster, check_pixels
from keras_inr.signals._decoding.pillow import decoded, opened

_TRUNCATED = "source is a GIF file that is broken or truncated: it ends before its first frame"
_CONTROL = 0xF9
_BLOCK = re.compile(rb"[!,;]")
_MOST_BETWEEN = 2**20  # bytes that are passed over
_MOST_BLOCKS = 2**18  # comments and the like, of up to 255 bytes each


def decode_gif(data: bytes, max_pixels: int) -> Raster:
    """Raster of the first frame of a GIF file, on its canvas."""
    height, width = gif_size(data)
    check_pixels(height, width, max_pixels)
    place, control = _first_frame(data)
    size = b"".join(min(side, 65535).to_bytes(2, "little") for side in (width, height))
    frame = b"".join([data[:6], size, data[10 : 13 + _palette_bytes(data, 10)], control, data[place:]])
    return decoded(opened(GifImagePlugin.GifImageFile, frame, max_pixels))


def gif_size(data: bytes) -> tuple[int, int]:
    """(height, width) of the canvas, made larger where the first frame reaches beyond it."""
    height, width = int.from_bytes(data[8:10], "little"), int.from_bytes(data[6:8], "little")
    place, _ = _first_frame(data)
    left, top, across, down = (int.from_bytes(data[place + n : place + n + 2], "little") for n in (1, 3, 5, 7))
    return max(height, top + down), max(width, left + across)


def _first_frame(data: bytes) -> tuple[int, bytes]:
    """(place, control) of the first frame: of the block in front of it, what matters to its pixels."""
    place = 13 + _palette_bytes(data, 10)
    control, left = b"", _MOST_BLOCKS
    while found := _BLOCK.search(data, place, place + _MOST_BETWEEN):  # the rest is passed over, as browsers do
        if found[0] == b";":
            break
        place = found.start()
        if found[0] == b",":
            return place, control
        end, left = _end_of_blocks(data, place + 2, left - 1)
        if data[place + 1] == _CONTROL and data[place + 2] >= 4:
            flags = data[place + 3] & 1  # whether a colour is transparent; not what becomes of the frame later
            control = b"!\xf9\4" + bytes([flags]) + data[place + 4 : place + 7] + b"\0"
        place = end
    raise ImageError(_TRUNCATED)


def _palette_bytes(data: bytes, place: int) -> int:
    if place >= len(data):
        raise ImageError(_TRUNCATED)
    return 3 << (data[place] & 7) + 1 if data[place] & 128 else 0


def _end_of_blocks(data: bytes, place: int, left: int) -> tuple[int, int]:
    """(place, left) behind a chain of blocks, each with its length in front, the last of which has none."""
    while place < len(data):
        if left < 0:
            raise ImageError(
                f"source is a GIF file that is broken: it has {_MOST_BLOCKS} blocks before its first frame"
            )
        if data[place] == 0:
            return place + 1, left
        place += 1 + data[place]
        left -= 1
    raise ImageError(_TRUNCATED)
