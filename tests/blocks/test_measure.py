"""Quality by strips is quality of the whole."""

import numpy as np
import pytest

from keras_inr.blocks import measure
from keras_inr.blocks.measure import Measurement
from keras_inr.metrics import psnr, psnr_8bit, ssim
from keras_inr.models import Siren
from keras_inr.signals.image import ImageSignal

VALUES = np.random.default_rng(0).random((67, 53, 3)).astype("float32")


@pytest.mark.parametrize("pixels", [53 * 11, 53 * 20, 53 * 67, 53 * 500])
def test_strips_of_any_height(monkeypatch, pixels):
    monkeypatch.setattr(measure, "ROWS", pixels)
    field = Siren(units=(16,), picture_size=(67, 53), seed=0)
    measurement = Measurement(ImageSignal(VALUES, "x", "", 8), field)
    strips = list(measurement.strips())
    prediction, quality = field.sample_grid(), measurement.quality()
    np.testing.assert_array_equal(np.concatenate(strips), field.render(between="field"))
    assert quality["psnr_db"] == pytest.approx(psnr(VALUES, prediction), abs=1e-6)
    assert quality["psnr_8bit_db"] == pytest.approx(psnr_8bit(VALUES, prediction), abs=1e-3)  # a code may flip
    assert quality["ssim"] == pytest.approx(ssim(VALUES, prediction), abs=1e-9)
    original, shown = measurement.reduced()
    np.testing.assert_allclose(original, VALUES, atol=1e-6)
    np.testing.assert_allclose(shown, np.clip(prediction, 0, 1), atol=1e-6)


def test_a_thin_picture_has_no_ssim():
    values = VALUES[:3]
    measurement = Measurement(ImageSignal(values, "x", "", 8), Siren(units=(4,), picture_size=(3, 53), seed=0))
    assert sum(map(len, measurement.strips())) == 3
    assert measurement.quality()["ssim"] is None
