"""The bytes of a picture file to a raster: PNG, JPEG, WebP, BMP and GIF here, TIFF next door."""

import io

import imagecodecs
import numpy as np
from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from keras_inr.signals.errors import ImageError
from keras_inr.signals.raster import Raster, check_pixels
from keras_inr.signals.tiff_decoding import decode_tiff

_ORIENTATION_TAG = 0x0112
_MODES = {  # what Pillow makes of JPEG, WebP, BMP and GIF: model, and the mode without alpha to convert to
    "1": ("grey", "L"),
    "L": ("grey", "L"),
    "P": ("rgb", "RGB"),
    "RGB": ("rgb", "RGB"),
    "RGBA": ("rgb", "RGB"),
    "CMYK": ("cmyk", "CMYK"),
}


def decode_image(data, max_pixels):
    """Raster of the first frame in `data`, the bytes of a PNG, JPEG, WebP, TIFF, BMP or GIF file.

    Raises ImageError if the data are empty, of another format, truncated or otherwise broken, or if the header
    declares more than max_pixels pixels; in the last case no pixel is decoded.
    """
    if not data:
        raise ImageError("source is empty (0 bytes)")
    name, decode = _format_of(data)
    try:
        return decode(data, max_pixels)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders of hostile bytes raise nearly anything: OSError, SyntaxError, KeyError, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"source is a {name} file that is broken or truncated: {reason}") from error


def _format_of(data):
    """(name, decoder) by the first bytes; no other decoder ever sees the data."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", _decode_png
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG", lambda data, limit: _decode_with(JpegImagePlugin.JpegImageFile, data, limit)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP", lambda data, limit: _decode_with(WebPImagePlugin.WebPImageFile, data, limit)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF", decode_tiff
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF", lambda data, limit: _decode_with(GifImagePlugin.GifImageFile, data, limit)
    if data.startswith(b"BM"):
        return "BMP", lambda data, limit: _decode_with(BmpImagePlugin.BmpImageFile, data, limit)
    raise ImageError(f"source is not a PNG, JPEG, WebP, TIFF, BMP or GIF picture: it starts with {bytes(data[:12])!r}")


def _decode_png(data, max_pixels):
    """PNG pixels by libpng: Pillow drops the low byte of 16-bit colours and misreads tRNS of 2 and 4-bit greys."""
    image = _open(PngImagePlugin.PngImageFile, data, max_pixels)
    profile = image.info.get("icc_profile")
    orientation = _orientation(image)
    samples = imagecodecs.png_decode(_essential_chunks(data))
    samples = samples[..., None] if samples.ndim == 2 else samples
    model = "grey" if samples.shape[2] <= 2 else "rgb"
    peak, bit_depth = (65535, 16) if samples.dtype == "uint16" else (255, 8)
    return Raster(samples, model, samples.shape[2] in (2, 4), peak, bit_depth, profile, orientation)


def _essential_chunks(data):
    """The PNG with its pixels and transparency only: libpng prints what it dislikes in any other chunk."""
    kept = [data[:8]]
    start = 8
    while (end := start + 12 + int.from_bytes(data[start : start + 4])) <= len(data):
        name = data[start + 4 : start + 8]
        if name.isupper() or name == b"tRNS":  # upper case marks the chunks that a decoder must know
            kept.append(data[start:end])
        if name == b"IEND":
            return b"".join(kept)
        start = end
    raise ImageError("source is a PNG file that is truncated: its last chunk, IEND, is missing")


def _decode_with(plugin, data, max_pixels):
    image = _open(plugin, data, max_pixels)
    image.load()
    orientation = _orientation(image)
    model, mode = _MODES[image.mode]
    has_alpha = image.mode == "RGBA" or "transparency" in image.info
    if has_alpha:
        mode += "A"
    samples = np.asarray(image if image.mode == mode else image.convert(mode))
    samples = samples[..., None] if samples.ndim == 2 else samples
    return Raster(samples, model, has_alpha, 255, 8, image.info.get("icc_profile"), orientation)


def _open(plugin, data, max_pixels):
    """The header only. Not PIL.Image.open, whose own limit on pixels is a global that max_pixels could not raise."""
    image = plugin(io.BytesIO(data))
    check_pixels(image.height, image.width, max_pixels)
    return image


def _orientation(image):
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # cameras write malformed EXIF; the pixels are none the worse for it
        return 1
    return orientation if orientation in range(1, 9) else 1
