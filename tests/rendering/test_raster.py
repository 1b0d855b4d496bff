import tracemalloc

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_inr.coordinates import box_coords
from keras_inr.derivatives import differentiate
from keras_inr.models import Field, MultiHash, ReluMLP, Siren
from keras_inr.rendering import raster
from keras_inr.rendering.raster import FieldRaster, supersampling_of

BOX = (-0.9, -0.3, 0.7, 0.5)
# float32 sums in another order move values of a small SIREN by some roundings, which omega_0 = 30 magnifies twice
ROUNDINGS = 1000 * 2.0**-24


class Waves(Field):
    """values = 0.5 + 0.5 sin(k x): a picture that point sampling turns into stripes."""

    def __init__(self, frequency, **kwargs):
        super().__init__(channels=1, **kwargs)
        self.frequency = frequency
        self.set_stack([keras.layers.Lambda(lambda coords: 0.5 + 0.5 * tf.sin(frequency * coords[..., :1]))])


def small_siren(**arguments):
    return Siren(**{"units": (16, 16), "picture_size": (40, 60), "seed": 0, **arguments})


def averaged(values, down, across):
    """Means over blocks of down x across, in float64."""
    height, width, *rest = values.shape
    blocks = values.astype("float64").reshape(height // down, down, width // across, across, *rest)
    return blocks.mean(axis=(1, 3))


class TestSupersampling:
    # the picture has a pitch of 1/30
    @pytest.mark.parametrize(
        ("box", "size", "expected"),
        [
            ((-1, -2 / 3, 1, 2 / 3), (40, 60), (1, 1)),
            ((-1, -2 / 3, 1, 2 / 3), (80, 600), (1, 1)),
            ((-1, -2 / 3, 1, 2 / 3), (20, 60), (2, 1)),
            ((-1, -2 / 3, 1, 2 / 3), (40, 25), (1, 3)),
            ((1, 2 / 3, -1, -2 / 3), (20, 25), (2, 3)),
            ((-1, -2 / 3, 1, 2 / 3), (1, 1), (40, 60)),
            ((-3, -3, 3, 3), (1, 1), (64, 64)),
            ((0.5, 0.5, 0.5, 0.5), (1, 1), (1, 1)),
        ],
    )
    def test_follows_the_rule_on_each_axis(self, box, size, expected):
        assert tuple(supersampling_of(box, size, (40, 60)).numpy()) == expected
        assert FieldRaster(small_siren(), *size, box).supersampling == expected

    @given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 4), st.integers(1, 4))
    def test_a_tile_in_float32_at_the_pictures_own_pitch_is_not_filtered(self, height, width, right, below):
        """Edges of the last tiles of 256 pixels, as a client of a SavedModel rounds them."""
        longer = max(height, width)
        x1, y1 = (width - 256 * (right - 1)) / longer, (height - 256 * (below - 1)) / longer
        box = np.float32([x1 - 512 / longer, y1 - 512 / longer, x1, y1])
        np.testing.assert_array_equal(supersampling_of(box, (256, 256), (height, width)), [1, 1])

    def test_is_one_without_a_picture(self):
        assert FieldRaster(small_siren(picture_size=None), 3, 2).supersampling == (1, 1)

    def test_many_boxes_at_once_in_a_graph(self):
        boxes, sizes = tf.constant([[-1.0, -1, 1, 1], [0, 0, 0.1, 0.1]]), tf.constant([[30, 10], [30, 10]])
        result = tf.function(supersampling_of)(boxes, sizes, (40, 60))
        np.testing.assert_array_equal(result, [[2, 6], [1, 1]])


class TestSubpixels:
    def test_one_to_a_pixel_are_the_pixel_centres_to_the_bit(self):
        for dtype in ("float32", "float64"):
            expected = box_coords(BOX, 7, 5, 3, 20, dtype=dtype)
            np.testing.assert_array_equal(box_coords(BOX, 7, 5, 3, 20, dtype, (1, 1)), expected)

    def test_are_the_centres_of_a_finer_raster(self):
        parts = box_coords(BOX, 4, 5, 0, 20, "float64", (3, 2)).numpy()
        fine = box_coords(BOX, 12, 10, dtype="float64").numpy().reshape(4, 3, 5, 2, 2)
        # a few float64 roundings of numbers below 1
        np.testing.assert_allclose(parts, fine.swapaxes(1, 2).reshape(-1, 2), rtol=0, atol=4 * 2.0**-53)

    def test_of_rasters_with_more_pixels_than_int32_counts(self):
        side = 2**17
        (last,) = box_coords((0.0, 0.0, side, side), side, side, side**2 - 1, 1, "float64").numpy()
        np.testing.assert_array_equal(last, [side - 0.5, side - 0.5])


