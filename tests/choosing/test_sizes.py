"""Ladders of layouts: each rung can grow into the next, and its weights are counted without being made."""

import itertools

import pytest

from keras_inr.choosing.sizes import all_layouts, check_may_grow, fresh, ladder, larger_layouts, network, num_parameters
from keras_inr.models import CellGrid, Siren

SIZES = [(1, 1), (1, 40), (12, 12), (20, 30), (51, 64), (7, 100)]


@pytest.mark.parametrize("size", [*SIZES, (4000, 6000)])
def test_every_rung_is_larger_than_the_one_before(size):
    rungs = ladder(size)
    assert len({len(layout) for layout in rungs}) == 1
    for before, after in itertools.pairwise(rungs):
        for (bits, cell, features), (more_bits, same_cell, more_features) in zip(before, after, strict=True):
            assert (more_bits >= bits, same_cell, more_features >= features) == (True, cell, True)
    counts = [num_parameters(layout, size, 3) for layout in rungs]
    assert counts == sorted(set(counts))  # none twice


def test_from_entries_for_many_pixels_to_four_features_for_each():
    first, *_, last = ladder((200, 300))
    assert sum(fresh(first, (200, 300), 3).stack[0].num_entries) < 0.01 * 60000
    assert [features for _, _, features in last] == [4] * 5
    assert [cell for _, cell, _ in last] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert fresh(last, (200, 300), 3).stack[0].num_entries[0] == 60000


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 4])
def test_weights_are_counted_as_they_are(size, channels):
    for layout in ladder(size):
        assert num_parameters(layout, size, channels) == fresh(layout, size, channels).count_params()


def test_weights_of_more_layers():
    layout = ladder((20, 30))[0]
    field = fresh(layout, (20, 30), 3, units=(8, 5))
    assert num_parameters(layout, (20, 30), 3, (8, 5)) == field.count_params()


class TestAllLayouts:
    @pytest.mark.parametrize("size", [*SIZES, (200, 300), (4000, 6000)])
    def test_each_has_more_weights(self, size):
        layouts = all_layouts(size, (16, 16))
        counts = [num_parameters(layout, size, 3, network(layout, (16, 16))["units"]) for layout in layouts]
        assert counts == sorted(set(counts))

    def test_levels_are_closer_where_vertices_share_entries(self):
        size = (200, 300)
        layouts = all_layouts(size)
        shared = [layout for layout in layouts if layout not in ladder(size)]
        assert layouts == [*shared, *ladder(size)[-5:]]
        assert [cell for _, cell, _ in shared[-1]] == [1.5**level for level in range(8)]
        for layout in shared:
            encoding = fresh(layout, size, 3).stack[0]
            vertices = [columns * rows for columns, rows in encoding.num_vertices]
            assert encoding.num_entries[0] < vertices[0] <= 256 * encoding.num_entries[0]
            assert network(layout, (8, 5)) == {"units": (8, 5), "activation": "relu"}


class TestLargerLayouts:
    SIZE = (20, 30)

    def test_are_the_rungs_above(self):
        rungs = ladder(self.SIZE)
        for place, layout in enumerate(rungs):
            assert larger_layouts(fresh(layout, self.SIZE, 3), self.SIZE) == rungs[place + 1 :]

    def test_of_a_layout_that_is_no_rung(self):
        field = fresh(((9, 1.0, 2), (9, 2.0, 1)), self.SIZE, 3)
        assert larger_layouts(field, self.SIZE) == ladder(self.SIZE)[-2:]
        assert larger_layouts(fresh(((9, 1.5, 1),), self.SIZE, 3), self.SIZE) == []

    def test_have_no_more_weights_than_they_may(self):
        rungs = ladder(self.SIZE)
        field = fresh(rungs[0], self.SIZE, 1, units=(16,))
        most = fresh(rungs[3], self.SIZE, 1, units=(16,)).count_params()
        assert larger_layouts(field, self.SIZE, most) == rungs[1:4]
        assert larger_layouts(field, self.SIZE, most - 1) == rungs[1:3]


@pytest.mark.parametrize(
    ("field", "goal_psnr_db", "message"),
    [
        (Siren(units=(4,)), 40.0, "grow needs a pixel grid, such as preset='pixel_grid', received a Siren"),
        (CellGrid(((6, 4.0, 2),)), 40.0, "grow needs a pixel grid, such as preset='pixel_grid', received a CellGrid"),
        (CellGrid(((6, 4.0, 2),), "plain"), None, "grow needs a goal in dB, such as goal='40dB', received none"),
    ],
)
def test_what_cannot_grow(field, goal_psnr_db, message):
    with pytest.raises(ValueError, match=message):
        check_may_grow(field, goal_psnr_db)
