"""Whole pictures as JPEG files."""

import io

import PIL.Image

QUALITY = 90


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
