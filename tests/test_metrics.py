"""Metrics against NumPy float64 formulas, closed forms and a second implementation of SSIM."""

import math
import re

import keras
import ml_dtypes
import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from scipy.ndimage import correlate1d

from keras_inr import metrics
from keras_inr.metrics import PSNR, finite, ms_ssim, mse, psnr, psnr_8bit, psnr_from_mse, ssim

# Sums of float64 terms, in another order than the reference's.
FLOAT64 = 1e-12
# The metric squares and sums a batch in float32: about 1e-6 of the error, times 10 / ln 10 dB.
FLOAT32_DB = 1e-5


def noisy_pair(shape, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.random(shape).astype(np.float32)
    return target, (target + noise * rng.standard_normal(shape)).astype(np.float32)


def reference_psnr(target, prediction):
    difference = target.astype(np.float64) - np.minimum(np.maximum(prediction.astype(np.float64), 0), 1)
    return 10 * math.log10(1 / np.mean(difference**2))


class TestPsnr:
    @pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 3), (5, 4, 4), (700, 600, 3)])
    def test_formula(self, shape):
        target, prediction = noisy_pair(shape, noise=0.5)
        assert psnr(target, prediction) == pytest.approx(reference_psnr(target, prediction), rel=FLOAT64)
        difference = target.astype(np.float64) - prediction.astype(np.float64)
        assert mse(target, prediction) == pytest.approx(np.mean(difference**2), rel=FLOAT64)

    def test_offset_of_a_tenth_is_20_db(self):
        target = np.full((8, 9, 3), 0.25)
        # 0.25 + 0.1 - 0.25 is a tenth to 1e-16 of 0.35
        assert psnr(target, target + 0.1) == pytest.approx(20.0, rel=1e-14)

    @pytest.mark.parametrize("measure", [psnr, psnr_8bit])
    def test_equal_pictures_are_infinitely_close(self, measure):
        picture = skimage.data.chelsea()[:40, :50].astype(np.float32) / 255
        assert measure(picture, picture) == math.inf

    def test_clamps_the_prediction_only(self):
        assert psnr([0.0, 1.0], [-5.0, 7.0]) == math.inf
        assert mse([0.0, 1.0], [-5.0, 7.0]) == 30.5
        assert psnr([2.0], [2.0]) == 0.0

    def test_8_bit_rounds_the_prediction_only(self):
        target, prediction = noisy_pair((20, 30, 3), noise=0.002)
        levels = np.rint(np.clip(prediction, 0, 1) * np.float64(255)) / 255
        # k/255 is taken in the target's float32: 3e-8 of differences near 1e-3
        assert psnr_8bit(target, prediction) == pytest.approx(reference_psnr(target, levels), rel=1e-6)
        assert psnr_8bit([0.5], [0.5]) == pytest.approx(-20 * math.log10(0.5 / 255), rel=FLOAT64)

    def test_a_nan_is_not_hidden(self):
        for measure in (psnr, psnr_8bit, mse):
            assert math.isnan(measure([0.5, 0.5], [0.5, math.nan]))

    def test_arrays_and_tensors_of_any_floating_type(self):
        # a quarter, a half and their difference are exact in all of them
        for dtype in ("float16", "bfloat16", "float32", "float64"):
            target, prediction = tf.constant([[0.25]], dtype), tf.constant([[0.5]], dtype)
            assert psnr(target, prediction) == psnr_from_mse(1 / 16)
        assert psnr(np.array([0.25], ml_dtypes.bfloat16), [0.5]) == psnr_from_mse(1 / 16)

    def test_from_mse(self):
        assert psnr_from_mse(1.0) == 0.0
        assert psnr_from_mse(1e-4) == pytest.approx(40.0, rel=FLOAT64)
        assert psnr_from_mse(0.0) == math.inf
        assert math.isnan(psnr_from_mse(math.nan))
        with pytest.raises(ValueError, match=re.escape("must not be negative, received -0.5")):
            psnr_from_mse(-0.5)

    @pytest.mark.parametrize("measure", [mse, psnr, psnr_8bit, ssim])
    def test_bad_arguments(self, measure):
        with pytest.raises(ValueError, match=re.escape("received (16, 16, 3) and (16, 16, 1)")):
            measure(np.zeros((16, 16, 3)), np.zeros((16, 16, 1)))
        with pytest.raises(ValueError, match=re.escape("received (0, 3) and (0, 3)")):
            measure(np.zeros((0, 3)), np.zeros((0, 3)))
        with pytest.raises(
            ValueError, match=re.escape("target must be floating, nominally in [0, 1], received dtype uint8")
        ):
            measure(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3)))
        with pytest.raises(ValueError, match=r"prediction must be floating.*received dtype int64"):
            measure(np.zeros((16, 16, 3)), np.zeros((16, 16, 3), np.int64))


