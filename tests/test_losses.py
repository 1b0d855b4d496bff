"""Losses against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_inr.losses import ColourMeanSquaredError, KnownMeanSquaredError


def known_and_predicted():
    rng = np.random.default_rng(0)
    target, prediction = rng.normal(size=(2, 7, 3)).astype("float32")
    target[2] = np.nan
    target[5, 1] = np.nan
    return target, prediction


def test_unknown_targets_are_no_error_and_still_count_in_the_mean():
    target, prediction = known_and_predicted()
    expected = np.nansum(np.square(target.astype("float64") - prediction)) / target.size
    # float32 sums of 21 terms
    np.testing.assert_allclose(KnownMeanSquaredError()(target, prediction), expected, rtol=1e-6)


def test_no_gradient_comes_from_unknown_targets():
    target, prediction = map(tf.constant, known_and_predicted())
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        loss = KnownMeanSquaredError()(target, prediction)
    gradient = tape.gradient(loss, prediction).numpy()
    expected = np.where(np.isnan(target), 0.0, 2 * (prediction - target) / 21)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@pytest.mark.parametrize("split", [1, 3, 6])
def test_parts_weighted_by_their_points_add_up(split):
    target, prediction = known_and_predicted()
    loss = KnownMeanSquaredError()
    parts = [(split, slice(0, split)), (7 - split, slice(split, 7))]
    total = sum(count / 7 * float(loss(target[rows], prediction[rows])) for count, rows in parts)
    # float32
    np.testing.assert_allclose(total, float(loss(target, prediction)), rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 2)])
def test_colours_are_mixed_before_they_are_squared(shape):
    rng = np.random.default_rng(1)
    mixing, target, prediction = rng.normal(size=(3, 3)), *rng.normal(size=(2, *shape))
    loss = ColourMeanSquaredError(mixing, dtype="float64")
    columns = np.moveaxis(target - prediction, 1, 0).reshape(3, -1)
    np.testing.assert_allclose(loss(target, prediction), np.mean(np.square(mixing @ columns)), rtol=1e-12)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    np.testing.assert_array_equal(again.mixing, mixing)


@pytest.mark.parametrize("mixing", [np.ones((2, 3)), np.ones(3), [[np.inf]]])
def test_colours_are_mixed_by_square_matrices(mixing):
    with pytest.raises(ValueError, match="mixing must be a square matrix of finite numbers, received"):
        ColourMeanSquaredError(mixing)
