import numpy as np
import pytest
import tensorflow as tf

from keras_inr._cpu_xla import cpu_xla
from keras_inr.initializers import Rule, RuleInitializer
from keras_inr.layers import Affine
from layers.reference import affine, assert_as_exact_as_numpy

NORMAL = Rule("normal")


def random_affine(**arguments):
    """A layer whose bias is not zero."""
    return Affine(16, bias_initializer=RuleInitializer(NORMAL, fan_in=1, seed=1), seed=0, **arguments)


@pytest.mark.parametrize("reads_coords", [False, True])
def test_formula(reads_coords):
    x = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
    layer = random_affine(reads_coords=reads_coords)
    assert_as_exact_as_numpy(layer(x), affine, x, layer.kernel.numpy(), layer.bias.numpy())


def test_no_bias_means_no_weight():
    layer = Affine(4, use_bias=False)
    layer.build((None, 2))
    assert [weight.name for weight in layer.weights] == ["kernel"]


def test_default_initial_weights():
    layer = Affine(1000, seed=0)
    layer.build((None, 100))
    # the standard error of a standard deviation over n normal draws is 1 / sqrt(2 n) of it; 5 of them
    np.testing.assert_allclose(np.std(layer.kernel), np.sqrt(2 / 100), rtol=5 / np.sqrt(2 * 100_000))
    assert not np.any(layer.bias)


def test_stacked_kernels_are_drawn_for_one_field_each():
    layer = Affine(1000, num_fields=3, seed=0)
    layer.build((None, None, 100))
    kernel = layer.kernel.numpy()
    assert kernel.shape == (3, 100, 1000)
    # as above: 5 standard errors
    np.testing.assert_allclose(kernel.std(axis=(1, 2)), np.sqrt(2 / 100), rtol=5 / np.sqrt(2 * 100_000))
    correlation = np.corrcoef(kernel.reshape(3, -1))
    # independent draws correlate by 1 / sqrt(n)
    np.testing.assert_allclose(correlation, np.eye(3), atol=5 / np.sqrt(100_000))


@pytest.mark.parametrize("num_fields", [None, 2])
def test_coordinates_meet_no_matrix_product(num_fields):
    """Matrix products may run in TF32 on GPUs."""
    layer = Affine(4, reads_coords=True, num_fields=num_fields)
    layer.build((None, None, 2))
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((1, 5, 2))).graph
    assert not [op.type for op in graph.get_operations() if "MatMul" in op.type or "Einsum" in op.type]


@pytest.mark.parametrize("units", [0, -1, 2.5, True, "3", None])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match=f"units must be a positive integer, received {units!r}"):
        Affine(units)


def test_num_fields_must_be_a_positive_integer():
    with pytest.raises(ValueError, match="num_fields must be a positive integer, received 0"):
        Affine(3, num_fields=0)


def test_last_axis_must_be_known():
    with pytest.raises(ValueError, match=r"last axis .* 'head', received \(5, None\)"):
        Affine(3, name="head").build((5, None))


@pytest.mark.parametrize("units", [3, 5])
@pytest.mark.parametrize("num_fields", [None, 2])
@pytest.mark.parametrize("reads_coords", [False, True])
def test_gradients_are_the_same_where_xla_compiles_for_a_cpu(units, num_fields, reads_coords):
    """Of first and second order; what is narrow takes another way there."""
    layer = Affine(units, num_fields=num_fields, reads_coords=reads_coords, dtype="float64", seed=0)
    inputs = tf.constant(np.random.default_rng(0).normal(size=(*((num_fields,) if num_fields else ()), 7, 4)))
    layer.build(inputs.shape)

    def derivatives(active):
        with cpu_xla(active), tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                total = tf.reduce_sum(tf.sin(layer(inputs)))
            first = tape.gradient(total, [inputs, layer.kernel.value, layer.bias.value])
            squares = sum(tf.reduce_sum(part**2) for part in first)
        return [total, *first, *outer.gradient(squares, [inputs, layer.kernel.value])]

    for expected, received in zip(derivatives(False), derivatives(True), strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-10, atol=1e-12)
