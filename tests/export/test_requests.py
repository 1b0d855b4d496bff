"""Requests that an exported field refuses, each with its sentence."""

import numpy as np
import pytest

from export.small_fields import BOXES, MAX_PIXELS, SIZES
from keras_inr.export.requests import Limits

NAN, INF = float("nan"), float("inf")
ONE_BOX, ONE_SIZE = BOXES[:1], SIZES[:1]
BAD_REQUESTS = [
    ("serving_default", {"coords": np.zeros((5, 3), "float32")}, "coords must have shape [N, 2], received [5 3]"),
    ("serving_default", {"coords": np.zeros(2, "float32")}, "coords must have shape [N, 2], received [2]"),
    ("serving_default", {"coords": np.zeros((1, 5, 2), "float32")}, "coords must have shape [N, 2], received [1 5 2]"),
    (
        "serving_default",
        {"coords": np.float32([[0, 0], [NAN, 0.5], [INF, 0]])},
        "coords must be finite and within +-1000000, received [[nan 0.5]]",
    ),
    (
        "serving_default",
        {"coords": np.float32([[0, -INF]])},
        "coords must be finite and within +-1000000, received [[0 -inf]]",
    ),
    (
        "serving_default",
        {"coords": np.float32([[2e6, 0]])},
        "coords must be finite and within +-1000000, received [[2e+06 0]]",
    ),
    (
        "{render}",
        {"box": np.zeros((1, 3), "float32"), "size": ONE_SIZE},
        "box must have shape [B, 4] with B >= 1, received [1 3]",
    ),
    ("{render}", {"box": BOXES[0], "size": ONE_SIZE}, "box must have shape [B, 4] with B >= 1, received [4]"),
    ("{render}", {"box": BOXES[:0], "size": SIZES[:0]}, "box must have shape [B, 4] with B >= 1, received [0 4]"),
    (
        "{render}",
        {"box": ONE_BOX, "size": np.int32([[4, 4, 3]])},
        "size must have shape [B, 2] with B >= 1, received [1 3]",
    ),
    (
        "{render}",
        {"box": ONE_BOX, "size": np.int32([[4, 4]] * 2)},
        "box and size must have the same number of rows, received 1 and 2",
    ),
    (
        "{render}",
        {"box": np.float32([[-1, NAN, 1, 1]]), "size": ONE_SIZE},
        "box must be finite and within +-1000000, received [[-1 nan 1 1]]",
    ),
    (
        "{render}",
        {"box": ONE_BOX, "size": np.int32([[0, 4]])},
        "size must be (height, width) with sides from 1 to 1000000, received [[0 4]]",
    ),
    (
        "{render}",
        {"box": ONE_BOX, "size": np.int32([[4, -1]])},
        "size must be (height, width) with sides from 1 to 1000000, received [[4 -1]]",
    ),
    (
        "{render}",
        {"box": ONE_BOX, "size": np.int32([[1, 1_000_001]])},
        "size must be (height, width) with sides from 1 to 1000000, received [[1 1000001]]",
    ),
    (
        "{render}",
        {"box": BOXES[:2], "size": np.int32([[50, 51]] * 2)},
        f"size must ask for at most {MAX_PIXELS} pixels over all rows, received 5100",
    ),
    (
        "{render}",
        {"box": ONE_BOX, "size": np.int32([[1_000_000, 1_000_000]])},
        f"size must ask for at most {MAX_PIXELS} pixels over all rows, received 1000000000000",
    ),
    (
        "render",
        {"box": BOXES[:2], "size": SIZES[:2]},
        "size must be the same in all rows of render (render_png takes different ones), received [[20 30]] and [[9 8]]",
    ),
    ("info", {"query": np.array([[b"", b""]])}, "query must have shape [B], received [1 2]"),
]
BAD_REQUESTS = [
    (name.format(render=render), feeds, message)
    for name, feeds, message in BAD_REQUESTS
    for render in (("render", "render_png") if name == "{render}" else ("",))
]


@pytest.fixture(scope="module")
def refusals(exported, serve):
    """What the C++ session answers to the bad requests; it does not compare shapes with the signature."""
    (replies,), _ = serve([(exported()[1], [request[:2] for request in BAD_REQUESTS])])
    return replies


@pytest.mark.parametrize("index", range(len(BAD_REQUESTS)), ids=[f"{n}: {m}" for n, _, m in BAD_REQUESTS])
def test_bad_requests_get_a_sentence(refusals, index):
    reply = refusals[index]
    assert isinstance(reply, str), f"answered {reply}"
    assert reply.startswith("code 3")  # INVALID_ARGUMENT, which is 400 over REST
    assert BAD_REQUESTS[index][2] in " ".join(reply.split())


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_pixels": 0}, "max_pixels must be a positive integer, received 0"),
        ({"max_pixels": 2**30 + 1}, "max_pixels must be at most 1073741824, received 1073741825"),
        ({"chunk": 1.5}, "chunk must be a positive integer, received 1.5"),
        ({"chunk": 2**31}, "chunk must be at most 1073741824, received 2147483648"),
    ],
)
def test_limits_out_of_range(limits, message):
    with pytest.raises(ValueError, match="received") as error:
        Limits(**limits)
    assert str(error.value) == message
