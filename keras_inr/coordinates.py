"""The coordinate convention: pixel centres, boxes and the pixel pitch.

Coordinates are (x, y) with x to the right and y down. Pixels are square, the longer side of a picture spans
[-1, 1] and its centre is (0, 0): with m = max(height, width), pixel (row i, column j) has its centre at
x = (2j + 1 - width) / m and y = (2i + 1 - height) / m. Sizes are always (height, width).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def pixel_pitch(height: int, width: int) -> float:
    """Distance between neighbouring pixel centres, 2 / max(height, width), the same on both axes.

    >>> pixel_pitch(300, 400)
    0.005
    """
    return 2.0 / max(height, width)


def picture_box(height: int, width: int) -> tuple[float, float, float, float]:
    """The outer edges (x0, y0, x1, y1) of a picture: (-width/m, -height/m, width/m, height/m).

    >>> picture_box(300, 400)
    (-1.0, -0.75, 1.0, 0.75)
    """
    longer = max(height, width)
    return (-width / longer, -height / longer, width / longer, height / longer)


def pixel_coords(
    rows: tf.Tensor | npt.ArrayLike, columns: tf.Tensor | npt.ArrayLike, height: int, width: int, dtype: str = "float32"
) -> tf.Tensor:
    """Centres of the pixels (rows, columns) of a height x width picture.

    Args:
        rows, columns: integer tensors of one shape (...).
        height, width: the picture's size in pixels.
        dtype: "float32" or "float64".

    Returns:
        Tensor (..., 2) in order (x, y), correctly rounded: both operands of the quotient are exact integers.

    >>> pixel_coords(0, 0, 300, 400).numpy().tolist()
    [-0.9975000023841858, -0.7475000023841858]
    """
    x = 2 * tf.cast(columns, "int32") + 1 - width
    y = 2 * tf.cast(rows, "int32") + 1 - height
    return tf.stack([tf.cast(x, dtype), tf.cast(y, dtype)], axis=-1) / tf.cast(tf.maximum(height, width), dtype)


def box_coords(
    box: Sequence[float] | tf.Tensor,
    height: int | tf.Tensor,
    width: int | tf.Tensor,
    first: int | tf.Tensor = 0,
    count: int | tf.Tensor | None = None,
    dtype: str | np.dtype = "float32",
    supersampling: Sequence[int] | tf.Tensor = (1, 1),
) -> tf.Tensor:
    """Centres of the pixels of a height x width raster laid over a box, in row-major order, or of their equal parts.

    Works eagerly and inside `tf.function`, where everything but the dtype may be tensors.

    Args:
        box: (x0, y0, x1, y1), the outer edges; x1 < x0 mirrors the picture.
        height, width: size of the raster in pixels.
        first, count: the flat index of the first pixel and how many follow; all pixels by default.
        dtype: dtype of the result. Positions are formed in float64.
        supersampling: (s_y, s_x), into how many parts each pixel is cut; a pixel's parts follow each other.

    Returns:
        Tensor (count * s_y * s_x, 2) in order (x, y).

    >>> box_coords((-1.0, -1.0, 1.0, 1.0), 1, 2).numpy().tolist()
    [[-0.5, 0.0], [0.5, 0.0]]
    >>> box_coords((-1.0, -1.0, 1.0, 1.0), 1, 2, first=1, count=1, supersampling=(1, 2)).numpy().tolist()
    [[0.25, 0.0], [0.75, 0.0]]
    """
    x0, y0, x1, y1 = tf.unstack(in_float64(box), num=4)
    down, across = tf.unstack(tf.cast(supersampling, "int64"), num=2)
    height, width, first = (tf.cast(number, "int64") for number in (height, width, first))
    count = height * width - first if count is None else tf.cast(count, "int64")
    points = tf.range(count * down * across)
    pixel, part = first + points // (down * across), points % (down * across)
    column = tf.cast(pixel % width, "float64") + _centre(part % across, across)
    row = tf.cast(pixel // width, "float64") + _centre(part // across, down)
    x = x0 + column * (x1 - x0) / tf.cast(width, "float64")
    y = y0 + row * (y1 - y0) / tf.cast(height, "float64")
    return tf.cast(tf.stack([x, y], axis=-1), dtype)


def box_axes(
    box: Sequence[float] | tf.Tensor,
    height: int | tf.Tensor,
    width: int | tf.Tensor,
    rows: tuple[int | tf.Tensor, int | tf.Tensor],
    columns: tuple[int | tf.Tensor, int | tf.Tensor],
    dtype: str | np.dtype = "float32",
    supersampling: Sequence[int] | tf.Tensor = (1, 1),
) -> tuple[tf.Tensor, tf.Tensor]:
    """Coordinates x of some columns and y of some rows of a raster laid over a box: the points are all pairs of them.

    Works eagerly and inside `tf.function`, where everything but the dtype may be tensors.

    Args:
        box, height, width, dtype, supersampling: see `box_coords`, whose coordinates these are.
        rows, columns: (first, count), in pixels.

    Returns:
        Tensors (count of columns * s_x) and (count of rows * s_y).

    >>> x, y = box_axes((-1.0, -1.0, 1.0, 1.0), 2, 4, rows=(1, 1), columns=(0, 3))
    >>> x.numpy().tolist(), y.numpy().tolist()
    ([-0.75, -0.25, 0.25], [0.5])
    """
    x0, y0, x1, y1 = tf.unstack(in_float64(box), num=4)
    down, across = tf.unstack(tf.cast(supersampling, "int64"), num=2)

    def along(start, end, side, pixels, parts):
        first, count = (tf.cast(number, "int64") for number in pixels)
        points = tf.range(count * parts)
        place = tf.cast(first + points // parts, "float64") + _centre(points % parts, parts)
        return tf.cast(start + place * (end - start) / tf.cast(side, "float64"), dtype)

    return along(x0, x1, width, columns, across), along(y0, y1, height, rows, down)


def point_coords(points: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Coordinates of points of a picture that are given in pixels from its upper left corner.

    Args:
        points: floating tensor (..., 2) in order (x, y), [0, width] x [0, height].
        height, width: the picture's size in pixels.

    Returns:
        Tensor (..., 2) of the same dtype.

    >>> point_coords(tf.constant([[0.0, 0.0], [400.0, 150.0]]), 300, 400).numpy().tolist()
    [[-1.0, -0.75], [1.0, 0.0]]
    """
    size = tf.constant([width, height], points.dtype)
    return (points - size / 2) * tf.constant(pixel_pitch(height, width), points.dtype)


