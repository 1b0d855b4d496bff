"""Losses that Keras lacks."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_inr.errors import InputError


@keras.saving.register_keras_serializable(package="keras_inr")
class KnownMeanSquaredError(keras.losses.Loss):
    """Mean over points of (target - prediction)^2, where a target of NaN is unknown and counts as no error.

    The mean is over all elements, known or not, so that batches weigh their points alike and sums over chunks of a
    batch are those of the batch.

    Args:
        name, dtype: as of every Keras loss.

    Shapes: targets and predictions (..., channels) of one floating dtype. No gradient comes from unknown targets.

    >>> float(KnownMeanSquaredError()(tf.constant([[1.0], [float("nan")]]), tf.constant([[3.0], [5.0]])))
    2.0
    """

    def __init__(self, name: str = "known_mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(name=name, reduction="sum_over_batch_size", dtype=dtype)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        known = tf.math.is_finite(y_true)
        # the inner where keeps NaN out of the gradient
        error = tf.where(known, y_pred - tf.where(known, y_true, tf.zeros_like(y_true)), tf.zeros_like(y_pred))
        return tf.reduce_mean(tf.square(error), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable(package="keras_inr")
class ColourMeanSquaredError(keras.losses.Loss):
    """Mean over points, directions and colours of (W (target - prediction))^2, where W mixes the colours.

    Args:
        mixing: W, (C, C), as an array or nested lists.
        name, dtype: as of every Keras loss.

    Shapes: targets and predictions (points, C) or (points, C, dims).

    Raises:
        InputError: unless mixing is a square matrix of finite numbers.

    >>> grey_counts_alone = ColourMeanSquaredError([[0.5, 0.5], [0.0, 0.0]])
    >>> float(grey_counts_alone(tf.constant([[1.0, 0.0]]), tf.constant([[0.0, 1.0]])))
    0.0
    """

    def __init__(
        self, mixing: npt.ArrayLike, name: str = "colour_mean_squared_error", dtype: str | None = None
    ) -> None:
        super().__init__(name=name, reduction="sum_over_batch_size", dtype=dtype)
        matrix = np.asarray(mixing, np.float64)
        if matrix.ndim != 2 or not matrix.size or matrix.shape[0] != matrix.shape[1] or not np.all(np.isfinite(matrix)):
            raise InputError(f"mixing must be a square matrix of finite numbers, received {mixing!r}")
        self.mixing = matrix

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        mixed = tf.einsum("ec,nc...->ne...", tf.cast(self.mixing, y_pred.dtype), y_true - y_pred)
        return tf.reduce_mean(tf.square(mixed), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {"mixing": self.mixing.tolist(), "name": self.name, "dtype": self.dtype}


@keras.saving.register_keras_serializable(package="keras_inr")
class StackedMeanSquaredError(keras.losses.Loss):
    """Sum over K fields of each one's mean over points and channels of (target - prediction)^2.

    The gradient of a field's weights is that of its own mean, however many fields there are.

    Args:
        name, dtype: as of every Keras loss.

    Shapes: targets and predictions (K, ..., channels).

    >>> float(StackedMeanSquaredError()(tf.zeros((3, 5, 1)), tf.fill((3, 5, 1), 2.0)))
    12.0
    """

    def __init__(self, name: str = "stacked_mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(name=name, reduction="sum", dtype=dtype)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return field_means(tf.math.squared_difference(y_true, y_pred))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype}


def field_means(errors: tf.Tensor) -> tf.Tensor:
    """Mean over all but the first axis."""
    return tf.reduce_mean(errors, axis=tuple(range(1, errors.shape.rank)))
