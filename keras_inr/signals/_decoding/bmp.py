"""BMP and DIB by Pillow; alpha that is 0 everywhere is none."""

import dataclasses

from PIL import BmpImagePlugin, ImageFile

from keras_inr.signals._decoding.decoded import Raster
from keras_inr.signals._decoding.pillow import decoded, opened

_MOST_BYTES = 4  # of a pixel, whether packed into runs or not, and of what fills up or ends a row
_ALLOWANCE = 2**20  # header, palette and what a program may leave between its pixels


def decode_bmp(data: bytes, max_pixels: int) -> Raster:
    """Raster of a BMP file. Many a program writes 32 bits a pixel and leaves alpha at 0: then the colours count.

    So do browsers and picture viewers, where else nothing would be seen.
    """
    image = _opened(data, max_pixels)
    start = int.from_bytes(data[10:14], "little") if data[:2] == b"BM" else 0
    used = start + _MOST_BYTES * (image.height + 1) * (image.width + 1) + _ALLOWANCE
    raster = decoded(image if used >= len(data) else _opened(data[:used], max_pixels))
    if raster.has_alpha and not raster.samples[..., -1].any():
        return dataclasses.replace(raster, samples=raster.samples[..., :-1], has_alpha=False)
    return raster


def bmp_size(head: bytes) -> tuple[int, int]:
    """(height, width) of the header."""
    image = _opened(head, 2**64)
    return image.height, image.width


def _opened(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    plugin = BmpImagePlugin.BmpImageFile if data[:2] == b"BM" else BmpImagePlugin.DibImageFile
    return opened(plugin, data, max_pixels)