class TestFilter:
    @pytest.mark.parametrize("output", ["values", "jacobian", "laplacian"])
    def test_equals_the_mean_of_a_finer_raster(self, output):
        model = small_siren()
        coarse = FieldRaster(model, 4, 12, BOX, output=output)
        assert coarse.supersampling == (6, 4)
        fine = FieldRaster(model, 24, 48, BOX, supersampling=1, output=output).array()
        expected = averaged(fine, 6, 4)
        np.testing.assert_allclose(coarse.array(), expected, rtol=0, atol=ROUNDINGS * np.abs(fine).max())

    def test_an_integer_is_so_many_points_along_each_side(self):
        model = small_siren()
        fine = model.sample_grid(80, 120, supersampling=1)
        np.testing.assert_allclose(model.sample_grid(supersampling=2), averaged(fine, 2, 2), rtol=0, atol=ROUNDINGS)

    def test_fine_waves_give_their_mean_and_not_stripes(self):
        # 47 periods over the picture of 1000 pixels, seen in 40
        model = Waves(np.pi * 47, picture_size=(10, 1000))
        aliased = model.sample_grid(1, 40, supersampling=1)
        assert aliased.std() > 0.3
        # a pixel sees 1.2 periods: the sinc of the box filter leaves 0.5 |sin(1.175 pi)| / (1.175 pi) = 0.07
        np.testing.assert_allclose(model.sample_grid(1, 40), 0.5, rtol=0, atol=0.075)
        # the whole in one pixel; 64 points do not meet 47 periods exactly evenly
        np.testing.assert_allclose(model.sample_grid(1, 1), 0.5, rtol=0, atol=0.01)

    def test_own_size_and_larger_are_point_samples_to_the_bit(self):
        model = small_siren()
        for size in ((40, 60), (80, 120), (41, 1000)):
            np.testing.assert_array_equal(model.sample_grid(*size), model.sample_grid(*size, supersampling=1))
            np.testing.assert_array_equal(
                model.sample_grid(*size).reshape(-1, 3), model.traced(box_coords((-1, -2 / 3, 1, 2 / 3), *size))
            )

    def test_render_rounds_the_mean(self):
        model = small_siren()
        expected = np.rint(np.clip(model.sample_grid(7, 5), 0, 1) * 255)
        np.testing.assert_array_equal(model.render(7, 5), expected)

    def test_float64(self):
        model = small_siren(dtype="float64")
        fine = model.sample_grid(80, 120, supersampling=1)
        values = model.sample_grid(supersampling=2)
        assert values.dtype == "float64"
        np.testing.assert_allclose(values, averaged(fine, 2, 2), rtol=0, atol=1000 * 2.0**-53)


class TestDerivatives:
    @pytest.mark.parametrize("make", [MultiHash, Siren])
    @pytest.mark.parametrize("output", ["jacobian", "laplacian"])
    def test_at_pixel_centres_are_those_of_the_library(self, make, output):
        model = make(units=(8, 8), picture_size=(9, 9), seed=0)
        result = FieldRaster(model, output=output, allow_kinks=True)
        expected = differentiate(model, box_coords((-1, -1, 1, 1), 9, 9), (output,), allow_kinks=True)[output].numpy()
        assert result.array().shape == result.shape
        bound = ROUNDINGS * max(np.abs(expected).max(), 1)
        np.testing.assert_allclose(result.array(), expected.reshape(result.shape), rtol=0, atol=bound)

    def test_of_stacked_fields(self):
        model = small_siren(num_fields=3)
        result = FieldRaster(model, 5, 4, output="jacobian")
        assert result.array().shape == result.shape == (3, 5, 4, 3, 2)

    def test_a_laplacian_of_a_kinked_field_says_so(self):
        with pytest.raises(ValueError, match=r"^laplacian does not exist everywhere, since .*piecewise linear"):
            FieldRaster(ReluMLP(units=(8,), picture_size=(4, 4)), output="laplacian")
        model = ReluMLP(units=(8,), picture_size=(4, 4))
        np.testing.assert_array_equal(FieldRaster(model, output="laplacian", allow_kinks=True).array(), 0)


class TestStrips:
    @pytest.mark.parametrize("output", ["values", "jacobian", "laplacian"])
    @pytest.mark.parametrize("rows", [None, 1, 4, 100])
    @pytest.mark.parametrize("points", [3, 50, 400])
    def test_are_the_whole_to_the_bit(self, monkeypatch, output, rows, points):
        monkeypatch.setattr(Field, "points_per_call", points)
        monkeypatch.setattr(raster, "DERIVATIVE_POINTS_PER_CALL", points)
        whole = FieldRaster(small_siren(), 9, 11, BOX, output=output)
        strips = list(whole.strips(rows))
        np.testing.assert_array_equal(np.concatenate(strips), whole.array())
        if rows is not None:
            assert [len(strip) for strip in strips[:-1]] == [rows] * (len(strips) - 1)
        assert 1 <= len(strips[-1]) <= len(strips[0])

    def test_of_stacked_fields(self):
        whole = FieldRaster(small_siren(num_fields=2), 9, 11)
        np.testing.assert_array_equal(np.concatenate(list(whole.strips(4)), axis=1), whole.array())

    def test_rows_are_rows(self):
        whole = FieldRaster(small_siren(), 90, 11)
        np.testing.assert_allclose(whole.rows(30, 2), whole.array()[30:32], rtol=0, atol=ROUNDINGS)

    def test_no_more_than_a_strip_is_held(self):
        tall = FieldRaster(small_siren(units=(4,)), 200_000, 10)
        tracemalloc.start()
        for _ in tall.strips():
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # NumPy's memory: a few chunks of 65536 x 3 float32, 0.8 MB each, where the whole is 24 MB
        assert peak < 5e6

    def test_size_of_strips_may_exceed_what_an_array_may(self):
        first = next(FieldRaster(small_siren(), 2**16, 2**16).strips())
        assert first.shape == (1, 2**16, 3)


def test_an_unknown_output_is_refused():
    with pytest.raises(ValueError, match=r"output must be one of \('values', .*\), received 'hessian'"):
        FieldRaster(small_siren(), output="hessian")
