import numpy as np
import pytest

from keras_inr.layers import ValueRange


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (-2.0, 0.5)])
def test_ends_go_to_0_and_1_without_clamping(low, high):
    z = np.array([low, high, 2 * high - low, (low + high) / 2], "float32")
    # two roundings of numbers up to 2
    np.testing.assert_allclose(ValueRange(low, high)(z), [0, 1, 2, 0.5], rtol=0, atol=4 * 2**-24)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (1, 0), (float("nan"), 1), (0, float("inf"))])
def test_ends_must_be_in_order(low, high):
    with pytest.raises(ValueError, match=f"low must be below high, both finite, received low={low} and high={high}"):
        ValueRange(low, high)
