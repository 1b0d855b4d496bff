"""Gabor wavelet layers, with real and with complex features."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import STEEPEST, positive_float
from keras_inr._sines import cos_of, sin_of
from keras_inr.coordinates import coords_dtype
from keras_inr.errors import InputError
from keras_inr.forward_rules import Jet, side_by_side
from keras_inr.initializers.rules import UNIFORM_FAN_IN
from keras_inr.layers.affine import Affine


@keras.saving.register_keras_serializable(package="keras_inr")
class GaborDense(Affine):
    """cos(omega_0 * z) * exp(-(scale * r)^2) with z = x W_1 + b_1 and r = x W_2 + b_2.

    Args:
        units: width of the output; there are twice as many affine maps, kernel (in, 2 * units): W_1, then W_2.
        omega_0: radians per unit of z, in (0, 1e6].
        scale: how narrow the bump is, per unit of r, in (0, 1e6].
        use_bias, kernel_initializer, bias_initializer, reads_coords, num_fields, seed: see `Affine`.

    Shapes: (..., in) -> (..., units), values in [-1, 1]. Weights from U(+-1/sqrt(fan_in)) where nothing else is given.
    Differentiable to every order; both factors are taken in at least float32.

    Source: Saragadam et al., WIRE, 2023, section 3 (real form); RealGaborLayer in vishwa91/wire's modules/wire.py.

    Raises:
        InputError: for an omega_0 or a scale that is not in (0, 1e6].

    >>> GaborDense(3)(ops.zeros((5, 2))).shape
    TensorShape([5, 3])
    """

    kink = None  # smooth
    oscillates = True  # see keras_inr.training.compilation
    kernel_rule = bias_rule = UNIFORM_FAN_IN

    def __init__(self, units: int, omega_0: float = 20.0, scale: float = 10.0, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.omega_0 = positive_float("omega_0", omega_0, STEEPEST)
        self.scale = positive_float("scale", scale, STEEPEST)

    @property
    def num_maps(self) -> int:
        return 2 * self.units

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        phases, radii = tf.split(ops.cast(self.affine(inputs), coords_dtype(self.variable_dtype)), 2, axis=-1)
        waves = cos_of(self.omega_0 * phases) * tf.exp(-tf.square(self.scale * radii))
        return ops.cast(waves, self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: the product rule for cos(omega_0 z), with -omega_0 sin and -omega_0^2 cos, and the Gaussian of r."""
        jet = self.propagate_affine(jet)
        z, r = (jet.linear(lambda part, side=side: tf.split(part, 2, axis=-1)[side]) for side in (0, 1))
        phase, u = self.omega_0 * z.value, self.scale * r.value
        cos, bump = tf.cos(phase), tf.exp(-tf.square(u))
        wave = z.chain(cos, -self.omega_0 * tf.sin(phase), lambda: -(self.omega_0**2) * cos)
        envelope = r.chain(
            bump, -2.0 * self.scale * u * bump, lambda: self.scale**2 * (4.0 * tf.square(u) - 2.0) * bump
        )
        return wave * envelope

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "omega_0": self.omega_0, "scale": self.scale}


