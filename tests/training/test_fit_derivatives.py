"""Fits to gradients and Laplacians: what is learnt, what cannot be, and what is reported of it."""

import numpy as np
import pytest

from keras_inr.alignment import aligned_psnr
from keras_inr.derivatives import jacobian, laplacian
from keras_inr.models import MultiHash, Siren
from keras_inr.signals import load_image
from keras_inr.signals.derivatives import picture_jacobian, picture_laplacian
from keras_inr.training import fit
from training.small_fits import small_field, small_picture

SIGNAL = small_picture(16, 20)
QUICK = {"batch_size": 0, "learning_rate": 3e-3, "progress": False, "derivative_rule": "spline"}


def network(**arguments):
    return Siren(**{"units": (48, 48), "scheme": "init-33", "omega_0": 15.0, "seed": 0, **arguments})


@pytest.fixture(scope="module")
def from_gradient():
    field = network()
    return field, fit(field, SIGNAL, steps=400, supervise="gradient", **QUICK)


class TestFromTheGradient:
    def test_the_picture_comes_out_but_for_a_constant(self, from_gradient):
        field, result = from_gradient
        # 27.6 dB were measured, 32.2 dB but for a harmonic function
        assert result.psnr_db > 25
        assert result.alignment["psnr_harmonic_db"] > 30
        assert result.alignment["psnr_offset_db"] == pytest.approx(result.psnr_db, abs=1e-3)
        slopes = jacobian(field, SIGNAL.coords).numpy().reshape(16, 20, 3, 2)
        target = picture_jacobian(SIGNAL.values, "spline")
        relative = np.mean((slopes - target) ** 2) / np.mean(target**2)
        assert relative < 0.1
        # the last batch's loss is that of all pixels one step earlier
        assert result.rows[-1]["loss"] == pytest.approx(relative, rel=0.2)

    def test_the_constant_is_put_into_the_field_and_recorded(self, from_gradient):
        field, result = from_gradient
        values = field.sample_grid()
        np.testing.assert_array_equal(values, result.prediction)
        # float32 means
        np.testing.assert_allclose(values.mean(axis=(0, 1)), SIGNAL.values.mean(axis=(0, 1)), atol=1e-5)
        raw = values - np.float32(result.alignment["offset"])
        expected = aligned_psnr(SIGNAL.values, raw)
        for name, decibels in expected.items():
            # the offset was added in float32
            assert result.alignment[name] == pytest.approx(decibels, abs=1e-3)

    def test_rounds_have_no_psnr_of_batches_but_looks_at_the_picture(self, from_gradient):
        rows = from_gradient[1].rows
        assert {row["psnr_db"] for row in rows} == {None}
        looks = [row["picture_psnr_db"] for row in rows if "picture_psnr_db" in row]
        assert len(looks) == 20
        assert looks[-1] == pytest.approx(from_gradient[1].psnr_db, abs=0.01)
        assert looks[-1] > looks[0] + 10


def test_a_hash_grid_keeps_more_colour_by_mixed_colours():
    errors, signal = {}, load_image("sample:chelsea", size=32)
    for colours in ("rgb", "mixed"):
        field = MultiHash(num_levels=5, table_size=1024, base_resolution=2, finest_resolution=32, units=(32,), seed=0)
        options = {**QUICK, "learning_rate": 0.01, "derivative_colours": colours}
        fit(field, signal, steps=100, supervise="gradient", **options)
        error = field.sample_grid() - signal.values
        errors[colours] = np.mean(np.square(error - error.mean(axis=-1, keepdims=True)))
    assert errors["mixed"] < 0.6 * errors["rgb"]


def test_from_the_laplacian_all_but_a_harmonic_function_comes_out():
    field = network()
    result = fit(field, SIGNAL, steps=400, supervise="laplacian", **QUICK)
    bends = laplacian(field, SIGNAL.coords).numpy().reshape(SIGNAL.values.shape)
    target = picture_laplacian(SIGNAL.values, "spline")
    assert np.mean((bends - target) ** 2) < 0.1 * np.mean(target**2)
    aligned = result.alignment
    assert aligned["psnr_raw_db"] < aligned["psnr_offset_db"] == pytest.approx(result.psnr_db, abs=1e-3)
    assert aligned["psnr_harmonic_db"] > aligned["psnr_offset_db"] + 3


def test_combined_knows_the_constant():
    result = fit(network(), SIGNAL, steps=150, supervise="combined", **QUICK)
    assert result.alignment is None
    assert result.psnr_db > 22
    assert {"values_loss", "jacobian_loss", "laplacian_loss"} <= set(result.rows[0])
    assert result.rows[-1]["psnr_db"] > result.rows[0]["psnr_db"]


def test_chunks_change_nothing_but_the_order_of_sums(monkeypatch):
    whole = fit(network(), SIGNAL, steps=5, supervise="laplacian", **QUICK)
    # 320 points: three chunks and a rest
    monkeypatch.setattr("keras_inr.training.objectives.CHUNKS", {"jacobian": 100, "laplacian": 100})
    chunked = fit(network(), SIGNAL, steps=5, supervise="laplacian", **QUICK)
    # five Adam steps on sums of float32 terms
    np.testing.assert_allclose(chunked.prediction, whole.prediction, atol=1e-4)


def test_a_goal_is_reached_after_the_best_offset():
    result = fit(network(), SIGNAL, steps=400, supervise="gradient", goal_psnr_db=20.0, **QUICK)
    assert (result.stopped_by, result.steps < 400) == ("psnr", True)
    assert result.psnr_db == pytest.approx(result.rows[-1]["picture_psnr_db"], abs=1e-3)
    assert result.psnr_db >= 20 - 1e-3


@pytest.mark.parametrize("policy", ["float64", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kind", ["siren", "multi_hash"])
def test_other_precisions(policy, kind):
    result = fit(small_field(kind, dtype=policy), SIGNAL, steps=16, supervise="gradient", **QUICK)
    losses = [row["loss"] for row in result.rows]
    assert losses[-1] < losses[0]


def test_wrong_pairs_are_refused():
    with pytest.raises(TypeError, match=r"field must be a keras_inr\.models\.Field, received str"):
        fit("siren", SIGNAL, steps=1)
    with pytest.raises(TypeError, match="signal must be what load_image returns, received ndarray"):
        fit(network(), SIGNAL.values, steps=1)
    with pytest.raises(ValueError, match="field must be a single field, received num_fields=2"):
        fit(network(num_fields=2), SIGNAL, steps=1)
