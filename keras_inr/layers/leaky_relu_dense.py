"""The rectified layer of the plain coordinate networks."""

import numbers
from typing import Any, SupportsFloat

import keras
import tensorflow as tf
from keras import ops

from keras_inr.errors import InputError
from keras_inr.forward_rules import Jet
from keras_inr.layers.affine import Affine


@keras.saving.register_keras_serializable(package="keras_inr")
class LeakyReluDense(Affine):
    """max(z, negative_slope * z) with z = x W + b; W from N(0, 2/fan_in) and b = 0 where nothing else is given.

    Args:
        units: width of the output.
        negative_slope: slope for negative z, in [0, 1); 0 is the plain ReLU.
        use_bias, kernel_initializer, bias_initializer, reads_coords, num_fields, seed: see `Affine`.

    Piecewise linear in its inputs: its second derivatives are zero wherever they exist.

    Source: He et al. 2015 for the initialisation; descent's examples/image_fit for slope 0.01 under the name ReLU.

    Raises:
        InputError: for a slope outside [0, 1).

    >>> layer = LeakyReluDense(1, negative_slope=0.25, kernel_initializer=keras.initializers.Ones())
    >>> layer(ops.array([[-1.0], [2.0]])).numpy().ravel().tolist()
    [-0.25, 2.0]
    """

    def __init__(self, units: int, negative_slope: SupportsFloat = 0.01, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        if not isinstance(negative_slope, numbers.Real) or not 0 <= float(negative_slope) < 1:
            raise InputError(f"negative_slope must be in [0, 1), received {negative_slope!r}")
        self.negative_slope = float(negative_slope)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        z = self.affine(inputs)
        # TensorFlow's fused operation holds the slope in float32
        narrow = z.dtype != "float64"
        outputs = tf.nn.leaky_relu(z, self.negative_slope) if narrow else tf.maximum(z, self.negative_slope * z)
        return ops.cast(outputs, self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: every part times 1 where z > 0 and negative_slope elsewhere."""
        jet = self.propagate_affine(jet)
        slope = tf.where(jet.value > 0, tf.ones_like(jet.value), self.negative_slope)
        return jet.chain(jet.value * slope, slope)

    @property
    def kink(self) -> str:
        """Why there is no second derivative."""
        return f"{self.name!r} is piecewise linear (a sine network such as Siren is smooth)"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}
