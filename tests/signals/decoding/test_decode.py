import io
import struct
import warnings

import numpy as np
import PIL.Image
import pytest

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decode import decode_image

LIMIT = 10**6
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype="uint8")
PALETTE = bytes(range(10, 22))  # four colours


def encoded(picture, file_format, **options):
    stream = io.BytesIO()
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def image(array, mode=None):
    picture = PIL.Image.fromarray(array)
    return picture if mode is None else picture.convert(mode)


def assert_raster(raster, samples, model, has_alpha=False, peak=255, bit_depth=8):
    np.testing.assert_array_equal(raster.samples, samples)
    assert raster.samples.ndim == 3
    assert (raster.model, raster.has_alpha, raster.peak, raster.bit_depth) == (model, has_alpha, peak, bit_depth)


# Colour type, depth, packed row, width, extra chunks; samples, model, alpha: from the PNG specification, 11.2 and 11.3.
PNG_CASES = {
    "grey1": (0, 1, b"\x40", 2, [], [[0], [255]], "grey", False),
    "grey2": (0, 2, b"\x1b", 4, [], [[0], [85], [170], [255]], "grey", False),
    "grey4": (0, 4, b"\x0a", 2, [], [[0], [170]], "grey", False),
    "grey8": (0, 8, b"\x0a\xff", 2, [], [[10], [255]], "grey", False),
    "grey16": (0, 16, b"\x01\x02\xff\xfe", 2, [], [[0x0102], [0xFFFE]], "grey", False),
    "rgb8": (2, 8, bytes(range(6)), 2, [], [[0, 1, 2], [3, 4, 5]], "rgb", False),
    "rgb16": (2, 16, bytes(range(6)), 1, [], [[0x0001, 0x0203, 0x0405]], "rgb", False),
    "palette2": (3, 2, b"\x1b", 4, [(b"PLTE", PALETTE)], np.arange(10, 22).reshape(4, 3), "rgb", False),
    "palette8": (3, 8, b"\x03\x00", 2, [(b"PLTE", PALETTE)], [[19, 20, 21], [10, 11, 12]], "rgb", False),
    "grey8 alpha": (4, 8, bytes(range(4)), 2, [], [[0, 1], [2, 3]], "grey", True),
    "grey16 alpha": (4, 16, bytes(range(4)), 1, [], [[0x0001, 0x0203]], "grey", True),
    "rgb8 alpha": (6, 8, bytes(range(4)), 1, [], [[0, 1, 2, 3]], "rgb", True),
    "rgb16 alpha": (6, 16, bytes(range(8)), 1, [], [[0x0001, 0x0203, 0x0405, 0x0607]], "rgb", True),
    "grey1 key": (0, 1, b"\x40", 2, [(b"tRNS", b"\0\1")], [[0, 255], [255, 0]], "grey", True),
    "grey2 key": (0, 2, b"\x1b", 4, [(b"tRNS", b"\0\2")], [[0, 255], [85, 255], [170, 0], [255, 255]], "grey", True),
    "grey16 key": (0, 16, b"\1\2\1\3", 2, [(b"tRNS", b"\1\2")], [[0x0102, 0], [0x0103, 65535]], "grey", True),
    "rgb8 key": (2, 8, b"\1\2\3\1\2\4", 2, [(b"tRNS", b"\0\1\0\2\0\3")], [[1, 2, 3, 0], [1, 2, 4, 255]], "rgb", True),
    "rgb16 key": (2, 16, bytes(range(6)), 1, [(b"tRNS", bytes(range(6)))], [[0x0001, 0x0203, 0x0405, 0]], "rgb", True),
    "palette2 alpha": (
        *(3, 2, b"\x1b", 4, [(b"PLTE", PALETTE), (b"tRNS", b"\x80\x00")]),
        *([[10, 11, 12, 128], [13, 14, 15, 0], [16, 17, 18, 255], [19, 20, 21, 255]], "rgb", True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PNG_CASES)
def test_png_of_every_colour_type_and_depth(case, png_bytes):
    colour_type, depth, row, width, chunks, samples, model, has_alpha = PNG_CASES[case]
    raster = decode_image(png_bytes(colour_type, depth, [row], width, *chunks), LIMIT)
    peak, bit_depth = (65535, 16) if depth == 16 else (255, 8)
    assert_raster(raster, [samples], model, has_alpha, peak, bit_depth)


def test_interlaced_png(png_bytes):
    picture = np.random.default_rng(1).integers(0, 65536, (3, 2, 3)).astype(">u2")
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]  # Adam7
    rows = [row.tobytes() for y, x, dy, dx in passes for row in picture[y::dy, x::dx] if row.size]
    raster = decode_image(png_bytes(2, 16, rows, 2, height=3, interlace=1), LIMIT)
    np.testing.assert_array_equal(raster.samples, picture)


def test_png_warnings_of_libpng_stay_silent(png_bytes, capfd):
    chunks = [(b"sRGB", b"\x09"), (b"gAMA", b"\0\0\0\0"), (b"zzZz", b"private")]
    decode_image(png_bytes(0, 8, [b"\x05"], 1, *chunks), LIMIT)
    assert capfd.readouterr().err == ""


BMP_WITH_ALPHA = (
    b"BM" + struct.pack("<IHHI", 14 + 108 + 4, 0, 0, 14 + 108)
    + struct.pack("<IiiHHIIiiII", 108, 1, 1, 1, 32, 3, 4, 0, 0, 0, 0)
    + struct.pack("<4I", 0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000) + b"BGRs" + bytes(48) + bytes([3, 2, 1, 4])
)  # fmt: skip
RAMP = np.arange(256, dtype="uint8").reshape(16, 16, 1)  # a GIF is grey if its palette is the ramp of all greys
GREY = PIXELS[..., :1]
MASK = GREY > 127


@pytest.mark.parametrize(
    ("data", "samples", "model", "has_alpha"),
    [
        pytest.param(encoded(image(PIXELS), "BMP"), PIXELS, "rgb", False, id="bmp-rgb"),
        pytest.param(encoded(image(GREY[..., 0]), "BMP"), GREY, "grey", False, id="bmp-grey"),
        pytest.param(encoded(image(MASK[..., 0]), "BMP"), MASK * 255, "grey", False, id="bmp-1bit"),
        pytest.param(BMP_WITH_ALPHA, [[[1, 2, 3, 4]]], "rgb", True, id="bmp-rgba"),
        pytest.param(encoded(image(RAMP[..., 0]), "GIF"), RAMP, "grey", False, id="gif-grey"),
        pytest.param(encoded(image(MASK[..., 0]), "GIF"), MASK * 255, "grey", False, id="gif-1bit"),
        pytest.param(encoded(image(PIXELS), "WEBP", lossless=True), PIXELS, "rgb", False, id="webp-rgb"),
        pytest.param(
            encoded(image(np.dstack([PIXELS, GREY | 1])), "WEBP", lossless=True),
            np.dstack([PIXELS, GREY | 1]), "rgb", True, id="webp-rgba",
        ),
    ],
)  # fmt: skip
def test_lossless_formats_keep_every_sample(data, samples, model, has_alpha):
    assert_raster(decode_image(data, LIMIT), samples, model, has_alpha)


@pytest.mark.parametrize("file_format", ["BMP", "GIF"])
def test_palettes(file_format):
    picture = PIL.Image.fromarray(np.array([[0, 1, 2, 3]], "uint8"), "P")
    picture.putpalette(PALETTE)
    expected = np.frombuffer(PALETTE, "uint8").reshape(1, 4, 3)
    assert_raster(decode_image(encoded(picture, file_format), LIMIT), expected, "rgb")


def test_transparent_gif():
    picture = PIL.Image.fromarray(np.array([[0, 1, 2, 3]], "uint8"), "P")
    picture.putpalette(PALETTE)
    raster = decode_image(encoded(picture, "GIF", transparency=2), LIMIT)
    assert (raster.model, raster.has_alpha) == ("rgb", True)
    np.testing.assert_array_equal(raster.samples[0, :, 3], [255, 255, 0, 255])
    np.testing.assert_array_equal(raster.samples[0, 3, :3], [19, 20, 21])


@pytest.mark.parametrize(
    ("mode", "model", "colour"),
    [("L", "grey", (77,)), ("RGB", "rgb", (200, 30, 90)), ("CMYK", "cmyk", (10, 200, 30, 60))],
)
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(mode, model, colour, progressive):
    picture = PIL.Image.new(mode, (16, 8), colour[0] if mode == "L" else colour)
    raster = decode_image(encoded(picture, "JPEG", quality=100, progressive=progressive), LIMIT)
    assert (raster.model, raster.samples.shape, raster.samples.dtype) == (model, (8, 16, len(colour)), "uint8")
    # A flat picture at quality 100 loses only the rounding of YCbCr and of the cosine transform.
    np.testing.assert_allclose(raster.samples.astype(int), np.broadcast_to(colour, (8, 16, len(colour))), atol=2)


def test_adobe_cmyk_is_stored_inverted():
    data = encoded(PIL.Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG", quality=100)
    assert b"Adobe" in data
    assert decode_image(data, LIMIT).samples.max() <= 2  # white paper, not full ink


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_animations_give_their_first_frame(file_format):
    frames = [PIL.Image.fromarray(np.full((4, 4), value, "uint8")) for value in (50, 200)]
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(decode_image(data, LIMIT).samples, 50)


def exif(orientation):
    tags = PIL.Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_read(file_format, orientation):
    data = encoded(image(PIXELS), file_format, exif=exif(orientation))
    assert decode_image(data, LIMIT).orientation == orientation


def test_orientation_behind_the_pixels_of_a_png(png_bytes):
    content = exif(6).tobytes()[6:]  # without "Exif\0\0"
    data = png_bytes(0, 8, [b"\x05"], 1, (b"eXIf", content))
    start, end = data.index(b"eXIf") - 4, data.index(b"IDAT") - 4
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert decode_image(moved, LIMIT).orientation == 6


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("content", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", exif(9).tobytes(), b""])
def test_malformed_exif_is_upright(content):
    assert decode_image(encoded(image(PIXELS), "JPEG", exif=content), LIMIT).orientation == 1


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_icc_profile_is_handed_on(file_format, rgb_profile):
    data = encoded(image(PIXELS), file_format, icc_profile=rgb_profile())
    assert decode_image(data, LIMIT).profile == rgb_profile()


@pytest.mark.parametrize("shape", [(1, 1), (1, 20000), (20000, 1)])
def test_extreme_shapes(shape):
    picture = np.arange(shape[0] * shape[1], dtype="uint8").reshape(shape)
    np.testing.assert_array_equal(decode_image(encoded(image(picture), "PNG"), LIMIT).samples[..., 0], picture)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_every_cut_is_an_error(file_format):
    data = encoded(image(PIXELS), file_format)
    shortest = 2 if file_format == "GIF" else 1  # a GIF's last two bytes only say that nothing follows
    for length in [*range(1, 60), *range(60, len(data) - 20, 7), *range(len(data) - 20, len(data) - shortest)]:
        with pytest.raises(ImageError, match=r"source (is not a|is a .* file that is (broken or )?truncated)"):
            decode_image(data[:length], LIMIT)


def test_end_of_png_is_missing(png_bytes):
    with pytest.raises(ImageError, match="PNG file that is truncated: its last chunk, IEND, is missing"):
        decode_image(png_bytes(0, 8, [b"\x05"], 1)[:-12], LIMIT)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"source is empty \(0 bytes\)"),
        (b"hello, world", "not a PNG, JPEG, WebP, TIFF, BMP or GIF picture: it starts with b'hello, world'"),
        (b"%PDF-1.7\n...", r"it starts with b'%PDF-1.7\\n...'"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 'it starts with b"<svg xmlns'),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "source is a PNG file that is broken or truncated: "),
        (b"\xff\xd8\xff" + bytes(50), "source is a JPEG file that is broken or truncated: "),
        (b"GIF89a" + bytes(50), "source (is a GIF file that is broken|has no pixels)"),
    ],
)
def test_bytes_that_are_no_picture(data, message):
    with pytest.raises(ImageError, match=message) as caught:
        decode_image(data, LIMIT)
    assert "\n" not in str(caught.value)


