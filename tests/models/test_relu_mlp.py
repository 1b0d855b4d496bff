import pytest

from keras_inr.layers import LeakyReluDense, PositionalEncoding
from keras_inr.models import ReluMLP


def test_without_encoding_the_first_layer_reads_coordinates():
    field = ReluMLP(units=(8, 8))
    assert [type(layer) for layer in field.stack[:2]] == [LeakyReluDense, LeakyReluDense]
    assert [layer.reads_coords for layer in field.stack[:2]] == [True, False]


def test_with_encoding_no_layer_reads_coordinates():
    field = ReluMLP(units=(8, 8), num_frequencies=4, include_input=True)
    assert type(field.stack[0]) is PositionalEncoding
    assert not any(layer.reads_coords for layer in field.stack[1:3])
    assert field.stack[1].kernel.shape == (2 * (2 * 4 + 1), 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 64}, "units must be a sequence of positive integers, received 64"),
        ({"negative_slope": 1.5}, r"negative_slope must be in \[0, 1\), received 1\.5"),
        ({"num_frequencies": 31}, "num_frequencies must be an integer from 0 to 30, received 31"),
        ({"num_frequencies": -1}, "num_frequencies must be an integer from 0 to 30, received -1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ReluMLP(**arguments)
