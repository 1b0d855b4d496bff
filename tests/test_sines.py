"""Polynomials of sine and cosine against float64, where they act, and what they leave alone."""

import numpy as np
import pytest
import tensorflow as tf

from keras_inr._cpu_xla import cpu_xla
from keras_inr._sines import cos_of, is_polynomial, sin_of
from keras_inr.models.stacking import stack
from keras_inr.presets import from_preset
from keras_inr.signals.image import load_image
from keras_inr.training.recipe import Recipe
from keras_inr.training.sampling import Sampler


@pytest.fixture
def small_picture():
    return load_image("sample:camera", size=16)


def phases(top):
    edges = np.arange(-8, 9) * np.pi / 2  # where the nearest multiple of pi changes
    drawn = np.random.default_rng(0).uniform(-top, top, 200_000)
    return np.concatenate([drawn, edges, np.nextafter(edges, 9), [0.0, -0.0]]).astype("float32")


# 2^-23 = 1.2e-7 is float32's step at 1, of which each of the last two operations may add a half
@pytest.mark.parametrize(("top", "most"), [(4, 1.3e-7), (100, 1.3e-7), (3e3, 1.3e-7), (3e4, 4e-6)])
def test_close_to_float64(top, most):
    x = phases(top)
    with cpu_xla():
        sine, cosine = sin_of(tf.constant(x)), cos_of(tf.constant(x))
    np.testing.assert_allclose(sine, np.sin(x.astype("float64")), rtol=0, atol=most)
    np.testing.assert_allclose(cosine, np.cos(x.astype("float64")), rtol=0, atol=most)


def test_small_phases_keep_their_digits():
    x = np.array([1e-30, 1e-8, 1e-3], "float32")
    with cpu_xla():
        np.testing.assert_allclose(sin_of(tf.constant(x)), np.sin(x.astype("float64")), rtol=1.2e-7)


def test_bounded_whatever_comes():
    x = tf.constant([1e6, -1e9, 3e38])
    with cpu_xla():
        assert np.all(np.abs([sin_of(x), cos_of(x)]) <= 1.0000001)
        assert np.all(np.isnan([sin_of(tf.constant([np.inf, np.nan])), cos_of(tf.constant([-np.inf, np.nan]))]))


@pytest.mark.parametrize(("function", "derivatives"), [(sin_of, (np.cos, np.sin)), (cos_of, (np.sin, np.cos))])
def test_two_derivatives(function, derivatives):
    x = tf.constant(phases(50)[:1000])
    with cpu_xla(), tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x)
        first = inner.gradient(y, x)
    second = outer.gradient(first, x)
    exact = x.numpy().astype("float64")
    signs = (1, -1) if function is sin_of else (-1, -1)
    for received, of, sign in zip((first, second), derivatives, signs, strict=True):
        np.testing.assert_allclose(received, sign * of(exact), rtol=0, atol=3e-7)


def test_only_in_the_context_and_in_float32():
    single, double = tf.zeros(1), tf.zeros(1, "float64")
    assert not is_polynomial(single)
    with cpu_xla():
        assert is_polynomial(single)
        assert not is_polynomial(double)
        with cpu_xla(False):
            assert not is_polynomial(single)
    assert not is_polynomial(single)


def operations(function, *arguments):
    """Types of all operations of a function's graph, the functions in it included."""
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    return {node.op for node in nodes}


@pytest.mark.parametrize("preset", ["siren_256", "siren_learnt", "finer", "relu_pe", "fourier", "wire", "wire_real"])
def test_compiled_training_steps_have_no_sine(preset, small_picture):
    field = from_preset(preset, channels=1, seed=0, picture_size=small_picture.size)
    batch = Sampler(small_picture, Recipe(steps=1, batch_size=16)).batch(0)
    waves = {"Sin", "Cos"}
    for jit_compile in (True, False):
        field.compile("adam", "mse", jit_compile=jit_compile)
        field.optimizer.build(field.trainable_variables)
        step = tf.function(lambda *data: field.train_step(data))
        assert bool(operations(step, *batch) & waves) != jit_compile
    assert waves & operations(tf.function(lambda coords: field(coords)), batch[0])


def test_training_agrees_with_and_without(small_picture):
    weights = []
    for jit_compile in (True, False):
        field = stack([from_preset("siren_256", units=(16, 16), channels=1, seed=seed) for seed in (0, 1)])
        field.compile("sgd", "mse", jit_compile=jit_compile)
        coords, targets = Sampler(small_picture, Recipe(steps=1, batch_size=64)).batch(0)
        for _ in range(3):
            field.train_on_batch(tf.stack([coords] * 2), tf.stack([targets] * 2))
        weights.append([weight.numpy() for weight in field.weights])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)  # float32 in three steps
