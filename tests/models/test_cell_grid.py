import math

import numpy as np
import pytest

from keras_inr.layers.leaky_relu_dense import LeakyReluDense
from keras_inr.layers.squareplus_dense import SquareplusDense
from keras_inr.models import CellGrid, from_preset
from keras_inr.models.cell_grid import pixel_layout

LAYOUT = ((6, 4.0, 3), (8, 1.0, 2))


def test_arguments_reach_the_encoding():
    encoding = CellGrid(LAYOUT, "source", pixels=[20, 30], picture_size=(40, 60)).stack[0]
    assert (encoding.layout, encoding.form, encoding.picture_size) == (LAYOUT, "source", (20, 30))


@pytest.mark.parametrize(
    ("arguments", "pixels"),
    [({}, (512, 512)), ({"picture_size": (20, 30)}, (20, 30)), ({"pixels": (4, 5), "picture_size": (20, 30)}, (4, 5))],
)
def test_pixels(arguments, pixels):
    field = CellGrid(LAYOUT, **arguments)
    assert field.pixels == field.stack[0].picture_size == pixels
    field.picture_size = (7, 8)
    assert CellGrid.from_config(field.get_config()).pixels == pixels


def test_source_has_the_published_number_of_parameters():
    """2,688,711 of the source for 3 levels and 3,737,544 for 4, less the 64 + 1 weights of a fourth output."""
    assert from_preset("cell_grid_source").count_params() == 2688711 - 65
    layout = from_preset("cell_grid_4").layout
    assert from_preset("cell_grid_source", layout=layout).count_params() == 3737544 - 65


@pytest.mark.parametrize(("activation", "layer"), [("relu", LeakyReluDense), ("squareplus", SquareplusDense)])
def test_activation(activation, layer):
    field = CellGrid(LAYOUT, units=(8, 4), activation=activation)
    assert [type(hidden) for hidden in field.stack[1:3]] == [layer, layer]
    assert CellGrid.from_config(field.get_config()).activation == activation


def test_pixel_layout():
    assert pixel_layout((2, 1, 3), 9) == ((9, 1.0, 2), (9, 2.0, 1), (9, 4.0, 3))


@pytest.mark.parametrize(("preset", "per_pixel"), [("pixel_grid", 2.4), ("pixel_grid_small", 1.5)])
def test_pixel_grids_have_so_many_parameters_a_pixel(preset, per_pixel):
    """And no vertices that share an entry."""
    field = from_preset(preset, picture_size=(700, 900))
    assert field.count_params() / 630000 == pytest.approx(per_pixel, abs=0.06)
    encoding = field.stack[0]
    assert encoding.num_entries == tuple(columns * rows for columns, rows in encoding.num_vertices)


def test_network_starts_as_pytorch_does():
    field = CellGrid(LAYOUT, units=(400, 300), seed=0)
    for layer, fan_in in zip(field.stack[1:4], (7, 400, 300), strict=True):
        for weight in layer.weights:
            bound = 1 / math.sqrt(fan_in)
            assert np.abs(weight).max() <= bound * (1 + 2**-23)
            if weight.shape[-1] > 3:  # 5 standard errors of the variance of n uniform draws, sqrt(0.8 / n) of it
                count = math.prod(weight.shape)
                np.testing.assert_allclose(np.var(weight), bound**2 / 3, rtol=5 * math.sqrt(0.8 / count))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pixels": ()}, r"pixels must be a sequence of positive integers, received \(\)"),
        ({"pixels": 0}, "pixels must be a sequence of positive integers, received 0"),
        ({"pixels": (4, 5, 6)}, r"pixels must be \(height, width\), received \(4, 5, 6\)"),
        ({"layout": ((6, 0.0, 3),)}, "cell_size must be finite and positive, received 0.0"),
        ({"form": "hashed"}, "form must be one of .* received 'hashed'"),
        ({"activation": "sine"}, r"activation must be one of \('relu', 'squareplus'\), received 'sine'"),
        ({"units": (0,)}, "units must be a positive integer, received 0"),
        ({"value_range": (1, 0)}, r"value_range must be two numbers within .* received \(1, 0\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        CellGrid(**arguments)
