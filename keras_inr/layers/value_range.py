"""The fixed last layer: from the range a network works in to picture values."""

import math

import keras

from keras_inr.errors import InputError


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

    def __init__(self, low=0.0, high=1.0, **kwargs):
        super().__init__(**kwargs)
        if not -math.inf < low < high < math.inf:
            raise InputError(f"low must be below high, both finite, received low={low!r} and high={high!r}")
        self.low = float(low)
        self.high = float(high)

    def build(self, input_shape):
        pass

    def call(self, inputs):
        return (inputs - self.low) / (self.high - self.low)

    def propagate(self, jet):
        """Rule: (z - low) / (high - low), and derivatives divided by high - low."""
        return (jet + -self.low).linear(lambda part: part / (self.high - self.low))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high}
