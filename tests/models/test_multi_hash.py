import pytest

from keras_inr.kinks import kinks_of
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


def test_second_derivatives_need_smooth_interpolation_and_activation():
    assert kinks_of(MultiHash(interpolation="smoothstep", activation="sine")) == []
    assert len(kinks_of(MultiHash(interpolation="linear", activation="sine"))) == 1
    assert len(kinks_of(MultiHash(interpolation="smoothstep", units=(8, 8)))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"table_size": 100}, "table_size must be a power of two, received 100"),
        ({"interpolation": "cubic"}, "interpolation must be one of .* received 'cubic'"),
        ({"activation": "tanh"}, r"activation must be one of \('leaky_relu', 'sine'\), received 'tanh'"),
        ({"units": (0,)}, "units must be a positive integer, received 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiHash(**arguments)
