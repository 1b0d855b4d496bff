"""What a field is fitted to: targets, their weights, and the constant that derivatives leave open."""

import numpy as np
import pytest

from keras_inr.initializers import Scheme, get_scheme
from keras_inr.models import MultiHash, ReluMLP, Siren
from keras_inr.signals import load_image
from keras_inr.signals.derivatives import picture_jacobian, picture_laplacian
from keras_inr.training import Recipe
from keras_inr.training.objectives import (
    add_offset,
    check_supervision,
    colour_mixing,
    make_objective,
    mean_square,
)
from keras_inr.training.sampling import Sampler
from training.small_fits import grey_picture, small_picture


def objective_of(signal, **recipe):
    return make_objective(Recipe(steps=1, **recipe), signal)


@pytest.mark.parametrize(
    ("recipe", "outputs", "knows_values"),
    [
        ({}, ("values",), True),
        ({"supervise": "gradient"}, ("jacobian",), False),
        ({"supervise": "laplacian"}, ("laplacian",), False),
        ({"supervise": "combined"}, ("values", "jacobian", "laplacian"), True),
        ({"supervise": "combined", "value_weight": 0}, ("jacobian", "laplacian"), False),
        ({"supervise": "combined", "laplacian_weight": 0}, ("values", "jacobian"), True),
        ({"supervise": "gradient", "gradient_weight": 0}, ("jacobian",), False),  # weights are of combined alone
    ],
)
def test_outputs(recipe, outputs, knows_values):
    objective = objective_of(small_picture(), **recipe)
    assert objective.outputs == outputs == tuple(objective.loss_weights)
    assert objective.knows_values == knows_values


@pytest.mark.parametrize("rule", ["sobel", "central", "spline"])
def test_targets_are_the_pictures_derivatives_in_true_units(rule):
    signal = small_picture(9, 14)
    objective = objective_of(signal, supervise="combined", derivative_rule=rule)
    np.testing.assert_array_equal(objective.targets["values"], signal.values)
    np.testing.assert_array_equal(objective.targets["jacobian"], picture_jacobian(signal.values, rule))
    np.testing.assert_array_equal(objective.targets["laplacian"], picture_laplacian(signal.values, rule))


