"""The arithmetic of jets, against derivatives written out by hand and against automatic differentiation."""

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.forward_rules import Jet, sine, sum_of, sum_to

RNG = np.random.default_rng(0)
RTOL = 1e-13  # some tens of float64 roundings of 1.1e-16, and sums that cancel in part
GRADIENT_RTOL = 1e-12  # of the largest: sums over points of products of four such factors


def draw(*shape):
    return tf.constant(RNG.normal(size=shape))


def jet_at(x, directions, power):
    """The jet of x^power elementwise at points x (N, C), along directions (C): written from the rule of powers."""
    slope, bend = power * x ** (power - 1), power * (power - 1) * x ** (power - 2)
    tangents = tuple(slope * direction for direction in directions)
    return Jet(x**power, tangents, bend * sum(direction**2 for direction in directions))


X, DIRECTIONS = RNG.uniform(0.5, 2, (6, 3)), RNG.normal(size=(2, 3))


def as_tensors(jet):
    second = None if jet.second is None else tf.constant(jet.second)
    return Jet(tf.constant(jet.value), tuple(map(tf.constant, jet.tangents)), second)


def jets(power):
    return as_tensors(jet_at(X, DIRECTIONS, power))


def assert_same_jet(actual, expected):
    np.testing.assert_allclose(actual.value, expected.value, rtol=RTOL)
    for one, another in zip(actual.tangents, expected.tangents, strict=True):
        np.testing.assert_allclose(one, another, rtol=RTOL)
    np.testing.assert_allclose(actual.second, expected.second, rtol=RTOL)


def without_second(jet):
    return Jet(jet.value, jet.tangents)


def test_product_of_powers():
    assert_same_jet(jets(2) * jets(3), jet_at(X, DIRECTIONS, 5))


def test_sum_of_powers():
    one, another = jet_at(X, DIRECTIONS, 2), jet_at(X, DIRECTIONS, 3)
    tangents = tuple(t + u for t, u in zip(one.tangents, another.tangents, strict=True))
    assert_same_jet(jets(2) + jets(3), Jet(one.value + another.value, tangents, one.second + another.second))


def test_constants():
    """(3 x^2 + 5) has three times the derivatives of x^2."""
    expected = jet_at(X, DIRECTIONS, 2)
    tangents = tuple(3 * tangent for tangent in expected.tangents)
    assert_same_jet(jets(2) * 3.0 + 5.0, Jet(3 * expected.value + 5, tangents, 3 * expected.second))


def test_linear_maps_every_part():
    matrix = RNG.normal(size=(3, 4))
    parts = jet_at(X, DIRECTIONS, 3)
    expected = Jet(parts.value @ matrix, tuple(t @ matrix for t in parts.tangents), parts.second @ matrix)
    assert_same_jet(jets(3).linear(lambda part: tf.matmul(part, matrix)), expected)


def test_chain():
    """(x^2)^3 = x^6."""
    inner = jets(2)
    u = inner.value
    assert_same_jet(inner.chain(u**3, 3 * u**2, lambda: 6 * u), jet_at(X, DIRECTIONS, 6))


def test_chain_without_a_second_derivative():
    """g(f) = 3 f."""
    inner = jets(2)
    assert_same_jet(inner.chain(3 * inner.value, tf.constant(3.0, tf.float64)), jets(2) * 3.0)


@pytest.mark.parametrize(
    "operation",
    [
        lambda jet: jet * jet,
        lambda jet: jet + jet,
        lambda jet: jet + 1.0,
        lambda jet: jet * 2.0,
        lambda jet: jet.linear(tf.square),
        lambda jet: jet.chain(jet.value, jet.value, lambda: jet.value / 0),
        sine,
    ],
)
def test_no_second_stays_none_and_changes_nothing_else(operation):
    plain = jets(2)
    lean, full = operation(without_second(plain)), operation(plain)
    assert lean.second is None
    assert full.second is not None
    np.testing.assert_array_equal(lean.value, full.value)
    for one, another in zip(lean.tangents, full.tangents, strict=True):
        np.testing.assert_array_equal(one, another)


def test_numbers_of_tangents_must_be_equal():
    one, two = Jet(draw(3), (draw(3),), draw(3)), Jet(draw(3), (draw(3), draw(3)), draw(3))
    for operation in (lambda: one + two, lambda: one * two):
        with pytest.raises(ValueError, match="zip"):
            operation()


def test_sum_of():
    np.testing.assert_array_equal(sum_of([tf.constant([1.0]), tf.constant([2.0]), tf.constant([4.0])]), [7.0])


@pytest.mark.parametrize(
    ("shape", "summed"), [((5, 4, 3), ()), ((1, 4, 3), (0,)), ((5, 1, 3), (1,)), ((1, 1, 3), (0, 1))]
)
def test_sum_to(shape, summed):
    gradient = draw(5, 4, 3)
    result = sum_to(gradient, tf.zeros(shape, tf.float64))
    assert result.shape == shape
    np.testing.assert_allclose(result, gradient.numpy().sum(summed, keepdims=True), rtol=RTOL, atol=RTOL)


def test_sum_to_with_an_unknown_number_of_points():
    spec = tf.TensorSpec((None, 3), tf.float64)
    function = tf.function(lambda gradient: sum_to(gradient, tf.zeros((1, 3), tf.float64)), input_signature=[spec])
    for count in (1, 5):
        gradient = draw(count, 3)
        np.testing.assert_allclose(function(gradient), gradient.numpy().sum(0, keepdims=True), rtol=RTOL, atol=RTOL)


