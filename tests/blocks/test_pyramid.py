"""Reduced pictures, and where the details are."""

import numpy as np
import pytest

from keras_inr.blocks import plan_blocks
from keras_inr.blocks.plan import block_window
from keras_inr.blocks.preview import Preview, thumbnail
from keras_inr.blocks.pyramid import pyramid_of, reduced
from keras_inr.blocks.run import order_of
from keras_inr.signals.image import ImageSignal

VALUES = np.random.default_rng(0).random((150, 333, 3)).astype("float32")
PICTURE = ImageSignal(VALUES, "x", "0", 8)


def means(values, factor):
    """Of squares of pixels, one by one."""
    rows, columns = (range(0, side, factor) for side in values.shape[:2])
    return np.array([[values[r : r + factor, c : c + factor].mean(axis=(0, 1)) for c in columns] for r in rows])


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_reduced_values_are_means(factor):
    np.testing.assert_allclose(reduced(VALUES, factor), means(VALUES, factor), atol=1e-6)


@pytest.mark.parametrize(("side", "sizes"), [(400, []), (100, [(38, 84)]), (30, [(38, 84), (10, 21)])])
def test_each_picture_has_means_of_the_one_before(side, sizes):
    plan = plan_blocks(PICTURE, "x", block_size=side)
    pyramid = pyramid_of(PICTURE, plan.lattices)
    assert [picture.size for picture in pyramid.pictures[1:]] == sizes
    assert [lattice.picture_size for lattice in plan.lattices] == [(150, 333), *sizes]
    assert plan.lattices[-1].num_blocks == 1
    expected = VALUES
    for picture in pyramid.pictures[1:]:
        expected = means(expected, 4)
        np.testing.assert_allclose(picture.window(0, 0, *picture.size), expected, atol=1e-6)
        np.testing.assert_array_equal(picture.window(3, 2, 4, 5), picture.window(0, 0, *picture.size)[3:7, 2:7])
    pyramid.close()


def test_detail_is_what_the_means_leave():
    flat = VALUES.copy()
    flat[:, 200:] = 0.5
    plan = plan_blocks(picture := ImageSignal(flat, "x", "0", 8), "x", block_size=100)
    pyramid = pyramid_of(picture, plan.lattices)
    detail = pyramid.detail.reshape(plan.lattice.grid)
    assert np.all(detail[:, :2] > 0.2)
    assert np.all(detail[:, 3] == 0)
    pyramid.close()


def test_one_of_the_middle_then_reduced_ones_then_those_with_most_detail():
    plan = plan_blocks(PICTURE, "x", block_size=100)
    detail = np.linspace(0, 1, plan.lattice.num_blocks)
    order = order_of(plan, detail)
    assert order[:2] == [(0, 3), (1, 0)]
    assert order[2:5] == [(0, 7), (0, 6), (0, 5)]
    assert len(set(order)) == plan.lattice.num_blocks + 1


def test_thumbnails_make_up_the_preview(tmp_path):
    plan = plan_blocks(PICTURE, "x", block_size=100)
    preview = Preview(tmp_path / "a.png", plan.lattices, 3)
    for level, picture in ((0, PICTURE), (1, ImageSignal(np.zeros((38, 84, 3)), "x", "0", 8))):
        for block in range(plan.lattices[level].num_blocks):
            window = block_window(picture, plan.lattices[level], block).values
            shown = thumbnail(window, plan.lattices[level], block, preview.factor(level))
            preview.add(level, block, shown)
    np.testing.assert_allclose(preview.values, means(VALUES, 4), atol=1e-6)
    preview.write()
    assert (tmp_path / "a.png").exists()


def test_cells_of_a_thin_picture_are_long():
    thin = ImageSignal(np.zeros((100_000, 3, 1), "float32"), "x", "0", 8)
    plan = plan_blocks(thin, "x", block_size=64)
    assert plan.lattice.cell == (1024, 3)  # a multiple of 4^5, since it is reduced five times
    assert plan_blocks(thin, "x").lattice.grid == (2, 1)
