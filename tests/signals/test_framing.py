import numpy as np
import pytest

from keras_inr.errors import ImageError
from keras_inr.signals._framing import checked_crop, checked_size, resized, target_size

TIGHT = {"rtol": 0, "atol": 1e-6}  # float32 sums of at most a few dozen products of numbers below 1


@pytest.mark.parametrize(
    "crop", [5, "abcd", (1, 2, 3), (1, 2, 3, 4, 5), (-1, 0, 2, 2), (0, 0, 0, 1), (0, 0, 1.0, 1), (0, 0, True, 1)]
)
def test_bad_crops(crop):
    with pytest.raises(ImageError, match=r"crop must be four integers .* received ") as caught:
        checked_crop(crop)
    assert repr(crop) in str(caught.value)


@pytest.mark.parametrize("size", [0, -3, 2.5, "64", (), (5,), (5, 0), (1, 2, 3), (2.0, 3), True, [[1, 2]], np.nan])
def test_bad_sizes(size):
    with pytest.raises(ImageError, match=r"size must be \(height, width\) or one integer") as caught:
        checked_size(size)
    assert str(caught.value).endswith(f"received {size!r}")


def test_good_crops_and_sizes():
    assert checked_crop(None) is None
    assert checked_crop(np.array([0, 1, 2, 3])) == (0, 1, 2, 3)
    assert checked_size(None) is None
    assert checked_size(np.int64(7)) == (7,)
    assert checked_size([3, 4]) == (3, 4)


@pytest.mark.parametrize(
    ("size", "picture", "expected"),
    [
        ((5, 9), (300, 400), (5, 9)),
        ((200,), (300, 400), (150, 200)),
        ((200,), (400, 300), (200, 150)),
        ((10,), (1, 20000), (1, 10)),
        ((3,), (2, 4), (2, 3)),  # 1.5 rounds up
        ((10**30,), (2, 4), (5 * 10**29, 10**30)),
    ],
)
def test_target_size(size, picture, expected):
    assert target_size(size, *picture) == expected


def lanczos_matrix(before, after):
    """(after, before) float64 weights of the antialiased Lanczos window of radius 3, from the formula."""
    scale = max(before / after, 1.0)
    centres = (np.arange(after) + 0.5) * before / after
    distance = (np.arange(before) + 0.5 - centres[:, None]) / scale
    weights = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [(3, 7), (40, 11), (8, 30), (1, 1), (13, 17)])
def test_resize_is_antialiased_lanczos(size):
    values = np.random.default_rng(0).uniform(0.3, 0.7, (13, 17, 3)).astype("float32")  # no clipping
    expected = np.einsum("yi,xj,ijc->yxc", lanczos_matrix(13, size[0]), lanczos_matrix(17, size[1]), values)
    result = resized(values, *size)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, **TIGHT)


def test_resize_clips_the_ringing():
    values = np.zeros((16, 16, 1), "float32")
    values[:, 8:] = 1
    result = resized(values, 16, 64)
    assert (result.min(), result.max()) == (0.0, 1.0)


def test_resize_to_the_same_size_changes_nothing():
    values = np.random.default_rng(0).random((5, 6, 4)).astype("float32")
    np.testing.assert_array_equal(resized(values, 5, 6), values)


def test_hidden_colours_do_not_bleed():
    values = np.zeros((8, 8, 4), "float32")
    values[:, :4] = [0.25, 0.5, 0.75, 1.0]
    values[:, 4:] = [1.0, 0.0, 0.0, 0.0]  # red, but transparent
    result = resized(values, 8, 5)
    opaque = result[..., 3] > 0.5
    assert opaque.any()
    np.testing.assert_allclose(result[opaque][:, :3], np.tile([0.25, 0.5, 0.75], (opaque.sum(), 1)), **TIGHT)
    np.testing.assert_array_equal(resized(values[:, 4:], 2, 2), 0)
