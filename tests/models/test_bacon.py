import re

import numpy as np
import pytest

from keras_inr.metrics import psnr
from keras_inr.models import Bacon
from keras_inr.signals import load_image
from keras_inr.training import fit

SMALL = {"units": 32, "channels": 1, "picture_size": (32, 32), "seed": 0}


def test_bands_follow_the_picture():
    assert Bacon(picture_size=(100, 256)).band_limits == (32, 64, 128)
    assert Bacon(**SMALL, resolution=64).band_limits == (8, 16, 32)
    assert Bacon(**{**SMALL, "picture_size": (32, 32)}, scales=(0.5, 0.5), depths=(1, 2)).band_limits == (8, 16)


@pytest.mark.slow
def test_a_step_trains_the_heads_of_all_depths():
    signal = load_image("sample:camera", size=32)
    field = Bacon(**SMALL)
    before = [head.kernel.numpy() for head in (*field.side_heads, field.stack[1])]
    fit(field, signal, steps=3, learning_rate=1e-3, progress=False)
    after = [head.kernel.numpy() for head in (*field.side_heads, field.stack[1])]
    assert all(np.all(old != new) for old, new in zip(before, after, strict=True))


def test_outputs_by_depth_are_the_picture_at_rising_resolutions():
    signal = load_image("sample:camera", size=32)
    field = Bacon(**SMALL)
    result = fit(field, signal, steps=300, batch_size=0, learning_rate=5e-3, progress=False)
    quality = [psnr(signal.values.reshape(-1, 1), field.at_depth(i)(signal.coords)) for i in range(3)]
    assert 15 < quality[0] < quality[1] < quality[2]
    # the last depth is what the field says and what is reported
    assert quality[2] == pytest.approx(result.psnr_db, abs=1e-3)


def test_the_band_is_kept_when_the_picture_is_another():
    """So a field's weights still fit it after it was fitted to a picture of another size."""
    field = Bacon(**SMALL)
    field.picture_size = (300, 400)
    again = Bacon.from_config(field.get_config())
    assert again.band_limits == field.band_limits
    assert again.picture_size == (300, 400)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scales": (0.5, 1.5)}, "scales must be in (0, 1], received 1.5"),
        ({"scales": 0.5}, "scales must be a sequence of numbers in (0, 1], received 0.5"),
        ({"scales": ()}, "scales must be a sequence of numbers in (0, 1], received ()"),
        ({"depths": (1, 2)}, "depths must ascend to the number of scales, 5, received (1, 2)"),
        ({"resolution": 0}, "resolution must be a positive integer, received 0"),
        ({"depths": (5, 5)}, "depths must ascend to the number of scales, 5, received (5, 5)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Bacon(**{**SMALL, **arguments})
