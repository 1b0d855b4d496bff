"""The functions that an exported field answers with."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_inr.coordinates import box_axes
from keras_inr.derivatives import differentiate, has_rules
from keras_inr.export.requests import Limits, checked_coords, checked_frames, checked_query, checked_same_sizes
from keras_inr.kinks import kinks_of
from keras_inr.models.field import Field
from keras_inr.rendering.raster import boxes_of, levels_of, sampling_of

NEVER_MERGED = ("render", "render_png")
"""Signatures whose requests a server must not merge: rows of `render` have one size, and all pictures of a request one
limit of points, which strangers would share. Nothing would be won by it: pictures are drawn one after another."""
PNG_CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
PARTS = 4  # value, two tangents and Laplacian; chunks are smaller by as much, so that they take no more memory
COORDS = tf.TensorSpec((None, 2), tf.float32, "coords")
BOX = tf.TensorSpec((None, 4), tf.float32, "box")
SIZE = tf.TensorSpec((None, 2), tf.int32, "size")
QUERY = tf.TensorSpec((None,), tf.string, "query")


def signature_names(field: Field) -> list[str]:
    """Names of the signatures that an export of the field has.

    There is no `laplacian` where the field has a kink, and no `render_png` where a PNG cannot have the channels.

    >>> from keras_inr.models import Siren
    >>> signature_names(Siren(units=(8,), channels=2))
    ['serving_default', 'gradient', 'laplacian', 'render', 'info']
    """
    png = ["render_png"] if field.channels in PNG_CHANNELS else []
    smooth = [] if kinks_of(field) else ["laplacian"]
    return ["serving_default", "gradient", *smooth, "render", *png, "info"]


def make_endpoints(
    field: Field, limits: Limits, text: str, names: Iterable[str]
) -> dict[str, tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]]:
    """The signatures of a field as {name: (function, input specs)}.

    Args:
        field: the `Field` that the functions close over.
        limits: `Limits` of a request.
        text: what `info` answers.
        names: of the signatures, some of `signature_names(field)`.
    """

    def serving_default(coords):
        def evaluate(part):
            return tf.cast(field(part), tf.float32)

        values, valid = _row_by_row(evaluate, coords, limits, limits.chunk, field.channels)
        return {"values": values, "valid": valid}

    def render(box, size):
        box, size = _checked_points(field, *checked_frames(box, size, limits), limits)
        frames = (box, checked_same_sizes(size))

        def draw(frame):
            return _raster(field, *frame, limits.chunk, _clamped, tf.float32)

        image = tf.TensorSpec((None, None, field.channels), tf.float32)
        return {"image": tf.map_fn(draw, frames, fn_output_signature=image, parallel_iterations=1)}

    def render_png(box, size):
        frames = _checked_points(field, *checked_frames(box, size, limits), limits)

        def draw(frame):
            pixels = _raster(field, *frame, limits.chunk, _rounded, tf.uint8)
            return tf.io.encode_png(pixels, compression=1)

        png = tf.TensorSpec((), tf.string)
        return {"png_bytes": tf.map_fn(draw, frames, fn_output_signature=png, parallel_iterations=1)}

    def info(query):
        return {"info": tf.fill(tf.shape(checked_query(query, limits)), text)}

    endpoints: dict[str, tuple[Callable[..., Any], list[tf.TensorSpec]]] = {
        "serving_default": (serving_default, [COORDS]),
        **_derivative_endpoints(field, limits),
        "render": (render, [BOX, SIZE]),
        "render_png": (render_png, [BOX, SIZE]),
        "info": (info, [QUERY]),
    }
    return {name: (_reading_once(field, endpoints[name][0]), endpoints[name][1]) for name in names}


def _reading_once(field: Field, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the field's weights read before its loops.

    A loop that reads variables cannot be differentiated twice, or inside a `tf.function`, once it has been loaded:
    TensorFlow does not restore what it knew about a variable that goes through a loop.
    """

    @functools.wraps(function)
    def call(*inputs):
        values = [(weight, tf.convert_to_tensor(weight.value)) for weight in field.weights]
        with keras.StatelessScope(state_mapping=values):
            return function(*inputs)

    return call


