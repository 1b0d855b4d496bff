"""Every method gives the same derivatives, those of central differences; a wrong rule does not pass."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from derivative_checks import (
    CASES,
    COORDS,
    ROUNDING,
    assert_methods_agree,
    assert_same_derivatives,
    central_hessian,
    central_jacobian,
    derivatives_of,
    relative_error,
)
from public_presets import PUBLIC

from keras_inr.derivatives import differentiate, hessian, jacobian, laplacian
from keras_inr.forward_rules import Jet
from keras_inr.kinks import kinks_of
from keras_inr.layers import Affine, HashEncoding, LeakyReluDense, PositionalEncoding, SineDense, ValueRange
from keras_inr.models import Field, Siren

BY_NAME = {case.name: case for case in CASES}
all_cases = pytest.mark.parametrize("case", CASES, ids=str)
both_methods = pytest.mark.parametrize("method", ["tape", "forward"])


def test_every_public_preset_is_a_case():
    assert {info.name for info in PUBLIC} <= set(BY_NAME)


@all_cases
def test_methods_agree(case):
    assert_methods_agree(case)


@pytest.mark.parametrize("name", ["siren", "multi_hash", "stacked relu_pe", "stacked siren", "stacked smoothstep"])
@both_methods
def test_any_rank_of_coords(name, method):
    """The derivatives at a point do not depend on the shape that it comes in."""
    case = BY_NAME[name]
    field, _ = case.fields
    fields = () if field.num_fields is None else (field.num_fields,)
    rows = derivatives_of(field, COORDS[:4].astype("float32"), method)
    for leading in [(), (2, 2), (1, 4)] if not fields else [(), (1, 4), (1, 2, 2)]:
        points = COORDS[: np.prod(leading, dtype=int)].reshape(*leading, 2).astype("float32")
        actual = derivatives_of(field, points, method)
        assert actual["values"].shape == field(points).shape
        shape = (*fields, *leading[len(fields) :])
        count = np.prod(leading, dtype=int)
        taken = {name: part[:, :count] if fields else part[:count] for name, part in rows.items()}
        expected = {name: tf.reshape(part, (*shape, *part.shape[1 + len(fields) :])) for name, part in taken.items()}
        assert_same_derivatives(actual, expected, case.roundings, "float32")


@all_cases
@both_methods
def test_first_derivatives_are_central_differences(case, method):
    _, wide = case.fields
    # (k h)^2 / 6 for k up to 402 per unit is 3e-8, and roundings of 1e-16 over h of phases up to 402 are 4e-8
    assert relative_error(jacobian(wide, COORDS, method), central_jacobian(wide, COORDS, h=1e-6)) < 1e-6


@all_cases
@both_methods
def test_second_derivatives_are_central_differences(case, method):
    """Of values for smooth fields; between kinks of first derivatives, since a step of 1e-4 would cross many."""
    _, wide = case.fields
    second, trace = hessian(wide, COORDS, method, allow_kinks=True), laplacian(wide, COORDS, method, allow_kinks=True)
    if kinks_of(wide):
        # h = 1e-6 as above; beside slopes of 1 that do not change, zero is zero to 1e-16 / h
        differences, bound = central_jacobian(lambda points: jacobian(wide, points, "tape"), COORDS, h=1e-6), 1e-5
    else:
        # (k h)^2 / 3 for k up to 200 per unit is 1.3e-4; roundings of 1e-16 over h^2 are 1e-8 of values
        differences, bound = central_hessian(wide, COORDS, h=1e-4), 1e-3
    assert relative_error(second, differences, least=1.0) < bound
    assert relative_error(trace, np.trace(differences, axis1=-2, axis2=-1), least=1.0) < 2 * bound  # a sum of two


@all_cases
def test_the_laplacian_is_the_trace_of_the_hessian(case):
    _, wide = case.fields
    parts = derivatives_of(wide, COORDS, "forward")
    trace = tf.linalg.trace(parts["hessian"])
    largest = np.abs(parts["hessian"]).max()
    np.testing.assert_allclose(parts["laplacian"], trace, rtol=0, atol=case.roundings * ROUNDING["float64"] * largest)
    np.testing.assert_array_equal(parts["hessian"], tf.linalg.matrix_transpose(parts["hessian"]))


def test_values_are_those_of_the_field():
    narrow, _ = BY_NAME["siren"].fields
    coords = COORDS.astype("float32")
    for method in ("tape", "forward"):
        parts = differentiate(narrow, coords, ("values",), method)
        assert set(parts) == {"values"}
        # the same operations in the same order, eager both
        np.testing.assert_allclose(parts["values"], narrow(coords), rtol=0, atol=4 * ROUNDING["float32"])


class Wave(Field):
    """Layers given from outside, to derive fields of every kind."""

    def __init__(self, *layers, **kwargs):
        super().__init__(**kwargs)
        self.set_stack([*layers, Affine(self.channels, **self.place(9)), ValueRange(-2, 3, dtype=self.values_dtype)])


def test_affine_fields_have_derivatives_at_every_point():
    """Parts of a jet that are the same at all points are spread over them in the end."""
    field = Wave(seed=0)
    for method in ("tape", "forward"):
        parts = derivatives_of(field, COORDS.astype("float32"), method)
        assert parts["laplacian"].shape == (6, 3)
        assert parts["hessian"].shape == (6, 3, 2, 2)
        expected = np.broadcast_to(field.stack[0].kernel.numpy().T / 5, (6, 3, 2))
        np.testing.assert_allclose(parts["jacobian"], expected, rtol=4 * ROUNDING["float32"])  # one division, rounded
        assert not np.any(parts["hessian"])


def test_any_dtype_of_coords_becomes_that_of_the_values():
    narrow, wide = BY_NAME["siren"].fields
    for coords in (COORDS, COORDS.astype("float32"), COORDS.tolist()):
        for method in ("tape", "forward"):
            assert {part.dtype.name for part in derivatives_of(narrow, coords, method).values()} == {"float32"}
            assert {part.dtype.name for part in derivatives_of(wide, coords, method).values()} == {"float64"}


class Swish(Affine):
    """A layer with a call of its own that inherits the rule and the smoothness of another."""

    def call(self, inputs):
        z = super().call(inputs)
        return z * tf.sigmoid(z)


class Shifted(Siren):
    """A field with a call of its own."""

    def call(self, coords):
        return super().call(coords) * 2


class Rectified(Affine):
    def call(self, inputs):
        return tf.nn.relu(super().call(inputs))


def test_a_rule_is_not_inherited_by_another_call():
    """auto takes the tape, forward says what is missing, and the kink of a parent is not believed."""
    for field in (Wave(Swish(8)), Shifted((8, 8)), Wave(keras.layers.Dense(8, "tanh"))):
        parts = derivatives_of(field, COORDS, "auto")
        expected = derivatives_of(field, COORDS, "tape")
        assert_same_derivatives(parts, expected, 0, "float32")
        with pytest.raises(ValueError, match='method="forward" needs a field, whose layers have rules, received <'):
            jacobian(field, COORDS, "forward")
        assert kinks_of(field) == []
    for layer in (Rectified(8), keras.layers.Dense(8, "relu")):
        assert kinks_of(Wave(layer)) == [f"{layer.name!r} has the operation Relu"]


def without_second_term(layer, jet):
    z = layer.propagate_affine(jet, layer.folding)
    return z.chain(tf.sin(z.value), tf.cos(z.value))


def without_folding(layer, jet):
    right = SINE_RULE(layer, jet)
    return Jet(right.value, tuple(t / layer.omega_0 for t in right.tangents), right.second)


def biased_tangents(layer, jet):
    return jet.linear(lambda part: layer.shifted(layer.times(part, layer.kernel), layer.bias))


def without_bends(layer, jet):
    right = ENCODING_RULE(layer, jet)
    return Jet(right.value, right.tangents, tf.zeros_like(right.second))


def negated_tangents(layer, jet):
    right = ENCODING_RULE(layer, jet)
    return Jet(right.value, tuple(-t for t in right.tangents), right.second)


def not_constant_outside(layer, jet):
    inside = Jet(tf.clip_by_value(jet.value, -1.0, 1.0), jet.tangents, jet.second)
    return HASH_RULE(layer, inside)


def without_product_rule(layer, jet):
    right = HASH_RULE(layer, jet)
    return Jet(right.value, right.tangents, right.second / 2)


def slope_everywhere(layer, jet):
    z = layer.propagate_affine(jet)
    slope = tf.where(z.value > 0, tf.ones_like(z.value), layer.negative_slope)
    return Jet(z.value * slope, z.tangents, z.second)


def unscaled_second(layer, jet):
    right = RANGE_RULE(layer, jet)
    return Jet(right.value, right.tangents, jet.second)


SINE_RULE, ENCODING_RULE = SineDense.propagate, PositionalEncoding.propagate
HASH_RULE, RANGE_RULE = HashEncoding.propagate, ValueRange.propagate
WRONG_RULES = [
    (SineDense, without_second_term, "siren", "laplacian"),
    (SineDense, without_folding, "siren_jax", "jacobian"),
    (SineDense, without_second_term, "stacked siren", "laplacian"),
    (Affine, biased_tangents, "siren", "jacobian"),
    (PositionalEncoding, without_bends, "relu_pe", "laplacian"),
    (PositionalEncoding, negated_tangents, "include_input", "jacobian"),
    (HashEncoding, not_constant_outside, "multi_hash", "jacobian"),
    (HashEncoding, without_product_rule, "smoothstep", "laplacian"),
    (LeakyReluDense, slope_everywhere, "relu", "jacobian"),
    (ValueRange, unscaled_second, "siren_jax", "laplacian"),
]


@pytest.mark.parametrize(
    ("layer", "rule", "name", "noticed"),
    WRONG_RULES,
    ids=[f"{rule.__name__}-{name}" for _, rule, name, _ in WRONG_RULES],
)
def test_a_wrong_rule_is_noticed(monkeypatch, layer, rule, name, noticed):
    """The control: with a rule broken on purpose, the comparison of the tests above fails, and where it should."""
    monkeypatch.setattr(layer, "propagate", rule)
    with pytest.raises(AssertionError, match=noticed):
        assert_methods_agree(BY_NAME[name])
