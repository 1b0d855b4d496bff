"""Blocks of a picture and their weights."""

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.errors import InputError
from keras_inr.models.lattice import Lattice, smooth_step

LATTICE = Lattice((40, 61), (20, 21), 3)


def test_cells_are_as_equal_as_they_can_be():
    lattice = Lattice.of((3072, 2000), 1024, 8)
    assert lattice.cell == (1024, 1000)
    assert lattice.grid == (3, 2)
    assert lattice.block_size == (1040, 1016)
    assert Lattice.of((30, 5), 1024, 8).grid == (1, 1)


def test_blocks_cover_the_picture():
    covered = np.zeros((40, 61), int)
    for block in range(LATTICE.num_blocks):
        (top, left), (height, width) = LATTICE.corner(block), LATTICE.block_size
        covered[max(top, 0) : top + height, max(left, 0) : left + width] += 1
    assert covered.min() == 1
    assert covered.max() == 4


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_sum_to_one_everywhere(axis):
    places = tf.constant(np.linspace(-10, 80, 1801))
    total = sum(LATTICE.weights(axis, places, tf.constant(cell)) for cell in range(LATTICE.grid[1 - axis]))
    np.testing.assert_allclose(total, 1, atol=1e-15)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_cell_is_found_wherever_its_block_has_a_weight(axis):
    places = tf.constant(np.linspace(-10, 80, 1801))
    found = LATTICE.cells_at(axis, places).numpy()
    for cell in range(LATTICE.grid[1 - axis]):
        weight = LATTICE.weights(axis, places, tf.constant(cell)).numpy()
        np.testing.assert_array_equal((found == cell).any(axis=1), weight > 0)


def test_weights_are_of_pixels_around_the_border():
    places = tf.constant([16.9, 18.1, 20.0, 21.9, 23.1], "float64")  # rows; cells meet at 20
    weights = LATTICE.weights(1, places, tf.constant(1)).numpy()
    assert weights[0] == 0
    assert 0 < weights[1] < 0.5
    assert weights[2] == 0.5
    assert 0.5 < weights[3] < 1
    assert weights[4] == 1


def test_local_coordinates_are_those_of_a_picture_of_the_block():
    # the first pixel of block (1, 2) begins at row 17, column 39; the block has 26 x 27 pixels
    x = LATTICE.local(0, tf.constant([39.0, 66.0], "float64"), tf.constant(2))
    y = LATTICE.local(1, tf.constant([17.0, 43.0], "float64"), tf.constant(1))
    np.testing.assert_allclose(x, [-1, 1], atol=1e-15)
    np.testing.assert_allclose(y, [-26 / 27, 26 / 27], atol=1e-15)


def test_smooth_step_ends_flat():
    t = tf.constant([0.0, 1.0], "float64")
    with tf.GradientTape() as outer:
        outer.watch(t)
        with tf.GradientTape() as inner:
            inner.watch(t)
            values = smooth_step(t)
        slope = inner.gradient(values, t)
    assert values.numpy().tolist() == [0, 1]
    assert slope.numpy().tolist() == [0, 0]
    assert outer.gradient(slope, t).numpy().tolist() == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((40, 61), (20, 21), 11), "cell must be at least twice the margin of 11, received \\(20, 21\\)"),
        (((40,), (20, 21), 1), "picture_size must be \\(height, width\\), received \\(40,\\)"),
        (((40, 61), (20, 0), 1), "cell"),
        (((40, 61), (20, 21), 0), "margin"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(InputError, match=message):
        Lattice(*arguments)
