import io
import logging
import re
import struct
import types
import zlib

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decode import decode_image
from keras_inr.signals.image import load_image

LIMIT = 10**6
RGB = np.random.default_rng(0).integers(0, 256, (20, 18, 3), dtype="uint8")
GREY = RGB[:16, :16, 0].copy()


def tiff(array, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def encoded(array, file_format, **options):
    stream = io.BytesIO()
    PIL.Image.fromarray(array).save(stream, file_format, **options)
    return stream.getvalue()


def changed(data, **fields):
    """The TIFF with other (type, count, value) of tags, given as t256=(3, 1, 17)."""
    data = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 4)
    for place in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        field = fields.get(f"t{struct.unpack_from('<H', data, place)[0]}")
        if field:
            struct.pack_into("<HII", data, place + 2, *field)
    return bytes(data)


def holding(compression, content, samples=1):
    """A page of 16 x 16 pixels, grey or RGB, whose only strip is `content`."""
    shape, photometric = ((16, 16), "minisblack") if samples == 1 else ((16, 16, samples), "rgb")
    page = tiff(np.zeros(shape, "uint8"), photometric=photometric)
    place = (4, 1, len(page))
    return changed(page, t259=(3, 1, compression), t273=place, t279=(4, 1, len(content))) + content


@pytest.mark.parametrize(
    "tag",
    [
        (34675, "I", 1, 5, True),
        (34675, "H", 3, (5, 6, 7), True),
        (34675, "d", 1, 0.5, True),
        (274, "s", 0, "top", True),
        (274, "H", 3, (6, 6, 6), True),
        (274, "d", 1, 6.0, True),
    ],
)
def test_wrongly_typed_profile_and_orientation_are_ignored_with_a_warning(tag):
    with pytest.warns(UserWarning, match="the picture's (ICC profile|orientation) .*is not .*; it is ignored"):
        signal = load_image(tiff(RGB, photometric="rgb", extratags=[tag]))
    np.testing.assert_array_equal(np.rint(signal.values * 255), RGB)


@pytest.mark.parametrize("tag", [(320, "H", 3, (6, 6, 6), True), (700, "I", 1, 3, True), (42113, "I", 1, 3, True)])
def test_tags_beside_the_pixels_do_not_matter(tag, capfd, caplog):
    assert (load_image(tiff(RGB, photometric="rgb", extratags=[tag])).values * 255).round().astype(
        "uint8"
    ).tolist() == RGB.tolist()
    assert capfd.readouterr().err == ""
    assert not caplog.records


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_with_white_as_zero(dtype):
    grey = (GREY / 255).astype(dtype)
    raster = decode_image(tiff(grey, photometric="miniswhite"), LIMIT)
    np.testing.assert_array_equal(raster.samples[..., 0], 1 - grey)


@pytest.mark.parametrize(
    ("options", "fields", "message"),
    [
        ({"rowsperstrip": 4}, {"t273": (4, 1, 300)}, "it needs 5 strips and has 1"),
        ({"rowsperstrip": 4, "compression": "deflate"}, {"t279": (3, 1, 30)}, "it needs 5 strips and has 1"),
        ({}, {"t279": (4, 1, 0)}, "it needs 1 strips and has 0"),
        ({}, {"t273": (4, 1, 0)}, "it needs 1 strips and has 0"),
        ({}, {"t279": (4, 1, 99)}, "strip 0 needs 1080 bytes and has 99"),
        ({}, {"t257": (4, 1, 8388613)}, "it needs 419431 strips and has 1"),
        ({"tile": (16, 16)}, {"t324": (4, 1, 300)}, "it needs 4 tiles and has 1"),
        ({"tile": (16, 16)}, {"t257": (4, 1, 8388613)}, "it needs 1048578 tiles and has 4"),
        ({"tile": (16, 16)}, {"t322": (3, 1, 0)}, "broken"),
    ],
)
def test_missing_strips_and_tiles(options, fields, message):
    with pytest.raises(ImageError, match=f"source is a TIFF file that is .*{message}"):
        decode_image(changed(tiff(RGB, photometric="rgb", **options), **fields), 2**28)


def test_one_byte_count_of_several_is_zero():
    data = tiff(RGB, photometric="rgb", rowsperstrip=10, compression="deflate")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages.first.tags[279]
    format_, size = ("<H", 2) if tag.dtype == 3 else ("<I", 4)
    broken = bytearray(data)
    struct.pack_into(format_, broken, tag.valueoffset + size, 0)
    with pytest.raises(ImageError, match="truncated or damaged: it needs 2 strips and has 1"):
        decode_image(bytes(broken), LIMIT)


