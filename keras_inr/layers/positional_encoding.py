"""The fixed sinusoidal encoding of coordinates."""

import math

import keras
import numpy as np
from keras import ops

from keras_inr.arguments import positive_int
from keras_inr.coordinates import coords_dtype


@keras.saving.register_keras_serializable(package="keras_inr")
class PositionalEncoding(keras.layers.Layer):
    """sin(2^k pi x) and cos(2^k pi x) for k = 0 ... num_frequencies - 1 and each coordinate x.

    Args:
        num_frequencies: number of octaves, 1 to 30.
        include_input: True puts the raw coordinates in front.

    Shapes: (..., dims) -> (..., 2 * num_frequencies * dims [+ dims]); for each coordinate in turn all sines, then all
    cosines. Any leading axes, K stacked fields included. Phases are formed in at least float32, whatever the
    policy: their error is at most 2^-23 of the largest one. Differentiable to every order.

    Source: Mildenhall et al., NeRF, 2020, eq. 4; order and frequencies as in descent's examples/image_fit.

    Raises:
        ValueError: if num_frequencies is not an integer from 1 to 30.

    >>> PositionalEncoding(2)(ops.zeros((1, 1))).numpy().tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """

    def __init__(self, num_frequencies=8, include_input=False, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.num_frequencies = positive_int("num_frequencies", num_frequencies)
        if self.num_frequencies > 30:
            raise ValueError(f"num_frequencies must be at most 30, received {num_frequencies!r}")
        self.include_input = include_input

    def build(self, input_shape):
        pass

    def call(self, inputs):
        wide = coords_dtype(self.variable_dtype)
        inputs = ops.cast(inputs, wide)
        frequencies = ops.convert_to_tensor(math.pi * 2.0 ** np.arange(self.num_frequencies), dtype=wide)
        phases = inputs[..., None] * frequencies
        waves = ops.concatenate([ops.sin(phases), ops.cos(phases)], axis=-1)
        # (..., dims, 2 * num_frequencies) -> (..., dims * 2 * num_frequencies)
        encoded = ops.reshape(waves, (*ops.shape(inputs)[:-1], 2 * self.num_frequencies * inputs.shape[-1]))
        if self.include_input:
            encoded = ops.concatenate([inputs, encoded], axis=-1)
        return ops.cast(encoded, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        factor = 2 * self.num_frequencies + bool(self.include_input)
        return (*input_shape[:-1], None if input_shape[-1] is None else factor * input_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_frequencies": self.num_frequencies,
            "include_input": self.include_input,
        }