REDUCTION = 4
"""How many pixels along each side become one in a reduced picture."""


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of a picture whose pixels are means of 4 x 4 pixels, or at its end of fewer.

    >>> reduced_size(3072, 4095)
    (768, 1024)
    """
    return -(-height // REDUCTION), -(-width // REDUCTION)


def reduced_box(box: Sequence[float] | tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The part of a reduced picture that a box of a height x width picture shows, in the reduced one's coordinates.

    The same numbers where both sides are multiples of 4.

    Args:
        box: edges (..., 4), (x0, y0, x1, y1).
        height, width: of the picture, not of the reduced one.

    Returns:
        float64 tensor (..., 4).

    >>> reduced_box((-1, -1, 1, 1), 30, 30).numpy().tolist()
    [-1.0, -1.0, 0.875, 0.875]
    """
    rows, columns = reduced_size(height, width)
    scale = max(height, width) / (REDUCTION * max(rows, columns))
    shift = [(side / REDUCTION - small) / max(rows, columns) for side, small in ((width, columns), (height, rows))]
    return in_float64(box) * scale + tf.constant(shift * 2, "float64")


def in_float64(box: Sequence[float] | tf.Tensor) -> tf.Tensor:
    """A box as a tensor.

    >>> in_float64((0, 0, 1, 0.1))[3].numpy()
    np.float64(0.1)
    """
    # tf.cast alone would take Python floats through float32
    return tf.cast(box, "float64") if tf.is_tensor(box) else tf.convert_to_tensor(box, "float64")


def _centre(part: tf.Tensor, parts: int | tf.Tensor) -> tf.Tensor:
    return (tf.cast(part, "float64") + 0.5) / tf.cast(parts, "float64")


def coords_dtype(dtype: str) -> str:
    """The dtype that coordinates and phases have under a weight dtype: float64 under float64, else float32.

    >>> coords_dtype("float16")
    'float32'
    """
    return "float64" if dtype == "float64" else "float32"