BLACK = np.zeros((3000, 3000), "uint8")
CONTAINED = {
    "PNG": (34933, lambda array: encoded(array, "PNG")),
    "JPEG": (7, lambda array: encoded(array, "JPEG")),
    "old JPEG": (6, lambda array: encoded(array, "JPEG")),
    "other JPEG": (33007, lambda array: encoded(array, "JPEG")),
    "lossy JPEG": (34892, lambda array: encoded(array, "JPEG")),
    "WebP": (50001, lambda array: encoded(np.dstack([array] * 3), "WEBP")),
    "lossless WebP": (34927, lambda array: encoded(np.dstack([array] * 3), "WEBP", lossless=True)),
    "JPEG 2000": (34712, lambda array: imagecodecs.jpeg2k_encode(array, level=0)),
}


@pytest.mark.parametrize("name", CONTAINED)
def test_a_picture_inside_that_is_larger_than_its_place(name):
    compression, encode = CONTAINED[name]
    with pytest.raises(ImageError, match="inside a strip or tile of 16 x 16 pixels lies a picture of 3000 x 3000"):
        decode_image(holding(compression, encode(BLACK)), 2**26)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WebP", "JPEG 2000"])
def test_a_picture_inside_of_the_right_size(name):
    compression, encode = CONTAINED[name]
    flat = np.full((16, 16), 90, "uint8")
    np.testing.assert_allclose(
        decode_image(holding(compression, encode(flat), 3 if name == "WebP" else 1), 256).samples.astype(int),
        90,
        atol=2,
    )


@pytest.mark.parametrize("compression", [7, 34933, 50001, 34712])
def test_no_picture_inside(compression):
    with pytest.raises(ImageError, match="has no header that tells its height and width"):
        decode_image(holding(compression, b"nothing"), LIMIT)


@pytest.mark.parametrize(
    ("compression", "name"), [(50002, "JPEGXL"), (34887, "LERC"), (34934, "JPEGXR"), (34661, "JBIG"), (4321, "4321")]
)
def test_compressions_whose_size_cannot_be_told_are_refused(compression, name):
    with pytest.raises(
        ImageError, match=f"source must be a TIFF that is not compressed, .* received compression {name}"
    ):
        decode_image(holding(compression, bytes(64)), LIMIT)


@pytest.mark.parametrize(
    ("compression", "content"),
    [
        (8, zlib.compress(bytes(10**7))),
        (32946, zlib.compress(bytes(10**7))),
        (32773, b"\x81\0" * 10**5),
        (50000, imagecodecs.zstd_encode(bytes(10**7))),
    ],
)
def test_strips_that_unpack_to_more_than_their_size(compression, content):
    with pytest.raises(ImageError, match="source is a TIFF file that is broken or truncated"):
        decode_image(holding(compression, content), LIMIT)


def test_tiles_that_reach_far_over_the_edge():
    data = tiff(np.zeros((1024, 1024), "uint8"), photometric="minisblack", tile=(1024, 1024))
    narrow = changed(data, t256=(4, 1, 1), t257=(4, 1, 10**5))
    with pytest.raises(ImageError, match=r"100352 x 1024 = .* pixels, more than max_pixels=4194304"):
        decode_image(narrow, 2**20)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits", "lzma", "zstd", "png", "webp", "jpeg2000"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_compressions_that_are_taken(compression, tile):
    data = tiff(RGB, photometric="rgb", compression=compression, tile=tile)
    assert decode_image(data, LIMIT).samples.shape == RGB.shape


@pytest.mark.parametrize("fields", [{"t262": (3, 1, 3)}])
def test_palette_without_a_colour_map(fields):
    with pytest.raises(ImageError, match="its photometric is PALETTE without a colour map"):
        decode_image(changed(tiff(GREY, photometric="minisblack"), **fields), LIMIT)


