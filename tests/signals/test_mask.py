"""Masks: from files and arrays of every kind to weights, cropped and resized with their picture."""

import warnings

import numpy as np
import pytest
from PIL import Image

from keras_inr.errors import ImageError
from keras_inr.signals import ImageSignal, load_from_builder, load_image
from keras_inr.signals._mask import NEARLY_BLACK, counting, counts_of, filled, num_counting, resized_weights, weights_of

HEIGHT, WIDTH = 6, 8


def picture(channels=3, height=HEIGHT, width=WIDTH):
    return np.random.default_rng(0).random((height, width, channels)).astype("float32")


def hole(rows=slice(2, 4), columns=slice(3, 5), height=HEIGHT, width=WIDTH):
    """Bool (H, W), False in a rectangle."""
    mask = np.ones((height, width), bool)
    mask[rows, columns] = False
    return mask


class TestFiles:
    @pytest.mark.parametrize(
        ("mode", "pixels", "weight"),
        [
            ("L", 51, 51 / 255),
            ("I;16", 13107, 0.2),
            ("1", False, 0.0),
            ("RGB", (255, 0, 0), 0.299),
            ("RGBA", (0, 0, 0, 255), 0.0),
            ("RGBA", (0, 0, 0, 0), 1.0),
            ("RGBA", (0, 0, 0, 51), 0.8),
            ("LA", (102, 255), 0.4),
        ],
    )
    def test_every_kind_of_grey(self, tmp_path, mode, pixels, weight):
        white = {"L": 255, "I;16": 65535, "1": True, "RGB": (255,) * 3, "RGBA": (255,) * 4, "LA": (255, 255)}[mode]
        if mode == "I;16":
            samples = np.full((HEIGHT, WIDTH), white, np.uint16)
            samples[2, 5] = pixels
            image = Image.fromarray(samples)
        else:
            image = Image.new(mode, (WIDTH, HEIGHT), white)
            image.putpixel((5, 2), pixels)
        image.save(tmp_path / "mask.png")
        weights = load_image(picture(), mask=tmp_path / "mask.png").weights
        expected = np.ones((HEIGHT, WIDTH))
        expected[2, 5] = weight
        np.testing.assert_allclose(weights, expected, atol=1e-6)
        assert np.array_equal(weights == 0, expected == 0)
        assert np.array_equal(weights == 1, expected == 1)

    def test_one_that_is_stored_turned(self, tmp_path):
        stored = np.full((WIDTH, HEIGHT), 255, np.uint8)
        stored[0, 0] = 0
        exif = Image.Exif()
        exif[274] = 6  # turned clockwise by a quarter, so that the first pixel is at the upper right
        Image.fromarray(stored).save(tmp_path / "mask.png", exif=exif)
        weights = load_image(picture(), mask=str(tmp_path / "mask.png")).weights
        assert np.argwhere(weights == 0).tolist() == [[0, WIDTH - 1]]

    def test_a_jpeg_s_black_is_told_of(self, tmp_path):
        samples = np.full((32, 32), 255, np.uint8)
        samples[8:20, 9:25] = 0
        Image.fromarray(samples).save(tmp_path / "mask.jpg", quality=60)
        with pytest.warns(
            UserWarning, match=r"nearly black and count a little; JPEG does not keep black, PNG does: \d"
        ):
            weights = load_image(picture(1, 32, 32), mask=tmp_path / "mask.jpg").weights
        assert np.any((weights > 0) & (weights < NEARLY_BLACK))

    def test_a_white_one_is_told_of(self):
        with pytest.warns(UserWarning, match="mask array is white everywhere: every pixel counts"):
            load_image(picture(), mask=np.ones((HEIGHT, WIDTH), bool))

    def test_one_with_a_hole_is_not(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load_image(picture(), mask=hole())


class TestArrays:
    @pytest.mark.parametrize(
        ("mask", "expected"),
        [
            (hole(), hole().astype(float)),
            (hole()[..., None], hole().astype(float)),
            (hole() * 0.5, hole() * 0.5),
            (np.where(hole(), 255, 51).astype("uint8"), np.where(hole(), 1, 0.2)),
            (np.where(hole(), 65535, 0).astype("uint16"), hole().astype(float)),
        ],
        ids=["bool", "one channel", "float", "uint8", "uint16"],
    )
    def test_become_weights(self, mask, expected):
        signal = load_image(picture(), mask=mask)
        np.testing.assert_allclose(signal.weights, expected, atol=1e-7)
        assert (signal.weights.dtype, signal.weights.flags.writeable) == ("float32", False)
        assert np.array_equal(signal.values, picture())

    def test_the_caller_s_array_stays_writeable_and_apart(self):
        mask = hole().astype("float32")
        signal = ImageSignal(picture(), "mine", "", 32, mask)
        assert mask.flags.writeable
        assert not signal.weights.flags.writeable

    @pytest.mark.parametrize(
        ("mask", "message"),
        [
            (np.zeros((HEIGHT, WIDTH), bool), r"weights \(of a mask\) must be above 0 for one pixel at least"),
            (np.ones((WIDTH, HEIGHT)), r"mask must be as large as the picture .* \(6, 8\), received \(8, 6\) of array"),
            (np.full((HEIGHT, WIDTH), 2.0), r"mask cannot be read: source has floating-point values"),
            (np.ones((HEIGHT, WIDTH), int), r"mask cannot be read: source must be an array of uint8.* int64"),
            ("nowhere.png", r"mask cannot be read: source 'nowhere\.png' does not exist"),
            (b"no picture", r"mask cannot be read: bytes: source is not a PNG"),
            (3, r"mask cannot be read: source must be a path.*received int"),
        ],
    )
    def test_that_are_none_are_refused(self, mask, message):
        with pytest.raises(ImageError, match=message):
            load_image(picture(), mask=mask)

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            (np.ones((HEIGHT, WIDTH), "uint8"), r"weights must be floats or booleans .* received uint8"),
            (np.ones((HEIGHT, WIDTH + 1)), r"weights must be .* = \(6, 8\), received float64 of shape \(6, 9\)"),
            (np.full((HEIGHT, WIDTH), -0.5), r"weights must be in \[0, 1\], received -0\.5 to -0\.5"),
            (np.full((HEIGHT, WIDTH), np.nan), r"weights must be in \[0, 1\], received nan to nan"),
            (np.ma.masked_array(hole(), ~hole()), r"weights must be an array without a mask"),
        ],
    )
    def test_weights_by_hand_are_checked(self, weights, message):
        with pytest.raises(ImageError, match=message):
            ImageSignal(picture(), "mine", "", 32, weights)

    def test_the_digest_tells_masks_apart(self):
        one, same, other = (load_image(picture(), mask=mask) for mask in (hole(), hole() * 1.0, hole(slice(1, 2))))
        assert one.mask_sha256 == same.mask_sha256 != other.mask_sha256
        assert load_image(picture()).mask_sha256 is None


