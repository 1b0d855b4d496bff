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
) -> tf.Tensor:
    """Centres of the cells of a height x width raster laid over a box, in row-major order.

    Works eagerly and inside `tf.function`, where box, height and width may be tensors.

    Args:
        box: (x0, y0, x1, y1), the outer edges; x1 < x0 mirrors the picture.
        height, width: size of the raster in pixels.
        first, count: the flat index of the first cell and how many follow; all cells by default.
        dtype: dtype of the result. Positions are formed in float64.

    Returns:
        Tensor (count, 2) in order (x, y).

    >>> box_coords((-1.0, -1.0, 1.0, 1.0), 1, 2).numpy().tolist()
    [[-0.5, 0.0], [0.5, 0.0]]
    """
    # tf.cast alone would take Python floats through float32
    box = tf.cast(box, "float64") if tf.is_tensor(box) else tf.convert_to_tensor(box, "float64")
    x0, y0, x1, y1 = tf.unstack(box, num=4)
    count = height * width - first if count is None else count
    index = first + tf.range(count)
    column = tf.cast(index % width, "float64") + 0.5
    row = tf.cast(index // width, "float64") + 0.5
    x = x0 + column * (x1 - x0) / tf.cast(width, "float64")
    y = y0 + row * (y1 - y0) / tf.cast(height, "float64")
    return tf.cast(tf.stack([x, y], axis=-1), dtype)


def coords_dtype(dtype: str) -> str:
    """The dtype that coordinates and phases have under a weight dtype: float64 under float64, else float32.

    >>> coords_dtype("float16")
    'float32'
    """
    return "float64" if dtype == "float64" else "float32"
