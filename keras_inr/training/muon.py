"""Muon, for one field and for many."""

import math
import re

import keras
import tensorflow as tf

EXCLUDED = ["head", "table"]  # what is not a map between hidden layers is left to its Adam


@keras.saving.register_keras_serializable(package="keras_inr")
class Muon(keras.optimizers.Muon):
    """`keras.optimizers.Muon` for any dtype: Keras 3.15 scales steps by float32 numbers, which fails in float64.

    Source: Jordan et al. 2024; steps are scaled as in Liu et al. 2025, by 0.2 sqrt(max(rows, columns)).

    >>> Muon().lr_adjust(keras.ops.ones((4, 16), "float64")).numpy().max()  # 0.2 sqrt(16)
    np.float64(0.8)
    """

    kernel_rank = 2

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        excluded = any(re.search(name, variable.path) for name in self.exclude_layers)
        return excluded or len(variable.shape) != self.kernel_rank

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        super().update_step(gradient, variable, keras.ops.cast(learning_rate, variable.dtype))

    def lr_adjust(self, x: tf.Tensor) -> tf.Tensor:
        return x * (math.sqrt(max(x.shape[-2:])) * self.rms_rate)
