"""Pixel grids that have grown compute what they computed, to the bit, and go on learning in all that is new."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.choosing.sizes import fresh, ladder
from keras_inr.models import CellGrid, from_preset
from keras_inr.models.growth import grown, is_larger

SIZE = (20, 30)
RUNGS = ladder(SIZE)
PAIRS = [*itertools.pairwise(RUNGS), (RUNGS[0], RUNGS[-1]), (RUNGS[2], RUNGS[5])]
COORDS = np.random.default_rng(0).uniform(-1.2, 1.2, (500, 2)).astype("float32")


def learnt(layout, size=SIZE, **arguments):
    """A field whose tables are of the size of features."""
    field = fresh(layout, size, 3, seed=0, **arguments)
    rng = np.random.default_rng(1)
    for table in field.stack[0].tables:
        table.assign(rng.uniform(-1, 1, table.shape))
    return field


def assert_same(larger, field):
    assert np.ptp(field.sample_grid()) > 0.1  # not flat
    np.testing.assert_array_equal(larger.sample_grid(), field.sample_grid())
    np.testing.assert_array_equal(larger.sample_grid(37, 41), field.sample_grid(37, 41))
    np.testing.assert_array_equal(larger(COORDS), field(COORDS))


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=[f"{i}" for i in range(len(PAIRS))])
class TestExact:
    def test_rungs_of_a_ladder(self, before, after):
        field = learnt(before)
        kept = field.get_weights()
        larger = grown(field, after)
        assert (larger.layout, larger.picture_size, larger.channels) == (after, SIZE, 3)
        assert larger.count_params() > field.count_params()
        assert_same(larger, field)
        for old, new in zip(kept, field.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)  # what it has grown from stays

    def test_what_is_new_learns(self, before, after):
        """Features that no layer has read are drawn, and the layer's weights for them have gradients."""
        larger = grown(learnt(before), after)
        encoding, first = larger.stack[:2]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(larger(COORDS)))
        slopes = tape.gradient(loss, first.kernel.value).numpy()
        assert np.all(np.any(slopes, axis=-1))
        for table in encoding.tables:
            assert np.all(np.ptp(table.numpy(), axis=0) > 0)


@pytest.mark.parametrize("size", [(1, 40), (13, 1), (2, 3), (33, 50)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
def test_odd_sizes_and_precisions(size, dtype):
    rungs = ladder(size)
    field = larger = learnt(rungs[0], size, dtype=dtype)
    for layout in rungs[1:]:
        larger = grown(larger, layout)
    assert larger.dtype_policy.name == dtype
    assert_same(larger, field)


def test_relu_layers_several_of_them_and_other_pixels():
    layout = ((5, 1.0, 2), (7, 3.0, 1), (24, 8.0, 1))
    field = CellGrid(layout, "plain", units=(8, 7), picture_size=SIZE, pixels=(25, 33), value_range=(-1, 1), seed=2)
    field.stack[0].tables[0].assign(30 * field.stack[0].tables[0])
    field.stack[0].trainable = False
    larger = grown(field, [[24, 1, 3], [8, 3, 1], [24, 8, 2]])
    assert larger.layout == ((24, 1.0, 3), (8, 3.0, 1), (24, 8.0, 2))
    assert (larger.pixels, larger.stack[0].trainable) == ((25, 33), False)
    np.testing.assert_array_equal(larger.sample_grid(), field.sample_grid())


def test_the_same_layout():
    field = learnt(RUNGS[3])
    for one, other in zip(grown(field, RUNGS[3]).weights, field.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_new_features_follow_the_seed():
    tables = [grown(learnt(RUNGS[4]), RUNGS[5]).stack[0].tables[1].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*tables)


@pytest.mark.parametrize(
    ("layout", "larger"),
    [
        (((9, 1.0, 1), (9, 2.0, 1)), True),
        (((9, 1.0, 2), (9, 2.0, 1)), True),
        (((10, 1.0, 1), (9, 2.0, 3)), True),
        (((8, 1.0, 4), (9, 2.0, 4)), False),  # a smaller table
        (((9, 1.0, 1), (12, 2.0, 0)), False),  # fewer features
        (((9, 1.0, 1), (9, 4.0, 1)), False),  # other cells
        (((9, 2.0, 1), (9, 1.0, 1)), False),  # another order
        (((9, 1.0, 1),), False),
        (((9, 1.0, 1), (9, 2.0, 1), (9, 4.0, 1)), False),
    ],
)
def test_is_larger(layout, larger):
    assert is_larger(layout, ((9, 1.0, 1), (9, 2.0, 1))) == larger


PLAIN = {"form": "plain", "picture_size": SIZE}
OTHER_CELLS = r"layout must have the cells of .* and no level that is smaller, received \(\("


@pytest.mark.parametrize(
    ("field", "layout", "message"),
    [
        (CellGrid(((8, 1.0, 2),), **PLAIN), ((7, 1.0, 2),), OTHER_CELLS),
        (CellGrid(((8, 1.0, 2),), **PLAIN), ((8, 1.0, 1),), OTHER_CELLS),
        (CellGrid(((8, 1.0, 2),), **PLAIN), ((8, 2.0, 2),), OTHER_CELLS),
        (CellGrid(((8, 1.0, 2),), **PLAIN), ((8, 1.0, 2), (8, 2.0, 2)), OTHER_CELLS),
        (CellGrid(((8, 1.0, 2),), **PLAIN), (), r"layout must be levels .* received \(\)"),
        (
            CellGrid(((8, 1.0, 2),), "corrected", picture_size=SIZE),
            ((9, 1.0, 2),),
            "field must be a single CellGrid of form='plain', received form='corrected', num_fields=None",
        ),
        (
            CellGrid(((8, 1.0, 2),), "source", picture_size=SIZE),
            ((9, 1.0, 2),),
            "field must be a single CellGrid of form='plain', received form='source', num_fields=None",
        ),
        (
            CellGrid(((8, 1.0, 2),), num_fields=2, **PLAIN),
            ((9, 1.0, 2),),
            "field must be a single CellGrid of form='plain', received form='plain', num_fields=2",
        ),
    ],
)
def test_what_cannot_grow(field, layout, message):
    with pytest.raises(ValueError, match=message):
        grown(field, layout)


@pytest.mark.parametrize("preset", ["pixel_grid_small"])
def test_a_preset_grows_into_the_next(preset):
    field = from_preset(preset, picture_size=(40, 60), seed=0)
    larger = grown(field, from_preset("pixel_grid").layout)
    np.testing.assert_array_equal(larger.sample_grid(), field.sample_grid())
    assert larger.count_params() == from_preset("pixel_grid", picture_size=(40, 60)).count_params()
