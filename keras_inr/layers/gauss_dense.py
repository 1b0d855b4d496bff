"""The Gaussian layer."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import STEEPEST, positive_float
from keras_inr.coordinates import coords_dtype
from keras_inr.forward_rules import Jet
from keras_inr.initializers.rules import UNIFORM_FAN_IN
from keras_inr.layers.affine import Affine


@keras.saving.register_keras_serializable(package="keras_inr")
class GaussDense(Affine):
    """exp(-u^2) with u = scale * (x W + b); W and b from U(+-1/sqrt(fan_in)) where nothing else is given.

    Args:
        units: width of the output.
        scale: how narrow the bump is, in (0, 1e6]; 1 / (sqrt(2) a) for the standard deviation a of Ramasinghe and
            Lucey.
        use_bias, kernel_initializer, bias_initializer, reads_coords, num_fields, seed: see `Affine`.

    Shapes: (..., in) -> (..., units), values in (0, 1]. Differentiable to every order; u is taken in at least float32.

    Source: Ramasinghe and Lucey, Beyond Periodicity, 2022, table 1; scale 30 as in liuzhen0212/FINER's run_gauss.sh,
    initialised as in vishwa91/wire's modules/gauss.py (PyTorch's default).

    Raises:
        InputError: for a scale that is not in (0, 1e6].

    >>> layer = GaussDense(1, scale=1.0, kernel_initializer=keras.initializers.Ones(), use_bias=False)
    >>> layer(ops.array([[0.0], [1.0]])).numpy().ravel().astype("float64").round(4).tolist()
    [1.0, 0.3679]
    """

    kink = None  # smooth
    kernel_rule = bias_rule = UNIFORM_FAN_IN

    def __init__(self, units: int, scale: float = 30.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.scale = positive_float("scale", scale, STEEPEST)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        u = ops.cast(self.affine(inputs, self.folding), coords_dtype(self.variable_dtype))
        return ops.cast(tf.exp(-tf.square(u)), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: g = exp(-u^2), g' = -2 u g, g'' = (4 u^2 - 2) g."""
        jet = self.propagate_affine(jet, self.folding)
        u, g = jet.value, tf.exp(-tf.square(jet.value))
        return jet.chain(g, -2.0 * u * g, lambda: (4.0 * tf.square(u) - 2.0) * g)

    @property
    def folding(self) -> tuple[float, float]:
        """What kernel and bias are multiplied with."""
        return self.scale, self.scale

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}
