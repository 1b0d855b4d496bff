"""The bytes of a picture file to a raster, by the decoder of its format."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.bmp import bmp_size, decode_bmp
from keras_inr.signals._decoding.decoded import Raster, check_pixels
from keras_inr.signals._decoding.gif import decode_gif, gif_size
from keras_inr.signals._decoding.jpeg import decode_jpeg, jpeg_headers
from keras_inr.signals._decoding.png import decode_png, png_size
from keras_inr.signals._decoding.tiff import decode_tiff
from keras_inr.signals._decoding.tiff_directory import check_pixel_tags, read_directory
from keras_inr.signals._decoding.webp import decode_webp, is_animated, webp_headers

HEAD_BYTES = 16
"""How many of the first bytes tell the format."""

_LONGEST_BMP_HEADER = 2**16


def decode_image(data: bytes, max_pixels: int) -> Raster:
    """Raster of the first frame in `data`, the bytes of a PNG, JPEG, WebP, TIFF, BMP or GIF file.

    Raises ImageError if the data are empty, of another format, truncated or otherwise broken, or if the header
    declares more than max_pixels pixels; in the last case no pixel is decoded. What a decoder raised is its cause.
    """
    name, decode = format_of(data[:HEAD_BYTES])
    with one_sentence(f"source is a {name} file that is broken or truncated"), _quiet():
        return decode(data, max_pixels)


def format_of(head: bytes) -> tuple[str, Callable[[bytes, int], Raster]]:
    """(name, decoder) by the first bytes; no other decoder ever sees the data."""
    if not head:
        raise ImageError("source is empty (0 bytes)")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG", decode_png
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG", decode_jpeg
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP", decode_webp
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF", decode_tiff
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF", decode_gif
    if head.startswith(b"BM") or _is_dib(head):
        return "BMP", decode_bmp
    raise ImageError(f"source is not a PNG, JPEG, WebP, TIFF, BMP or GIF picture: it starts with {bytes(head[:12])!r}")


def check_header(data: bytes, max_pixels: int) -> int | None:
    """How many pixels the header of a long file tells, of which alone its bytes may be; None where more may follow.

    Raises ImageError where there are more than max_pixels of them, or the header is broken. `data` may be a map of the
    file: little of it is read.
    """
    name, _ = format_of(data[:HEAD_BYTES])
    pixels = header_pixels(data, max_pixels)
    more_may_follow = name in ("TIFF", "GIF") or (name == "WebP" and is_animated(data))
    return None if more_may_follow else pixels


def header_pixels(data: bytes, max_pixels: int) -> int:
    """How many pixels the header of a file tells of, of which there may not be more than max_pixels."""
    name, _ = format_of(data[:HEAD_BYTES])
    with one_sentence(f"source is a {name} file that is broken or truncated"):
        if name == "TIFF":
            directory = read_directory(data)
            check_pixel_tags(data, directory)
            sizes = [(directory.number(data, 257) or 0, directory.number(data, 256) or 0)]
        elif name == "GIF":
            sizes = [gif_size(data)]
        elif name == "PNG":
            sizes = [png_size(data)]
        elif name == "BMP":
            sizes = [bmp_size(data[:_LONGEST_BMP_HEADER])]
        else:
            headers = jpeg_headers(data) if name == "JPEG" else webp_headers(data)
            sizes = [(header.height, header.width) for header in headers] or [(0, 0)]
        for height, width in sizes:
            check_pixels(height, width, max_pixels)
        return max(height * width for height, width in sizes)


def _is_dib(head: bytes) -> bool:
    """Whether it is a BMP without the file's header, which is what a clipboard holds: its size, and one plane."""
    size = int.from_bytes(head[:4], "little")
    return len(head) >= 14 and size in (40, 52, 56, 108, 124) and head[12:14] == b"\1\0"


@contextlib.contextmanager
def one_sentence(what: str) -> Iterator[None]:
    """Turns whatever is raised, lack of memory apart, into an ImageError of one sentence with its cause."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # decoders of hostile bytes raise nearly anything: OSError, SyntaxError, KeyError, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{what}: {reason}") from error


class _WhileDecoding(logging.Filter):
    """Drops what decoders log while a picture is decoded: its error says it, or it does not matter to its pixels.

    Not by the thread that logs, as tifffile decodes in threads of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.running = 0

    def filter(self, record: logging.LogRecord) -> bool:
        return self.running == 0


_SILENCE = _WhileDecoding()
for _name in ("tifffile", "imagecodecs"):
    logging.getLogger(_name).addFilter(_SILENCE)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with _SILENCE.lock:
        _SILENCE.running += 1
    try:
        yield
    finally:
        with _SILENCE.lock:
            _SILENCE.running -= 1
