import io
import struct
import warnings

import numpy as np
import PIL.Image
import pytest
import tifffile

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decode import decode_image

LIMIT = 10**6
RNG = np.random.default_rng(0)
RGB8 = RNG.integers(0, 256, (20, 18, 3), dtype="uint8")
RGB16 = RNG.integers(0, 65536, (20, 18, 3), dtype="uint16")
RGBA16 = RNG.integers(0, 65536, (20, 18, 4), dtype="uint16")
FLOATS = RNG.random((20, 18, 3)).astype("float32")


def tiff(array, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def decoded(array, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return decode_image(tiff(array, **options), LIMIT)


@pytest.mark.parametrize(
    ("samples", "peak", "bit_depth"),
    [
        (RGB8, 255, 8),
        (RGB16, 65535, 16),
        (FLOATS, 1, 32),
        (FLOATS.astype("float16"), 1, 32),
        (FLOATS.astype("f8"), 1, 32),
    ],
    ids=["uint8", "uint16", "float32", "float16", "float64"],
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "lzw", "predictor": True},
        {"compression": "deflate"},
        {"compression": "packbits"},
        {"tile": (16, 16)},
        {"planarconfig": "separate"},
        {"byteorder": ">"},
        {"bigtiff": True},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_rgb(samples, peak, bit_depth, options):
    if options.get("planarconfig"):
        stored = np.moveaxis(samples, -1, 0)
    else:
        stored = samples
    raster = decoded(stored, photometric="rgb", **options)
    np.testing.assert_array_equal(raster.samples, samples)
    assert (raster.model, raster.has_alpha, raster.peak, raster.bit_depth) == ("rgb", False, peak, bit_depth)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_grey_and_white_is_zero(dtype):
    grey = RGB16[..., 0].astype(dtype)
    peak = np.iinfo(dtype).max
    np.testing.assert_array_equal(decoded(grey, photometric="minisblack").samples[..., 0], grey)
    np.testing.assert_array_equal(decoded(grey, photometric="miniswhite").samples[..., 0], peak - grey)


@pytest.mark.parametrize(("photometric", "inverted"), [("minisblack", False), ("miniswhite", True)])
def test_one_bit(photometric, inverted):
    mask = RGB8[..., 0] > 100
    raster = decoded(mask, photometric=photometric)
    np.testing.assert_array_equal(raster.samples[..., 0], mask ^ inverted)
    assert (raster.peak, raster.bit_depth) == (1, 8)


def test_twelve_bits():
    grey = (RGB16[..., 0] >> 4).astype("uint16")
    raster = decoded(grey, photometric="minisblack", bitspersample=12)
    np.testing.assert_array_equal(raster.samples[..., 0], grey)
    assert (raster.peak, raster.bit_depth) == (4095, 16)


@pytest.mark.parametrize("scale", [257, 1])
def test_palette_of_sixteen_or_eight_bits(scale):
    colours = RNG.integers(0, 256, (3, 256))
    index = RGB8[..., 0]
    raster = decoded(index, photometric="palette", colormap=(colours * scale).astype("uint16"))
    np.testing.assert_array_equal(raster.samples / raster.peak, np.moveaxis(colours, 0, -1)[index] / 255)
    assert (raster.model, raster.bit_depth) == ("rgb", 8)


def test_cmyk(cmyk_profile):
    raster = decoded(RGBA16, photometric="separated", iccprofile=cmyk_profile)
    np.testing.assert_array_equal(raster.samples, RGBA16)
    assert (raster.model, raster.has_alpha, raster.profile) == ("cmyk", False, cmyk_profile)


def test_jpeg_inside():
    flat = np.full((16, 16, 3), (200, 30, 90), "uint8")
    raster = decoded(flat, photometric="rgb", compression="jpeg", compressionargs={"level": 100})
    np.testing.assert_allclose(raster.samples.astype(int), flat, atol=2)  # rounding of the cosine transform
    stream = io.BytesIO()
    PIL.Image.fromarray(flat).save(stream, "TIFF", compression="jpeg", quality=100)  # YCbCr
    raster = decode_image(stream.getvalue(), LIMIT)
    np.testing.assert_allclose(raster.samples.astype(int), flat, atol=2)
    assert raster.model == "rgb"


@pytest.mark.parametrize(("kind", "has_alpha"), [("unassalpha", True), ("unspecified", False)])
def test_extra_samples(kind, has_alpha):
    raster = decoded(RGBA16, photometric="rgb", extrasamples=[kind])
    np.testing.assert_array_equal(raster.samples, RGBA16 if has_alpha else RGBA16[..., :3])
    assert raster.has_alpha is has_alpha


def test_grey_with_alpha():
    raster = decoded(RGBA16[..., :2], photometric="minisblack", extrasamples=["unassalpha"], planarconfig="contig")
    np.testing.assert_array_equal(raster.samples, RGBA16[..., :2])
    assert (raster.model, raster.has_alpha) == ("grey", True)


def test_premultiplied_alpha_is_divided_out():
    stored = np.array([[[100, 50, 25, 200], [9, 9, 9, 0], [255, 255, 255, 255], [30, 20, 10, 20]]], "uint8")
    raster = decoded(stored, photometric="rgb", extrasamples=["assocalpha"])
    expected = [[0.5, 0.25, 0.125, 200 / 255], [0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 0.5, 20 / 255]]
    np.testing.assert_allclose(raster.samples[0], expected, rtol=1e-6)  # float32 quotients
    assert (raster.peak, raster.bit_depth, raster.has_alpha) == (1, 8, True)


@pytest.mark.parametrize("orientation", range(10))
def test_orientation_is_read(orientation):
    raster = decoded(RGB8, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(raster.samples, RGB8)
    assert raster.orientation == (orientation if 1 <= orientation <= 8 else 1)


def test_first_page(rgb_profile):
    raster = decoded(np.stack([RGB8, 255 - RGB8]), photometric="rgb", iccprofile=rgb_profile())
    np.testing.assert_array_equal(raster.samples, RGB8)
    assert raster.profile == rgb_profile()


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (RGB8, {"photometric": "cielab"}, "received photometric CIELAB with compression NONE"),
        (RGB8, {"photometric": "ycbcr"}, "or JPEG-compressed YCbCr samples, received photometric YCBCR"),
        (RGB8[..., 0].astype("uint32"), {"photometric": "minisblack"}, "received 32 bits of sample format UINT"),
        (RGB8[..., 0].astype("int16"), {"photometric": "minisblack"}, "received 16 bits of sample format INT"),
        (
            RGB8[..., 0].astype("complex64"),
            {"photometric": "minisblack"},
            "received 64 bits of sample format COMPLEXIEEEFP",
        ),
        (
            np.zeros((9, 20, 18), "uint8"),
            {"photometric": "minisblack", "planarconfig": "separate"},
            "of 1 to 5 .* received 9",
        ),
        (np.zeros((16, 16, 16), "uint8"), {"volumetric": True, "tile": (16, 16, 16)}, "received 1 and depth 16"),
        (FLOATS * 2, {"photometric": "rgb"}, r"must lie in \[0, 1\], received "),
        (np.full((2, 2), np.nan, "float32"), {"photometric": "minisblack"}, "received nan to nan"),
        (RGB8, {"photometric": "rgb", "tile": (2048, 1024)}, "a tile of source has 2048 x 1024 = 2097152 pixels"),
    ],
)
def test_tiffs_that_are_refused(array, options, message):
    with pytest.raises(ImageError, match=message):
        decode_image(tiff(array, **options), LIMIT)


def test_photometric_without_a_name():
    data = tiff(RGB8, photometric="rgb")
    entry = struct.pack("<HHIH", 262, 3, 1, 2)
    assert data.count(entry) == 1
    with pytest.raises(ImageError, match="received photometric 999 with compression NONE"):
        decode_image(data.replace(entry, struct.pack("<HHIH", 262, 3, 1, 999)), LIMIT)


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"tile": (16, 16)}], ids=["plain", "lzw", "tiled"])
def test_every_cut_is_an_error(options):
    data = tiff(RGB16, photometric="rgb", **options)
    for length in [*range(1, 40), *range(40, len(data), 41), *range(len(data) - 5, len(data))]:
        with pytest.raises(ImageError, match=r"source (is empty|is not a|is a TIFF file that is truncated)"):
            decode_image(data[:length], LIMIT)


def test_end_of_file_is_named():
    data = tiff(RGB16, photometric="rgb")
    with pytest.raises(ImageError, match=f"TIFF file that is truncated: it ends after {len(data) - 1} bytes"):
        decode_image(data[:-1], LIMIT)
