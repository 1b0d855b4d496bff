"""Derivatives of functions that are known in closed form, wherever derivatives must work."""

import numpy as np
import pytest
import tensorflow as tf
from derivative_checks import ROUNDING, Formula, assert_same_derivatives, derivatives_of

from keras_inr.derivatives import curl, differentiate, divergence, gradient, hessian, jacobian, laplacian
from keras_inr.layers import SineDense
from keras_inr.models import Field, Siren

RNG = np.random.default_rng(2)
COORDS = RNG.uniform(-1, 1, (7, 2))
X, Y = COORDS.T
POINTS = RNG.uniform(-1, 1, (5, 3))  # of three dimensions
RTOL = 1e-13  # some hundred float64 roundings of 1.1e-16
both_methods = pytest.mark.parametrize("method", ["tape", "forward"])


def check(actual, expected):
    """Equal up to roundings of the largest entry."""
    expected = np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=RTOL * max(1.0, np.abs(expected).max()))


@both_methods
def test_quadratic(method):
    """3 x^2 + 2 x y - y^2 / 2 + 4 x - 5."""
    function = Formula(lambda x, y: x * x * 3.0 + x * y * 2.0 + y * y * -0.5 + x * 4.0 + -5.0)
    check(gradient(function, COORDS, method), np.stack([6 * X + 2 * Y + 4, 2 * X - Y], axis=-1))
    check(jacobian(function, COORDS, method)[..., 0, :], gradient(function, COORDS, method))
    check(hessian(function, COORDS, method), np.broadcast_to([[6.0, 2.0], [2.0, -1.0]], (7, 1, 2, 2)))
    check(laplacian(function, COORDS, method), np.full((7, 1), 5.0))


@both_methods
def test_harmonic_polynomials_have_no_laplacian(method):
    """Real and imaginary part of (x + i y)^5."""

    def formula(x, y):
        real, imaginary = x, y
        for _ in range(4):
            real, imaginary = real * x + imaginary * y * -1.0, real * y + imaginary * x
        return real, imaginary

    for part in (0, 1):
        function = Formula(lambda x, y, part=part: formula(x, y)[part])
        power = (X + 1j * Y) ** 4 * 5
        expected = np.stack([power.real, -power.imag] if part == 0 else [power.imag, power.real], axis=-1)
        check(gradient(function, COORDS, method), expected)
        check(laplacian(function, COORDS, method), np.zeros((7, 1)))
        bend = (X + 1j * Y) ** 3 * 20
        mixed = -bend.imag if part == 0 else bend.real
        check(hessian(function, COORDS, method)[:, 0, 0, 1], mixed)


class Layers(Field):
    """A field of given layers."""

    def __init__(self, *layers, **kwargs):
        super().__init__(**kwargs)
        self.set_stack(list(layers))


@both_methods
def test_plane_wave(method):
    """sin(k.x + p): gradient k cos, Laplacian -|k|^2 sin."""
    field = Layers(SineDense(1, omega_0=2.0, first=True, dtype="float64"), channels=1, dtype="float64")
    wave, phase = np.array([7.5, -3.25]), 0.4
    field.stack[0].set_weights([wave[:, None] / 2, np.array([phase / 2])])
    z = COORDS @ wave + phase
    check(gradient(field, COORDS, method), np.cos(z)[:, None] * wave)
    check(laplacian(field, COORDS, method), -(wave @ wave) * np.sin(z)[:, None])
    check(hessian(field, COORDS, method)[:, 0], -np.sin(z)[:, None, None] * np.outer(wave, wave))


