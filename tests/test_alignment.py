"""Alignments against closed forms, NumPy's least squares and the order that follows from their freedom."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_inr.alignment import aligned_psnr, best_affine, best_offset, without_harmonic
from keras_inr.metrics import mse, psnr

# float64 roundings of values near 1
FLOAT64 = {"rtol": 0, "atol": 1e-13}
NAMES = ["psnr_raw_db", "psnr_offset_db", "psnr_affine_db", "psnr_harmonic_db"]


def picture(shape=(12, 17, 3), seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.8, shape)


class TestOffset:
    @pytest.mark.parametrize("shape", [(12, 17, 3), (40, 3), (1, 1, 3), (2, 5, 6, 3)])
    def test_undoes_an_offset_of_each_channel(self, shape):
        target, offset = picture(shape), np.array([0.25, -3.0, 0.0])
        np.testing.assert_allclose(best_offset(target, target - offset), offset, **FLOAT64)

    def test_float32_pictures_are_averaged_in_float64(self):
        target = np.full((600, 700, 1), 0.1, np.float32)
        assert best_offset(target, np.zeros_like(target))[0] == pytest.approx(float(np.float32(0.1)), rel=1e-14)


class TestAffine:
    @pytest.mark.parametrize("shape", [(12, 17, 3), (40, 3)])
    def test_undoes_gain_and_offset_of_each_channel(self, shape):
        target, gain, offset = picture(shape), np.array([0.5, 20.0, -1.0]), np.array([0.1, -3.0, 1.0])
        found_gain, found_offset = best_affine(target, (target - offset) / gain)
        # the prediction of the second channel spreads over 0.03 only
        np.testing.assert_allclose(found_gain, gain, rtol=1e-12, atol=0)
        np.testing.assert_allclose(found_offset, offset, rtol=0, atol=1e-12)

    def test_is_the_least_squares_line(self):
        target, prediction = picture(seed=1), picture(seed=2)
        lines = [np.polyfit(prediction[..., c].ravel(), target[..., c].ravel(), 1) for c in range(3)]
        np.testing.assert_allclose(np.stack(best_affine(target, prediction)), np.transpose(lines), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, -7.3])
    def test_a_constant_prediction_has_gain_1(self, constant):
        target = picture((7, 9, 2))
        prediction = target.copy()
        prediction[..., 1] = constant  # the sum of 63 such numbers is rounded
        gain, offset = best_affine(target, prediction)
        np.testing.assert_allclose(gain, [1.0, 1.0], **FLOAT64)
        assert gain[1] == 1.0
        np.testing.assert_allclose(offset, [0.0, target[..., 1].mean() - constant], **FLOAT64)

    def test_a_spread_too_small_to_square(self):
        gain, offset = best_affine(np.array([[0.0], [1.0]]), np.array([[0.0], [1e-200]]))
        assert (gain.tolist(), offset.tolist()) == ([1.0], [0.5])


class TestWithoutHarmonic:
    def test_removes_a_harmonic_function(self):
        target = picture((15, 22, 2))
        x, y = np.arange(22.0)[:, None] / 22, np.arange(15.0)[:, None, None] / 22
        harmonic = np.array([1.0, -0.5]) * (x**2 - y**2) + 0.3 * x * y - 2
        result = without_harmonic(target, target + harmonic)
        np.testing.assert_allclose(result, target, rtol=0, atol=1e-12)

    def test_keeps_the_stencil_and_takes_the_border(self):
        target, prediction = picture(seed=1), picture(seed=2)
        result = without_harmonic(target, prediction)
        for rows, columns in ((0, slice(None)), (-1, slice(None)), (slice(None), 0), (slice(None), -1)):
            np.testing.assert_allclose(result[rows, columns], target[rows, columns], **FLOAT64)
        np.testing.assert_allclose(stencil(result), stencil(prediction), **FLOAT64)

    def test_a_source_that_is_not_harmonic_stays(self):
        target = picture((5, 5, 1))
        bump = np.zeros((5, 5, 1))
        bump[2, 2] = 0.1
        np.testing.assert_allclose(without_harmonic(target, target + bump) - target, bump, **FLOAT64)

    @pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 3), (9, 1, 3)])
    def test_no_interior_is_the_target(self, shape):
        result = without_harmonic(picture(shape), picture(shape, seed=1))
        np.testing.assert_allclose(result, picture(shape), **FLOAT64)


def stencil(values):
    return values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:] - 4 * values[1:-1, 1:-1]


class TestAlignedPsnr:
    def test_closed_forms(self):
        # target 0.5 +- 0.2 in a chessboard, prediction half of that amplitude and 0.1 too bright
        board = np.indices((8, 8)).sum(axis=0)[..., None] % 2 * 2 - 1.0
        result = aligned_psnr(0.5 + 0.2 * board, 0.6 + 0.1 * board)
        assert list(result) == NAMES
        assert result["psnr_raw_db"] == pytest.approx(-10 * math.log10(0.1**2 + 0.1**2), rel=1e-12)
        assert result["psnr_offset_db"] == pytest.approx(20.0, rel=1e-12)
        assert result["psnr_affine_db"] > 250  # nothing but roundings

    def test_harmonic_only(self):
        target = picture((20, 30, 3))
        ramp = np.linspace(-0.1, 0.1, 30)[:, None]
        result = aligned_psnr(target, target + ramp + 0.05)
        assert result["psnr_harmonic_db"] > 250
        assert result["psnr_offset_db"] == pytest.approx(-10 * math.log10(np.mean(ramp**2)), rel=1e-10)

    def test_alignments_are_scored_as_metrics_psnr_does(self):
        target, prediction = picture(seed=1).astype(np.float32), 3 * picture(seed=2).astype(np.float32) - 1
        result = aligned_psnr(target, prediction)
        exact = target.astype(np.float64), prediction.astype(np.float64)
        gain, offset = best_affine(*exact)
        assert result["psnr_raw_db"] == psnr(target, prediction)
        assert result["psnr_offset_db"] == psnr(exact[0], exact[1] + best_offset(*exact))
        assert result["psnr_affine_db"] == psnr(exact[0], gain * exact[1] + offset)
        assert result["psnr_harmonic_db"] == psnr(exact[0], without_harmonic(*exact))

    def test_equal_pictures_stay_equal_without_and_with_offset(self):
        result = aligned_psnr(picture(), picture())
        assert result["psnr_raw_db"] == result["psnr_offset_db"] == result["psnr_harmonic_db"] == math.inf
        assert result["psnr_affine_db"] > 250

    def test_a_nan_is_not_hidden(self):
        prediction = picture((6, 7, 1))
        prediction[0, 0] = np.nan
        assert all(math.isnan(value) for value in aligned_psnr(picture((6, 7, 1)), prediction).values())


@given(st.integers(0, 10**6), st.floats(-3, 3), st.floats(-2, 2), st.sampled_from([(4, 5, 2), (1, 2, 1), (3, 3, 3)]))
def test_more_freedom_never_makes_it_worse(seed, gain, offset, shape):
    target = picture(shape, seed)
    prediction = gain * (target + picture(shape, seed + 1)) + offset
    after_offset = prediction + best_offset(target, prediction)
    slope, shift = best_affine(target, prediction)
    errors = [mse(target, values) for values in (prediction, after_offset, slope * prediction + shift)]
    assert errors[1] <= errors[0] + 1e-14
    assert errors[2] <= errors[1] + 1e-14


@given(st.integers(0, 10**6), st.floats(-0.1, 0.1))
def test_no_other_line_is_better(seed, nudge):
    target, prediction = picture((4, 5, 2), seed), picture((4, 5, 2), seed + 1)
    gain, offset = best_affine(target, prediction)
    least = mse(target, gain * prediction + offset)
    assert least <= mse(target, (gain + nudge) * prediction + offset) + 1e-14
    assert least <= mse(target, gain * prediction + offset + nudge) + 1e-14


class TestErrors:
    measures = pytest.mark.parametrize("measure", [best_offset, best_affine, without_harmonic, aligned_psnr])

    @measures
    @pytest.mark.parametrize("shapes", [((3, 4, 1), (3, 4, 3)), ((3,), (3,)), ((0, 4, 1), (0, 4, 1))])
    def test_shapes(self, measure, shapes):
        with pytest.raises(ValueError, match=re.escape(f"each axis at least 1, received {shapes[0]} and {shapes[1]}")):
            measure(np.zeros(shapes[0]), np.zeros(shapes[1]))

    @pytest.mark.parametrize("measure", [without_harmonic, aligned_psnr])
    def test_what_needs_pictures(self, measure):
        with pytest.raises(ValueError, match=re.escape("one shape (H, W, C)") + ".*" + re.escape("(9, 3) and (9, 3)")):
            measure(np.zeros((9, 3)), np.zeros((9, 3)))

    @measures
    def test_dtype(self, measure):
        with pytest.raises(ValueError, match=r"prediction must be floating.* received dtype uint8"):
            measure(np.zeros((3, 3, 1)), np.zeros((3, 3, 1), "uint8"))