@keras.saving.register_keras_serializable(package="keras_inr")
class ComplexGaborDense(Affine):
    """exp(i omega_0 z - |scale z|^2) with complex z = x W + b, x and output as real parts, then imaginary parts.

    Args:
        units: number of complex outputs; the last axis of the output is twice as long.
        omega_0: radians per unit of z, in (0, 1e6].
        scale: how narrow the bump is, in (0, 1e6]. exp(omega_0^2 / (2 scale)^2) is the largest magnitude.
        first: True for the layer that reads raw coordinates. They and its weights are real.
        use_bias, kernel_initializer, bias_initializer, num_fields, seed: see `Affine`. Kernels are (in, units) for
            the first layer, else (in complex inputs, 2 * units): real parts, then imaginary parts.

    With z = p + i q the output is exp(-omega_0 q - scale^2 (p^2 + q^2)) (cos(omega_0 p), sin(omega_0 p)): real
    operations on real weights, so that models export and serve as any other. Shapes: (..., 2 * in) -> (..., 2 * units),
    for the first layer (..., in). Differentiable to every order by real inputs; taken in at least float32.

    Source: Saragadam et al., WIRE, 2023, eq. 6; ComplexGaborLayer in vishwa91/wire's modules/wire.py, whose complex
    PyTorch layers start their real and imaginary parts each from U(+-1/sqrt(fan_in)), fan_in complex inputs.

    Raises:
        InputError: for an omega_0 or a scale that is not in (0, 1e6], or an odd number of inputs.

    >>> ComplexGaborDense(3, first=True)(ops.zeros((5, 2))).shape, ComplexGaborDense(4)(ops.zeros((5, 6))).shape
    (TensorShape([5, 6]), TensorShape([5, 8]))
    """

    kink = None  # smooth
    oscillates = True  # see keras_inr.training.compilation
    kernel_rule = bias_rule = UNIFORM_FAN_IN

    def __init__(
        self, units: int, omega_0: float = 20.0, scale: float = 10.0, first: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(units, reads_coords=first, **kwargs)
        self.omega_0 = positive_float("omega_0", omega_0, STEEPEST)
        self.scale = positive_float("scale", scale, STEEPEST)
        self.first = first

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.first:
            return super().build(input_shape)
        if input_shape[-1] is None or input_shape[-1] % 2:
            raise InputError(f"the last axis must hold real and imaginary parts, received {tuple(input_shape)}")
        super().build((*input_shape[:-1], input_shape[-1] // 2))

    @property
    def num_maps(self) -> int:
        return self.units if self.first else 2 * self.units

    def folded_weights(
        self, scale: tuple[float, float] | None, dtype: str | None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The real matrix that acts on (re, im): [[W_re, W_im], [-W_im, W_re]]."""
        kernel, bias = super().folded_weights(scale, dtype)
        if not self.first:
            real, imaginary = tf.split(kernel, 2, axis=-1)
            rows = [tf.concat([real, imaginary], axis=-1), tf.concat([-imaginary, real], axis=-1)]
            kernel = tf.concat(rows, axis=-2)
        return kernel, bias

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        z = ops.cast(self.affine(inputs), coords_dtype(self.variable_dtype))
        p, q = (z, None) if self.first else tf.split(z, 2, axis=-1)
        exponent = -tf.square(self.scale * p)
        if q is not None:
            exponent -= tf.square(self.scale * q) + self.omega_0 * q
        bump, phase = tf.exp(exponent), self.omega_0 * p
        return ops.cast(tf.concat([bump * cos_of(phase), bump * sin_of(phase)], axis=-1), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: the product rule for exp(-omega_0 q - scale^2 (p^2 + q^2)) and the cosine and sine of omega_0 p."""
        jet = self.propagate_affine(jet)
        if self.first:
            p, exponent = jet, jet * jet * -(self.scale**2)
        else:
            p, q = (jet.linear(lambda part, side=side: tf.split(part, 2, axis=-1)[side]) for side in (0, 1))
            exponent = (p * p + q * q) * -(self.scale**2) + q * -self.omega_0
        grown = tf.exp(exponent.value)
        bump, phase = exponent.chain(grown, grown, lambda: grown), p * self.omega_0
        cos, sin = tf.cos(phase.value), tf.sin(phase.value)
        return side_by_side([bump * phase.chain(cos, -sin, lambda: -cos), bump * phase.chain(sin, cos, lambda: -sin)])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        shape = super().compute_output_shape(input_shape)
        return (*shape[:-1], 2 * self.units)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["reads_coords"]
        return {**config, "omega_0": self.omega_0, "scale": self.scale, "first": self.first}