def siren_by_hand(coords, weights, omega_0, low, high):
    """Two sine layers and a head: values, Jacobian (N, C, 2) and Hessian (N, C, 2, 2) in NumPy, from the formula."""
    (first, first_bias, second, second_bias, head, head_bias) = weights
    z = omega_0 * (coords @ first + first_bias)
    z_x = omega_0 * first  # (2, units)
    h, h_x = np.sin(z), np.cos(z)[:, None] * z_x
    h_xx = -np.sin(z)[:, None, None] * z_x[:, None] * z_x[None, :]  # (N, 2, 2, units)
    z, z_x, z_xx = omega_0 * (h @ second + second_bias), omega_0 * h_x @ second, omega_0 * h_xx @ second
    cos, sin = np.cos(z)[:, None, None], np.sin(z)[:, None, None]
    h, h_x, h_xx = np.sin(z), np.cos(z)[:, None] * z_x, cos * z_xx - sin * z_x[:, :, None] * z_x[:, None, :]
    gain = head / (high - low)
    values = (h @ head + head_bias - low) / (high - low)
    return {
        "values": values,
        "jacobian": np.moveaxis(h_x @ gain, -1, 1),
        "hessian": np.moveaxis(h_xx @ gain, -1, 1),
        "laplacian": np.trace(h_xx @ gain, axis1=1, axis2=2),
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@both_methods
def test_siren_by_hand(method, dtype):
    field = Siren((5, 6), omega_0=20.0, value_range=(-1.5, 2.0), channels=3, seed=0, dtype=dtype)
    weights = [RNG.normal(0, 0.3, weight.shape).astype("float32") for weight in field.weights]
    field.set_weights(weights)
    coords = COORDS.astype("float32")  # the same numbers in both
    weights = [weight.astype("float64") for weight in weights]
    expected = siren_by_hand(coords.astype("float64"), weights, 20.0, -1.5, 2.0)
    actual = derivatives_of(field, coords.astype(dtype), method)
    # phases of 20 (0.3 |x| sqrt(5) + 0.6) are some 30 radians, and each layer multiplies errors by 20 * 0.3 sqrt(5)
    assert_same_derivatives(actual, expected, 1000, dtype)


FLOW = Formula(lambda x, y: concatenate(x * x * y, x * y * y * -2.0 + x))


def concatenate(*parts):
    """Channels beside each other, of tensors or of jets."""
    if isinstance(parts[0], tf.Tensor):
        return tf.concat(parts, axis=-1)
    jet = parts[0].linear(lambda part: tf.pad(part, [[0, 0], [0, 1]]))
    return jet + parts[1].linear(lambda part: tf.pad(part, [[0, 0], [1, 0]]))


@both_methods
def test_divergence_and_curl(method):
    """(x^2 y, -2 x y^2 + x)."""
    check(divergence(FLOW, COORDS, method), 2 * X * Y - 4 * X * Y)
    check(curl(FLOW, COORDS, method), -2 * Y**2 + 1 - X**2)


def test_divergence_and_curl_in_three_dimensions():
    """(y z, x^2, x y z): divergence x y, curl (x z - 0, y - y z, 2 x - z)."""

    def function(points):
        x, y, z = tf.unstack(points, axis=-1)
        return tf.stack([y * z, x * x, x * y * z], axis=-1)

    x, y, z = POINTS.T
    check(divergence(function, POINTS), x * y)
    check(curl(function, POINTS), np.stack([x * z, y - y * z, 2 * x - z], axis=-1))


def test_gradients_have_no_curl():
    """Of a potential that a network gives, for a lambda around its gradient."""
    field = Siren((8, 8), channels=1, seed=0, dtype="float64")
    potential = lambda coords: gradient(field, coords)  # noqa: E731
    scale = np.abs(hessian(field, COORDS)).max()
    np.testing.assert_allclose(curl(potential, COORDS), np.zeros(7), atol=RTOL * scale)
    flow = divergence(potential, COORDS)
    np.testing.assert_allclose(flow, laplacian(field, COORDS)[:, 0], rtol=0, atol=RTOL * scale)


def test_any_callable_of_any_dimension():
    """sum_i i x_i^3 in three dimensions, by the tape."""
    weights = np.array([1.0, 2.0, 3.0])
    function = lambda points: tf.reduce_sum(weights * points**3, axis=-1, keepdims=True)  # noqa: E731
    parts = derivatives_of(function, POINTS, "auto")
    check(parts["jacobian"][:, 0], 3 * weights * POINTS**2)
    check(parts["hessian"][:, 0], 6 * weights * POINTS[:, None] * np.eye(3))
    check(parts["laplacian"], (6 * weights * POINTS).sum(axis=-1, keepdims=True))


def test_a_function_that_ignores_its_coords():
    parts = derivatives_of(lambda coords: tf.ones((7, 2), coords.dtype), COORDS, "auto")
    assert not np.any(parts["jacobian"])
    assert not np.any(parts["hessian"])
    assert parts["laplacian"].shape == (7, 2)


SMALL = Siren((8, 8), channels=2, seed=0)
NARROW = COORDS.astype("float32")
# eager, graph and XLA sum and fuse in other orders; phases of 50 radians, and errors grow in two layers
GRAPH_ROUNDINGS = 256


@both_methods
@pytest.mark.parametrize("jit_compile", [False, True])
def test_in_a_graph(method, jit_compile):
    in_graph = tf.function(lambda coords: derivatives_of(SMALL, coords, method), jit_compile=jit_compile)
    expected = derivatives_of(SMALL, NARROW, "tape")
    assert_same_derivatives(in_graph(tf.constant(NARROW)), expected, GRAPH_ROUNDINGS, "float32")


@both_methods
@pytest.mark.parametrize("num_fields", [None, 3])
def test_an_unknown_number_of_points(method, num_fields):
    field = Siren((8,), channels=3, seed=0, num_fields=num_fields)
    spec = tf.TensorSpec((None, 2), tf.float32)
    in_graph = tf.function(lambda coords: derivatives_of(field, coords, method), input_signature=[spec])
    outputs = in_graph.get_concrete_function().structured_outputs
    widths = {name: part.shape[1 + (num_fields is not None) :] for name, part in outputs.items()}
    assert widths == {"values": (3,), "jacobian": (3, 2), "laplacian": (3,), "hessian": (3, 2, 2)}
    for count in (0, 1, 7):
        actual, expected = in_graph(NARROW[:count]), derivatives_of(field, NARROW[:count], "tape")
        if count:
            assert_same_derivatives(actual, expected, GRAPH_ROUNDINGS, "float32")
        else:
            assert {n: part.shape for n, part in actual.items()} == {n: part.shape for n, part in expected.items()}


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("channels", [1, 3])
def test_mixed_policies_cost_no_accuracy(policy, channels):
    """The rules compute in float32 at least, so that auto is as exact as under float32."""
    fields = [Siren((32, 32), channels=channels, seed=0, dtype=dtype) for dtype in (policy, "float64")]
    fields[1].set_weights(fields[0].get_weights())
    expected = derivatives_of(fields[1], NARROW.astype("float64"), "tape")
    assert_same_derivatives(derivatives_of(fields[0], NARROW, "auto"), expected, GRAPH_ROUNDINGS, "float32")
    assert differentiate(fields[0], NARROW, ("jacobian",))["jacobian"].dtype == "float32"


def weight_gradients(field, method, outputs, jit_compile=False):
    rng = np.random.default_rng(5)
    targets = {name: rng.normal(size=(7, 2)) for name in ("values", "laplacian")}
    targets["jacobian"] = rng.normal(size=(7, 2, 2))

    def step(coords):
        with tf.GradientTape() as tape:
            parts = differentiate(field, coords, outputs, method)
            loss = sum(tf.reduce_mean((parts[name] - targets[name]) ** 2) for name in outputs)
        return tape.gradient(loss, [weight.value for weight in field.trainable_weights])

    return tf.function(step, jit_compile=jit_compile)(tf.constant(COORDS))


@pytest.mark.parametrize(
    ("outputs", "jit_compile"),
    [(("laplacian",), False), (("jacobian",), False), (("values", "jacobian", "laplacian"), True)],
    ids=str,
)
def test_losses_of_derivatives_have_the_gradient_of_the_tape(outputs, jit_compile):
    field = Siren((8, 8), channels=2, seed=0, dtype="float64")
    actual = weight_gradients(field, "forward", outputs, jit_compile)
    for one, another in zip(actual, weight_gradients(field, "tape", outputs), strict=True):
        if another is None:  # the head's bias has no part in derivatives
            assert one is None or not np.any(one)
            continue
        # third derivatives: phases of 50 radians, rounded, three times multiplied by about 30
        np.testing.assert_allclose(one, another, rtol=0, atol=4000 * ROUNDING["float64"] * np.abs(another).max())
