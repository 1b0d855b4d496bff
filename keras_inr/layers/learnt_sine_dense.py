"""The sine layer that learns its frequency."""

import keras
import tensorflow as tf
from keras import ops

from keras_inr.layers.sine_dense import SineDense


@keras.saving.register_keras_serializable(package="keras_inr")
class LearntSineDense(SineDense):
    """sin(a * omega_0 * (x W + b)) with one trainable a for the layer, which starts at 1.

    Args:
        units, omega_0, first, scheme, kernel_initializer, bias_initializer, num_fields, seed: see `SineDense`.

    Stacked fields have one a each. Shapes and ranges are those of `SineDense`; differentiable to every order.

    Source: Jagtap et al., Locally adaptive activation functions, 2020, eq. 5, with their fixed n = omega_0 and sine for
    the activation.

    >>> layer = LearntSineDense(8)
    >>> layer.build((None, 4))
    >>> [weight.name for weight in layer.trainable_weights]
    ['kernel', 'bias', 'frequency']
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        fields = () if self.num_fields is None else (self.num_fields,)
        self.frequency = self.add_weight(shape=(*fields, 1), initializer="ones", autocast=False, name="frequency")

    def folded_weights(
        self, scale: tuple[float, float] | None, dtype: str | None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        kernel, bias = super().folded_weights(scale, dtype)
        frequency = ops.cast(self.frequency, kernel.dtype)
        return kernel * frequency[..., None, :], None if bias is None else bias * frequency
