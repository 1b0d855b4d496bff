"""Little files that would take much memory or time, and long ones of which little may be read."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import PIL.Image
import pytest

from keras_inr.errors import ImageError
from keras_inr.signals import _sources as sources
from keras_inr.signals._decoding import png as png_decoding
from keras_inr.signals._decoding.decode import check_header, decode_image
from keras_inr.signals.image import load_image

LIMIT = 10**6
RGB = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype="uint8")
MEGABYTE = 2**20
LONG = sources.ALLOWANCE + 32 * 256 + 1  # bytes of a file of 16 x 16 pixels that are too many by one


def encoded(array, file_format, **options):
    stream = io.BytesIO()
    PIL.Image.fromarray(array).save(stream, file_format, **options)
    return stream.getvalue()


def png_header(height=16, width=16):
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + content + struct.pack(">I", zlib.crc32(content))


def peak_of(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


GIF = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0, 0, 0)
FILLERS = {
    "PNG, zeros": (png_header() + bytes(12), bytes(12), "a chunk that is not known"),
    "PNG, chunks": (png_header(), b"\0\0\0\0aaaa\0\0\0\0", "more than 262144 chunks"),
    "GIF, zeros": (GIF, bytes(8), "it ends before its first frame"),
    "GIF, comments": (GIF, b"!\xfe\1a\0", "it has 262144 blocks before its first frame"),
    "WebP": (b"RIFF\0\0\0\0WEBP", b"junk\0\0\0\0", "more than 65536 chunks"),
    "JPEG, segments": (b"\xff\xd8", b"\xff\xe1\0\2", "more than 65536 segments"),
    "JPEG, 255": (b"\xff\xd8", b"\xff" * 8, "it ends before its pixels"),
    "JPEG, markers": (b"\xff\xd8\xff", b"\xff\x01" * 4, "it ends before its pixels"),
}


@pytest.mark.parametrize("name", FILLERS)
def test_what_fills_a_file_is_not_listed(name):
    start, filler, message = FILLERS[name]
    data = start + filler * (4 * MEGABYTE // len(filler))

    def refused():
        with pytest.raises(ImageError, match=message):
            decode_image(data, LIMIT)

    assert peak_of(refused) < 60 * MEGABYTE


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "BMP"])
def test_bytes_of_a_file_are_bound_by_its_header(file_format, tmp_path, monkeypatch):
    path = tmp_path / "long"
    with path.open("wb") as file:
        file.write(encoded(RGB, file_format))
        file.truncate(LONG - 1)  # takes no room
    assert load_image(path).size == (16, 16)
    with path.open("r+b") as file:
        file.truncate(LONG)
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail("was read whole"))
    with pytest.raises(ImageError, match=f"has {LONG} bytes, more than the {LONG - 1} .* the 256 pixels of its header"):
        load_image(path)


def test_a_long_file_is_refused_by_its_first_bytes(tmp_path, monkeypatch):
    path = tmp_path / "long"
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail("was read whole"))
    frame = b",\0\0\0\0\x10\0\x10\0\0"
    offsets = struct.pack("<IHHHII", 8, 1, 273, 4, 75 * 10**6, 200)
    for start, message in [
        (b"text", "is not a PNG"),
        (png_header(2000, 2000), "2000 x 2000 = 4000000 pixels, more than max_pixels=1024"),
        (GIF + frame, "has 3000000000 bytes, more than the 67141632 that are read for max_pixels=1024"),
        (GIF, "ends before its first frame"),
        (b"RIFF\0\0\0\0WEBP", "no pixels"),
        (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\2\0\0\0\x0f\0\0\x0f\0\0", "bytes, more than .* the 256 pixels of its header"),
        (b"\xff\xd8\xff", "no pixels"),
        (b"II*\0" + offsets, "its tag StripOffsets must hold at most 1048576 values, received 75000000"),
    ]:
        with path.open("wb") as file:
            file.write(start)
            file.truncate(3 * 10**9)
        with pytest.raises(ImageError, match=message):
            load_image(path, max_pixels=1024)


def test_pictures_of_which_more_may_follow_are_read_as_far_as_max_pixels_allows():
    frames = [PIL.Image.fromarray(RGB), PIL.Image.fromarray(255 - RGB)]
    for file_format in ("GIF", "TIFF", "WEBP"):
        stream = io.BytesIO()
        frames[0].save(stream, file_format, save_all=True, append_images=frames[1:])
        assert check_header(stream.getvalue(), LIMIT) is None
    assert check_header(encoded(RGB, "WEBP"), LIMIT) == 256


def test_a_photo_with_much_beside_its_pixels(rgb_profile):
    profile = rgb_profile() + bytes(1500000)
    comments = b"".join(b"\xff\xfe" + struct.pack(">H", 2 + 10) + b"x" * 10 for _ in range(5000))
    data = encoded(RGB, "JPEG", icc_profile=profile, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + bytes(60000))
    assert decode_image(data[:2] + comments + data[2:], LIMIT).profile == profile


def test_a_png_of_thousands_of_chunks():
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in RGB), 0)
    pieces = [png_decoding._chunk(b"IDAT", rows[n : n + 1]) for n in range(len(rows))]
    empty = [png_decoding._chunk(b"IDAT", b"")] * 9000
    data = b"".join([png_header(), *pieces, *empty, png_decoding._chunk(b"IEND", b"")])
    np.testing.assert_array_equal(decode_image(data, LIMIT).samples, RGB)


def test_texts_of_a_png_are_unpacked_once(monkeypatch):
    unpacked = []
    monkeypatch.setattr(png_decoding, "_unpacked", lambda content: unpacked.append(content))
    xmp = png_decoding._chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0x")
    exif = png_decoding._chunk(b"zTXt", b"Raw profile type exif\0\0x")
    data = encoded(RGB, "PNG")
    decode_image(data[:33] + 50 * (xmp + exif) + data[33:], LIMIT)
    assert len(unpacked) == 2


def test_runs_of_a_bmp_that_lead_nowhere(monkeypatch):
    header = struct.pack("<IiiHHIIiiII", 40, 16, 16, 1, 8, 1, 4, 0, 0, 0, 0)
    start = b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + header + bytes(1024)
    given = []
    opened = io.BytesIO
    monkeypatch.setattr("io.BytesIO", lambda data: given.append(len(data)) or opened(data))
    with pytest.raises(ImageError, match="BMP file that is broken"):
        decode_image(start + b"\0\2\0\0" * MEGABYTE, LIMIT)
    assert given[-1] < 2 * MEGABYTE


def test_scans_of_a_jpeg_are_counted():
    data = encoded(RGB, "JPEG", progressive=True)
    place = data.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match="it has more than 100 scans"):
        decode_image(data[:place] + data[place:-2] * 100 + b"\xff\xd9", LIMIT)


def test_a_scan_that_is_filled_up():
    with pytest.raises(ImageError, match="filled up with bytes of 255"):
        decode_image(encoded(RGB, "JPEG")[:-2] + b"\xff" * 2**17 + b"\xd9", LIMIT)


JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 1},
    "restarts, progressive": {"restart_marker_blocks": 1, "progressive": True},
    "optimized": {"optimize": True, "subsampling": 0},
}


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_that_is_cut_and_has_an_end(name, mode):
    stream = io.BytesIO()
    PIL.Image.fromarray(np.tile(RGB, (4, 4, 1))).convert(mode).save(stream, "JPEG", **JPEGS[name])
    data = stream.getvalue()
    whole = decode_image(data, LIMIT).samples
    np.testing.assert_array_equal(decode_image(data + b"\xff" * 99 + data, LIMIT).samples, whole)
    first = data.index(b"\xff\xda")
    for part in (0.2, 1 / 3, 0.5, 0.8, 0.95):
        cut = data[: first + round(part * (len(data) - first))].rstrip(b"\xff") + b"\xff\xd9"
        with pytest.raises(ImageError, match=r"JPEG file that is (truncated or damaged|broken or truncated)"):
            decode_image(cut, LIMIT)


def test_a_jpeg_without_one_of_its_colours():
    data = encoded(RGB, "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    second = data.index(b"\xff\xda", first + 2)
    alone = data[:first] + b"\xff\xda\0\x08\1\1\0\0\0\1" + data[first + 14 : second] + b"\xff\xd9"
    with pytest.raises(ImageError, match="it has no pixels of one of its colours"):
        decode_image(alone, LIMIT)
