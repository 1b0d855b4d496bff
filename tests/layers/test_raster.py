"""Encodings by grids on a raster: what `call` says point by point."""

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.layers import CellEncoding, HashEncoding
from keras_inr.layers._raster import interpolated, raster_points

HASH = {"num_levels": 5, "table_size": 256, "base_resolution": 3, "finest_resolution": 90}
LAYOUT = ((6, 4.0, 2), (14, 1.0, 3), (6, 0.5, 4))
ENCODINGS = {
    "hash": lambda **dtype: HashEncoding(**HASH, seed=0, initial_scale=1.0, **dtype),
    "dense": lambda **dtype: HashEncoding(**HASH, grid="dense", seed=0, initial_scale=1.0, **dtype),
    "tiled": lambda **dtype: HashEncoding(**HASH, grid="tiled", seed=0, initial_scale=1.0, **dtype),
    "smoothstep": lambda **dtype: HashEncoding(**HASH, interpolation="smoothstep", initial_scale=1.0, seed=0, **dtype),
    "plain": lambda **dtype: CellEncoding(LAYOUT, (20, 30), form="plain", seed=0, **dtype),
    "corrected": lambda **dtype: CellEncoding(LAYOUT, (20, 30), seed=0, **dtype),
    "source": lambda **dtype: CellEncoding(LAYOUT, (20, 30), form="source", seed=0, **dtype),
    "one pixel": lambda **dtype: CellEncoding(LAYOUT, (1, 1), form="plain", seed=0, **dtype),
}
AXES = {
    "whole": (np.linspace(-1, 1, 41), np.linspace(-1, 1, 23)),
    "close": (np.linspace(0.3, 0.31, 17), np.linspace(-0.2, -0.19, 5)),
    "beyond": (np.linspace(-3, 3, 9), np.linspace(-2, 0.1, 8)),
    "mirrored": (np.linspace(0.7, -0.9, 12), np.linspace(0.5, -0.5, 3)),
    "a point": (np.array([0.25]), np.array([1.0])),
    "far apart": (np.array([0.9, -0.9, 0.9, 0.0]), np.array([-1e6, 1e6])),
}


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_raster_is_its_points(name, axes, dtype):
    layer = ENCODINGS[name](dtype=dtype)
    x, y = (tf.constant(axis, dtype) for axis in AXES[axes])
    layer.build((None, 2))
    for weight in layer.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    expected = layer(raster_points(x, y)).numpy()
    for on_raster in (layer.on_raster, tf.function(layer.on_raster)):
        found = on_raster(x, y).numpy()
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)


def test_each_vertex_is_looked_up_once():
    asked = []

    def features_of(columns, rows):
        asked.append((sorted(columns.numpy().tolist()), sorted(rows.numpy().tolist())))
        return tf.zeros((rows.shape[0], columns.shape[0], 1))

    weights = tf.zeros(6), tf.zeros(3)
    interpolated(features_of, (tf.constant([5, 5, 5, 6, 6, 9]), tf.constant([2, 2, 2])), weights)
    assert asked == [([5, 6, 7, 9, 10], [2, 3])]
