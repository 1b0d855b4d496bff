"""The sine layer whose frequency grows with its phase."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr._sines import sin_of
from keras_inr.forward_rules import Jet
from keras_inr.initializers.scheme import Scheme
from keras_inr.layers.sine_dense import SineDense


@keras.saving.register_keras_serializable(package="keras_inr")
class FinerDense(SineDense):
    """sin(omega_0 * (|z| + 1) * z) with z = x W + b.

    Args:
        units, omega_0, first, kernel_initializer, bias_initializer, num_fields, seed: see `SineDense`.
        scheme: see `SineDense`; "finer" is the paper's scheme for sine layers with first biases from U(-1, 1). Wider
            first biases reach higher frequencies.

    Shapes: (..., in) -> (..., units), values in [-1, 1]. Its first derivative is continuous everywhere, its second one
    jumps where z = 0 and exists elsewhere, so that a Laplacian is right almost everywhere and in every integral.

    Source: Liu et al., FINER, 2024, eq. 5. Different from their code, which holds |z| + 1 constant in every
    gradient (scale_req_grad=False): here derivatives, those by coordinates too, are those of the function.

    >>> layer = FinerDense(1, omega_0=1.0, kernel_initializer=keras.initializers.Ones())
    >>> layer(ops.zeros((1, 1))).shape
    TensorShape([1, 1])
    """

    kink = None  # its slope is continuous

    def __init__(
        self,
        units: int,
        omega_0: float | None = None,
        first: bool = False,
        scheme: str | Scheme | dict[str, Any] = "finer",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, omega_0, first, scheme, **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        phases = self.phases(inputs)
        return ops.cast(sin_of((tf.abs(phases) / self.omega_0 + 1.0) * phases), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: the chain rule for sin(p) with p = (|u| / omega_0 + 1) u, p' = 2 |u| / omega_0 + 1, u = omega_0 z."""
        jet = self.propagate_affine(jet, self.folding)
        u, steepness = jet.value, 2.0 / self.omega_0
        phase = (tf.abs(u) / self.omega_0 + 1.0) * u
        sin, cos, first = tf.sin(phase), tf.cos(phase), steepness * tf.abs(u) + 1.0
        return jet.chain(sin, cos * first, lambda: cos * steepness * tf.sign(u) - sin * tf.square(first))
