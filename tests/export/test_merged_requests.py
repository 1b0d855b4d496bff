"""Requests of strangers that a server merged into one: nobody is harmed by a neighbour.

TensorFlow Serving's batching joins the inputs of several requests along the first axis, may append copies of a row, and
cuts the outputs again.
"""

import json

import numpy as np
import pytest
import tensorflow as tf

from export.small_fields import CHUNK, COORDS, caller
from keras_inr.export import export_saved_model
from keras_inr.export.endpoints import NEVER_MERGED, signature_names
from keras_inr.export.requests import Limits
from keras_inr.models import ReluMLP

NAN, INF = float("nan"), float("inf")
POINT_SIGNATURES = {"serving_default": ("values",), "gradient": ("values", "jacobian"), "laplacian": ("laplacian",)}
BAD_ROWS = np.float32([[NAN, 0.5], [0, INF], [-INF, NAN], [2e6, 0], [0, -1.0001e6], [3e38, 3e38]])
CLIENTS = {
    "good": COORDS[:5],
    "nobody": COORDS[:0],
    "bad": BAD_ROWS,
    "both": np.concatenate([COORDS[5:7], BAD_ROWS[:1], COORDS[7:9]]),
    "large": COORDS[: CHUNK + 3],
    "at the edge": np.float32([[1e6, -1e6], [0, 0]]),
}
# a product of another number of rows may be summed in another order; of the largest answer, as for derivatives
RTOL = 1e-5


def merged(clients, padding=3):
    """The joined rows and, for each client, which of them are its own."""
    rows = np.concatenate(list(clients.values()))
    ends = np.cumsum([len(coords) for coords in clients.values()])
    own = {name: slice(end - len(clients[name]), end) for name, end in zip(clients, ends, strict=True)}
    return np.concatenate([rows, np.repeat(rows[-1:], padding, 0)]), own


def assert_alike(merged_reply, own, alone):
    for name, reply in alone.items():
        assert set(reply) == set(merged_reply)
        np.testing.assert_array_equal(merged_reply["valid"][own[name]], reply["valid"])
        for output in set(reply) - {"valid"}:
            size = np.nanmax(np.abs(merged_reply[output]))
            part = merged_reply[output][own[name]]
            assert part.shape == reply[output].shape
            np.testing.assert_allclose(part, reply[output], rtol=0, atol=RTOL * size, err_msg=f"{name} {output}")


@pytest.mark.parametrize("preset", ["siren_256", "multi_hash", "cell_grid", "relu_pe"])
def test_points_are_answered_row_by_row(exported, serve, preset):
    """In the C++ session that TensorFlow Serving merges requests for."""
    field, folder = exported(preset)
    names = [name for name in POINT_SIGNATURES if name in signature_names(field)]
    rows, own = merged(CLIENTS)
    requests = [(name, {"coords": coords}) for name in names for coords in (rows, *CLIENTS.values())]
    (replies,), _ = serve([(folder, requests)])
    assert not [reply for reply in replies if isinstance(reply, str)]
    for i, _ in enumerate(names):
        first, *rest = replies[i * (len(CLIENTS) + 1) :][: len(CLIENTS) + 1]
        assert_alike(first, own, dict(zip(CLIENTS, rest, strict=True)))


@pytest.mark.parametrize("name", POINT_SIGNATURES)
def test_bad_rows_are_marked(served, name):
    _, signatures = served()
    coords = np.concatenate([COORDS[:3], BAD_ROWS, COORDS[3:5]])
    reply = caller(signatures)(name, {"coords": coords})
    expected = np.array([True] * 3 + [False] * len(BAD_ROWS) + [True] * 2)
    assert reply["valid"].dtype == bool
    np.testing.assert_array_equal(reply["valid"], expected)
    for output in POINT_SIGNATURES[name]:
        finite = np.isfinite(reply[output]).reshape(len(coords), -1)
        np.testing.assert_array_equal(finite.all(axis=1), expected)
        assert np.all(np.isnan(reply[output][~expected]))


def test_only_bad_rows(served):
    _, signatures = served()
    for name in POINT_SIGNATURES:
        assert not np.any(caller(signatures)(name, {"coords": BAD_ROWS})["valid"])


def test_answers_that_are_not_finite_are_marked(tmp_path):
    """Half precision overflows far outside the picture; infinity is no JSON either."""
    field = ReluMLP((8,), channels=1, seed=1, dtype="mixed_float16")
    loaded = tf.saved_model.load(str(export_saved_model(field, tmp_path)))
    reply = caller(loaded.signatures)("serving_default", {"coords": np.float32([[0, 0], [1e6, 1e6], [0.5, 0]])})
    assert reply["valid"].tolist() == [True, False, True]
    assert np.isnan(reply["values"][1, 0])


def test_requests_for_info_are_merged(served):
    _, signatures = served()
    one = caller(signatures)("info", {"query": np.array([b""])})["info"][0]
    texts = caller(signatures)("info", {"query": np.array([b"", b"x" * 100_000, b"\xff", b""])})["info"]
    assert texts.tolist() == [one] * 4


@pytest.mark.parametrize("preset", ["siren_256", "relu"])
def test_every_signature_says_whether_it_may_be_merged(exported, served, preset):
    """A server that batches by model finds no parameters in the folder, and then batches none of its signatures."""
    _, folder = exported(preset)
    _, signatures = served(preset)
    told = json.loads(signatures["info"](query=tf.constant([""]))["info"][0].numpy())["batching"]
    assert told == {name: name not in NEVER_MERGED for name in signatures}
    for name, may_be in told.items():
        assert ("valid" in signatures[name].structured_outputs) == (may_be and name != "info")
    assert not list(folder.rglob("*batching*"))


def test_default_limits_let_serving_merge():
    """Its batches have at most 1000 rows unless it is told otherwise."""
    assert min(Limits().max_points, Limits().max_rows) >= 1000
