"""JSON to arrays and back: what is valid comes through exactly, and nothing else gets further than an error."""

import json
import math

import hypothesis.extra.numpy as st_numpy
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from tensorflow.core.protobuf import meta_graph_pb2

from keras_inr.serving.json_tensors import parse_json, reply, request_arrays
from keras_inr.serving.status import RequestError

FLOAT = st.floats(width=32)


def signature(**inputs):
    made = meta_graph_pb2.SignatureDef()
    for name, (dtype, *shape) in inputs.items():
        made.inputs[name].dtype = tf.dtypes.as_dtype(dtype).as_datatype_enum
        for side in shape:
            made.inputs[name].tensor_shape.dim.add(size=side)
    return made


POINTS = signature(coords=("float32", -1, 2))
FRAMES = signature(box=("float32", -1, 4), size=("int32", -1, 2))
TEXTS = signature(query=("string", -1))
FLAGS = signature(on=("bool", -1), count=("int64", -1))


def arrays_of(body, made=POINTS):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request_arrays(parse_json(text), lambda name: made)[1]


def outcome(body, made):
    """The arrays, or the error that stands in their place."""
    try:
        return arrays_of(body, made), None
    except RequestError as error:
        return None, error


@given(st_numpy.arrays(np.float32, st_numpy.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=FLOAT))
def test_floats_come_through_exactly(array):
    for key in ("inputs", "instances"):
        np.testing.assert_array_equal(arrays_of({key: array.tolist()})["coords"], array)


@given(
    st_numpy.arrays(np.float32, (4, 3), elements=FLOAT),
    st_numpy.arrays(np.int32, (4,)),
    st_numpy.arrays(np.bool_, (4,)),
    st.booleans(),
)
def test_answers_come_through_exactly(values, counts, valid, in_rows):
    outputs = {"values": values, "counts": counts, "valid": valid}
    told = json.loads(reply(outputs, in_rows))
    if in_rows:
        told = {name: [row[name] for row in told["predictions"]] for name in outputs}
    else:
        told = told["outputs"]
    for name, array in outputs.items():
        np.testing.assert_array_equal(np.array(told[name], array.dtype), array)


def test_one_answer_is_bare_and_nan_a_word():
    values = np.float32([[0.1, np.nan], [1.0, 1e-30]])
    assert reply({"values": values}, True) == b'{"predictions":[[0.1,NaN],[1.0,1e-30]]}'
    assert reply({"values": values}, False) == b'{"outputs":[[0.1,NaN],[1.0,1e-30]]}'
    infinite = np.float32([0.1, -np.inf])
    assert reply({"null": infinite}, False) == b'{"outputs":[0.1,-Infinity]}'
    both = {"values": values, "text": np.array([b"a", b"\xff"], object)}
    assert json.loads(reply(both, False))["outputs"]["text"] == ["a", "\ufffd"]


def test_bytes_are_base64_and_texts_text():
    outputs = {"png_bytes": np.array([b"\x00\xff"], object)}
    assert reply(outputs, True) == b'{"predictions":[{"b64":"AP8="}]}'


def test_answers_that_do_not_fit_into_rows():
    with pytest.raises(RequestError, match="inconsistent batch size"):
        reply({"a": np.zeros(2), "b": np.zeros(3)}, True)
    with pytest.raises(RequestError, match="Tensor name: a has no shape information"):
        reply({"a": np.float32(1)}, True)
    assert reply({"a": np.array(1, np.float32)}, False) == b'{"outputs":1.0}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["coords", "box", "size", "b64", "query", "on", "count"]) | st.text(), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["inputs", "instances"]), st.sampled_from([POINTS, FRAMES, TEXTS, FLAGS]))
def test_whatever_is_sent_becomes_arrays_of_the_signature_or_an_error(value, key, made):
    found, error = outcome(json.dumps({key: value}).encode(), made)
    if error is not None:
        assert error.code == "INVALID_ARGUMENT"
        assert len(error.message) <= 1024
        return
    assert set(found) == set(made.inputs)
    for name, array in found.items():
        wanted = tf.dtypes.as_dtype(made.inputs[name].dtype).as_numpy_dtype
        assert array.dtype == (object if wanted is object else wanted)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_bodies_of_any_bytes(body):
    _, error = outcome(body, POINTS)
    assert error is None or error.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("made", "value", "message"),
    [
        (FRAMES, {"box": [[0, 0, 1, 1]], "size": [[1.0, 2]]}, "input 'size' must hold int32"),
        (FRAMES, {"box": [[0, 0, 1, 1]], "size": [[2**31, 2]]}, "from -2147483648 to 2147483647"),
        (FRAMES, {"box": [[0, 0, 1, 1]], "size": [[10**17, 2]]}, "input 'size' must hold int32"),
        (FRAMES, {"box": [[0, 0, 1, True]], "size": [[1, 2]]}, "input 'box' must hold float32"),
        (FRAMES, {"box": [[0, 0, 1, None]], "size": [[1, 2]]}, "input 'box' must hold float32"),
        (FRAMES, {"box": [[0, 0, 1, 1], [0]], "size": [[1, 2]]}, "unexpected size in input 'box'"),
        (FRAMES, {"box": [[0, 0, 1, 1]]}, "Missing named input: size"),
        (FRAMES, {"box": [[0, 0, 1, 1]], "size": [[True, 2]]}, "input 'size' must hold int32"),
        (TEXTS, [["a"] * 1000, *["a"] * 999], "unexpected size in input 'query'"),
        (POINTS, [["a" * 1000, 0]] * 1000, "input 'coords' must hold float32"),
        (TEXTS, [7], "input 'query' must hold strings"),
        (TEXTS, [{"b64": "?"}], "Unable to base64 decode input 'query'"),
        (TEXTS, [["a"], "b"], "unexpected size in input 'query'"),
        (FLAGS, {"on": [1], "count": [1]}, "input 'on' must hold bool"),
        (FLAGS, {"on": [True], "count": [True]}, "input 'count' must hold int64"),
        (POINTS, [], ""),
    ],
)
def test_what_does_not_fit_is_named(made, value, message):
    if not message:
        assert arrays_of({"inputs": value}, made)["coords"].shape == (0,)
        return
    with pytest.raises(RequestError, match=message):
        arrays_of({"inputs": value}, made)


def test_numbers_beyond_float32_are_infinite_and_beyond_float64_refused():
    assert math.isinf(arrays_of(b'{"inputs": [[1e39, 0]]}')["coords"][0, 0])
    with pytest.raises(RequestError):
        arrays_of(b'{"inputs": [[1e400, 0], [NaN, 0]]}')


def test_depth_is_bounded():
    for depth in (70, 1100, 100_000):
        with pytest.raises(RequestError):
            arrays_of(b'{"inputs": ' + b"[" * depth + b"]" * depth + b"}")
