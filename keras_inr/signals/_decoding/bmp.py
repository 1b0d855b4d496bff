"""BMP and DIB by Pillow; alpha that is 0 everywhere is none."""

import dataclasses

from PIL import BmpImagePlugin

from keras_inr.signals._decoding.decoded import Raster
from keras_inr.signals._decoding.pillow import decoded, opened


def decode_bmp(data: bytes, max_pixels: int) -> Raster:
    """Raster of a BMP file. Many a program writes 32 bits a pixel and leaves alpha at 0: then the colours count.

    So do browsers and picture viewers, where else nothing would be seen.
    """
    plugin = BmpImagePlugin.BmpImageFile if data.startswith(b"BM") else BmpImagePlugin.DibImageFile
    raster = decoded(opened(plugin, data, max_pixels))
    if raster.has_alpha and not raster.samples[..., -1].any():
        return dataclasses.replace(raster, samples=raster.samples[..., :-1], has_alpha=False)
    return raster
