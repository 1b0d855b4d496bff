"""Whole pictures as JPEG files."""

import io
import pathlib

import numpy as np
import PIL.Image

from keras_inr._files import atomic_path
from keras_inr.rendering.png import as_image

QUALITY = 90


def save_jpeg(path: pathlib.Path, picture: np.ndarray) -> None:
    """A uint8 picture (height, width, channels) as a JPEG file, which is replaced atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(jpeg_bytes(as_image(picture)))


def jpeg_bytes(image: PIL.Image.Image) -> bytes:
    """The bytes of a JPEG file of quality 90. JPEG has no transparency: it is white there.

    >>> jpeg_bytes(PIL.Image.new("LA", (4, 3)))[:2]
    b'\\xff\\xd8'
    """
    if image.mode not in ("L", "RGB"):
        ground = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
