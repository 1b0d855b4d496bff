"""The baseline of the benchmark: values on a square grid, bicubic interpolation between them, total variation."""

import time

import keras
import numpy as np
import tensorflow as tf

RATE, STEPS, START = 0.1, 1000, 0.1
TV_WEIGHTS = {10_000: 1e-3, 30_000: 1e-3, 100_000: 1e-2, 300_000: 1e-1, 1_000_000: 1e-1}
"""Weights of the total variation by the grid's size; the nearest one is taken."""

A = -0.75
"""Of the cubic kernel, as PyTorch has it."""


def fitted(values, num_parameters, weight=None, steps=STEPS):
    """(picture, grid, seconds): a grid of about so many values that is fitted to all pixels at once by Adam.

    The loss is the mean squared error plus weight times the mean over the grid of the root of the squared differences
    to the next value below and to the right, at least 1e-6 under the root.

    Args:
        values: float32 (height, width).
        num_parameters: values that the grid may have.
        weight: of the total variation; None for that of TV_WEIGHTS.
        steps: of Adam at a rate of 0.1.
    """
    side = int(num_parameters**0.5)
    if weight is None:
        weight = TV_WEIGHTS[min(TV_WEIGHTS, key=lambda size: abs(np.log(size / num_parameters)))]
    down, across = (tf.constant(interpolation(length, side)) for length in values.shape)
    grid, target = keras.Variable(tf.fill((side, side), START)), tf.constant(values)

    def loss():
        error = tf.reduce_mean(tf.square(tf.matmul(tf.matmul(down, grid), across, transpose_b=True) - target))
        return error + weight * total_variation(grid)

    seconds = minimised(loss, [grid], adam(), steps)
    return (down.numpy() @ grid.numpy() @ across.numpy().T), grid.numpy(), seconds


def adam():
    return keras.optimizers.Adam(RATE, epsilon=1e-8)


def minimised(loss, variables, optimizer, steps):
    """Seconds that so many steps of an optimizer took, without the first one, which compiles."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss()
        optimizer.apply(tape.gradient(value, [variable.value for variable in variables]), variables)

    optimizer.build(variables)
    step()
    started = time.perf_counter()
    for _ in range(steps - 1):
        step()
    return time.perf_counter() - started


def total_variation(grid):
    """The mean over a grid, without its last row and column, of the size of its differences."""
    down, right = grid[1:, :-1] - grid[:-1, :-1], grid[:-1, 1:] - grid[:-1, :-1]
    return tf.reduce_mean(tf.sqrt(tf.maximum(down**2 + right**2, 1e-6)))


def interpolation(length, side):
    """float32 (length, side): what each value of a line of the grid counts at each of length pixel centres.

    The line's first and last value lie on the picture's edges; beyond them they are repeated.

    >>> interpolation(2, 3).tolist()
    [[0.5, 0.59375, -0.09375], [-0.09375, 0.59375, 0.5]]
    """
    place = (np.arange(length) + 0.5) / length * (side - 1)
    first = np.floor(place).astype(int)
    weights = np.zeros((length, side))
    for offset in (-1, 0, 1, 2):
        distance = np.abs(place - (first + offset))
        near = ((A + 2) * distance - (A + 3)) * distance**2 + 1
        far = A * (((distance - 5) * distance + 8) * distance - 4)
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
        np.add.at(weights, (np.arange(length), np.clip(first + offset, 0, side - 1)), weight)
    return weights.astype("float32")