def test_a_palette_that_is_too_short_for_its_places():
    data = tiff(GREY, photometric="palette", colormap=np.zeros((3, 256), "uint16"))
    with pytest.raises(ImageError, match="its colour map has 2 colours and its pixels ask for number 254"):
        decode_image(changed(data, t320=(3, 6, 8)), LIMIT)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_alpha_of_nothing_but_zeros_is_told(kind):
    stored = np.dstack([RGB, np.zeros_like(RGB[..., :1])])
    data = tiff(stored, photometric="rgb", extrasamples=[kind])
    with pytest.warns(UserWarning, match='is transparent everywhere and becomes white; alpha="keep" keeps'):
        assert load_image(data).values.min() == 1
    assert load_image(data, alpha="keep").channels == 4
    unspecified = load_image(tiff(stored, photometric="rgb", extrasamples=["unspecified"]))
    np.testing.assert_array_equal(np.rint(unspecified.values * 255), RGB)


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    def faulty(page, samples, model):
        return samples[0][0][0][0]

    monkeypatch.setattr("keras_inr.signals._decoding.tiff.interpreted", faulty)
    with pytest.raises(ImageError, match=r"^bytes: source is a TIFF file that is broken or truncated: ") as caught:
        load_image(tiff(RGB, photometric="rgb"))
    assert isinstance(caught.value.__cause__, IndexError)
    assert caught.value.__cause__.__traceback__.tb_next


def test_what_decoders_log_is_heard_again_afterwards(caplog):
    decode_image(tiff(RGB, photometric="rgb"), LIMIT)
    logging.getLogger("tifffile").warning("something else")
    assert caplog.messages == ["something else"]


