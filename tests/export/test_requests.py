"""Requests that an exported field refuses, each with its sentence."""

import numpy as np
import pytest

from export.small_fields import BOXES, MAX_PIXELS, MAX_POINTS, MAX_ROWS, SIZES
from keras_inr.export import export_saved_model
from keras_inr.export.requests import Limits
from keras_inr.models import Siren

NAN = float("nan")
ONE_BOX, ONE_SIZE = BOXES[:1], SIZES[:1]
BAD_REQUESTS = [
    ("serving_default", {"coords": np.zeros((5, 3), "float32")}, "coords must have shape [N, 2], received [5 3]"),
    ("serving_default", {"coords": np.zeros(2, "float32")}, "coords must have shape [N, 2], received [2]"),
    ("serving_default", {"coords": np.zeros((1, 5, 2), "float32")}, "coords must have shape [N, 2], received [1 5 2]"),
    (
        "serving_default",
        {"coords": np.zeros((MAX_POINTS + 1, 2), "float32")},
        f"coords must have at most {MAX_POINTS} rows, received {MAX_POINTS + 1}",
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
    (
        "{render}",
        {"box": np.repeat(ONE_BOX, MAX_ROWS + 1, 0), "size": np.int32([[1, 1]] * (MAX_ROWS + 1))},
        f"box must have at most {MAX_ROWS} rows, received {MAX_ROWS + 1}",
    ),
    (
        "{render}",
        {"box": np.repeat(ONE_BOX, 3, 0), "size": np.int32([[2**31 - 1, 2**31 - 1]] * 3)},  # 3 products overflow int64
        "size must be (height, width) with sides from 1 to 1000000, received [[2147483647 2147483647]]",
    ),
    (
        "{render}",
        {"box": ONE_BOX, "size": np.int32([[-5, -4]])},
        "size must be (height, width) with sides from 1 to 1000000, received [[-5 -4]]",
    ),
    ("{render}", {"box": np.float32(0), "size": ONE_SIZE}, "box must have shape [B, 4] with B >= 1, received []"),
    ("{render}", {"box": ONE_BOX, "size": ONE_SIZE[None]}, "size must have shape [B, 2] with B >= 1, received [1 1 2]"),
    ("serving_default", {"coords": np.float32(0)}, "coords must have shape [N, 2], received []"),
    ("info", {"query": np.array([[b"", b""]])}, "query must have shape [B], received [1 2]"),
    ("info", {"query": np.array(b"")}, "query must have shape [B], received []"),
    (
        "info",
        {"query": np.array([b"x"] * (MAX_ROWS + 1))},
        f"query must have at most {MAX_ROWS} rows, received {MAX_ROWS + 1}",
    ),
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


LARGEST_REQUESTS = [
    ("serving_default", {"coords": np.zeros((MAX_POINTS, 2), "float32")}, "values", (MAX_POINTS, 3)),
    ("gradient", {"coords": np.zeros((MAX_POINTS, 2), "float32")}, "jacobian", (MAX_POINTS, 3, 2)),
    ("laplacian", {"coords": np.zeros((MAX_POINTS, 2), "float32")}, "laplacian", (MAX_POINTS, 3)),
    ("render", {"box": BOXES[1:2] / 100, "size": np.int32([[1, MAX_PIXELS]])}, "image", (1, 1, MAX_PIXELS, 3)),
    (
        "render",
        {"box": BOXES[[1] * MAX_ROWS] / 100, "size": np.int32([[1, 71]] * MAX_ROWS)},
        "image",
        (MAX_ROWS, 1, 71, 3),
    ),
    ("render_png", {"box": BOXES[1:2] / 100, "size": np.int32([[MAX_PIXELS, 1]])}, "png_bytes", (1,)),
    (
        "render_png",
        {"box": BOXES[[1] * MAX_ROWS] / 100, "size": np.int32([[1, 1]] * MAX_ROWS)},
        "png_bytes",
        (MAX_ROWS,),
    ),
    ("info", {"query": np.array([b"x" * 10**6] * MAX_ROWS)}, "info", (MAX_ROWS,)),
    ("info", {"query": np.zeros(0, "S1")}, "info", (0,)),
]


def test_requests_at_the_limits_are_answered(exported, serve):
    (replies,), _ = serve([(exported()[1], [request[:2] for request in LARGEST_REQUESTS])])
    for (_, _, output, shape), reply in zip(LARGEST_REQUESTS, replies, strict=True):
        assert not isinstance(reply, str), reply
        assert reply[output].shape == shape


def test_the_longest_side_is_drawn(tmp_path, serve):
    folder = export_saved_model(Siren(units=(8,)), tmp_path)
    (replies,), _ = serve([(folder, [("render", {"box": ONE_BOX, "size": np.int32([[1_000_000, 1]])})])])
    assert replies[0]["image"].shape == (1, 1_000_000, 1, 3)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_pixels": 0}, "max_pixels must be a positive integer, received 0"),
        ({"max_pixels": 2**30 + 1}, "max_pixels must be at most 1073741824, received 1073741825"),
        ({"chunk": 1.5}, "chunk must be a positive integer, received 1.5"),
        ({"max_pixels": 31}, "max_pixels must be at least 32, received 31"),
        ({"chunk": 2**31}, "chunk must be at most 1073741824, received 2147483648"),
        ({"max_points": -1}, "max_points must be a positive integer, received -1"),
        ({"max_points": 31}, "max_points must be at least 32, received 31"),
        ({"max_points": 2**30 + 1}, "max_points must be at most 1073741824, received 1073741825"),
        ({"max_rows": 0}, "max_rows must be a positive integer, received 0"),
    ],
)
def test_limits_out_of_range(limits, message):
    with pytest.raises(ValueError, match="received") as error:
        Limits(**limits)
    assert str(error.value) == message
