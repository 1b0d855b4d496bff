import pytest

from keras_inr.models import MultiHash

ENCODING = {
    "num_levels": 3,
    "table_size": 256,
    "num_features": 4,
    "base_resolution": 5,
    "finest_resolution": 33,
    "interpolation": "smoothstep",
}


def test_arguments_reach_the_encoding():
    encoding = MultiHash(**ENCODING).stack[0]
    assert {name: getattr(encoding, name) for name in ENCODING} == ENCODING


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table_size": 100}, "table_size must be a power of two, received 100"),
        ({"interpolation": "cubic"}, "interpolation must be one of .* received 'cubic'"),
        ({"units": (0,)}, "units must be a positive integer, received 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiHash(**arguments)
