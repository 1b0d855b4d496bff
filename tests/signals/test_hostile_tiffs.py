import io
import logging
import struct
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


def holding(compression, content):
    """A page of 16 x 16 grey pixels whose only strip is `content`."""
    page = tiff(np.zeros((16, 16), "uint8"), photometric="minisblack")
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
        decode_image(holding(compression, encode(flat)), 256).samples[..., 0].astype(int), 90, atol=2
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
    with pytest.raises(ImageError, match=r"broken or truncated: index .* is out of bounds"):
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

    monkeypatch.setattr("keras_inr.signals._decoding.tiff._interpreted", faulty)
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
