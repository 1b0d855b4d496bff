"""The pass before the blocks: a reduced picture, and where the details are."""

import numpy as np
import pytest

from keras_inr.blocks import survey as module
from keras_inr.blocks.survey import reduced, survey
from keras_inr.models.lattice import Lattice
from keras_inr.signals.image import ImageSignal

VALUES = np.random.default_rng(0).random((37, 53, 3)).astype("float32")


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_parts_come_to_what_the_whole_does(monkeypatch, factor):
    monkeypatch.setattr(module, "PREVIEW_SIDE", -(-53 // factor))
    found = survey(ImageSignal(VALUES, "x", "", 8), Lattice((37, 53), (19, 18), 2))
    assert found.factor == factor
    rows, columns = -(-37 // factor), -(-53 // factor)
    expected = [
        [VALUES[r * factor : (r + 1) * factor, c * factor : (c + 1) * factor].mean(axis=(0, 1)) for c in range(columns)]
        for r in range(rows)
    ]
    np.testing.assert_allclose(found.reduced, expected, atol=1e-6)


def test_parts_that_begin_inside_of_a_square():
    means, numbers = reduced(VALUES[3:], 4, above=3)
    np.testing.assert_allclose(
        means[0], VALUES[3:4].reshape(1, 53, 3)[0].copy()[None].repeat(1, 0)[0][:0].sum(), atol=9
    )
    assert means.shape == (10, 14, 3)
    assert numbers[0, 0, 0] == 4
    assert numbers[1, 0, 0] == 16
    assert numbers.sum() == 34 * 53


def test_blocks_with_details_come_first_but_for_one_of_the_middle():
    values = np.zeros((40, 60, 1), "float32")
    values[:20, 20:40] = np.indices((20, 20)).sum(axis=0)[..., None] % 2
    values[20:, :20] = 0.5 * (np.indices((20, 20)).sum(axis=0)[..., None] % 2)
    lattice = Lattice((40, 60), (20, 20), 2)
    found = module.Survey(1, values, np.array([0.0, 0.5, 0.01, 0.25, 0.02, 0.0]))
    assert found.order()[1:4] == [1, 3, 4]
    assert sorted(found.order()) == list(range(lattice.num_blocks))
