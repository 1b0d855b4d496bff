"""The fixed sinusoidal encoding of coordinates."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_inr._arguments import positive_int
from keras_inr._sines import cos_of, sin_of
from keras_inr.coordinates import coords_dtype
from keras_inr.forward_rules import Jet, side_by_side

MAX_FREQUENCIES = 30


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
        InputError: if num_frequencies is not an integer from 1 to 30.

    >>> PositionalEncoding(2)(ops.zeros((1, 1))).numpy().tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """

    kink = None  # smooth

    def __init__(self, num_frequencies: int = 8, include_input: bool = False, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.num_frequencies = positive_int("num_frequencies", num_frequencies, MAX_FREQUENCIES)
        self.include_input = include_input

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        pass

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = ops.cast(inputs, coords_dtype(self.variable_dtype))
        phases = self.phases(inputs)
        encoded = self.flattened(ops.concatenate([sin_of(phases), cos_of(phases)], axis=-1))
        if self.include_input:
            encoded = ops.concatenate([inputs, encoded], axis=-1)
        return ops.cast(encoded, self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: w = (sin z, cos z), w' z_k, w' z_s - w sum_k z_k^2, with w' = (cos z, -sin z) and z linear in x."""
        twice = jet.linear(lambda part: ops.concatenate([self.phases(part)] * 2, axis=-1))
        sin, cos = tf.split(tf.sin(twice.value), 2, axis=-1)[0], tf.split(tf.cos(twice.value), 2, axis=-1)[0]
        waves = twice.chain(
            ops.concatenate([sin, cos], axis=-1),
            ops.concatenate([cos, -sin], axis=-1),
            lambda: -ops.concatenate([sin, cos], axis=-1),
        )
        encoded = waves.linear(self.flattened)
        if not self.include_input:
            return encoded
        return side_by_side([jet, encoded])

    def phases(self, inputs: tf.Tensor) -> tf.Tensor:
        """2^k pi x, (..., dims, num_frequencies)."""
        frequencies = ops.convert_to_tensor(math.pi * 2.0 ** np.arange(self.num_frequencies), dtype=inputs.dtype)
        return inputs[..., None] * frequencies

    def flattened(self, waves: tf.Tensor) -> tf.Tensor:
        """(..., dims, 2 * num_frequencies) -> (..., dims * 2 * num_frequencies)."""
        return ops.reshape(waves, (*ops.shape(waves)[:-2], waves.shape[-2] * waves.shape[-1]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        factor = 2 * self.num_frequencies + bool(self.include_input)
        return (*input_shape[:-1], None if input_shape[-1] is None else factor * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_frequencies": self.num_frequencies,
            "include_input": self.include_input,
        }