def plain_sine(jet):
    """The formula, differentiated by TensorFlow."""
    sin, cos = tf.sin(jet.value), tf.cos(jet.value)
    tangents = tuple(cos * tangent for tangent in jet.tangents)
    if jet.second is None:
        return Jet(sin, tangents)
    return Jet(sin, tangents, cos * jet.second - sin * sum(tangent**2 for tangent in jet.tangents))


def parts_of(jet):
    return [jet.value, *jet.tangents, *([] if jet.second is None else [jet.second])]


def jet_of(parts, count, has_second):
    return Jet(parts[0], tuple(parts[1 : 1 + count]), parts[-1] if has_second else None)


# value, tangents and second; the last two as the pass starts, the same at all points, and for three stacked fields
SHAPES = [
    ((7, 4), (7, 4)),
    ((7, 4), (1, 4)),
    ((3, 7, 4), (3, 1, 4)),
    ((3, 7, 4), (1, 1, 4)),
    ((1, 4), (1, 4)),
    ((4,), (4,)),
]
sine_cases = pytest.mark.parametrize(
    ("shapes", "count", "has_second"),
    [
        (shapes, count, has_second)
        for shapes in SHAPES
        for count, has_second in ((2, True), (2, False), (3, True), (1, True))
    ],
    ids=str,
)


def random_parts(shapes, count, has_second):
    return [draw(*shapes[0]), *[draw(*shapes[1]) for _ in range(count + has_second)]]


def weighted(outputs, shape):
    """A scalar that gives every output its own weights, and is not linear in them."""
    rng = np.random.default_rng(1)
    return sum_of([tf.reduce_sum(rng.normal(size=shape) * (part + part**2)) for part in outputs])


@sine_cases
def test_sine_is_the_formula(shapes, count, has_second):
    jet = jet_of(random_parts(shapes, count, has_second), count, has_second)
    for actual, expected in zip(parts_of(sine(jet)), parts_of(plain_sine(jet)), strict=True):
        assert actual.shape == shapes[0]
        np.testing.assert_allclose(actual, expected, rtol=RTOL, atol=RTOL)


def gradients(function, parts, count, has_second, shape):
    """First gradients, and the gradient of a weighted sum of their squares."""
    with tf.GradientTape() as outer:
        outer.watch(parts)
        with tf.GradientTape() as inner:
            inner.watch(parts)
            total = weighted(parts_of(function(jet_of(parts, count, has_second))), shape)
        first = inner.gradient(total, parts)
        squares = sum_of([tf.reduce_sum((1.0 + i) * part**2) for i, part in enumerate(first)])
    return first, outer.gradient(squares, parts)


def assert_same_gradients(actual, expected):
    for one, another in zip(tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True):
        assert one.shape == another.shape
        np.testing.assert_allclose(one, another, rtol=0, atol=GRADIENT_RTOL * np.abs(another).max())


@sine_cases
def test_gradients_of_sine_are_those_of_the_formula(shapes, count, has_second):
    parts = random_parts(shapes, count, has_second)
    results = [gradients(function, parts, count, has_second, shapes[0]) for function in (sine, plain_sine)]
    assert_same_gradients(*results)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradients_of_sine_in_a_graph(jit_compile):
    parts = random_parts(((7, 4), (1, 4)), 2, True)
    in_graph = tf.function(lambda parts: gradients(sine, parts, 2, True, (7, 4)), jit_compile=jit_compile)
    assert_same_gradients(in_graph(parts), gradients(plain_sine, parts, 2, True, (7, 4)))


def test_gradients_of_sine_with_an_unknown_number_of_points():
    value, *rest = random_parts(((7, 4), (1, 4)), 2, True)
    spec = [tf.TensorSpec((None, 4), tf.float64), *[tf.TensorSpec((1, 4), tf.float64)] * 3]

    @tf.function(input_signature=spec)
    def in_graph(*parts):
        with tf.GradientTape() as tape:
            tape.watch(parts)
            total = sum_of([tf.reduce_sum(part**2) for part in parts_of(sine(jet_of(parts, 2, True)))])
        return tape.gradient(total, parts)

    for count in (7, 1):
        parts = [value[:count], *rest]
        with tf.GradientTape() as tape:
            tape.watch(parts)
            total = sum_of([tf.reduce_sum(part**2) for part in parts_of(plain_sine(jet_of(parts, 2, True)))])
        assert_same_gradients(in_graph(*parts), tape.gradient(total, parts))


@pytest.mark.parametrize("missing", ["minus sine", "speed", "broadcast"])
def test_a_broken_sine_is_noticed(missing):
    """The control: the comparisons above fail for formulas that lack a term."""
    parts = random_parts(((7, 4), (1, 4)), 2, True)

    def broken(jet):
        right = plain_sine(jet)
        if missing == "broadcast":
            return Jet(right.value, tuple(tf.stop_gradient(t) for t in right.tangents), right.second)
        if missing == "speed":
            return Jet(right.value, right.tangents, tf.cos(jet.value) * jet.second)
        return Jet(right.value, right.tangents, right.second + 2 * tf.sin(jet.value) * jet.squared_speed())

    with pytest.raises(AssertionError):
        assert_same_gradients(gradients(broken, parts, 2, True, (7, 4)), gradients(sine, parts, 2, True, (7, 4)))
