"""What an exported signature accepts: limits, and checks that run in the graph with readable messages."""

import dataclasses
import re

import tensorflow as tf

from keras_inr.arguments import positive_int

MAX_PIXELS = 2**30  # flat indices of pixels are int32


@dataclasses.dataclass(frozen=True)
class Limits:
    """The bounds of one request.

    Args:
        max_pixels: most points over all rows of a render request, several in a pixel that is filtered.
        chunk: points evaluated at a time.
        max_side: most pixels along a side; PNG encoders stop there.
        max_coord: largest magnitude of a coordinate or edge. Beyond it phases overflow, and values would be NaN,
            which is no JSON.

    Raises:
        ValueError: if max_pixels or chunk is not an integer from 1 to 2**30.

    >>> Limits(2**20).max_side
    1000000
    """

    max_pixels: int = 2**24
    chunk: int = 65536
    max_side: int = 1_000_000
    max_coord: float = 1e6

    def __post_init__(self):
        for name in ("max_pixels", "chunk"):
            object.__setattr__(self, name, positive_int(name, getattr(self, name), MAX_PIXELS))


def checked_coords(coords, limits):
    """The coords (N, 2), once their shape and range have been checked."""
    with tf.control_dependencies([_require_shape("coords", coords, "[N, 2]")]):
        return _in_range("coords", tf.identity(coords), limits)


def checked_frames(box, size, limits):
    """The boxes (B, 4) and sizes (B, 2), once their shapes, ranges and the number of pixels have been checked."""
    shapes = [_require_shape("box", box, "[B, 4]", empty=False), _require_shape("size", size, "[B, 2]", empty=False)]
    with tf.control_dependencies(shapes):
        box, size = _in_range("box", tf.identity(box), limits), tf.identity(size)
    rows = (tf.shape(box)[0], tf.shape(size)[0])
    bad = tf.reduce_any((size < 1) | (size > limits.max_side), axis=-1)
    pixels = tf.reduce_sum(tf.reduce_prod(tf.cast(size, "int64"), axis=-1))
    sides = f"size must be (height, width) with sides from 1 to {limits.max_side}, received {{}}"
    total = f"size must ask for at most {limits.max_pixels} pixels over all rows, received {{}}"
    checks = [
        _require(tf.equal(*rows), "box and size must have the same number of rows, received {} and {}", rows),
        _require(~tf.reduce_any(bad), sides, [tf.boolean_mask(size, bad)[:1]]),
        _require(pixels <= limits.max_pixels, total, [pixels]),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(box), tf.identity(size)


def checked_same_sizes(size):
    """The sizes (B, 2), once all rows are known to be equal."""
    differs = tf.reduce_any(tf.not_equal(size, size[:1]), axis=-1)
    rule = "size must be the same in all rows of render (render_png takes different ones), received {} and {}"
    same = _require(~tf.reduce_any(differs), rule, [size[:1], tf.boolean_mask(size, differs)[:1]])
    with tf.control_dependencies([same]):
        return tf.identity(size)


def checked_query(query):
    """The query (B), once its rank has been checked."""
    with tf.control_dependencies([_require_shape("query", query, "[B]")]):
        return tf.identity(query)


def _require_shape(name, tensor, allowed, empty=True):
    """An op that fails unless the tensor's shape is the allowed one, such as "[N, 2]", letters being any length.

    TensorFlow Serving does not compare requests with a signature, while the graph optimizer believes the signature
    and folds comparisons with ranks and lengths to true. It cannot fold the text of a shape that it does not know.
    """
    received = tf.strings.format("{}", tf.shape(tensor))
    pattern = re.sub("[A-Z]", r"\\d+" if empty else r"[1-9]\\d*", re.escape(allowed.replace(",", "")))
    rule = f"{name} must have shape {allowed}{'' if empty else ' with B >= 1'}, received {{}}"
    return _require(tf.strings.regex_full_match(received, pattern), rule, [tf.shape(tensor)])


def _in_range(name, rows, limits):
    """The rows, once all their numbers are finite and within max_coord; the message quotes the first bad row."""
    bad = ~tf.reduce_all(tf.abs(rows) <= limits.max_coord, axis=-1)  # NaN compares false
    rule = f"{name} must be finite and within +-{limits.max_coord:.0f}, received {{}}"
    with tf.control_dependencies([_require(~tf.reduce_any(bad), rule, [tf.boolean_mask(rows, bad)[:1]])]):
        return tf.identity(rows)


def _require(condition, template, tensors):
    """An op that fails with the template, its {} replaced by the tensors, unless the condition holds."""
    return tf.debugging.Assert(condition, [tf.strings.format(template, tuple(tensors))])