def reference_ssim(target, prediction):
    """Wang et al. 2004, equations 13-15 and section III.B, from windows that lie wholly in the picture."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()

    def local_mean(plane):
        return correlate1d(correlate1d(plane, window, axis=0), window, axis=1)[5:-5, 5:-5]

    channels = []
    for x, y in zip(np.moveaxis(target, -1, 0), np.moveaxis(np.clip(prediction, 0, 1), -1, 0), strict=True):
        mean_x, mean_y = local_mean(x), local_mean(y)
        var_x, var_y = local_mean(x * x) - mean_x**2, local_mean(y * y) - mean_y**2
        covariance = local_mean(x * y) - mean_x * mean_y
        c1, c2 = 0.01**2, 0.03**2
        luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        channels.append(np.mean(luminance * (2 * covariance + c2) / (var_x + var_y + c2)))
    return np.mean(channels)


class TestSsim:
    @pytest.mark.parametrize("shape", [(11, 11, 1), (11, 40, 3), (64, 50, 4)])
    def test_formula_and_tensorflow(self, shape):
        target, prediction = noisy_pair(shape, noise=0.3)
        result = ssim(target, prediction)
        expected = reference_ssim(target.astype(np.float64), prediction.astype(np.float64))
        # variances near 0.1 as differences of float64 moments
        assert result == pytest.approx(expected, rel=1e-10)
        counterpart = tf.image.ssim(target, np.clip(prediction, 0, 1), max_val=1.0)
        # the same in float32: 1e-7 of moments near 0.3 against variances near 0.1, averaged over the windows
        assert result == pytest.approx(float(counterpart), abs=1e-5)

    def test_photograph(self):
        target = skimage.data.chelsea()[100:200, 100:220].astype(np.float32) / 255
        assert ssim(target, target) == 1.0
        darker, blurred = target * 0.9, (target + np.roll(target, 2, axis=1)) / 2
        assert 0.5 < ssim(target, blurred) < ssim(target, darker) < 1.0

    def test_strips_change_nothing(self, monkeypatch):
        target, prediction = noisy_pair((64, 50, 3), noise=0.3)
        whole = ssim(target, prediction)
        monkeypatch.setattr(metrics, "VALUES_PER_CHUNK", 50 * 7)
        assert ssim(target, prediction) == pytest.approx(whole, rel=FLOAT64)

    @pytest.mark.parametrize("shape", [(1, 200, 3), (10, 11, 3), (11, 10, 1), (16, 16)])
    def test_smaller_than_the_window(self, shape):
        with pytest.raises(ValueError, match=f"at least 11 x 11 pixels, received shape {re.escape(str(shape))}"):
            ssim(np.zeros(shape), np.zeros(shape))


class TestMetric:
    @pytest.mark.parametrize("jit_compile", [False, True])
    def test_unequal_batches_are_one_picture(self, jit_compile):
        target, prediction = noisy_pair((1000, 3), noise=0.4)
        metric = PSNR()
        update = tf.function(metric.update_state, jit_compile=jit_compile)
        for first, last in ((0, 700), (700, 701), (701, 1000)):
            update(target[first:last], prediction[first:last])
        assert float(metric.result()) == pytest.approx(reference_psnr(target, prediction), abs=FLOAT32_DB)

    def test_points_count_equally_whatever_the_batch_axes(self):
        target, prediction = noisy_pair((2, 100, 3)), noisy_pair((2, 7, 3), noise=0.5)
        metric = PSNR()
        metric.update_state(*target)
        metric.update_state(*prediction)
        flat = [np.concatenate([a.reshape(-1), b.reshape(-1)]) for a, b in zip(target, prediction, strict=True)]
        assert float(metric.result()) == pytest.approx(reference_psnr(*flat), abs=FLOAT32_DB)

    def test_long_epochs_do_not_stall(self):
        metric = PSNR()
        metric.count.assign(2.0**40)
        metric.total.assign(2.0**40 * 0.01)
        metric.update_state([[0.5]], [[0.6]])
        assert float(metric.count) == 2.0**40 + 1

    def test_extremes(self):
        metric = PSNR()
        assert math.isnan(float(metric.result()))
        metric.update_state([[0.0, 1.0]], [[-3.0, 5.0]])
        assert float(metric.result()) == math.inf
        metric.reset_state()
        assert math.isnan(float(metric.result()))
        metric.update_state([[0.0, 1.0]], [[math.nan, 1.0]])
        assert math.isnan(float(metric.result()))

    def test_half_precision_predictions_and_policies(self):
        keras.config.set_dtype_policy("mixed_bfloat16")
        try:
            metric = PSNR()
        finally:
            keras.config.set_dtype_policy("float32")
        metric.update_state(tf.constant([[0.25]]), tf.constant([[0.5]], "bfloat16"))
        metric.update_state(tf.constant([[0.25]]), tf.constant([[0.5]], "float16"))
        result = metric.result()
        assert result.dtype == "float32"
        # one rounding to float32
        assert float(result) == pytest.approx(psnr_from_mse(1 / 16), rel=1e-7)

    @pytest.mark.parametrize("jit_compile", [False, True])
    def test_inside_compile_and_evaluate(self, jit_compile):
        coords, target = np.zeros((10, 2), np.float32), np.full((10, 3), 0.6, np.float32)
        model = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(3, bias_initializer=keras.initializers.Constant(0.5))]
        )
        model.compile(loss="mse", metrics=[PSNR()], jit_compile=jit_compile)
        results = model.evaluate(coords, target, batch_size=4, verbose=0, return_dict=True)
        # float32 roundings of 0.6 and 0.5 against their difference
        assert results["psnr_db"] == pytest.approx(20.0, abs=FLOAT32_DB)

    def test_configuration_round_trip(self):
        metric = PSNR(name="train_psnr_db", dtype="float64")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        assert type(again) is PSNR
        assert (again.name, again.dtype) == ("train_psnr_db", "float64")
        assert PSNR().name == "psnr_db"
        assert keras.saving.get_registered_name(PSNR) == "keras_inr>PSNR"

    def test_bad_arguments(self):
        metric = PSNR()
        with pytest.raises(ValueError, match=re.escape("must be None for PSNR, received shape (1,)")):
            metric.update_state([[0.5]], [[0.5]], sample_weight=[1.0])
        for other in (np.zeros((4, 1)), np.zeros((4,))):
            with pytest.raises(ValueError, match=re.escape(f"received (4, 3) and {other.shape}")):
                metric.update_state(np.zeros((4, 3)), other)


class TestMsSsim:
    @pytest.mark.parametrize("noise", [0.02, 0.2])
    def test_is_tensorflows_where_all_scales_fit(self, noise):
        target, prediction = noisy_pair((192, 208, 3), noise=noise)
        expected = tf.image.ssim_multiscale(target[None], np.clip(prediction, 0, 1)[None], max_val=1.0)[0]
        # float32 variances by differences of squares
        assert ms_ssim(target, prediction) == pytest.approx(float(expected), abs=2e-4)

    @pytest.mark.parametrize("size", [(11, 30), (22, 22), (128, 129)])
    def test_small_pictures_have_fewer_scales(self, size):
        target, prediction = noisy_pair((*size, 1), noise=0.05)
        assert ms_ssim(target, target) == pytest.approx(1.0, abs=1e-12)
        assert 0 < ms_ssim(target, prediction) < 1

    def test_one_scale_is_ssim(self):
        target, prediction = noisy_pair((15, 21, 3), noise=0.1)
        assert ms_ssim(target, prediction) == pytest.approx(ssim(target, prediction), abs=1e-9)

    def test_bad_shapes(self):
        with pytest.raises(ValueError, match=re.escape("received shape (10, 30, 1)")):
            ms_ssim(np.zeros((10, 30, 1)), np.zeros((10, 30, 1)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.5, 1.5), (0, 0), (None, None), (math.inf, None), (-math.inf, None), (math.nan, None)],
)
def test_finite(value, expected):
    assert finite(value) == expected
