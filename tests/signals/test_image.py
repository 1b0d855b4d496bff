import dataclasses
import hashlib
import io

import numpy as np
import PIL.Image
import pytest
import skimage.data

from keras_inr.signals import ImageError, ImageSignal, load_image
from keras_inr.signals._arrays import array_sha256

EXACT = {"rtol": 0, "atol": 1e-7}  # one rounding to float32
RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype="uint8")


def test_signal_of_a_file(tmp_path):
    path = tmp_path / "picture.png"
    PIL.Image.fromarray(RGB).save(path)
    signal = load_image(path)
    assert (signal.height, signal.width, signal.channels, signal.size) == (6, 9, 3, (6, 9))
    assert (signal.source, signal.bit_depth) == (str(path), 8)
    assert signal.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_allclose(signal.values, RGB / 255, **EXACT)


def test_values_are_float32_contiguous_and_read_only():
    options = [{}, {"crop": (1, 2, 3, 4)}, {"grayscale": True}, {"size": (3, 3)}]
    for values in [load_image(RGB, **option).values for option in options]:
        assert values.dtype == np.float32
        assert values.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            values[0, 0, 0] = 0


def test_signal_is_frozen_and_short_to_print():
    signal = load_image(RGB)
    with pytest.raises(dataclasses.FrozenInstanceError):
        signal.source = "elsewhere"
    assert repr(signal) == f"ImageSignal(source='array', sha256='{array_sha256(RGB)}', bit_depth=8)"


def test_the_callers_array_stays_free():
    array = np.full((2, 2, 1), 0.5, "float32")
    signal = load_image(array)
    array[:] = 0
    np.testing.assert_array_equal(signal.values, 0.5)


def test_signal_needs_three_axes():
    with pytest.raises(ImageError, match=r"values must have shape \(H, W, C\), received \(2, 3\)"):
        ImageSignal(np.zeros((2, 3)), "array", "", 8)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (1, 1), (1, 20000), (20000, 1)])
def test_coords_are_pixel_centres_in_the_order_of_values(shape):
    height, width = shape
    signal = load_image(np.zeros(shape, "uint8"))
    rows, columns = np.indices(shape)
    expected = np.stack([2 * columns + 1 - width, 2 * rows + 1 - height], -1).reshape(-1, 2) / max(shape)
    assert signal.coords.dtype == np.float32
    np.testing.assert_allclose(signal.coords, expected, rtol=6e-8, atol=0)  # half a unit in the last place


@pytest.mark.parametrize(
    ("dtype", "peak", "bit_depth"), [("uint8", 255, 8), ("uint16", 65535, 16), ("bool", 1, 8), ("float64", 1, 32)]
)
def test_arrays(dtype, peak, bit_depth):
    array = np.random.default_rng(0).random((4, 5, 3))
    array = array > 0.5 if dtype == "bool" else (array * peak).astype(dtype)
    signal = load_image(array)
    np.testing.assert_allclose(signal.values, array / peak if peak > 1 else array, **EXACT)
    assert (signal.source, signal.sha256, signal.bit_depth) == ("array", array_sha256(array), bit_depth)


@pytest.mark.parametrize("name", ["chelsea", "astronaut", "camera", "coffee", "hubble_deep_field"])
def test_samples_are_what_scikit_image_gives(name):
    expected = getattr(skimage.data, name)() / 255
    signal = load_image(f"sample:{name}")
    np.testing.assert_allclose(signal.values, expected.reshape(signal.values.shape), **EXACT)


def test_embedded_profile_is_converted(adobe_to_xyz, xyz_to_srgb):
    stored = skimage.data.rocket() / 255  # scikit-image does not look at the Adobe RGB profile of this JPEG
    expected = xyz_to_srgb(stored ** (563 / 256) @ adobe_to_xyz.T)
    assert np.abs(expected - stored).max() > 0.1
    # The profile rounds its matrix to 1.5e-5 and its white a little differently; sRGB's slope is 12.92 near black.
    np.testing.assert_allclose(load_image("sample:rocket").values, expected, rtol=0, atol=2e-3)


