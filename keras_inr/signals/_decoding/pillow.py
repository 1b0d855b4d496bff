"""What Pillow's decoders of JPEG, WebP, BMP and GIF make of the parts of a file that pixels need."""

import io
from collections.abc import Callable

import numpy as np
from PIL import ImageFile

from keras_inr.signals._decoding.decoded import Raster, check_pixels

_MODES = {  # model, and the mode without alpha to convert to
    "1": ("grey", "L"),
    "L": ("grey", "L"),
    "P": ("rgb", "RGB"),
    "RGB": ("rgb", "RGB"),
    "RGBA": ("rgb", "RGB"),
    "CMYK": ("cmyk", "CMYK"),
}


def opened(plugin: Callable[[io.BytesIO], ImageFile.ImageFile], data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """The header only. Not PIL.Image.open, whose own limit on pixels is a global that max_pixels could not raise."""
    image = plugin(io.BytesIO(data))
    check_pixels(image.height, image.width, max_pixels)
    return image


def decoded(image: ImageFile.ImageFile, profile: bytes | None = None, orientation: int = 1) -> Raster:
    """Raster of an opened image."""
    image.load()
    model, mode = _MODES[image.mode]
    has_alpha = image.mode == "RGBA" or "transparency" in image.info
    if has_alpha:
        mode += "A"
    samples = np.asarray(image if image.mode == mode else image.convert(mode))
    samples = samples[..., None] if samples.ndim == 2 else samples
    return Raster(samples, model, has_alpha, 255, 8, profile, orientation)
