import numpy as np

from keras_inr.layers import LearntSineDense, SineDense
from layers.reference import assert_as_exact_as_numpy, sine_dense

HIDDEN = np.random.default_rng(1).uniform(-1, 1, (200, 64)).astype("float32")


def test_starts_as_a_sine_layer():
    layers = [cls(32, 20.0, seed=3) for cls in (SineDense, LearntSineDense)]
    np.testing.assert_array_equal(*(layer(HIDDEN) for layer in layers))


def test_the_learnt_number_multiplies_omega():
    layer = LearntSineDense(32, 20.0, seed=0)
    layer.build(HIDDEN.shape)
    layer.frequency.assign([0.5])
    weights = layer.kernel.numpy(), layer.bias.numpy()
    assert_as_exact_as_numpy(layer(HIDDEN), sine_dense, HIDDEN, *weights, 10.0)


def test_stacked_fields_have_one_each():
    layer = LearntSineDense(32, num_fields=3)
    layer.build((3, None, 4))
    assert layer.frequency.shape == (3, 1)
