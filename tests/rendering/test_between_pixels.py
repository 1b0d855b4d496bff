"""What a field is worth between its pixels: fields whose values there are known."""

import keras
import numpy as np
import pytest
from scipy.interpolate import RectBivariateSpline

from keras_inr.metrics import psnr
from keras_inr.models import CellGrid, Field, MultiHash, Siren
from keras_inr.models.cell_grid import pixel_layout
from keras_inr.rendering.between_pixels import between_pixels, is_enlarged
from keras_inr.rendering.raster import FieldRaster, default_box

SIZE = (24, 36)


@keras.saving.register_keras_serializable(package="tests")
class Waves(keras.layers.Layer):
    """0.5 + 0.4 sin(frequency x) sin(frequency y), so many radians per pixel of a picture 36 pixels wide."""

    def __init__(self, per_pixel, **kwargs):
        super().__init__(**kwargs)
        self.per_pixel = per_pixel

    def call(self, inputs):
        x, y = inputs[..., :1] * (18 * self.per_pixel), inputs[..., 1:] * (18 * self.per_pixel)
        return 0.5 + 0.4 * keras.ops.sin(x) * keras.ops.sin(y)


def waves(per_pixel):
    return Field([Waves(per_pixel)], picture_size=SIZE)


def pixels_of(seed=0):
    """A field of the values that a grid of one cell a pixel has: bilinear between them."""
    field = CellGrid(pixel_layout((1,)), form="plain", units=(1,), channels=1, picture_size=SIZE, seed=seed)
    field.stack[0].tables[0].assign(np.random.default_rng(seed).uniform(0.2, 0.8, (SIZE[0] * SIZE[1], 1)))
    for weight, value in zip((*field.stack[1].weights, *field.stack[2].weights), (1, 0, 1, 0), strict=True):
        weight.assign(np.full(weight.shape, value))
    return field


def test_slow_waves_are_smooth_and_fast_ones_are_not():
    """One period in 12 pixels is what a spline takes it for; one in 1.02 pixels only looks like a slow one there."""
    slow, fast = (between_pixels(waves(2 * np.pi / period)) for period in (12, 1.02))
    assert slow.is_smooth
    assert slow.psnr_db > 45
    assert not fast.is_smooth
    assert fast.psnr_db < 20
    assert slow.figures["shown_by"] == "field"
    assert fast.figures["shown_by"] == "spline"


def test_a_bilinear_field_is_what_bilinear_interpolation_is():
    found = between_pixels(pixels_of())
    assert found.psnr_db == pytest.approx(found.bilinear_psnr_db, abs=1e-3)
    assert not found.is_smooth


def test_a_picture_of_one_row_has_nothing_between():
    assert between_pixels(Siren(units=(4,), picture_size=(1, 9), seed=0)) is None


def test_an_enlargement_goes_through_the_pixels_by_a_spline():
    field = pixels_of()
    values = field.sample_grid()[..., 0]
    spline = RectBivariateSpline(np.arange(SIZE[0]), np.arange(SIZE[1]), values, s=0)
    shown = FieldRaster(field, 3 * SIZE[0], 3 * SIZE[1], between="spline").array()[..., 0]
    np.testing.assert_allclose(
        shown[1::3, 1::3], values, atol=1e-5
    )  # every third pixel's centre is one of the picture's
    places = [(np.arange(3 * side) - 1) / 3 for side in SIZE]
    inner = np.s_[15:-15, 15:-15]  # the splines differ in what they know about the border
    np.testing.assert_allclose(shown[inner], spline(*places)[inner], atol=2e-3)


@pytest.mark.parametrize(
    ("size", "box", "enlarged"),
    [
        (SIZE, None, False),
        ((12, 18), None, False),
        ((48, 72), None, True),
        ((24, 72), None, True),
        ((24, 36), (-0.5, -1 / 3, 0.5, 1 / 3), True),
        ((12, 18), (0.5, 1 / 3, -0.5, -1 / 3), False),
    ],
)
def test_what_counts_as_an_enlargement(size, box, enlarged):
    field = pixels_of()
    assert is_enlarged(field, default_box(SIZE) if box is None else box, *size) == enlarged
    assert FieldRaster(field, *size, box, between="auto").between == ("spline" if enlarged else "field")
    assert FieldRaster(field, *size, box).between == "field"


def test_a_smooth_field_and_derivatives_show_themselves():
    smooth = waves(2 * np.pi / 12)
    assert FieldRaster(smooth, 48, 72, between="auto").between == "field"
    assert FieldRaster(pixels_of(), 48, 72, output="jacobian", between="auto").between == "field"
    alone = Siren(units=(4,), seed=0)
    assert FieldRaster(alone, 48, 72, between="auto").between == "field"


def test_noise_is_not_shown_unless_it_is_asked_for():
    """A fast wave that looks slow at the pixels: its picture, enlarged, is that of the slow one."""
    noise = waves(2 * np.pi / 1.02)
    shown, own = (noise.render(96, 144, between=way).astype("float64") / 255 for way in ("auto", "field"))
    reference = FieldRaster(noise, 96, 144, between="spline").array()
    assert psnr(reference, shown) > 45
    assert psnr(reference, own) < 20


def test_refused():
    with pytest.raises(ValueError, match=r"between must be one of .*'auto'.* received 'bicubic'"):
        FieldRaster(pixels_of(), between="bicubic")


def test_a_part_asks_for_no_more_than_it_needs(monkeypatch):
    field = MultiHash(table_size=64, picture_size=(90, 140), seed=0)
    whole = FieldRaster(field, 360, 560, between="spline").array()
    asked = []
    sample = Field.sample_grid

    def sample_grid(self, height, width, *arguments, **options):
        asked.append((height, width))
        return sample(self, height, width, *arguments, **options)

    monkeypatch.setattr(Field, "sample_grid", sample_grid)
    x0, y0 = (2 * 40 - 140) / 140, (2 * 30 - 90) / 140  # rows 30 to 39, columns 40 to 59
    part = FieldRaster(field, 40, 80, (x0, y0, x0 + 2 * 20 / 140, y0 + 2 * 10 / 140), between="spline").array()
    np.testing.assert_allclose(part, whole[120:160, 160:240], atol=1e-5)
    assert asked == [(34, 44)]
    outside = FieldRaster(field, 4, 4, (2.0, 2.0, 2.1, 2.1), between="spline").array()
    np.testing.assert_allclose(outside, np.broadcast_to(whole[-1, -1], outside.shape), atol=0.2)
