"""Pictures as PNG, JPEG or WebP."""

import io

import numpy as np
import PIL.Image

from keras_inr.gateway.drawing import Drawn, decoded
from keras_inr.rendering._jpeg import jpeg_bytes
from keras_inr.rendering.png import as_image, png_bytes
from keras_inr.serving.status import RequestError

MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
"""Format -> media type."""

MOST_SIDE = {"png": 2**24, "jpg": 65500, "webp": 16383}
"""Format -> most pixels along a side that its libraries write."""

PNG_LEVEL = 1
WEBP_QUALITY = 90


def checked_format(name: str) -> str:
    """A key of `MEDIA_TYPES`, "jpeg" being "jpg"; INVALID_ARGUMENT for another one.

    >>> checked_format("jpeg")
    'jpg'
    """
    name = "jpg" if name == "jpeg" else name
    if name not in MEDIA_TYPES:
        raise RequestError(
            "INVALID_ARGUMENT", f"format must be one of {', '.join(MEDIA_TYPES)}, received {name[:40]!r}"
        )
    return name


def check_size(size: tuple[int, int], format: str) -> None:
    """INVALID_ARGUMENT for a (height, width) that the format has no room for.

    >>> check_size((1, 65500), "jpg")
    """
    if max(size) > MOST_SIDE[format]:
        raise RequestError(
            "INVALID_ARGUMENT", f"a {format} has at most {MOST_SIDE[format]} pixels along a side, received {max(size)}"
        )


def image_of(drawn: Drawn) -> PIL.Image.Image:
    """What was drawn, as Pillow has it."""
    return as_image(decoded(drawn) if isinstance(drawn, bytes) else drawn)


def on_canvas(image: PIL.Image.Image, canvas: tuple[int, int]) -> PIL.Image.Image:
    """The image in the upper left corner of (height, width) pixels that are transparent elsewhere."""
    if image.size == canvas[::-1]:
        return image
    whole = PIL.Image.new("RGBA", canvas[::-1], (255, 255, 255, 0))
    whole.paste(image)
    return whole


def encoded(image: PIL.Image.Image, format: str) -> bytes:
    """The file. JPEG has no transparency: it is white there.

    >>> encoded(PIL.Image.new("L", (4, 3)), "jpg")[:2]
    b'\\xff\\xd8'
    """
    if format == "png":
        array = np.asarray(image)
        return png_bytes(array[..., None] if array.ndim == 2 else array, level=PNG_LEVEL)
    if format == "jpg":
        return jpeg_bytes(image)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=WEBP_QUALITY, method=2)
    return buffer.getvalue()


def as_file(drawn: Drawn, canvas: tuple[int, int], size: tuple[int, int], format: str) -> bytes:
    """What was drawn as a file; a PNG that needs no more stays as it is."""
    if isinstance(drawn, bytes) and format == "png" and canvas == size:
        return drawn
    return encoded(on_canvas(image_of(drawn), canvas), format)
