"""A phantom from its projections: what a field, a grid and filtered back projection make of the same sinogram."""

import math

import keras
import numpy as np
import skimage.data
import skimage.transform
import tensorflow as tf

from experiments.signals import grid
from keras_inr.signals.resampling import resampled
from keras_inr.training.optimizers import make_optimizer

TV_WEIGHT = 1e-4
"""Of the regularised grid: the best of 1e-5 to 1e-2 on the phantom at 64 x 64 pixels from 50 angles."""


def phantom(size):
    """Shepp and Logan's head, float32 (size, size) in [0, 1]."""
    head = skimage.data.shepp_logan_phantom().astype("float32")[..., None]
    return np.clip(resampled(head, size, size, "area"), 0, 1)[..., 0]


def angles(count):
    """So many angles over half a turn, in degrees.

    >>> angles(4).tolist()
    [0.0, 45.0, 90.0, 135.0]
    """
    return np.arange(count) * 180 / count


def projector(size, count):
    """The mean along lines as a matrix, a `tf.SparseTensor` (count * size, size * size), of a picture in a row.

    A line of angle a, at distance s from the middle, has the points s (cos a, sin a) + t (-sin a, cos a), t in steps of
    a pixel, between whose four pixels it interpolates bilinearly; outside the picture is 0. Divided by the side, so
    that a sinogram has the range of a picture. An odd side has a pixel in its middle, around which scikit-image turns.
    """
    middle = (size - 1) / 2
    s, t = np.meshgrid(np.arange(size) - middle, np.arange(size) - middle, indexing="ij")
    parts = []
    for number, angle in enumerate(np.radians(angles(count))):
        x = s * math.cos(angle) - t * math.sin(angle) + middle
        y = s * math.sin(angle) + t * math.cos(angle) + middle
        line = np.broadcast_to(number * size + np.arange(size)[:, None], x.shape)
        for column, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
            at_x, at_y = np.floor(x).astype(int) + column, np.floor(y).astype(int) + row
            weight = (1 - np.abs(x - at_x)) * (1 - np.abs(y - at_y)) / size
            inside = (at_x >= 0) & (at_x < size) & (at_y >= 0) & (at_y < size) & (weight > 0)
            parts.append((line[inside], (at_y * size + at_x)[inside], weight[inside]))
    lines, pixels, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    matrix = tf.SparseTensor(np.stack([lines, pixels], axis=-1), weights.astype("float32"), (count * size, size * size))
    return tf.sparse.reorder(matrix)


def projected(matrix, picture):
    """The sinogram of a picture, both in a row."""
    return tf.sparse.sparse_dense_matmul(matrix, tf.reshape(picture, (-1, 1)))[:, 0]


def back_projected(sinogram, size, count):
    """scikit-image's filtered back projection, clamped."""
    lines = np.reshape(sinogram, (count, size)).T * size
    return np.clip(skimage.transform.iradon(lines, theta=-angles(count), circle=True), 0, 1).astype("float32")


def fitted_field(field, matrix, sinogram, coords, recipe):
    """(picture, seconds, loss): the field at the coordinates, fitted to the whole sinogram as a `Recipe` says."""
    coords = tf.constant(coords)

    def loss():
        return tf.reduce_mean(tf.square(projected(matrix, field(coords)) - sinogram))

    optimizer = make_optimizer(recipe, field, len(coords))
    seconds = grid.minimised(loss, field.trainable_variables, optimizer, recipe.steps)
    return np.clip(field(coords).numpy(), 0, 1), seconds, float(loss())


def fitted_grid(matrix, sinogram, size, weight=TV_WEIGHT, steps=grid.STEPS):
    """(picture, seconds): pixels themselves, with total variation, by Adam at 0.1."""
    pixels = keras.Variable(tf.fill((size, size), grid.START))

    def loss():
        error = tf.reduce_mean(tf.square(projected(matrix, pixels) - sinogram))
        return error + weight * grid.total_variation(pixels)

    seconds = grid.minimised(loss, [pixels], grid.adam(), steps)
    return np.clip(pixels.numpy(), 0, 1), seconds