def test_wrong_checksum(png_bytes):
    data = bytearray(png_bytes(0, 8, [b"\x05"], 1))
    data[data.index(b"IDAT") + 6] ^= 1
    with pytest.raises(ImageError, match="PNG file that is broken or truncated"):
        decode_image(bytes(data), LIMIT)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_too_many_pixels(file_format):
    data = encoded(image(PIXELS), file_format)
    assert decode_image(data, 30).samples.shape == (6, 5, 3)
    with pytest.raises(ImageError, match="source has 6 x 5 = 30 pixels, more than max_pixels=29"):
        decode_image(data, 29)


def test_bomb_is_refused_by_its_header(png_bytes):
    with pytest.raises(ImageError, match="source has 2000000000 x 2000000000 = 4000000000000000000 pixels"):
        decode_image(png_bytes(0, 8, [b""], 2 * 10**9, height=2 * 10**9), 2**26)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "GIF", "TIFF"])
def test_limit_of_pillow_does_not_matter(file_format, monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(encoded(image(PIXELS), file_format), 30).samples.shape == (6, 5, 3)
    assert PIL.Image.MAX_IMAGE_PIXELS == 3


def test_limit_of_pillow_for_webp(monkeypatch):
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 3)
    with pytest.raises(
        ImageError, match=r"source is a WebP file that is .* truncated: Image size \(30 pixels\) exceeds"
    ):
        decode_image(encoded(image(PIXELS), "WEBP"), 30)


def test_lack_of_memory_is_not_called_a_broken_file(monkeypatch):
    def exhausted(data):
        raise MemoryError

    monkeypatch.setattr("imagecodecs.png_decode", exhausted)
    with pytest.raises(MemoryError):
        decode_image(encoded(image(PIXELS), "PNG"), LIMIT)
