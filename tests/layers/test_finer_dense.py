import numpy as np
import pytest
import tensorflow as tf

from keras_inr.kinks import kinks_of
from keras_inr.layers import FinerDense
from layers.reference import affine, assert_as_exact_as_numpy

COORDS = np.random.default_rng(0).uniform(-1, 1, (200, 2)).astype("float32")


def finer_dense(x, kernel, bias, omega_0):
    z = affine(x, kernel, bias)
    return np.sin(kernel.dtype.type(omega_0) * (np.abs(z) + 1) * z)


@pytest.mark.parametrize("omega_0", [None, 5.0])
def test_formula(omega_0):
    layer = FinerDense(64, omega_0, first=True, seed=0)
    outputs = layer(COORDS)
    assert_as_exact_as_numpy(outputs, finer_dense, COORDS, *(w.numpy() for w in layer.weights), omega_0 or 30.0)


def test_first_biases_are_the_schemes_and_wide():
    layer = FinerDense(4000, first=True, seed=0)
    layer.build((None, 2))
    assert 0.99 < np.abs(layer.bias.numpy()).max() <= 1


def test_its_slope_is_continuous_where_the_phase_is_zero():
    """d/dz sin(w (|z| + 1) z) is w cos(..) (2 |z| + 1), w at z = 0 from both sides."""
    layer = FinerDense(1, omega_0=7.0, kernel_initializer="ones", bias_initializer="zeros", dtype="float64")
    for z in (-1e-9, 0.0, 1e-9):
        point = tf.constant([[z]], "float64")
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = layer(point)
        # the slope changes by 14 per unit of z
        np.testing.assert_allclose(tape.gradient(value, point), [[7.0]], rtol=0, atol=1e-7)
    assert not kinks_of(layer)
