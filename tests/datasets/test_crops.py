"""Random crops: sizes, scales, mirrors, colours, and what is refused. `photo_crops` is tested with prepare_data.py."""

import collections.abc
import weakref

import numpy as np
import pytest

from keras_inr.datasets.crops import random_crops
from keras_inr.signals import load_image

RAMP = load_image(np.broadcast_to(np.linspace(0, 1, 60, dtype=np.float32)[None, :, None], (40, 60, 1)).copy())
CHELSEA = load_image("sample:chelsea")


def slopes(crops):
    """Mean step from pixel to pixel along rows."""
    return np.array([np.diff(crop.values[..., 0], axis=1).mean() for crop in crops])


def test_crops_are_colour_pictures_of_one_size():
    crops = random_crops([CHELSEA, RAMP], 5, 16)
    assert [crop.values.shape for crop in crops] == [(16, 16, 3)] * 5
    grey = crops[1].values  # they take turns
    np.testing.assert_array_equal(grey[..., 0], grey[..., 2])


def test_half_of_them_are_mirrored_and_scales_spread():
    found = slopes(random_crops([RAMP], 200, 8, smallest=0.5))
    assert 70 < (found > 0).sum() < 130
    sides = np.abs(found) * 8 * 59  # a crop of side s has s / 8 pixels of 1 / 59 in each of its own
    assert 18 < sides.min() < 23
    assert 37 < sides.max() < 42


def test_nothing_is_enlarged_that_need_not_be():
    sides = np.abs(slopes(random_crops([RAMP], 50, 36, smallest=0.1))) * 36 * 59
    assert sides.min() > 34


def test_a_seed_draws_the_same():
    for ours, theirs in zip(random_crops([CHELSEA], 3, 8, seed=1), random_crops([CHELSEA], 3, 8, seed=1), strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)
    other = random_crops([CHELSEA], 3, 8, seed=2)
    assert not np.array_equal(other[0].values, random_crops([CHELSEA], 3, 8, seed=1)[0].values)


def test_pictures_are_asked_for_once_and_let_go():
    """A folder of photographs need not fit into memory."""

    class Loading(collections.abc.Sequence):
        loaded = []

        def __len__(self):
            return 5

        def __getitem__(self, place):
            assert not any(reference() for reference in self.loaded[:-1])
            signal = load_image(np.full((20, 30, 3), place / 5, "float32"))
            self.loaded.append(weakref.ref(signal))
            return signal

    crops = random_crops(Loading(), 12, 4)
    assert len(Loading.loaded) == 5
    np.testing.assert_allclose([crop.values.mean() for crop in crops], np.arange(12) % 5 / 5, atol=1e-6)


@pytest.mark.parametrize(
    ("signals", "arguments", "message"),
    [
        ([], {}, "signals must be one at least, received none"),
        ([RAMP], {"smallest": 0}, r"smallest must be in \(0, 1\], received 0"),
        ([RAMP], {"smallest": 1.5}, r"smallest must be in \(0, 1\], received 1.5"),
        ([RAMP], {"number": 0}, "number must be .* received 0"),
        ([RAMP], {"size": -1}, "size must be .* received -1"),
        ([load_image(np.zeros((4, 4, 4), "uint8"), alpha="keep")], {}, "grey or colour, received 4 channels"),
    ],
)
def test_refusals(signals, arguments, message):
    with pytest.raises(ValueError, match=message):
        random_crops(signals, **{"number": 1, "size": 4, **arguments})
