"""What every registered layer and field must state for derivatives: a forward rule that is right, and its kinks."""

import numpy as np
import tensorflow as tf

from keras_inr.derivatives import has_rules
from keras_inr.forward_rules import Jet
from keras_inr.kinks import kinks_of, states
from keras_inr.models.field import Field

NUM_FIELDS = 3
NUM_DIRECTIONS = 2
ADD_RULE = (
    "{} needs a method `propagate(jet) -> jet` in the class of its `call`: the jet of its outputs from the jet of its "
    "inputs, see keras_inr/forward_rules.py for the parts and `Affine`, `SineDense` for examples"
)
ADD_KINK = (
    "{} needs an attribute `kink` in the class of its `call`: None if second derivatives exist everywhere, else a "
    "sentence that says why not and what to use instead, see `LeakyReluDense`"
)


def check_rule(example):
    """`propagate` gives the derivatives along curves x + s t_k + s^2 a_k / 2, with t_k and a_k of any direction.

    Tangents of the result are the first derivatives by s, its second the sum over k of the second ones, here by
    nested tapes in float64. Also for stacked fields, for jets without second, and with t_k and a_k that are the same
    at all points.
    """
    stacked = {"num_fields": NUM_FIELDS} if "num_fields" in example.init_arguments() else None
    for overrides in ({}, stacked):
        if overrides is None:
            continue
        layer = example.built(dtype="float64", **overrides)
        assert has_rules(layer), ADD_RULE.format(type(layer).__name__)
        points = example.inputs.astype("float64")
        if overrides:
            points = np.stack([np.roll(points, k, axis=0) for k in range(NUM_FIELDS)])
        for shared in (False, True):
            compare_with_tapes(example, layer, points, shared)


def compare_with_tapes(example, layer, points, shared):
    rng = np.random.default_rng(3)
    leading = [1] * (points.ndim - 1) if shared else points.shape[:-1]
    draws = rng.normal(size=(2, NUM_DIRECTIONS, *leading, points.shape[-1]))
    velocities, accelerations = draws * 0.3  # general, but no longer than the points
    jet = Jet(tf.constant(points), tuple(map(tf.constant, velocities)), tf.constant(accelerations.sum(axis=0)))
    actual, lean = layer.propagate(jet), layer.propagate(Jet(jet.value, jet.tangents))
    assert lean.second is None, "propagate must leave second None where it is None"
    start = tf.zeros((*points.shape[:-1], 1), tf.float64)
    total = 0
    for k, (velocity, acceleration) in enumerate(zip(velocities, accelerations, strict=True)):

        def along(s, velocity=velocity, acceleration=acceleration):
            return layer(points + s * velocity + s**2 * acceleration / 2)

        first = derivative(along)(start)
        assert_close(example, actual.tangents[k], first, f"tangent {k}")
        assert_close(example, lean.tangents[k], first, f"tangent {k} without second")
        total += derivative(derivative(along))(start)
    assert_close(example, actual.value, layer(points), "value")
    assert_close(example, actual.second, total, "second", least=np.abs(first).max())


def derivative(function):
    """df/ds at each point for s (..., 1): a backward pass that is linear in its weights u, derived by them."""

    def slope(s):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(s)
                outputs = function(s)
            u = tf.ones_like(outputs)
            outer.watch(u)
            pulled = inner.gradient(outputs, s, u, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return outer.gradient(pulled, u, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return slope


def assert_close(example, actual, expected, name, least=0.0):
    """Equal up to the roundings that the example grants values, 16 times as many: 4 for each derivative's products."""
    actual = tf.broadcast_to(actual, tf.shape(expected))
    largest = max(np.abs(expected).max(), least)
    bound = 16 * (4 + example.growth + example.phase_growth) * 2.0**-53 * largest
    np.testing.assert_allclose(actual, expected, rtol=0, atol=bound, err_msg=f"the rule's {name}")


def check_kink(example):
    """Layers state `kink`, fields collect it, and what claims to be smooth is not piecewise linear.

    A function is if its second derivatives along straight lines are zero at all points, while the first ones differ.
    """
    layer = example.built(dtype="float64")
    parts = layer.stack if isinstance(layer, Field) else [layer]
    for part in parts:
        assert states(part, "kink"), ADD_KINK.format(type(part).__name__)
        assert part.kink is None or (isinstance(part.kink, str) and part.name in part.kink), ADD_KINK.format(part.name)
    reasons = kinks_of(layer)
    assert reasons == [part.kink for part in parts if part.kink is not None]
    points = example.inputs.astype("float64")
    direction = np.random.default_rng(4).normal(size=points.shape[-1])
    along, start = lambda s: layer(points + s * direction), tf.zeros((*points.shape[:-1], 1), tf.float64)
    first, second = derivative(along)(start).numpy(), derivative(derivative(along))(start).numpy()
    # first derivatives of an affine map differ by roundings
    differ = np.ptp(first, axis=0).max() > 1e-9 * np.abs(first).max()
    assert reasons or np.any(second) or not differ, f"{type(layer).__name__} is piecewise linear, but its kink is None"
