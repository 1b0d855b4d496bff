"""Whole pictures as PNG files; `keras_inr.rendering.to_file` writes those that may be larger than memory."""

import io
import pathlib

import numpy as np
import PIL.Image

from keras_inr._files import atomic_path


def save_png(path: pathlib.Path, picture: np.ndarray, dpi: int | None = None) -> None:
    """A uint8 picture (height, width, channels) as a PNG file, which is replaced atomically.

    Equal pictures give equal bytes under one version of Pillow.

    Args:
        path: of the file.
        picture: grey, grey + alpha, RGB or RGBA.
        dpi: pixels per inch that the file states, if any.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(png_bytes(picture, dpi))


def png_bytes(picture: np.ndarray, dpi: int | None = None, level: int = 6) -> bytes:
    """The bytes of a PNG file, see `save_png`; level of compression from 0 to 9, of which 1 is quick.

    >>> png_bytes(np.zeros((2, 3, 1), np.uint8))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    stated = {} if dpi is None else {"dpi": (dpi, dpi)}
    as_image(picture).save(buffer, format="PNG", compress_level=level, **stated)
    return buffer.getvalue()


def as_image(picture: np.ndarray) -> PIL.Image.Image:
    """A uint8 picture (height, width, channels) as Pillow has it."""
    return PIL.Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[-1] == 1 else picture))
