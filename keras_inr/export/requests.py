"""What an exported signature accepts: limits, and checks that run in the graph with readable messages.

Requests that TensorFlow Serving may merge have other clients' rows beside them: a point out of range is marked, not
refused. What bounds a whole request, and what is never merged, is refused.
"""

import dataclasses
import re
from collections.abc import Sequence

import tensorflow as tf

from keras_inr._arguments import positive_int
from keras_inr.errors import InputError

MAX_PIXELS = 2**30  # flat indices of pixels are int32
REPLAYED = 32
"""Points that an export's own last look asks for (see `replay`), so that no limit may be lower."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """The bounds of one request, which bound its work: points, and rows, which cost something however few their points.

    Args:
        max_pixels: most points over all rows of a render request, several in a pixel that is filtered.
        chunk: points evaluated at a time.
        max_points: most rows of a request for values or derivatives of points.
        max_rows: most rows of a request for pictures or for `info`.
        max_side: most pixels along a side; PNG encoders stop there.
        max_coord: largest magnitude of a coordinate or edge. Beyond it phases overflow, and values mean nothing.

    Raises:
        InputError: if one of the first four is not an integer from 1 to 2**30, or max_pixels or max_points is less
            than the 32 points that `replay` asks for.

    >>> Limits(2**20).max_side
    1000000
    """

    max_pixels: int = 2**24
    chunk: int = 65536
    max_points: int = 2**22
    max_rows: int = 4096
    max_side: int = 1_000_000
    max_coord: float = 1e6

    def __post_init__(self) -> None:
        for name in ("max_pixels", "chunk", "max_points", "max_rows"):
            object.__setattr__(self, name, positive_int(name, getattr(self, name), MAX_PIXELS))
        for name in ("max_pixels", "max_points"):
            if getattr(self, name) < REPLAYED:
                raise InputError(f"{name} must be at least {REPLAYED}, received {getattr(self, name)}")


def checked_coords(coords: tf.Tensor, limits: Limits) -> tuple[tf.Tensor, tf.Tensor]:
    """The coords (N, 2), with 0 for what is out of range, and which rows are in range (N), bool.

    Fails for another shape or too many rows.
    """
    with tf.control_dependencies([_require_shape("coords", coords, "[N, 2]")]):
        coords = _few("coords", tf.identity(coords), limits.max_points)
    within = tf.abs(coords) <= limits.max_coord  # NaN compares false
    return tf.where(within, coords, tf.zeros_like(coords)), tf.reduce_all(within, axis=-1)


def checked_frames(box: tf.Tensor, size: tf.Tensor, limits: Limits) -> tuple[tf.Tensor, tf.Tensor]:
    """The boxes (B, 4) and sizes (B, 2), once their shapes, ranges and the number of pixels have been checked."""
    shapes = [_require_shape("box", box, "[B, 4]", empty=False), _require_shape("size", size, "[B, 2]", empty=False)]
    with tf.control_dependencies(shapes):
        box, size = tf.identity(box), tf.identity(size)
    rows = (tf.shape(box)[0], tf.shape(size)[0])
    alike = _require(tf.equal(*rows), "box and size must have the same number of rows, received {} and {}", rows)
    with tf.control_dependencies([alike]):
        box, size = _few("box", box, limits.max_rows), _few("size", size, limits.max_rows)
    # not `any(~(... <= ...))`, which the graph optimizer turns into `any(... > ...)`: NaN compares false in both
    outside = ~tf.reduce_all(tf.abs(box) <= limits.max_coord, axis=-1)
    edges = f"box must be finite and within +-{limits.max_coord:.0f}, received {{}}"
    bad = tf.reduce_any((size < 1) | (size > limits.max_side), axis=-1)
    sides = f"size must be (height, width) with sides from 1 to {limits.max_side}, received {{}}"
    checks = [
        _require(~tf.reduce_any(outside), edges, [tf.boolean_mask(box, outside)[:1]]),
        _require(~tf.reduce_any(bad), sides, [tf.boolean_mask(size, bad)[:1]]),
    ]
    with tf.control_dependencies(checks):  # before sizes are multiplied, which might overflow
        box, size = tf.identity(box), tf.identity(size)
    pixels = tf.reduce_sum(tf.reduce_prod(tf.cast(size, "int64"), axis=-1))
    total = f"size must ask for at most {limits.max_pixels} pixels over all rows, received {{}}"
    with tf.control_dependencies([_require(pixels <= limits.max_pixels, total, [pixels])]):
        return tf.identity(box), tf.identity(size)


def checked_same_sizes(size: tf.Tensor) -> tf.Tensor:
    """The sizes (B, 2), once all rows are known to be equal."""
    differs = tf.reduce_any(tf.not_equal(size, size[:1]), axis=-1)
    rule = "size must be the same in all rows of render (render_png takes different ones), received {} and {}"
    same = _require(~tf.reduce_any(differs), rule, [size[:1], tf.boolean_mask(size, differs)[:1]])
    with tf.control_dependencies([same]):
        return tf.identity(size)


def checked_query(query: tf.Tensor, limits: Limits) -> tf.Tensor:
    """The query (B), once its rank and the number of its rows have been checked. Nothing reads its text."""
    with tf.control_dependencies([_require_shape("query", query, "[B]")]):
        return _few("query", tf.identity(query), limits.max_rows)


def _require_shape(name: str, tensor: tf.Tensor, allowed: str, empty: bool = True) -> tf.Operation:
    """An op that fails unless the tensor's shape is the allowed one, such as "[N, 2]", letters being any length.

    TensorFlow Serving does not compare requests with a signature, while the graph optimizer believes the signature
    and folds comparisons with ranks and lengths to true. It cannot fold the text of a shape that it does not know.
    """
    received = tf.strings.format("{}", tf.shape(tensor))
    pattern = re.sub("[A-Z]", r"\\d+" if empty else r"[1-9]\\d*", re.escape(allowed.replace(",", "")))
    rule = f"{name} must have shape {allowed}{'' if empty else ' with B >= 1'}, received {{}}"
    return _require(tf.strings.regex_full_match(received, pattern), rule, [tf.shape(tensor)])


def _few(name: str, tensor: tf.Tensor, most: int) -> tf.Tensor:
    """The tensor, once it is known to have at most so many rows."""
    rows = tf.shape(tensor)[0]
    with tf.control_dependencies(
        [_require(rows <= most, f"{name} must have at most {most} rows, received {{}}", [rows])]
    ):
        return tf.identity(tensor)


def _require(condition: tf.Tensor, template: str, tensors: Sequence[tf.Tensor]) -> tf.Operation:
    """An op that fails with the template, its {} replaced by the tensors, unless the condition holds."""
    return tf.debugging.Assert(condition, [tf.strings.format(template, tuple(tensors))])
