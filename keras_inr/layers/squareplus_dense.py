"""The smoothly rectified layer."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import positive_float
from keras_inr.coordinates import coords_dtype
from keras_inr.forward_rules import Jet
from keras_inr.layers.affine import Affine


@keras.saving.register_keras_serializable(package="keras_inr")
class SquareplusDense(Affine):
    """(z + sqrt(z^2 + b)) / 2 with z = x W + b_0; W from N(0, 2/fan_in) and b_0 = 0 where nothing else is given.

    A ReLU whose corner is rounded over about sqrt(b); of a square root's cost, where a softplus takes an exponential
    and a logarithm. Differentiable to every order.

    Args:
        units: width of the output.
        softness: the b above, in (0, 1e6]: 4 log(2)^2 is nearest to a softplus, 0 would be the ReLU.
        use_bias, kernel_initializer, bias_initializer, reads_coords, num_fields, seed: see `Affine`.

    Shapes: (..., in) -> (..., units), values above 0.

    Source: Barron, Squareplus: A Softplus-Like Algebraic Rectifier, 2021.

    Raises:
        InputError: for a softness that is not in (0, 1e6].

    >>> layer = SquareplusDense(1, softness=1.0, kernel_initializer=keras.initializers.Ones(), use_bias=False)
    >>> layer(ops.array([[0.0], [1.0]])).numpy().ravel().astype("float64").round(4).tolist()
    [0.5, 1.2071]
    """

    kink = None  # smooth

    def __init__(self, units: int, softness: float = 1.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.softness = positive_float("softness", softness, 1e6)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        z = ops.cast(self.affine(inputs), coords_dtype(self.variable_dtype))
        return ops.cast(0.5 * (z + tf.sqrt(tf.square(z) + self.softness)), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: g = (z + r) / 2 with r = sqrt(z^2 + b), g' = (1 + z / r) / 2, g'' = b / (2 r^3)."""
        jet = self.propagate_affine(jet)
        z = jet.value
        root = tf.sqrt(tf.square(z) + self.softness)
        return jet.chain(0.5 * (z + root), 0.5 * (1.0 + z / root), lambda: 0.5 * self.softness / root**3)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "softness": self.softness}
