"""The steps that learn a start, against Keras's Adam, finite differences and separate fields."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_inr.models import FourierFeatures, Siren
from keras_inr.models.stacking import stack
from keras_inr.training.starts.outer_steps import Maml, Reptile, SharedLayers

NUM_PICTURES, NUM_POINTS = 3, 12


def small(**arguments):
    return Siren(units=(6, 5), omega_0=3.0, channels=2, seed=0, dtype="float64", **arguments)


def batches(number):
    draws = np.random.default_rng(1)
    coords = draws.uniform(-1, 1, (number, NUM_PICTURES, NUM_POINTS, 2))
    targets = draws.uniform(0, 1, (number, NUM_PICTURES, NUM_POINTS, 2))
    return [[tf.constant(part) for part in parts] for parts in (coords, targets)]


def own_loss(field, coords, targets):
    return tf.reduce_mean(tf.math.squared_difference(field(coords), targets))


def test_reptile_takes_the_mean_of_what_adam_comes_to():
    coords, targets = batches(4)
    field = small()
    ends = []
    for picture in range(NUM_PICTURES):
        own = small()
        adam = keras.optimizers.Adam(0.01, epsilon=1e-7)
        for points, wanted in zip(coords, targets, strict=True):
            with tf.GradientTape() as tape:
                loss = own_loss(own, points[picture], wanted[picture])
            adam.apply(tape.gradient(loss, own.trainable_weights), own.trainable_weights)
        ends.append([weight.numpy() for weight in own.weights])
    model = Reptile(field, NUM_PICTURES, 0.01)
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    model.train_step((tf.stack(coords), tf.stack(targets)))
    for weight, parts in zip(field.weights, zip(*ends, strict=True), strict=True):
        np.testing.assert_allclose(weight, np.mean(parts, axis=0), atol=1e-6)  # Keras has its rates in float32


def test_maml_has_the_gradient_of_the_loss_after_the_inner_steps():
    coords, targets = batches(3)
    field = small()
    model = Maml(field, NUM_PICTURES, 0.05)
    _, gradients = model.step(coords, targets)

    def loss_after(start):
        total = 0.0
        for picture in range(NUM_PICTURES):
            own = small()
            own.set_weights(start)
            for points, wanted in zip(coords[:-1], targets[:-1], strict=True):
                with tf.GradientTape() as tape:
                    loss = own_loss(own, points[picture], wanted[picture])
                for weight, gradient in zip(own.weights, tape.gradient(loss, own.trainable_weights), strict=True):
                    weight.assign_sub(0.05 * gradient)
            total += float(own_loss(own, coords[-1][picture], targets[-1][picture]))
        return total / NUM_PICTURES

    start, h = field.get_weights(), 1e-6
    for place, gradient in enumerate(gradients):
        index = np.unravel_index(gradient.numpy().size // 2, gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = [weight.copy() for weight in start]
            moved[place][index] += sign * h
            ends.append(loss_after(moved))
        assert gradient.numpy()[index] == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-9)


def test_shared_layers_get_the_gradient_of_all_pictures():
    coords, targets = batches(1)
    field = small()
    model = SharedLayers(field, NUM_PICTURES, own="head")
    values, gradients = model.step(coords, targets)
    fields = [small() for _ in range(NUM_PICTURES)]
    np.testing.assert_allclose(values, stack(fields)(coords[0]), atol=1e-14)
    own = []
    for picture, one in enumerate(fields):
        with tf.GradientTape() as tape:
            loss = own_loss(one, coords[0][picture], targets[0][picture])
        own.append(tape.gradient(loss, one.trainable_weights))
    for shared, gradient, parts in zip(model.shared, gradients, zip(*own, strict=True), strict=True):
        np.testing.assert_allclose(gradient, sum(parts) if shared else np.stack(parts), atol=1e-14)
    assert model.shared == [True] * 4 + [False] * 2


def test_shared_layers_end_in_the_mean_of_what_is_not_shared():
    coords, targets = batches(1)
    field = small()
    model = SharedLayers(field, NUM_PICTURES, own="head")
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trained_variables)
    model.compile(optimizer, run_eagerly=True)
    before = field.get_weights()
    for _ in range(3):
        model.train_step((tf.stack(coords), tf.stack(targets)))
    np.testing.assert_array_equal(field.get_weights()[-1], before[-1])  # not before it is finished
    assert not np.array_equal(field.get_weights()[0], before[0])
    model.finish()
    np.testing.assert_allclose(field.weights[-1], np.mean(model.trained_variables[-1], axis=0), atol=1e-15)
    assert np.ptp(model.trained_variables[-1], axis=0).max() > 1e-4  # they have come apart


def test_what_is_never_trained_is_the_fields():
    field = FourierFeatures(num_frequencies=4, units=(5,), seed=1, dtype="float64")
    model = Maml(field, NUM_PICTURES, 0.05)
    coords = batches(1)[0][0]
    for values in model.values(model.copies(), coords), model.values(model.copies(), coords):
        np.testing.assert_allclose(values, field(coords), atol=1e-14)