class TestFraming:
    def test_crop_acts_on_both(self):
        signal = load_image(picture(), mask=hole(), crop=(1, 2, 4, 3))
        assert np.array_equal(signal.weights, hole()[1:5, 2:5])
        assert np.array_equal(signal.values, picture()[1:5, 2:5])

    def test_a_crop_of_black_alone_is_refused(self):
        with pytest.raises(ImageError, match="above 0 for one pixel at least"):
            load_image(picture(), mask=hole(), crop=(2, 3, 2, 2))

    @pytest.mark.parametrize("size", [(3, 4), (4, 5), (5, 3), (1, 8), (12, 16), (7, 11), (6, 9)])
    def test_a_new_pixel_that_touches_a_hole_is_out(self, size):
        """Against every pair of rectangles, in exact fractions of the picture's sides."""
        weights = load_image(picture(), mask=hole(), size=size).weights
        for row, column in np.ndindex(*size):
            touched = [
                (i, j)
                for i, j in np.argwhere(~hole())
                if row * HEIGHT < (i + 1) * size[0] and i * size[0] < (row + 1) * HEIGHT
                and column * WIDTH < (j + 1) * size[1] and j * size[1] < (column + 1) * WIDTH
            ]  # fmt: skip
            assert (weights[row, column] == 0) == bool(touched)
        assert set(np.unique(weights)) == {0.0, 1.0}

    def test_greys_become_means(self):
        weights = np.array([[0.2, 0.4, 1.0, 1.0], [0.6, 0.8, 1.0, 0.5]], "float32")
        np.testing.assert_allclose(resized_weights(weights, 1, 2), [[0.5, 0.875]], atol=1e-7)
        np.testing.assert_allclose(resized_weights(weights, 4, 8), weights.repeat(2, 0).repeat(2, 1), atol=1e-7)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    @pytest.mark.parametrize("size", [(12, 15), (40, 50), (31, 19)])
    def test_hidden_values_do_not_bleed(self, channels, size):
        mask = hole(slice(8, 13), slice(5, 9), 30, 40)
        values = picture(channels, 30, 40)
        other = np.where(mask[..., None], values, 1 - values)
        one, two = (load_image(v, mask=mask, size=size, alpha="keep") for v in (values, other))
        counts = one.weights > 0
        assert np.array_equal(one.values[counts], two.values[counts])
        assert not np.array_equal(one.values[~counts], two.values[~counts])
        whole = load_image(values, size=size, alpha="keep")
        assert np.array_equal(one.values[~counts], whole.values[~counts])
        far = np.zeros(size, bool)
        far[:, size[1] * 2 // 3 :] = True  # beyond the filter's reach
        np.testing.assert_allclose(one.values[far], whole.values[far], atol=1e-5)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_a_flat_picture_stays_flat_around_a_hole(self, channels):
        values = np.full((30, 40, channels), 0.25, "float32")
        mask = hole(slice(8, 13), slice(5, 9), 30, 40)
        values[~mask] = 1
        signal = load_image(values, mask=mask, size=(13, 17), alpha="keep")
        np.testing.assert_allclose(signal.values[signal.weights > 0], 0.25, atol=1e-5)


class TestWhatCounts:
    def test_of_a_picture_without_a_mask(self):
        signal = load_image(picture())
        assert (weights_of(signal), counts_of(signal), num_counting(signal)) == (None, None, HEIGHT * WIDTH)
        assert counting(signal, signal.values) is signal.values
        assert filled(signal) is signal.values

    def test_of_one_whose_pixels_all_count(self):
        signal = load_image(picture(), mask=np.full((HEIGHT, WIDTH), 0.5))
        assert (counts_of(signal), num_counting(signal)) == (None, HEIGHT * WIDTH)

    def test_of_one_with_a_hole(self):
        signal = load_image(picture(), mask=hole() * 0.5)
        assert np.array_equal(counts_of(signal), hole())
        assert num_counting(signal) == HEIGHT * WIDTH - 4
        assert np.array_equal(counting(signal, signal.values), picture()[hole()])

    def test_holes_are_filled_with_what_is_nearest(self):
        values = np.array([[0.1, 0.9, 0.8, 0.2]], "float32")[..., None]
        signal = load_image(values, mask=np.array([[True, False, False, True]]))
        np.testing.assert_array_equal(filled(signal)[..., 0], np.array([[0.1, 0.1, 0.2, 0.2]], "float32"))


def test_a_builder_s_pictures_have_none():
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=1):
        assert load_from_builder(tfds.builder("mnist"), "train", 0).weights is None
