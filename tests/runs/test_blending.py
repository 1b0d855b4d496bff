"""Edits: what is merged, what the direct solver makes of it, and that a field comes to the same."""

import numpy as np
import pytest
from training.small_fits import small_picture

from keras_inr.models import ReluMLP, Siren
from keras_inr.runs.blending import clone_edit, fit_edit, gradient_edit, laplacian_edit
from keras_inr.signals.derivatives import picture_jacobian

TARGET = small_picture(20, 24).values
INSIDE = np.zeros((20, 24), bool)
INSIDE[6:14, 5:17] = True
QUICK = {"batch_size": 0, "learning_rate": 3e-3, "optimizer": "muon", "progress": False}


def network(channels=3):
    return Siren(units=(48, 48), scheme="init-33", omega_0=10.0, channels=channels, seed=0)


class TestClone:
    def test_of_its_own_gradient_changes_next_to_nothing(self):
        edit = clone_edit(TARGET, picture_jacobian(TARGET, "central"), INSIDE)
        np.testing.assert_array_equal(edit.direct[~INSIDE], TARGET[~INSIDE])
        # central differences smooth a photograph a little
        assert np.abs(edit.direct - TARGET)[INSIDE].mean() < 0.03

    def test_of_a_brighter_copy_takes_the_slopes_and_not_the_level(self):
        slopes = picture_jacobian(TARGET, "central")
        again = clone_edit(TARGET, picture_jacobian(TARGET + np.float32(0.3), "central"), INSIDE)
        np.testing.assert_allclose(again.direct, clone_edit(TARGET, slopes, INSIDE).direct, atol=1e-5)  # float32 slopes

    def test_values_are_unknown_inside_and_gradients_are_the_source_s(self):
        source = np.random.default_rng(0).normal(size=(*TARGET.shape, 2)).astype("float32")
        targets = clone_edit(TARGET, source, INSIDE).objective.targets
        assert np.isnan(targets["values"][INSIDE]).all()
        np.testing.assert_array_equal(targets["values"][~INSIDE], TARGET[~INSIDE])
        np.testing.assert_array_equal(targets["jacobian"][INSIDE], source[INSIDE])
        np.testing.assert_array_equal(targets["jacobian"][~INSIDE], picture_jacobian(TARGET, "central")[~INSIDE])

    def test_mixed_takes_the_stronger_gradient_of_both_at_each_pixel(self):
        own = picture_jacobian(TARGET, "central")
        source = np.random.default_rng(0).normal(size=own.shape).astype("float32")
        source *= np.abs(own).mean()
        merged = clone_edit(TARGET, source, INSIDE, mixed=True).objective.targets["jacobian"]
        lengths = [np.sum(np.square(slopes.astype("float64")), axis=(2, 3)) for slopes in (own, source)]
        stronger = INSIDE & (lengths[1] >= lengths[0])
        assert 0 < stronger.sum() < INSIDE.sum()
        np.testing.assert_array_equal(merged, np.where(stronger[..., None, None], source, own))

    @pytest.mark.parametrize(
        ("shape", "mask", "message"),
        [
            ((20, 24, 3), INSIDE, r"received \(20, 24, 3\), \(20, 24, 3\) and bool \(20, 24\)"),
            ((20, 24, 3, 2), INSIDE[:-1], r"received .* and bool \(19, 24\)"),
            ((20, 24, 3, 2), INSIDE.astype(float), r"received .* and float64 \(20, 24\)"),
            ((20, 24, 3, 2), np.zeros((20, 24), bool), r"mask must leave pixels .*, received 0 of 480 inside"),
            ((20, 24, 3, 2), np.ones((20, 24), bool), r"mask must leave pixels .*, received 480 of 480 inside"),
        ],
    )
    def test_bad_input(self, shape, mask, message):
        with pytest.raises(ValueError, match=message):
            clone_edit(TARGET, np.zeros(shape), mask)

    def test_a_field_comes_to_what_the_direct_solver_finds(self):
        source = picture_jacobian(np.ascontiguousarray(TARGET[:, ::-1]), "central")
        edit = clone_edit(TARGET, source, INSIDE)
        result = fit_edit(network(), edit, steps=300, **QUICK)
        # 29 dB were measured; the field is smooth where the solver has a seam
        assert result.psnr_db > 25
        assert result.alignment is None  # values are known outside


def test_from_the_gradient_a_field_comes_to_the_direct_solution():
    edit = gradient_edit(TARGET)
    result = fit_edit(network(), edit, steps=300, **QUICK)
    assert result.psnr_db > 25
    assert result.alignment is not None  # the constant is the direct solution's mean
    np.testing.assert_allclose(edit.direct.mean(axis=(0, 1)), TARGET.mean(axis=(0, 1), dtype="float64"), rtol=1e-6)


def test_from_the_laplacian_and_the_border_the_direct_solution_is_the_picture():
    np.testing.assert_allclose(laplacian_edit(TARGET).direct, TARGET, atol=1e-4)  # float32 Laplacians of 1e3
    values = laplacian_edit(TARGET).objective.targets["values"]
    assert np.isnan(values[1:-1, 1:-1]).all()
    assert np.isfinite(values[[0, -1]]).all()
    assert np.isfinite(values[:, [0, -1]]).all()


def test_a_laplacian_needs_a_smooth_field():
    with pytest.raises(ValueError, match="a Laplacian needs a field with second derivatives"):
        fit_edit(ReluMLP(), laplacian_edit(TARGET), steps=1)