def _derivative_endpoints(
    field: Field, limits: Limits
) -> dict[str, tuple[Callable[..., dict[str, tf.Tensor]], list[tf.TensorSpec]]]:
    """The signatures `gradient` and `laplacian`; they use the layers' rules, where there are any, and no tape."""
    method = "forward" if has_rules(field) else "tape"
    chunk = max(1, limits.chunk // PARTS)

    def rows(coords, outputs):
        """(N, C, width): values and Laplacian one wide, the Jacobian as wide as the coords; and valid (N)."""

        def evaluate(part):
            parts = differentiate(field, part, outputs, method)
            parts = [part if name == "jacobian" else part[..., None] for name, part in parts.items()]
            return tf.cast(tf.reshape(tf.concat(parts, axis=-1), (-1, field.channels * width)), tf.float32)

        width = sum(field.num_dims if name == "jacobian" else 1 for name in outputs)
        flat, valid = _row_by_row(evaluate, coords, limits, chunk, field.channels * width)
        return tf.reshape(flat, (-1, field.channels, width)), valid

    def gradient(coords):
        joined, valid = rows(coords, ("values", "jacobian"))
        return {"values": joined[..., 0], "jacobian": joined[..., 1:], "valid": valid}

    def laplacian(coords):
        joined, valid = rows(coords, ("laplacian",))
        return {"laplacian": joined[..., 0], "valid": valid}

    return {"gradient": (gradient, [COORDS]), "laplacian": (laplacian, [COORDS])}


def _row_by_row(
    evaluate: Callable[..., tf.Tensor], coords: tf.Tensor, limits: Limits, chunk: int | tf.Tensor, width: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """evaluate(coords) (N, width) as float32, all NaN in rows that have no answer, and which rows have one (N), bool.

    A row has none if a coordinate is out of range or something in the answer is not finite. Each row is on its own, so
    that a server may merge the requests of strangers. NaN cannot be taken for an answer, as 0 could.
    """
    coords, in_range = checked_coords(coords, limits)
    total = tf.shape(coords)[0]
    rows = _in_chunks(lambda i, count: evaluate(coords[i : i + count]), total, chunk, width, tf.float32)
    valid = in_range & tf.reduce_all(tf.math.is_finite(rows), axis=-1)
    return tf.where(valid[:, None], rows, float("nan")), valid


def _checked_points(field: Field, box: tf.Tensor, size: tf.Tensor, limits: Limits) -> tuple[tf.Tensor, tf.Tensor]:
    """The boxes (B, 4) and sizes (B, 2), once the number of points that they take has been checked.

    Otherwise a thumbnail of a huge picture could ask for up to 64 x 64 evaluations of each of its pixels.
    """
    levels = levels_of(field)
    _, supersampling = sampling_of(boxes_of(box, levels), size, levels)
    points = tf.reduce_prod(tf.cast(size * supersampling, "int64"), axis=-1)
    rule = (
        f"size must ask for at most {limits.max_pixels} points over all rows (several in a pixel that is larger "
        "than those of the picture), received {}"
    )
    total = tf.reduce_sum(points)
    within = tf.debugging.Assert(total <= limits.max_pixels, [tf.strings.format(rule, [total])])
    with tf.control_dependencies([within]):
        return tf.identity(box), tf.identity(size)


def _raster(
    field: Field,
    box: tf.Tensor,
    size: tf.Tensor,
    chunk: int | tf.Tensor,
    finish: Callable[[tf.Tensor], tf.Tensor],
    dtype: tf.DType,
) -> tf.Tensor:
    """finish(values) on the pixels of a raster of that size over the box, filtered as in `FieldRaster`.

    (height, width, channels). Whole rows are drawn at a time, or parts of one, of at most so many points or one pixel.
    """
    levels = levels_of(field)
    boxes = boxes_of(box, levels)
    level, supersampling = sampling_of(boxes, size, levels)
    draws = [
        functools.partial(_raster_of, own, part, size, supersampling, chunk, finish, dtype)
        for own, part in zip(levels, boxes, strict=True)
    ]
    return draws[0]() if len(draws) == 1 else tf.switch_case(level, draws)


def _raster_of(
    field: Field,
    box: tf.Tensor,
    size: tf.Tensor,
    supersampling: tf.Tensor,
    chunk: int | tf.Tensor,
    finish: Callable[[tf.Tensor], tf.Tensor],
    dtype: tf.DType,
) -> tf.Tensor:
    """The same by one field, with so many points along each side of a pixel."""
    height, width = tf.unstack(size, num=2)
    down, across = tf.unstack(supersampling, num=2)
    most = tf.maximum(1, chunk // (down * across))
    rows, columns = tf.maximum(1, most // width), tf.minimum(width, most)
    pieces = -(-width // columns)  # of a row, where it has more pixels than are drawn at a time

    def evaluate(block):
        top, left = block // pieces * rows, block % pieces * columns
        count = (tf.minimum(rows, height - top), tf.minimum(columns, width - left))
        place = ((top, count[0]), (left, count[1]))
        x, y = box_axes(box, height, width, *place, field.values_dtype, supersampling)
        points = tf.reshape(field.on_raster(x, y), (count[0], down, count[1], across, field.channels))
        return finish(tf.reshape(tf.reduce_mean(points, (1, 3)), (-1, field.channels)))

    pixels = _joined(evaluate, -(-height // rows) * pieces, field.channels, dtype)
    return tf.reshape(pixels, (height, width, field.channels))


def _clamped(values: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(values, 0, 1), tf.float32)


def _rounded(values: tf.Tensor) -> tf.Tensor:
    """To 8 bits as `Field.render` does: half to even, in the dtype of the values."""
    return tf.cast(tf.round(tf.clip_by_value(values, 0, 1) * 255), tf.uint8)


def _in_chunks(
    evaluate: Callable[..., tf.Tensor], total: int | tf.Tensor, chunk: int | tf.Tensor, channels: int, dtype: tf.DType
) -> tf.Tensor:
    """The rows evaluate(first, count) (count, channels) of consecutive runs of `total` points, joined."""

    def evaluate_part(i):
        return evaluate(i * chunk, tf.minimum(chunk, total - i * chunk))

    return _joined(evaluate_part, -(-total // chunk), channels, dtype)


def _joined(
    evaluate: Callable[[tf.Tensor], tf.Tensor], count: int | tf.Tensor, channels: int, dtype: tf.DType
) -> tf.Tensor:
    """The rows evaluate(i) (any number, channels) for i = 0 ... count - 1, joined."""

    def step(i, rows):
        return i + 1, rows.write(i, evaluate(i))

    rows = tf.TensorArray(dtype, count, infer_shape=False, element_shape=(None, channels))
    _, rows = tf.while_loop(lambda i, _: i < count, step, (0, rows), parallel_iterations=1)
    return tf.ensure_shape(rows.concat(), (None, channels))
