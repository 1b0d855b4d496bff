import numpy as np
import pytest

from keras_inr.layers import PositionalEncoding
from layers.reference import assert_as_exact_as_numpy, positional_encoding

POINTS = np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype("float32")


@pytest.mark.parametrize("num_frequencies", [1, 8, 12])
@pytest.mark.parametrize("include_input", [False, True])
def test_formula_and_order(num_frequencies, include_input):
    encoded = PositionalEncoding(num_frequencies, include_input)(POINTS)
    assert_as_exact_as_numpy(encoded, positional_encoding, POINTS, num_frequencies, include_input)


def test_float64():
    encoded = PositionalEncoding(8, dtype="float64")(POINTS.astype("float64"))
    # phases reach 128 pi = 402 and are rounded a few times
    expected = positional_encoding(POINTS.astype("float64"), 8)
    np.testing.assert_allclose(encoded, expected, rtol=0, atol=4 * 402 * 2**-53)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_phases_stay_float32_under_mixed_policies(policy):
    layer = PositionalEncoding(8, dtype=policy)
    encoded = np.asarray(layer(POINTS)).astype("float64")
    # the output is rounded to half an ulp of numbers up to 1 (8 or 11 bits); phases up to 402 rad err by 402 * 2^-23
    atol = {"float16": 2**-12, "bfloat16": 2**-9}[layer.compute_dtype] + 402 * 2**-23
    np.testing.assert_allclose(encoded, positional_encoding(POINTS.astype("float64"), 8), rtol=0, atol=atol)


def test_has_no_weights():
    layer = PositionalEncoding()
    layer(POINTS)
    assert layer.weights == []


@pytest.mark.parametrize("count", [0, 1.5, "8"])
def test_num_frequencies_must_be_a_positive_integer(count):
    with pytest.raises(ValueError, match=f"num_frequencies must be a positive integer, received {count!r}"):
        PositionalEncoding(count)


def test_num_frequencies_has_a_limit():
    with pytest.raises(ValueError, match="num_frequencies must be at most 30, received 31"):
        PositionalEncoding(31)
