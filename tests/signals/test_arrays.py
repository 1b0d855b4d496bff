import hashlib

import numpy as np
import pytest

from keras_inr.errors import ImageError
from keras_inr.signals._arrays import array_sha256, raster_from_array, signal_values


@pytest.mark.parametrize(
    ("shape", "model", "has_alpha"),
    [
        ((2, 5), "grey", False),
        ((2, 5, 1), "grey", False),
        ((2, 5, 2), "grey", True),
        ((2, 5, 3), "rgb", False),
        ((2, 5, 4), "rgb", True),
    ],
)
def test_channels_give_the_model(shape, model, has_alpha):
    raster = raster_from_array(np.zeros(shape, "uint8"), max_pixels=10)
    assert (raster.model, raster.has_alpha, raster.samples.ndim) == (model, has_alpha, 3)


@pytest.mark.parametrize(
    ("dtype", "peak", "bit_depth"),
    [
        ("uint8", 255, 8),
        ("uint16", 65535, 16),
        (">u2", 65535, 16),
        ("bool", 1, 8),
        ("float16", 1, 32),
        ("float64", 1, 32),
    ],
)
def test_dtype_gives_the_peak(dtype, peak, bit_depth):
    raster = raster_from_array(np.ones((1, 1), dtype), max_pixels=1)
    assert (raster.peak, raster.bit_depth) == (peak, bit_depth)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(4, "uint8"), r"shape \(H, W\) or \(H, W, C\) with C in 1, 2, 3, 4, received shape \(4,\)"),
        (np.zeros((1, 2, 2, 3), "uint8"), r"received shape \(1, 2, 2, 3\)"),
        (np.zeros((2, 2, 5), "uint8"), r"received shape \(2, 2, 5\)"),
        (np.zeros((0, 2), "uint8"), "no pixels: its height x width is 0 x 2"),
        (np.zeros((2, 0, 3), "float32"), "no pixels: its height x width is 2 x 0"),
        (np.zeros((3, 3), "uint8"), "3 x 3 = 9 pixels, more than max_pixels=8"),
        (np.zeros((2, 2), "int64"), "uint8, uint16, bool or float, received dtype int64"),
        (np.zeros((2, 2), "int8"), "received dtype int8"),
        (np.zeros((2, 2), "uint32"), "received dtype uint32"),
        (np.zeros((2, 2), "complex64"), "received dtype complex64"),
        (np.full((2, 2), None), "received dtype object"),
        (np.full((2, 2), "a"), "received dtype <U1"),
        (np.array([[0.0, np.nan]]), r"must lie in \[0, 1\], received nan to nan"),
        (np.array([[0.0, np.inf]]), "received 0 to inf"),
        (np.array([[-0.25, 0.5]]), "received -0.25 to 0.5"),
        (np.array([[0.0, 1.5]], "float16"), r"received 0 to 1.5; np.clip\(source, 0, 1\) leaves what"),
        (np.array([[0.0, 255.0]]), "received 0 to 255; divide by 255"),
        (np.array([[0.0, 4095.0]]), "received 0 to 4095; divide by 65535"),
        (np.array([[-1.0, 1.0]]), r"received -1 to 1; \(x \+ 1\) / 2 maps"),
        (
            np.zeros((3, 5, 6), "uint8"),
            r"received shape \(3, 5, 6\); its channels come first: np.moveaxis\(source, 0, -1\)",
        ),
        (np.ma.masked_array(np.zeros((2, 2)), True), r"without a mask, received a MaskedArray; fill it"),
    ],
)
def test_bad_arrays(array, message):
    with pytest.raises(ImageError, match=message):
        raster_from_array(array, max_pixels=8)


def test_sha256_is_of_dtype_shape_and_values():
    array = np.arange(6, dtype="<u2").reshape(2, 3)
    assert array_sha256(array) == hashlib.sha256(b"<u2(2, 3)" + array.tobytes()).hexdigest()
    assert array_sha256(array.astype(">u2")) == array_sha256(array)
    assert array_sha256(np.asfortranarray(array)) == array_sha256(array)
    assert array_sha256(array.reshape(3, 2)) != array_sha256(array)
    assert array_sha256(array.astype("<u4")) != array_sha256(array)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((2, 2, 3), np.nan), r"finite and in \[0, 1\] .*received nan to nan; np.nan_to_num\(values\)"),
        (np.full((2, 2, 3), -np.inf), "received -inf to -inf"),
        (np.full((2, 2, 3), 255.0), "received 255 to 255; divide by 255"),
        (np.full((2, 2, 3), 1.6), "received 1.6 to 1.6$"),
        (np.full((2, 2, 3), -0.6), "received -0.6 to -0.6"),
        (np.full((2, 2, 3), 1j), "values must be floats .*received dtype complex128"),
        (np.zeros((2, 2, 3), "uint8"), "received dtype uint8; load_image takes uint8 and uint16 arrays"),
        (np.zeros((2, 2, 3), "int64"), "received dtype int64$"),
        (np.full((2, 2, 1), None), "received dtype object"),
        (np.full((2, 2, 1), "a"), "received dtype <U1"),
        (np.zeros((2, 2, 2)), r"shape \(H, W, C\), received \(2, 2, 2\); C is 1, 3 or 4"),
        (np.zeros((2, 2, 5)), r"received \(2, 2, 5\)"),
        (np.zeros((3, 20, 20)), r"received \(3, 20, 20\).*its channels come first: np.moveaxis\(values, 0, -1\)"),
        (np.zeros((0, 2, 3)), r"received \(0, 2, 3\).*one pixel at least"),
        ([[[0.5], [1, 2]]], "values must be an array of floats, received list"),
        (None, r"received \(\)"),
        (np.ma.masked_array(np.zeros((2, 2, 3))), "values must be an array without a mask, received a MaskedArray"),
    ],
)
def test_values_that_no_signal_can_have(values, message):
    with pytest.raises(ImageError, match=message):
        signal_values(values)


@pytest.mark.parametrize(
    "values",
    [
        np.array([[[1.5, -0.5, 0.25]]]),
        np.array([[[1.5, -0.5, 0.25]]], "float16"),
        np.array([[[True]]]),
        [[[0.5]]],
    ],
)
def test_values_of_signals(values):
    found = signal_values(values)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(values, "float32"))
