"""Bilinear interpolation of lattices on a raster, where points share columns and rows of vertices."""

from collections.abc import Callable

import tensorflow as tf


def interpolated(
    features_of: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    cells: tuple[tf.Tensor, tf.Tensor],
    upper: tuple[tf.Tensor, tf.Tensor],
) -> tf.Tensor:
    """Features on a raster of columns x and rows y, from those of vertices.

    Each vertex that is needed is looked up once, however many points are near it; then columns are interpolated, then
    rows. Point by point there would be four lookups for each.

    Args:
        features_of: int32 columns (w) and rows (h) of vertices -> their features (h, w, F).
        cells: int32 lower vertices of the raster's columns (W) and of its rows (H).
        upper: weights of the upper vertices, in the same shapes.

    Returns:
        Tensor (H, W, F).

    >>> plane = interpolated(
    ...     lambda x, y: tf.cast(x[None, :] + 10 * y[:, None], "float32")[..., None],
    ...     (tf.constant([4, 4]), tf.constant([2])), (tf.constant([0.25, 0.5]), tf.constant([0.5])))
    >>> plane[..., 0].numpy().tolist()
    [[29.25, 29.5]]
    """
    (columns, left, right), (rows, top, bottom) = (_shared(cell) for cell in cells)
    across, down = upper[0][:, None], upper[1][:, None, None]
    features = features_of(columns, rows)
    lower = tf.gather(features, left, axis=1)
    along = lower + (tf.gather(features, right, axis=1) - lower) * across
    lower = tf.gather(along, top)
    return lower + (tf.gather(along, bottom) - lower) * down


def _shared(cell):
    """Vertices along an axis, each once, and where each cell's lower and upper one are among them."""
    vertices, places = tf.unique(tf.concat([cell, cell + 1], axis=0))
    lower, upper = tf.split(places, 2)
    return vertices, lower, upper


def raster_points(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The points (H * W, 2) of columns x (W) and rows y (H), row by row.

    >>> raster_points(tf.constant([1.0, 2.0]), tf.constant([5.0])).numpy().tolist()
    [[1.0, 5.0], [2.0, 5.0]]
    """
    return tf.reshape(tf.stack(tf.meshgrid(x, y), axis=-1), (-1, 2))