@pytest.mark.parametrize(
    "compression", ["jpeg", "png", "webp", "jpeg2000", "lzw", "deflate", "packbits", "lzma", "zstd"]
)
def test_strips_of_which_half_is_missing(compression):
    data = tiff(np.tile(RGB, (4, 4, 1)), photometric="rgb", compression=compression)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        count = file.pages.first.databytecounts[0]
    with pytest.raises(ImageError, match=r"source is a TIFF file that is (broken or truncated|truncated or damaged)"):
        decode_image(changed(data, t279=(4, 1, count // 2)), LIMIT)


@pytest.mark.parametrize("components", [2, 3, 4, 2000])
def test_jpeg_2000_of_other_components_than_the_page(components):
    content = imagecodecs.jpeg2k_encode(np.zeros((16, 16, components), "uint8"), codecformat="j2k", level=0)
    message = f"of samples per pixel 1 and up to 8 bits lies a picture of samples per pixel {components} and 8 bits"
    with pytest.raises(ImageError, match=message):
        decode_image(holding(34712, content), LIMIT)


def test_components_that_a_palette_of_jpeg_2000_makes():
    content = imagecodecs.jpeg2k_encode(GREY, codecformat="jp2", level=0)
    place = content.index(b"ihdr") - 4
    palette = b"pclr" + struct.pack(">HB", 1, 255) + bytes([7]) * 255 + bytes(255)
    inside = content[:place] + struct.pack(">I", len(palette) + 4) + palette + content[place:]
    with pytest.raises(ImageError, match="lies a picture of samples per pixel 255 and 8 bits"):
        decode_image(holding(34712, inside), LIMIT)


def test_many_beginnings_of_jpeg_2000():
    content = imagecodecs.jpeg2k_encode(GREY, codecformat="j2k", level=0)
    with pytest.raises(ImageError, match="a strip or tile is a JPEG 2000 file that is broken: it has many beginnings"):
        decode_image(holding(34712, content + content[:45] * 99), LIMIT)


WITH_ALPHA = np.dstack([RGB[:16, :16], GREY])


@pytest.mark.parametrize(
    ("compression", "content", "samples", "received"),
    [
        (34933, encoded(RGB[:16, :16], "PNG"), 1, "3 and 8 bits"),
        (34933, encoded(GREY, "PNG", transparency=1), 1, "2 and 8 bits"),
        (34933, encoded(GREY, "PNG"), 3, "1 and 8 bits"),
        (34933, encoded(GREY.astype("uint16"), "PNG"), 1, "1 and 16 bits"),
        (7, encoded(RGB[:16, :16], "JPEG"), 1, "3 and 8 bits"),
        (50001, encoded(RGB[:16, :16], "WEBP"), 1, "3 and 8 bits"),
        (50001, encoded(WITH_ALPHA, "WEBP"), 3, "4 and 8 bits"),
        (34927, encoded(WITH_ALPHA, "WEBP", lossless=True), 3, "4 and 8 bits"),
        (34712, imagecodecs.jpeg2k_encode(GREY.astype("uint16"), codecformat="j2k"), 1, "1 and 16 bits"),
        (34712, imagecodecs.jpeg2k_encode(GREY.astype("int8"), codecformat="j2k"), 1, "1 and 16 bits"),
    ],
)
def test_samples_of_a_picture_inside_are_the_page_s(compression, content, samples, received):
    message = f"samples per pixel {samples} and up to 8 bits lies a picture of samples per pixel {received}"
    with pytest.raises(ImageError, match=message):
        decode_image(holding(compression, content, samples), LIMIT)


def strips(content, count, rows, columns, compression):
    """A page of grey strips that all lie at one place."""
    page = tiff(np.zeros((16, 16), "uint8"), photometric="minisblack")
    lists = struct.pack(f"<{count}I", *[len(page)] * count) + struct.pack(f"<{count}I", *[len(content)] * count)
    place = len(page) + len(content)
    fields = {"t257": (4, 1, rows * count), "t256": (4, 1, columns), "t278": (4, 1, rows), "t259": (3, 1, compression)}
    return changed(page, **fields, t273=(4, count, place), t279=(4, count, place + 4 * count)) + content + lists


def test_strips_that_lie_over_one_another():
    sound = encoded(GREY, "JPEG")
    content = sound[:2] + b"\xff\xe1\0\2" * 16000 + sound[2:]
    with pytest.raises(ImageError, match=f"lie over one another, with {500 * len(content)} bytes in all in a file of"):
        decode_image(strips(content, 500, 16, 16, 7), LIMIT)
    with pytest.raises(ImageError, match="lie over one another"):
        decode_image(strips(bytes(2**20), 500, 1, 16, 1), LIMIT)
    shared = decode_image(strips(sound, 500, 16, 16, 7), LIMIT).samples.reshape(500, 16, 16)
    np.testing.assert_array_equal(shared, np.broadcast_to(PIL.Image.open(io.BytesIO(sound)), (500, 16, 16)))


def test_pictures_inside_that_are_all_larger_than_their_strips():
    content = encoded(np.zeros((60, 6000), "uint8"), "PNG")
    with pytest.raises(ImageError, match="the pictures inside its strips or tiles have more than 4194304 pixels"):
        decode_image(strips(content, 100, 1, 6000, 34933), LIMIT)


def test_a_jpeg_inside_that_is_cut_and_has_an_end():
    content = encoded(GREY, "JPEG")
    np.testing.assert_array_equal(
        decode_image(holding(7, content), LIMIT).samples[..., 0], PIL.Image.open(io.BytesIO(content))
    )
    first = content.index(b"\xff\xda")
    for part in (0.3, 0.6, 0.9):
        cut = content[: first + round(part * (len(content) - first))].rstrip(b"\xff") + b"\xff\xd9"
        with pytest.raises(ImageError, match="a strip or tile of JPEG is not whole"):
            decode_image(holding(7, cut), LIMIT)


FAXES = {"group3": (3, 0), "group3, two dimensions": (3, 1), "group3, filled": (3, 4), "group4": (4, 0), "rle": (2, 0)}
MASKS = {
    "noise": RGB[..., 0] > 128,
    "few": np.random.default_rng(1).random((20, 18)) < 0.02,
    "white": np.ones((20, 18), bool),
    "black": np.zeros((20, 18), bool),
}


def fax(mask, name, tags=types.MappingProxyType({})):
    compression, options = FAXES[name]
    stream = io.BytesIO()
    names = {2: "tiff_ccitt", 3: "group3", 4: "group4"}
    info = {292: options} if compression == 3 else {}
    PIL.Image.fromarray(mask).save(stream, "TIFF", compression=names[compression], tiffinfo={**info, **tags})
    return stream.getvalue()


@pytest.mark.parametrize(("rows", "order"), [(20, 1), (7, 1), (20, 2)])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", FAXES)
def test_fax(name, mask, rows, order):
    data = fax(MASKS[mask], name, {278: rows, 266: order})
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert (file.pages.first.rowsperstrip, file.pages.first.fillorder) == (rows, order)
    np.testing.assert_array_equal(decode_image(data, LIMIT).samples[..., 0], MASKS[mask])


@pytest.mark.parametrize("mask", ["noise", "few"])
@pytest.mark.parametrize("name", FAXES)
def test_fax_that_is_cut(name, mask):
    data = fax(MASKS[mask], name)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        segment = data[page.dataoffsets[0] : page.dataoffsets[0] + page.databytecounts[0]]
    for end in range(1, round(0.8 * len(segment))):
        with pytest.raises(ImageError, match=r"CCITT fax ends before its 20 rows|ccitt_fax3_decode returned"):
            decode_image(changed(data, t279=(4, 1, end)), LIMIT)


PALETTE = {"photometric": "palette", "colormap": np.zeros((3, 256), "uint16")}


@pytest.mark.parametrize(
    ("array", "options", "fields", "message"),
    [
        (
            GREY,
            {},
            {"t256": (2, 2, 0x34)},
            "ImageWidth must hold one whole number (SHORT or LONG), received 2 values (text)",
        ),
        (
            GREY,
            {},
            {"t256": (3, 2, 0x40004)},
            "ImageWidth must hold one whole number (SHORT or LONG), received 2 values (whole numbers)",
        ),
        (
            GREY,
            {},
            {"t256": (1, 1, 16)},
            "ImageWidth must hold one whole number (SHORT or LONG), received 1 values (bytes)",
        ),
        (
            GREY,
            {},
            {"t257": (11, 1, 0)},
            "ImageLength must hold one whole number (SHORT or LONG), received 1 values (floats)",
        ),
        (
            GREY,
            {},
            {"t257": (5, 1, 8)},
            "ImageLength must hold one whole number (SHORT or LONG), received 1 values (fractions)",
        ),
        (
            GREY,
            {},
            {"t259": (3, 2, 0x10001)},
            "Compression must hold one whole number (SHORT or LONG), received 2 values",
        ),
        (
            GREY,
            {},
            {"t262": (2, 1, 97)},
            "PhotometricInterpretation must hold one whole number (SHORT or LONG), received 1 values (text)",
        ),
        (
            GREY,
            {},
            {"t277": (3, 0, 0)},
            "SamplesPerPixel must hold one whole number (SHORT or LONG), received 0 values",
        ),
        (
            GREY,
            {},
            {"t278": (2, 4, 0)},
            "RowsPerStrip must hold one whole number (SHORT or LONG), received 4 values (text)",
        ),
        (
            GREY,
            {},
            {"t258": (2, 1, 56)},
            "BitsPerSample must hold whole numbers (SHORT or LONG), received 1 values (text)",
        ),
        (
            GREY,
            {},
            {"t273": (7, 4, 0)},
            "StripOffsets must hold whole numbers (SHORT or LONG), received 4 values (bytes)",
        ),
        (
            GREY,
            {},
            {"t279": (11, 1, 0)},
            "StripByteCounts must hold whole numbers (SHORT or LONG), received 1 values (floats)",
        ),
        (
            GREY,
            {"tile": (16, 16)},
            {"t322": (2, 3, 0)},
            "TileWidth must hold one whole number (SHORT or LONG), received 3 values (text)",
        ),
        (
            GREY,
            {"tile": (16, 16)},
            {"t324": (11, 1, 0)},
            "TileOffsets must hold whole numbers (SHORT or LONG), received 1 values",
        ),
        (RGB, {"compression": "lzw", "predictor": True}, {"t317": (2, 2, 50)}, "Predictor must hold one whole number"),
        (RGB, {"planarconfig": "contig"}, {"t284": (2, 1, 49)}, "PlanarConfiguration must hold one whole number"),
        (WITH_ALPHA, {"extrasamples": ["unassalpha"]}, {"t338": (2, 4, 0)}, "ExtraSamples must hold whole numbers"),
        (
            GREY,
            PALETTE,
            {"t320": (11, 3, 8)},
            "ColorMap must hold whole numbers (SHORT or LONG), received 3 values (floats)",
        ),
        (
            GREY,
            PALETTE,
            {"t320": (2, 3, 8)},
            "ColorMap must hold whole numbers (SHORT or LONG), received 3 values (text)",
        ),
        (GREY, PALETTE, {"t320": (3, 4, 8)}, "ColorMap must hold three whole numbers for each colour"),
        (RGB / np.float32(255), {}, {"t339": (3, 3, 8)}, "SampleFormat must hold the same number for all samples"),
    ],
)
def test_wrongly_typed_tags_of_the_pixels(array, options, fields, message):
    options = {"photometric": "rgb" if array.ndim == 3 else "minisblack"} | options
    with pytest.raises(ImageError, match=f"source is a TIFF file that is broken: its tag {re.escape(message)}"):
        decode_image(changed(tiff(array, **options), **fields), LIMIT)


@pytest.mark.parametrize(
    "fields", [{"t284": (99, 1, 2)}, {"t256": (9, 1, 16)}, {"t266": (1, 1, 1)}, {"t257": (6, 1, 16)}]
)
def test_tags_of_types_that_are_passed_over_or_will_do(fields):
    data = tiff(GREY, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(decode_image(changed(data, **fields), LIMIT).samples[..., 0], GREY)
