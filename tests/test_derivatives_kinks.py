"""Second derivatives are refused where there is a kink; and what else derivatives refuse."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from derivative_checks import COORDS, ROUNDING, Formula
from public_presets import PUBLIC

from keras_inr.derivatives import curl, differentiate, divergence, gradient, hessian, jacobian, laplacian
from keras_inr.kinks import kinks_of
from keras_inr.layers import Affine, HashEncoding, LeakyReluDense, PositionalEncoding, SineDense, ValueRange
from keras_inr.models import Field, MultiHash, ReluMLP, Siren, from_preset

NARROW = COORDS.astype("float32")
LATTICE = {"num_levels": 3, "table_size": 64, "base_resolution": 3, "finest_resolution": 9}
PIXEL_GRIDS = {"pixel_grid", "pixel_grid_small"}
PLAIN = "piecewise linear (a sine network such as Siren is smooth)"


class SmoothHash(Field):
    """A hash encoding that is interpolated smoothly, into sine layers."""

    def __init__(self, interpolation="smoothstep", **kwargs):
        super().__init__(**kwargs)
        encoding = HashEncoding(
            **LATTICE, interpolation=interpolation, initial_scale=1.0, name="encoding", **self.place(0)
        )
        sine = SineDense(8, omega_0=2.0, name="sine", **self.place(1))
        self.set_stack([encoding, sine, Affine(self.channels, **self.place(2)), ValueRange()])


def functional_model(activation):
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(8, activation, bias_initializer="random_normal")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3)(hidden))


def built(layer):
    layer.build((None, 2))
    return layer


RELU, LINEAR_HASH = ReluMLP((8,), seed=0), MultiHash(**LATTICE, units=(8,), seed=0)
SIREN, PAIR = Siren((8,), seed=0), Siren((8,), channels=2, seed=0)
KINKED = [
    (RELU, f"'relu_0' is {PLAIN}"),
    (ReluMLP((8,), negative_slope=0.0, seed=0), f"'relu_0' is {PLAIN}"),
    (ReluMLP((8, 4), seed=0), f"'relu_0' is {PLAIN} (and 1 more); "),
    (ReluMLP((8,), num_frequencies=4, seed=0), f"'relu_0' is {PLAIN}"),
    (ReluMLP((8,), num_fields=3, seed=0), f"'relu_0' is {PLAIN}"),
    (
        LINEAR_HASH,
        "'encoding' interpolates linearly (interpolation='smoothstep' has second derivatives) (and 1 more); ",
    ),
    (MultiHash(**LATTICE, units=(8,), interpolation="smoothstep", seed=0), f"'relu_0' is {PLAIN}"),
    (
        SmoothHash("linear", seed=0),
        "'encoding' interpolates linearly (interpolation='smoothstep' has second derivatives)",
    ),
    (built(LeakyReluDense(3, name="alone")), f"'alone' is {PLAIN}"),
    (tf.nn.relu, "the function has the operation Relu"),
    (tf.nn.leaky_relu, "the function has the operation LeakyRelu"),
    (lambda coords: tf.abs(coords) + tf.sin(coords), "the function has the operation Abs"),
    (lambda coords: tf.where(coords > 0, coords, 0.1 * coords), "the function has the operation Greater"),
    (lambda coords: tf.cast(coords >= 0, coords.dtype) * coords, "the function has the operation GreaterEqual"),
    (lambda coords: tf.clip_by_value(coords, -0.5, 0.5), "the function has the operation Maximum"),
    (lambda coords: tf.reduce_max(coords, axis=-1, keepdims=True), "the function has the operation Max"),
    (lambda coords: coords % 0.5, "the function has the operation FloorMod"),
    (lambda coords: coords - tf.cast(tf.cast(coords, "int32"), coords.dtype), "the function has the operation Cast"),
    (lambda coords: tf.sort(coords), "the function has the operation TopKV2"),
    (lambda coords: tf.cast(tf.argmax(coords, -1), coords.dtype)[..., None] * coords, "the function has the operation"),
    (tf.nn.elu, "the function has the operation Elu"),
    (lambda coords: tf.cast(coords == 0.3, coords.dtype) * coords, "the function has the operation Equal"),
    (
        lambda coords: tf.ensure_shape(tf.numpy_function(np.cos, [coords], "float32"), coords.shape),
        "the function has the operation PyFunc",
    ),
    (keras.activations.selu, "the function has the operation "),
    (lambda coords: RELU(coords) * 2, "the function has the operation LeakyRelu"),
    (lambda coords: LINEAR_HASH(coords), "the function has the operation Cast (and 4 more)"),
    (tf.function(lambda coords: tf.function(tf.nn.relu)(coords)), "the function has the operation Relu"),
    (functional_model("relu"), "the function has the operation Relu"),
    (keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "leaky_relu")]), "the function has the operation"),
]
SMOOTH = [
    SIREN,
    Siren((8,), seed=0, num_fields=3),
    SmoothHash(seed=0),
    built(SineDense(3, first=True)),
    PositionalEncoding(3),
    built(HashEncoding(**LATTICE, interpolation="smoothstep")),
    built(Affine(3)),
    ValueRange(),
    Formula(lambda x, y: x * y),
    tf.sin,
    lambda coords: SIREN(coords),
    lambda coords: (
        tf.nn.softplus(coords) + tf.nn.tanh(coords) + tf.nn.gelu(coords) + tf.norm(coords, axis=-1)[..., None]
    ),
    lambda coords: coords[: tf.maximum(tf.shape(coords)[0], 1)],  # an operation on sizes
    functional_model("tanh"),
]


@pytest.mark.parametrize("index", range(len(KINKED)))
@pytest.mark.parametrize("method", ["auto", "tape"])
def test_second_derivatives_of_kinked_functions_are_refused(index, method):
    function, reason = KINKED[index]
    for name, call in (("laplacian", laplacian), ("hessian", hessian), ("laplacian", differentiate)):
        arguments = {"outputs": ("values", "laplacian")} if call is differentiate else {}
        with pytest.raises(ValueError, match="allow_kinks=True takes the value between the kinks") as error:
            call(function, NARROW, method=method, **arguments)
        assert str(error.value).startswith(f"{name} does not exist everywhere, since {reason}")


@pytest.mark.parametrize("index", range(len(KINKED)))
def test_first_derivatives_of_kinked_functions_are_not(index):
    assert jacobian(KINKED[index][0], NARROW).shape[-1] == 2


@pytest.mark.parametrize("index", range(len(SMOOTH)))
def test_smooth_functions_are_not_refused(index):
    second = hessian(SMOOTH[index], NARROW)
    assert np.all(np.isfinite(second))
    assert laplacian(SMOOTH[index], NARROW).shape == second.shape[:-2]
    assert kinks_of(SMOOTH[index], tf.constant(NARROW)) == []


@pytest.mark.parametrize("method", ["tape", "forward"])
def test_smoothstep_has_second_derivatives_at_the_vertices(method):
    """They are zero along an axis there, from both sides: s''(0) = s''(1) = 0."""
    layer = HashEncoding(num_levels=1, base_resolution=4, table_size=64, interpolation="smoothstep", dtype="float64")
    layer(np.zeros((1, 2)))
    layer.table.assign(np.random.default_rng(0).uniform(-1, 1, layer.table.shape))
    vertices = np.array([[-1.0, -0.5], [0.0, 0.5], [1.0, 1.0]])
    for side in (-1e-9, 0.0, 1e-9):
        # s'' = 60 t (1 - t) (1 - 2t) is 60 * 2e-9 at t = 2e-9, times 4 cells / 2 units squared and features of 2
        np.testing.assert_allclose(laplacian(layer, vertices + side, method), 0, atol=2e-6)
    assert np.abs(laplacian(layer, vertices + 0.05, method)[:2]).max() > 1


def test_presets_with_kinks():
    kinked = {info.name for info in PUBLIC if kinks_of(from_preset(info.name))}
    rectified = {"relu", "relu_pe", "fourier", "multi_hash", "dense_grid", "tiled_grid", "hash_16", "hash_large"}
    assert kinked == rectified | {"cell_grid", "cell_grid_4", "cell_grid_smooth", "cell_grid_source"} | PIXEL_GRIDS


@pytest.mark.parametrize("method", ["tape", "forward"])
def test_between_the_kinks(method):
    """A ReLU network is a plane there; behind an encoding, its Hessian is that of the encoding's slopes."""
    assert not np.any(hessian(RELU, NARROW, method, allow_kinks=True))
    assert not np.any(laplacian(RELU, NARROW, method, allow_kinks=True))
    field = ReluMLP((8,), num_frequencies=3, seed=0, dtype="float64")
    encoding, hidden, head, _ = field.stack
    active = np.where(hidden(encoding(COORDS)) > 0, 1.0, hidden.negative_slope)
    inner = hessian(encoding, COORDS).numpy()  # (N, features, 2, 2)
    expected = np.einsum("nfij,fu,nu,uc->ncij", inner, hidden.kernel.numpy(), active, head.kernel.numpy())
    actual = hessian(field, COORDS, method, allow_kinks=True)
    # some hundred products, summed in another order
    np.testing.assert_allclose(actual, expected, rtol=0, atol=256 * ROUNDING["float64"] * np.abs(expected).max())


