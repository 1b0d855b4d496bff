"""Stacked fields trained share by share against the same fields trained as a whole."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_inr.losses import StackedMeanSquaredError
from keras_inr.metrics import MSE, PSNR
from keras_inr.models import MultiHash, Siren
from keras_inr.training.many.cpu_shares import CpuShares, shares, steps_per_execution

NUM_FIELDS = 5


def fields(cls=Siren, **arguments):
    return [cls(num_fields=NUM_FIELDS, dtype="float64", seed=0, **arguments) for _ in range(2)]


def data(own_coords):
    """Some batches for one call of `fit`."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(-1, 1, (3, *((NUM_FIELDS,) if own_coords else ()), 11, 2))
    return tf.data.Dataset.from_tensor_slices((coords, rng.uniform(-0.2, 1.2, (3, NUM_FIELDS, 11, 3))))


def history(model, batches):
    return model.fit(batches, verbose=0, shuffle=False).history


@pytest.mark.parametrize("own_coords", [False, True])
@pytest.mark.parametrize("num_shares", [1, 2, 3, 16])
def test_steps_and_figures_are_those_of_the_whole(num_shares, own_coords):
    whole, field = fields(units=(8, 7))
    model = CpuShares(field, num_shares)
    whole.compile(
        keras.optimizers.Adam(0.01),
        loss=StackedMeanSquaredError(dtype="float64"),
        metrics=[MSE(NUM_FIELDS), PSNR(NUM_FIELDS)],
        jit_compile=False,
    )
    model.compile(keras.optimizers.Adam(0.01))
    expected, received = (history(m, data(own_coords)) for m in (whole, model))
    for name in ("loss", "mse", "psnr_db"):
        np.testing.assert_allclose(received[name], expected[name], rtol=1e-6, err_msg=name)  # float32 figures
    for ours, theirs in zip(field.weights, whole.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)  # float64, other sines


def test_frozen_layers_stay():
    field, _ = fields(units=(8, 7))
    field.stack[0].trainable = False
    before = [weight.numpy() for weight in field.weights]
    model = CpuShares(field, 2)
    model.compile(keras.optimizers.Adam(0.01))
    history(model, data(own_coords=False))
    moved = [bool(np.any(weight.numpy() != array)) for weight, array in zip(field.weights, before, strict=True)]
    assert moved == [weight.trainable for weight in field.weights]
    assert moved.count(False) == 2


def test_tables_learn_too():
    field, _ = fields(MultiHash, num_levels=2, table_size=64, finest_resolution=16)
    before = field.stack[0].weights[0].numpy()
    model = CpuShares(field, 2)
    model.compile(keras.optimizers.Adam(0.01))
    history(model, data(own_coords=True))
    assert np.any(field.stack[0].weights[0].numpy() != before)


def test_shares_are_as_equal_as_can_be():
    assert shares(1, 4) == [(0, 1)]
    assert [last - first for first, last in shares(60, 4)] == [15] * 4


@pytest.mark.parametrize(("length", "points", "weights", "steps"), [(10, 10, 10, 10), (17, 1, 1, 1), (64, 1, 1, 16)])
def test_executions_divide_rounds(length, points, weights, steps):
    assert steps_per_execution(length, points, weights) == steps
