import numpy as np
import pytest
import tensorflow as tf

from keras_inr._portable import is_portable, low_bits, portable

NUMBERS = np.random.default_rng(0).integers(-(2**31), 2**31, 1000, dtype=np.int32)


@pytest.mark.parametrize("runtime", ["onnx", "litert", "openvino"])
def test_low_bits_are_the_same_everywhere(runtime):
    for count in (1, 4096, 2**30):
        expected = NUMBERS & (count - 1)
        with portable(runtime):
            assert is_portable()
            np.testing.assert_array_equal(low_bits(tf.constant(NUMBERS), count), expected)
        np.testing.assert_array_equal(low_bits(tf.constant(NUMBERS), count), expected)


def test_only_litert_takes_remainders():
    for runtime, operation in (("onnx", "BitwiseAnd"), ("openvino", "BitwiseAnd"), ("litert", "FloorMod")):
        with portable(runtime):
            graph = tf.function(lambda x: low_bits(x, 8)).get_concrete_function(tf.TensorSpec((None,), tf.int32)).graph
        assert operation in {node.type for node in graph.get_operations()}


def test_it_ends():
    with pytest.raises(KeyError), portable("onnx"):
        raise KeyError
    assert not is_portable()
