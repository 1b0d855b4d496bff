"""The Gabor filter of the coordinates."""

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import STEEPEST, positive_float, positive_int
from keras_inr._sines import sin_of
from keras_inr.coordinates import coords_dtype
from keras_inr.forward_rules import Jet
from keras_inr.initializers.rules import Rule, RuleInitializer, derive_seed
from keras_inr.layers.affine import exact_product, per_field


@keras.saving.register_keras_serializable(package="keras_inr")
class GaborFilter(keras.layers.Layer):
    """sin(x F sqrt(gamma_0) + c) * exp(-gamma |x - mu|^2 / 2), a windowed sinusoid for each of `units` outputs.

    gamma_0 is gamma at the start: sqrt(gamma_0) is part of the trained kernel.

    Args:
        units: number of filters.
        scale: F starts as U(+-scale / sqrt(dims)), in (0, 1e6].
        gamma_shape, gamma_rate: gamma starts from the Gamma distribution of this shape, in (0, 1e6], and rate, in
            [1e-6, 1e6].
        num_fields, seed: see `Affine`.

    c starts as U(+-pi), mu as U(+-1). Shapes: (..., dims) -> (..., units), values in [-1, 1] for gamma >= 0. Formed in
    at least float32 without TF32; |x - mu|^2 is summed from differences. Differentiable to every order.

    Source: Fathony et al., Multiplicative Filter Networks, 2021, eq. 8 and 9; GaborLayer in their mfn/mfn.py, which
    expands the square and so cancels digits.

    Raises:
        InputError: for arguments out of range.

    >>> GaborFilter(8)(ops.zeros((5, 2))).shape
    TensorShape([5, 8])
    """

    kink = None  # smooth

    def __init__(
        self,
        units: int,
        scale: float = 128.0,
        gamma_shape: float = 1.5,
        gamma_rate: float = 1.0,
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.units = positive_int("units", units)
        self.scale = positive_float("scale", scale, STEEPEST)
        self.gamma_shape = positive_float("gamma_shape", gamma_shape, STEEPEST)
        self.gamma_rate = positive_float("gamma_rate", gamma_rate, STEEPEST, 1 / STEEPEST)
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        dims, fields = input_shape[-1], () if self.num_fields is None else (self.num_fields,)
        seed = [derive_seed(self.seed, index) for index in range(4)]
        frequencies = RuleInitializer(Rule("uniform", gain=self.scale, fan_in_power=-0.5), seed=seed[0])

        def gammas(shape, dtype=None):
            draws = keras.random.gamma(shape, self.gamma_shape, dtype=dtype, seed=seed[3])
            return draws / self.gamma_rate

        self.gamma = self.add_weight(shape=(*fields, self.units), initializer=gammas, autocast=False, name="gamma")
        start = ops.sqrt(ops.convert_to_tensor(self.gamma))[..., None, :]
        self.kernel = self.add_weight(
            shape=(*fields, dims, self.units),
            initializer=lambda shape, dtype=None: frequencies(shape, dtype=dtype) * start,
            autocast=False,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(*fields, self.units),
            initializer=RuleInitializer(Rule("uniform", gain=math.pi), fan_in=1, seed=seed[1]),
            autocast=False,
            name="bias",
        )
        self.centre = self.add_weight(
            shape=(*fields, dims, self.units),
            initializer=RuleInitializer(Rule("uniform"), seed=seed[2]),
            autocast=False,
            name="centre",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = ops.cast(inputs, coords_dtype(self.variable_dtype))
        rank = inputs.shape.rank
        phases = exact_product(inputs, self.wide(self.kernel)) + per_field(self.wide(self.bias), rank)
        squares = sum(tf.square(offset) for offset in self.offsets(inputs))
        window = tf.exp(-0.5 * per_field(self.wide(self.gamma), rank) * squares)
        return ops.cast(sin_of(phases) * window, self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: the product rule for sin z and exp(e), with z linear and e = -gamma |x - mu|^2 / 2 quadratic in x."""
        rank = jet.value.shape.rank
        kernel = self.wide(self.kernel)
        phase = jet.linear(lambda part: exact_product(part, kernel)) + per_field(self.wide(self.bias), rank)
        sin = tf.sin(phase.value)
        exponent = None
        for axis in range(jet.value.shape[-1]):
            offset = jet.linear(lambda part, axis=axis: part[..., axis : axis + 1])
            offset += -per_field(self.wide(self.centre)[..., axis, :], rank)
            square = offset * offset
            exponent = square if exponent is None else exponent + square
        exponent = exponent * (-0.5 * per_field(self.wide(self.gamma), rank))
        grown = tf.exp(exponent.value)
        return phase.chain(sin, tf.cos(phase.value), lambda: -sin) * exponent.chain(grown, grown, lambda: grown)

    def offsets(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        """x_d - mu_d for each axis d, (..., units)."""
        centre = self.wide(self.centre)
        return [
            inputs[..., d : d + 1] - per_field(centre[..., d, :], inputs.shape.rank) for d in range(centre.shape[-2])
        ]

    def wide(self, weight: tf.Variable) -> tf.Tensor:
        """The weight in the dtype of coordinates, at least float32."""
        return ops.cast(weight, coords_dtype(self.variable_dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if self.num_fields is None:
            return (*input_shape[:-1], self.units)
        return (self.num_fields, *input_shape[1:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        names = ("units", "scale", "gamma_shape", "gamma_rate", "num_fields", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