@pytest.mark.parametrize("method", ["tape", "forward"])
def test_kinks_are_refused_inside_graphs(method):
    for options in ({}, {"jit_compile": True}):
        with pytest.raises(ValueError, match="laplacian does not exist everywhere, since 'relu_0' is piecewise"):
            tf.function(lambda coords: laplacian(RELU, coords, method), **options)(NARROW)
    in_graph = tf.function(lambda coords: laplacian(tf.sin, coords))
    np.testing.assert_allclose(in_graph(NARROW), -np.sin(NARROW), rtol=8 * ROUNDING["float32"])  # two sines


ALL = "('values', 'jacobian', 'laplacian')"
RULES = 'method="forward" needs a field, whose layers have rules, received <function sin'


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gradient(SIREN, NARROW), "gradient needs a function with one channel, received 3: use jacobian"),
        (
            lambda: jacobian(SIREN, NARROW, "reverse"),
            "method must be one of ('auto', 'tape', 'forward'), received 'reverse'",
        ),
        (
            lambda: hessian(SIREN, NARROW, "reverse"),
            "method must be one of ('auto', 'tape', 'forward'), received 'reverse'",
        ),
        (lambda: jacobian(tf.sin, NARROW, "forward"), RULES),
        (lambda: hessian(tf.sin, NARROW, "forward"), RULES),
        (lambda: differentiate(SIREN, NARROW, ("hessian",)), f"outputs must be some of {ALL}, received ('hessian',)"),
        (lambda: differentiate(SIREN, NARROW, "laplacian"), f"outputs must be some of {ALL}, received 'laplacian'"),
        (lambda: differentiate(SIREN, NARROW, ()), f"outputs must be some of {ALL}, received ()"),
        (lambda: jacobian(SIREN, [[1, 2]]), "coords must be floating with shape (..., dims), received int32 (1, 2)"),
        (lambda: jacobian(SIREN, 0.5), "coords must be floating with shape (..., dims), received float32 ()"),
        (
            lambda: tf.function(lambda coords: jacobian(SIREN, coords)).get_concrete_function(
                tf.TensorSpec((None, None))
            ),
            "coords must be floating with shape (..., dims), received float32 (None, None)",
        ),
        (
            lambda: jacobian(lambda coords: tf.sin(coords[..., 0]), NARROW),
            "values must be a floating tensor of shape (..., channels) for coords of shape (",
        ),
        (lambda: jacobian(lambda coords: np.sin(coords.numpy()), NARROW), "received dtype('float32')"),
        (lambda: jacobian(lambda coords: tf.cast(coords, "int32"), NARROW), "received tf.int32"),
        (
            lambda: jacobian(Siren(units=(4,), num_fields=3), np.zeros((2, 5, 2))),
            "coords must have a first axis of 1 or 3 stacked fields, received (2, 5, 2)",
        ),
        (lambda: jacobian(SIREN, np.zeros((5, 3))), "coords must have a last axis of 2, received shape (5, 3)"),
        (lambda: divergence(SIREN, NARROW), "divergence needs as many channels as dims, received 3 and 2"),
        (lambda: curl(SIREN, NARROW), "curl needs as many channels as dims, received 3 and 2"),
        (lambda: curl(tf.sin, np.zeros((5, 4))), "curl is defined in 2 and 3 dimensions, received 4"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match="received") as error:
        call()
    assert message in str(error.value)


def test_a_function_must_be_callable():
    with pytest.raises(TypeError, match="function must be a field or another callable, received None"):
        laplacian(None, NARROW)
