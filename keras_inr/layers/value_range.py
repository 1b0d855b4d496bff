"""The fixed last layer: from the range a network works in to picture values."""

import math
from typing import Any

import keras
import tensorflow as tf

from keras_inr.errors import InputError
from keras_inr.forward_rules import Jet


@keras.saving.register_keras_serializable(package="keras_inr")
class ValueRange(keras.layers.Layer):
    """(z - low) / (high - low): maps a network's working range onto sRGB-coded values in [0, 1], without clamping.

    Args:
        low, high: the ends of the range, low < high. (-1, 1) is usual for sine networks.

    Any shape, unchanged. No weights.

    Raises:
        InputError: unless low < high, both finite.

    >>> ValueRange(-1.0, 1.0)(keras.ops.array([-1.0, 0.0, 1.0])).numpy().tolist()
    [0.0, 0.5, 1.0]
    """

    kink = None  # smooth

    def __init__(self, low: float = 0.0, high: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not -math.inf < low < high < math.inf:
            raise InputError(f"low must be below high, both finite, received low={low!r} and high={high!r}")
        self.low = float(low)
        self.high = float(high)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        pass

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return (inputs - self.low) / (self.high - self.low)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: (z - low) / (high - low), and derivatives divided by high - low."""
        return (jet + -self.low).linear(lambda part: part / (self.high - self.low))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "low": self.low, "high": self.high}
