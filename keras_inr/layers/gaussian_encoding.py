"""Random Fourier features of coordinates."""

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import STEEPEST, positive_float, positive_int
from keras_inr._sines import cos_of, sin_of
from keras_inr.coordinates import coords_dtype
from keras_inr.forward_rules import Jet
from keras_inr.layers.affine import exact_product


@keras.saving.register_keras_serializable(package="keras_inr")
class GaussianEncoding(keras.layers.Layer):
    """sin(pi x B) and cos(pi x B) for a fixed random B of `num_frequencies` columns from N(0, sigma^2).

    Args:
        num_frequencies: number of random directions.
        sigma: standard deviation of the frequencies, in periods per longer side of the picture, in
            (0, 1e6].
        num_fields: None, or K for K draws and coordinates (K or 1, ..., dims).
        seed: int for a repeatable B.

    B is kept with the model and never trained. Shapes: (..., dims) -> (..., 2 * num_frequencies), all sines, then all
    cosines. Phases are formed in at least float32 without TF32. Differentiable to every order.

    Source: Tancik et al., Fourier Features Let Networks Learn High Frequency Functions, 2020, section 6.1. Their
    coordinates span [0, 1] and phases are 2 pi x B; here they span [-1, 1], hence pi: sigma means the same.

    Raises:
        InputError: for arguments out of range.

    >>> GaussianEncoding(64, sigma=10.0)(ops.zeros((5, 2))).shape
    TensorShape([5, 128])
    """

    kink = None  # smooth

    def __init__(
        self,
        num_frequencies: int = 256,
        sigma: float = 10.0,
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.num_frequencies = positive_int("num_frequencies", num_frequencies)
        self.sigma = positive_float("sigma", sigma, STEEPEST)
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        fields = () if self.num_fields is None else (self.num_fields,)
        self.frequencies = self.add_weight(
            shape=(*fields, input_shape[-1], self.num_frequencies),
            initializer=keras.initializers.RandomNormal(0.0, self.sigma, seed=self.seed),
            trainable=False,
            autocast=False,
            name="frequencies",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        phases = self.phases(ops.cast(inputs, coords_dtype(self.variable_dtype)))
        return ops.cast(tf.concat([sin_of(phases), cos_of(phases)], axis=-1), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: w = (sin z, cos z), w' z_k, w' z_s - w sum_k z_k^2, with w' = (cos z, -sin z) and z linear in x."""
        jet = jet.linear(self.phases)
        sin, cos = tf.sin(jet.value), tf.cos(jet.value)
        twice = jet.linear(lambda part: tf.concat([part, part], axis=-1))
        waves = tf.concat([sin, cos], axis=-1)
        return twice.chain(waves, tf.concat([cos, -sin], axis=-1), lambda: -waves)

    def phases(self, inputs: tf.Tensor) -> tf.Tensor:
        """pi x B, (..., num_frequencies)."""
        kernel = math.pi * ops.cast(self.frequencies, inputs.dtype)
        return exact_product(inputs, kernel)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        leading = input_shape[:-1] if self.num_fields is None else (self.num_fields, *input_shape[1:-1])
        return (*leading, 2 * self.num_frequencies)

    def get_config(self) -> dict[str, Any]:
        names = ("num_frequencies", "sigma", "num_fields", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
