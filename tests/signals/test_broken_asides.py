"""What is broken beside the pixels does not matter to them."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decode import decode_image
from keras_inr.signals.image import load_image

LIMIT = 10**6
RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype="uint8")


def encoded(array, file_format, **options):
    stream = io.BytesIO()
    PIL.Image.fromarray(array).save(stream, file_format, **options)
    return stream.getvalue()


def chunk(name, content, damage=0):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content) ^ damage)


def png(extra=b"", pixels=None):
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in RGB)) if pixels is None else pixels
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 6, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def assert_shown(data, capfd):
    np.testing.assert_array_equal(decode_image(data, LIMIT).samples, RGB)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"a\0b", damage=1),
        chunk(b"gAMA", b"\0"),
        chunk(b"cHRM", b"\0"),
        chunk(b"pHYs", b"\0"),
        chunk(b"acTL", b"\0"),
        chunk(b"tIME", b""),
        chunk(b"PLTE", b"\0"),
        chunk(b"tRNS", b"\0"),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0garbage"),
        chunk(b"zTXt", b"Raw profile type exif\0\0garbage"),
        b"".join(chunk(b"tEXt", b"a\0" + bytes(10**6)) for _ in range(3)),
    ],
)
def test_png_chunks_that_are_not_used(extra, capfd):
    assert_shown(png(extra), capfd)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (chunk(b"iCCP", b"a\0\0" + zlib.compress(b"x"), damage=1), "ICC profile has a wrong checksum"),
        (chunk(b"iCCP", b"a\0\0garbage"), "ICC profile is broken, or longer than 16777216 bytes"),
        (chunk(b"iCCP", b"x" * 200), "ICC profile is broken"),
        (chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**24 + 1))), "ICC profile is broken, or longer"),
        (chunk(b"eXIf", b"garbage"), "Corrupt EXIF data"),
        (chunk(b"eXIf", b"II*\0", damage=1), "EXIF block has a wrong checksum"),
    ],
)
def test_png_profile_and_exif_that_are_broken(extra, message, capfd):
    with pytest.warns(UserWarning, match=message):
        assert_shown(png(extra), capfd)


def test_a_large_profile_in_a_png(rgb_profile):
    profile = rgb_profile() + np.random.default_rng(0).bytes(3 * 10**6)
    raster = decode_image(png(chunk(b"iCCP", b"a\0\0" + zlib.compress(profile))), LIMIT)
    assert raster.profile == profile


@pytest.mark.parametrize("packed", [False, True])
def test_orientation_in_the_text_of_a_png(packed):
    text = b"<x tiff:Orientation='6'/>"
    xmp = b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"\0\0" + (zlib.compress(text) if packed else text)
    assert decode_image(png(chunk(b"iTXt", xmp)), LIMIT).orientation == 6
    exif = PIL.Image.Exif()
    exif[274] = 8
    digits = b"\nexif\n  30\n" + exif.tobytes().hex().encode()
    written = b"\0" + zlib.compress(digits) if packed else digits
    name = b"zTXt" if packed else b"tEXt"
    assert decode_image(png(chunk(name, b"Raw profile type exif\0" + written)), LIMIT).orientation == 8


def test_pixels_that_unpack_to_more_than_the_header_tells(capfd):
    rows = b"".join(b"\0" + row.tobytes() for row in RGB)
    assert_shown(png(pixels=zlib.compress(rows + bytes(10**8))), capfd)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(pixels=zlib.compress(bytes(95))), "its pixels need 96 bytes and are 95"),
        (png(chunk(b"ABCD", b"")), "it has a chunk that is not known, b'ABCD'"),
        (png()[:24] + b"\x08\x05" + png()[26:], "its header tells of colour type 5, 8 bits a sample"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"a" * 13) + png()[8:], "it does not begin with its header"),
    ],
)
def test_pngs_that_are_refused(data, message, capfd):
    with pytest.raises(ImageError, match=f"PNG file that is broken or truncated: {message}"):
        decode_image(data, LIMIT)
    assert capfd.readouterr().err == ""


def test_a_png_of_a_side_that_libpng_does_not_take():
    with pytest.raises(ImageError, match="a PNG of sides up to 1000000, received 1 x 1000001"):
        decode_image(encoded(np.zeros((1, 1000001), "uint8"), "PNG"), 2**26)


def segment(marker, content):
    return bytes([255, marker]) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize(
    ("marker", "content"),
    [
        (0xE0, b"JFIF"),
        (0xE0, b"JFIF\0"),
        (0xEE, b"Adobe"),
        (0xEE, b"Adobe\0\x64"),
        (0xE1, b""),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
        (0xE2, b"MPF\0"),
        (0xE2, b"FPXR\0"),
        (0xED, b"Photoshop 3.0\x008BIM"),
        (0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x04abcd"),
        (0xFE, b""),
    ],
)
def test_jpeg_segments_that_are_not_used(marker, content, capfd):
    data = encoded(RGB, "JPEG")
    raster = decode_image(data[:2] + segment(marker, content) + data[2:], LIMIT)
    np.testing.assert_array_equal(raster.samples, np.asarray(PIL.Image.open(io.BytesIO(data))))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("marker", "content", "message"),
    [
        (0xE2, b"ICC_PROFILE\0", "ICC profile is not whole"),
        (0xE2, b"ICC_PROFILE\0\1", "ICC profile is not whole"),
        (0xE2, b"ICC_PROFILE\0\1\2half", "ICC profile is not whole"),
        (0xE1, b"Exif\0\0", "Corrupt EXIF data"),
        (0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff", "Corrupt EXIF data"),
    ],
)
def test_jpeg_profile_and_exif_that_are_broken(marker, content, message):
    data = encoded(RGB, "JPEG")
    with pytest.warns(UserWarning, match=message):
        raster = decode_image(data[:2] + segment(marker, content) + data[2:], LIMIT)
    assert (raster.profile, raster.orientation) == (None, 1)


def test_a_profile_in_parts_that_are_out_of_order(rgb_profile):
    profile, data = rgb_profile(), encoded(RGB, "JPEG")
    parts = [
        segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 2]) + part) for n, part in ((2, profile[90:]), (1, profile[:90]))
    ]
    assert decode_image(data[:2] + b"".join(parts) + data[2:], LIMIT).profile == profile


def test_warnings_about_asides_stop_nothing_where_warnings_are_errors():
    data = encoded(RGB, "JPEG", exif=b"Exif\0\0garbage")
    assert decode_image(data, LIMIT).orientation == 1  # warnings are errors in these tests


def test_a_gif_is_its_first_frame_alone(capfd):
    grey = RGB[..., 0]
    data = encoded(grey, "GIF", comment=b"x" * 500)
    place = data.index(b"!\xfe")
    garbage = b"!\xff\x0bNETSCAPE2.0\0" + b"!\xff\x01x\0" + b"!\xf9\x04\x0c\0\0\0\0"
    raster = decode_image(data[:place] + garbage + data[place:], LIMIT)
    np.testing.assert_array_equal(
        PIL.Image.open(io.BytesIO(data)).convert("RGB"), np.broadcast_to(raster.samples, RGB.shape)
    )


def test_a_frame_that_is_larger_than_the_canvas_of_a_gif():
    data = bytearray(encoded(RGB[..., 0], "GIF"))
    place = data.rindex(b",\0\0\0\0\5\0\6\0")  # the frame: at (0, 0), of 5 x 6
    struct.pack_into("<HH", data, place + 5, 60000, 60000)
    with pytest.raises(ImageError, match="60000 x 60000 = 3600000000 pixels, more than max_pixels=1000000"):
        decode_image(bytes(data), LIMIT)


@pytest.mark.parametrize(("name", "content"), [(b"EXIF", b"gar"), (b"XMP ", b""), (b"ICCP", b"x")])
def test_webp_chunks_beside_the_pixels(name, content, rgb_profile):
    data = encoded(RGB, "WEBP", lossless=True, icc_profile=rgb_profile())
    extra = name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    raster = decode_image(data[:-1] + data[-1:] + extra, LIMIT) if name != b"EXIF" else None
    if raster is None:
        with pytest.warns(UserWarning, match="Corrupt EXIF data"):
            raster = decode_image(data + extra, LIMIT)
    np.testing.assert_array_equal(raster.samples, RGB)
    assert raster.profile == rgb_profile()


def test_the_canvas_of_a_webp_counts():
    data = bytearray(encoded(RGB, "WEBP", lossless=True, icc_profile=imagecodecs.cms_profile("srgb")))
    data[24:30] = b"\xff\xff\0\xff\xff\0"
    with pytest.raises(ImageError, match="65536 x 65536 = 4294967296 pixels, more than max_pixels=1000000"):
        decode_image(bytes(data), LIMIT)


def bmp(header_size, compression, alpha, bits=32):
    pixels = bytes([3, 2, 1, alpha]) * 3 + bytes([3, 2, 1, 0]) if bits == 32 else b"\x1f\x7c" * 4
    header = struct.pack("<IiiHHIIiiII", header_size, 2, 2, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header += (masks + b"BGRs" + bytes(99))[: header_size - 40]
    return b"BM" + struct.pack("<IHHI", 14 + len(header) + len(pixels), 0, 0, 14 + len(header)) + header + pixels


@pytest.mark.parametrize("without_file_header", [False, True])
@pytest.mark.parametrize(("header_size", "compression"), [(40, 0), (56, 3), (108, 3), (124, 3), (108, 0), (124, 0)])
def test_bmp_whose_alpha_is_zero_everywhere(header_size, compression, without_file_header):
    data = bmp(header_size, compression, alpha=0)[14 if without_file_header else 0 :]
    np.testing.assert_array_equal(np.rint(load_image(data).values * 255), np.broadcast_to([1, 2, 3], (2, 2, 3)))


def test_bmp_with_some_alpha_keeps_it():
    assert decode_image(bmp(108, 3, alpha=9), LIMIT).has_alpha


def test_bmp_of_sixteen_bits():
    np.testing.assert_array_equal(decode_image(bmp(40, 0, 0, bits=16), LIMIT).samples, [[[255, 0, 255]] * 2] * 2)


def test_crop_of_a_picture_that_is_too_large():
    with pytest.raises(
        ImageError, match=r"raise max_pixels if .* \(crop does not help, as the picture is decoded whole\)"
    ):
        load_image(encoded(RGB, "PNG"), crop=(0, 0, 2, 2), max_pixels=10)


def test_what_colours_and_sizes_raise_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr("keras_inr.signals.image.srgb_values", lambda *args: {}["nothing"])
    with pytest.raises(ImageError, match=r"^bytes: source cannot be made a picture of: 'nothing'$") as caught:
        load_image(encoded(RGB, "PNG"))
    assert isinstance(caught.value.__cause__, KeyError)