def test_a_ramp_twice_as_large_has_the_same_targets():
    """No factor depends on the resolution: x in [0, 1] over the picture's width has slope 1/2 per unit."""
    for width in (8, 16):
        ramp = np.tile((np.arange(width, dtype=np.float32) + 0.5) / width, (width // 2, 1))[..., None]
        jacobian = objective_of(load_image(ramp), supervise="gradient").targets["jacobian"]
        # float32 values of a few hundredths, divided by the pitch of 1/8
        np.testing.assert_allclose(jacobian[..., 0], 0.5, atol=1e-5)
        np.testing.assert_allclose(jacobian[..., 1], 0.0, atol=1e-5)


def test_losses_are_relative_to_a_flat_picture():
    objective = objective_of(small_picture(), supervise="combined", gradient_weight=3.0)
    for name, factor in (("values", 1.0), ("jacobian", 3.0), ("laplacian", 1.0)):
        target = objective.targets[name].astype("float64")
        flat = target.mean(axis=(0, 1)) if name == "values" else 0.0
        flat_loss = objective.loss_weights[name] * np.mean(np.square(target - flat))
        assert flat_loss == pytest.approx(factor, rel=1e-12)


MIXED = {"derivative_colours": "mixed"}


class TestColours:
    @pytest.mark.parametrize("kind", ["gradient", "laplacian"])
    def test_derivatives_of_a_flat_picture_are_lost_by_1_in_mixed_colours_too(self, kind):
        objective = objective_of(small_picture(), supervise=kind, **MIXED)
        (name, loss), target = next(iter(objective.losses("float64").items())), objective.targets
        rows = target[name].reshape(-1, *target[name].shape[2:]).astype("float64")
        assert objective.loss_weights[name] * float(loss(rows, 0 * rows)) == pytest.approx(1.0, rel=1e-9)

    def test_powers_along_the_axes_are_square_roots_of_what_they_were(self):
        rng = np.random.default_rng(0)
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        jacobian = (rng.normal(size=(64, 64, 2, 3)) * [1.0, 0.2, 0.05]) @ turn.T
        mixing = colour_mixing(np.moveaxis(jacobian, -1, 2))
        mixed = (jacobian @ mixing.T).reshape(-1, 3)
        powers, before = np.mean(np.square(mixed), axis=0), np.linalg.eigvalsh(np.cov(jacobian.reshape(-1, 3).T))[::-1]
        np.testing.assert_allclose(powers / powers[0], np.sqrt(before / before[0]), rtol=0.05)  # means of 8192 draws
        np.testing.assert_allclose(np.cov(mixed.T) / powers[0], np.diag(powers / powers[0]), atol=0.02)

    @pytest.mark.parametrize(("picture", "share"), [("chelsea", 0.963), ("astronaut", 0.938)])
    def test_grey_has_most_of_a_photograph_s_gradient(self, picture, share):
        """The shares that experiments/siren_jax/README.md tells."""
        mixing = objective_of(load_image(f"sample:{picture}"), supervise="gradient", **MIXED).mixing
        assert 1 / np.sum(np.linalg.norm(mixing, axis=1) ** -4.0) == pytest.approx(share, abs=1e-3)

    def test_colours_that_are_not_there_are_not_weighed_more(self):
        grey = load_image(np.repeat(small_picture().values[..., :1], 3, axis=-1))
        for signal in (grey, load_image(np.full((8, 8, 3), 0.5, np.float32))):
            mixing = objective_of(signal, supervise="gradient", **MIXED).mixing
            np.testing.assert_allclose(mixing @ mixing.T, np.eye(3), atol=1e-12)

    @pytest.mark.parametrize("recipe", [{}, {"supervise": "combined"}])
    def test_are_refused_where_values_are_fitted(self, recipe):
        with pytest.raises(
            ValueError, match=r"^derivative_colours 'mixed' is for fits to derivatives alone, received "
        ):
            Recipe(steps=1, **recipe, **MIXED)

    def test_are_mixed_for_derivatives_of_colour_alone(self):
        assert objective_of(small_picture(), supervise="gradient").mixing is None
        assert objective_of(grey_picture(np.eye(8)), supervise="gradient", **MIXED).mixing is None
        assert objective_of(small_picture(), supervise="combined", value_weight=0, **MIXED).mixing is not None


def test_values_alone_are_plain_mse():
    assert objective_of(small_picture()).loss_weights == {"values": 1.0}


def test_a_flat_picture_has_power_1():
    assert mean_square("gradient", np.zeros((4, 4, 1, 2))) == 1.0
    assert mean_square("value", np.full((4, 4, 1), 0.5)) == 1.0


@pytest.mark.parametrize("sampling", ["random", "shuffled", "full"])
def test_batches_hold_the_targets_of_their_pixels(sampling):
    signal = small_picture(6, 10)
    recipe = Recipe(steps=1, batch_size=7, sampling=sampling, supervise="combined")
    objective = make_objective(recipe, signal)
    coords, targets = Sampler(signal, recipe, objective=objective).batch(0)
    column = np.rint((coords[:, 0].numpy() * 10 + 9) / 2).astype(int)
    row = np.rint((coords[:, 1].numpy() * 10 + 5) / 2).astype(int)
    assert set(targets) == set(objective.targets)
    for name, target in objective.targets.items():
        np.testing.assert_array_equal(targets[name], target[row, column])


class TestOffset:
    @pytest.mark.parametrize(
        "field",
        [Siren(units=(8,), seed=0), ReluMLP(units=(8,), value_range=(-3.0, 1.0)), MultiHash(dtype="float64")],
        ids=lambda field: type(field).__name__,
    )
    def test_is_added_to_the_values(self, field):
        coords = np.random.default_rng(0).uniform(-1, 1, (5, 2)).astype(field.values_dtype)
        before = field(coords).numpy()
        add_offset(field, [0.25, -0.5, 1.0])
        # a float32 bias of about 1
        np.testing.assert_allclose(field(coords) - before, np.tile([0.25, -0.5, 1.0], (5, 1)), atol=5e-7)

    def test_needs_a_bias(self):
        rules = {**vars(get_scheme("paper")), "name": "bare", "head_bias": None}
        field = Siren(units=(8,), scheme=Scheme(**rules))
        with pytest.raises(ValueError, match=r"needs a linear head with a bias, received \[<Affine name=head"):
            check_supervision(field, Recipe(steps=1, supervise="gradient"))
        check_supervision(field, Recipe(steps=1, supervise="combined"))


@pytest.mark.parametrize("field", [ReluMLP(units=(8,)), MultiHash(), MultiHash(interpolation="smoothstep")])
def test_a_laplacian_needs_second_derivatives(field):
    reason = r"a Laplacian needs a field with second derivatives, but .*'relu_0' is piecewise linear"
    for recipe in (Recipe(steps=1, supervise="laplacian"), Recipe(steps=1, supervise="combined")):
        with pytest.raises(ValueError, match=reason):
            check_supervision(field, recipe)
    check_supervision(field, Recipe(steps=1, supervise="combined", laplacian_weight=0))