def test_sixteen_bit_png_keeps_its_low_bytes(png_bytes):
    samples = np.random.default_rng(0).integers(0, 65536, (5, 4, 3)).astype(">u2")
    signal = load_image(png_bytes(2, 16, samples, 4))
    np.testing.assert_allclose(signal.values, samples / 65535, **EXACT)
    assert signal.bit_depth == 16


def test_crop_and_size_are_of_the_upright_picture():
    stream, tags = io.BytesIO(), PIL.Image.Exif()
    tags[0x0112] = 6  # to be turned clockwise by a quarter
    PIL.Image.fromarray(RGB).save(stream, "PNG", exif=tags)
    upright = np.rot90(RGB, -1)
    assert upright.shape == (9, 6, 3)
    np.testing.assert_allclose(load_image(stream.getvalue()).values, upright / 255, **EXACT)
    np.testing.assert_allclose(
        load_image(stream.getvalue(), crop=(5, 1, 4, 3)).values, upright[5:9, 1:4] / 255, **EXACT
    )
    assert load_image(stream.getvalue(), size=18).size == (18, 12)


def test_crop_then_grey_then_resize():
    constant = np.zeros((8, 8, 3), "uint8")
    constant[2:6, 3:7] = (10, 200, 60)
    signal = load_image(constant, crop=(2, 3, 4, 4), grayscale=True, size=(2, 6))
    expected = (0.299 * 10 + 0.587 * 200 + 0.114 * 60) / 255
    np.testing.assert_allclose(signal.values, np.full((2, 6, 1), expected), rtol=1e-6)  # float32 sums


def test_grey_is_pillows_mode_l_within_its_rounding():
    expected = np.asarray(PIL.Image.fromarray(RGB).convert("L"))[..., None] / 255
    np.testing.assert_allclose(load_image(RGB, grayscale=True).values, expected, rtol=0, atol=0.51 / 255)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha(channels):
    array = np.random.default_rng(0).integers(0, 256, (3, 4, channels), dtype="uint8")
    colour, opacity = array[..., :-1] / 255, array[..., -1:] / 255
    on_white = colour * opacity + 1 - opacity
    np.testing.assert_allclose(load_image(array).values, on_white, **EXACT)
    kept = load_image(array, alpha="keep").values
    np.testing.assert_allclose(kept[..., :3], np.broadcast_to(colour, (3, 4, 3)), **EXACT)
    np.testing.assert_allclose(kept[..., 3:], opacity, **EXACT)
    assert load_image(array, alpha="keep", size=(6, 6)).channels == 4
    assert load_image(array, grayscale=True).channels == 1


def test_keeping_alpha_of_opaque_pictures_changes_nothing():
    assert load_image(RGB, alpha="keep").channels == 3
    assert load_image(RGB[..., 0], alpha="keep").channels == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": "black"}, 'alpha must be "white" or "keep", received \'black\''),
        ({"alpha": None}, 'alpha must be "white" or "keep", received None'),
        ({"alpha": "keep", "grayscale": True}, 'grayscale=True gives one channel and needs alpha="white", received'),
        ({"max_pixels": 0}, "max_pixels must be an integer of at least 1, received 0"),
        ({"max_pixels": 1e6}, "max_pixels must be an integer of at least 1, received 1000000.0"),
        ({"max_pixels": None}, "max_pixels must be an integer of at least 1, received None"),
        ({"crop": (0, 0, 9, 9)}, r"inside the picture of 6 x 9 \(height x width\), received \(0, 0, 9, 9\)"),
        ({"crop": (0, 0, 1)}, r"crop must be four integers .* received \(0, 0, 1\)"),
        ({"size": 0}, "size must be .* received 0"),
        (
            {"size": (1000, 1000), "max_pixels": 1000},
            r"size \(1000, 1000\) has 1000 x 1000 = 1000000 pixels, more than",
        ),
        ({"size": 100, "max_pixels": 1000}, "size 100 has 67 x 100 = 6700 pixels, more than max_pixels=1000"),
        ({"max_pixels": 53}, "source has 6 x 9 = 54 pixels, more than max_pixels=53"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ImageError, match=message):
        load_image(RGB, **options)


def test_options_are_checked_before_the_source_is_read():
    with pytest.raises(ImageError, match="alpha must be"):
        load_image("missing.png", alpha="black")
