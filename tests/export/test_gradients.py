"""Gradients through a loaded export are those of the field."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from export.small_fields import COORDS, EVERY
from export.test_derivative_signatures import Foreign
from keras_inr.derivatives import differentiate
from keras_inr.export import export_saved_model

# of the largest: float32 sums in batches of other sizes, through one derivative more than in the tests of the answers
RTOL = 1e-4
OUTPUTS = {"serving_default": ("values",), "gradient": ("values", "jacobian"), "laplacian": ("laplacian",)}
POINTS = COORDS[:100]  # more than a chunk


def gradient(function, coords=POINTS):
    """Of a weighted sum of function(coords), a list of tensors, which tells apart all their elements."""
    coords = tf.constant(coords)
    with tf.GradientTape() as tape:
        tape.watch(coords)
        parts = function(coords)
        draws = np.random.default_rng(0)
        total = tf.add_n([tf.reduce_sum(part * draws.normal(size=part.shape).astype("float32")) for part in parts])
    return tape.gradient(total, coords, unconnected_gradients=tf.UnconnectedGradients.ZERO).numpy()


def of_export(signatures, name):
    return lambda coords: [signatures[name](coords=coords)[output] for output in OUTPUTS[name]]


def of_field(field, name):
    def parts(coords):
        found = differentiate(field, coords, OUTPUTS[name])
        return [tf.cast(found[output], tf.float32) for output in OUTPUTS[name]]

    return parts


def assert_gradients(field, signatures, names=tuple(OUTPUTS)):
    for name in names:
        if name in signatures:
            expected = gradient(of_field(field, name))
            atol = RTOL * np.abs(expected).max()
            np.testing.assert_allclose(gradient(of_export(signatures, name)), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("preset", EVERY)
def test_values_of_every_preset(served, preset):
    assert_gradients(*served(preset), ["serving_default"])


@pytest.mark.parametrize("preset", ["siren_256", "multi_hash", "hash_smooth", "cell_grid_source", "gauss"])
def test_derivatives(served, preset):
    """The rules of sines have a custom gradient too."""
    assert_gradients(*served(preset), ["gradient", "laplacian"])


@pytest.mark.slow
def test_float64(served):
    assert_gradients(*served("siren", dtype="float64"))


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "silu"])
def test_layers_of_others(tmp_path, activation):
    """TensorFlow's own silu has a custom gradient."""
    field = Foreign(activation)
    loaded = tf.saved_model.load(str(export_saved_model(field, tmp_path, chunk=64)))
    assert_gradients(field, loaded.signatures)


def test_second_derivatives_through_values(served):
    field, signatures = served("siren_256")

    def laplacian(function):
        def slope(coords):
            with tf.GradientTape() as tape:
                tape.watch(coords)
                total = tf.reduce_sum(function(coords)[0])
            return [tape.gradient(total, coords)]

        return gradient(slope)

    expected = laplacian(of_field(field, "serving_default"))
    found = laplacian(of_export(signatures, "serving_default"))
    np.testing.assert_allclose(found, expected, rtol=0, atol=RTOL * np.abs(expected).max())


def test_within_a_function(served):
    field, signatures = served("multi_hash")

    @tf.function
    def slope(coords):
        with tf.GradientTape() as tape:
            tape.watch(coords)
            total = tf.reduce_sum(signatures["serving_default"](coords=coords)["values"])
        return tape.gradient(total, coords)

    coords = tf.constant(POINTS)
    expected = tf.reduce_sum(differentiate(field, coords, ("jacobian",))["jacobian"], axis=1)
    np.testing.assert_allclose(slope(coords), expected, rtol=0, atol=RTOL * np.abs(expected).max())


def test_invalid_rows_have_no_gradient(served):
    """And leave those of others as they are."""
    _, signatures = served("siren_256")
    coords = np.concatenate([POINTS, np.float32([[np.nan, 0], [2e6, 0]])])

    def values(coords):
        return [signatures["serving_default"](coords=coords)["values"][: len(POINTS)]]

    slope = gradient(values, coords)
    expected = gradient(values)
    np.testing.assert_allclose(slope[: len(POINTS)], expected, rtol=0, atol=RTOL * np.abs(expected).max())
    assert np.all(slope[len(POINTS) :] == 0)


@pytest.mark.parametrize("preset", ["siren", "multi_hash"])
def test_no_custom_gradient_is_left(exported, preset):
    _, folder = exported(preset)
    saved_model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    library = saved_model.meta_graphs[0].graph_def.library
    assert not library.registered_gradients
    nodes = [node for function in library.function for node in function.node_def if node.op == "IdentityN"]
    assert not [node for node in nodes if "_gradient_op_type" in node.attr]


def straight_through(inputs):
    """Values rounded to fifths with the gradient of values that are not."""
    return tf.custom_gradient(lambda x: (tf.round(5 * x) / 5, lambda upstream: upstream))(inputs)


def test_what_is_not_a_derivative_gives_way_to_it(tmp_path):
    field = Foreign(straight_through)
    loaded = tf.saved_model.load(str(export_saved_model(field, tmp_path)))
    assert np.any(gradient(lambda coords: [field(coords)]))
    assert not np.any(gradient(of_export(loaded.signatures, "serving_default")))
