"""The affine layer that heads and activated layers are made of, with exact products for coordinates."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import positive_int
from keras_inr._cpu_xla import is_cpu_xla
from keras_inr._custom_gradients import custom_gradient
from keras_inr.coordinates import coords_dtype
from keras_inr.errors import InputError
from keras_inr.forward_rules import Jet
from keras_inr.initializers.rules import HE_NORMAL, ZEROS, RuleInitializer, derive_seed


@keras.saving.register_keras_serializable(package="keras_inr")
class Affine(keras.layers.Layer):
    """x W + b over the last axis; the base of the package's dense layers and the head of its models.

    Differs from `keras.layers.Dense`: kernels may carry a leading axis of K independent fields, weights repeat for
    a seed, and a layer that reads raw coordinates is exact in float32 on every device.

    Args:
        units: width of the output, >= 1.
        use_bias: whether there is a b.
        kernel_initializer, bias_initializer: initializer objects; None draws W from N(0, 2/fan_in) and zeros b, or
            as a subclass states in `kernel_rule` and `bias_rule`.
        reads_coords: True for a layer on raw coordinates. Its products are summed term by term in at least float32,
            because a matrix product may run in TF32 on GPUs (10 bits, about 1/100 rad at a phase of 15 rad), and
            its inputs are never cast down by a mixed policy.
        num_fields: None, or K for kernels (K, in, units) and inputs (K or 1, ..., in).
        seed: int for repeatable weights.

    Shapes: (..., in) -> (..., units); stacked: (K or 1, ..., in) -> (K, ..., units).

    Raises:
        InputError: if units or num_fields is not a positive integer, or the inputs' last axis is unknown.

    >>> Affine(3)(ops.ones((5, 7, 2))).shape
    TensorShape([5, 7, 3])
    """

    trains_kernel = True  # False before it is built keeps the kernel fixed for good
    kernel_rule, bias_rule = HE_NORMAL, ZEROS  # where no initializer is given

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        kernel_initializer: keras.initializers.Initializer | str | dict[str, Any] | None = None,
        bias_initializer: keras.initializers.Initializer | str | dict[str, Any] | None = None,
        reads_coords: bool = False,
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": not reads_coords, **kwargs})
        self.units = positive_int("units", units)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.reads_coords = reads_coords
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        fan_in = input_shape[-1]
        if fan_in is None:
            raise InputError(
                f"the last axis of the inputs must be known to build {self.name!r}, received {input_shape}"
            )
        fields = () if self.num_fields is None else (self.num_fields,)
        self.kernel = self.add_weight(
            shape=(*fields, fan_in, self.num_maps),
            initializer=self.kernel_initializer or self.default_kernel_initializer(fan_in),
            trainable=self.trains_kernel,
            autocast=self.autocast,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(*fields, self.num_maps),
                initializer=self.bias_initializer or self.default_bias_initializer(fan_in),
                autocast=self.autocast,
                name="bias",
            )

    @property
    def kink(self) -> str | None:
        """Why there is no second derivative; None, as here, if there is one."""
        return None

    @property
    def num_maps(self) -> int:
        """How many affine maps the kernel holds; more than `units` where a subclass makes one output of several."""
        return self.units

    def default_kernel_initializer(self, fan_in: int) -> keras.initializers.Initializer:
        """Initializer of the kernel where none was given."""
        return RuleInitializer(self.kernel_rule, fan_in=fan_in, seed=derive_seed(self.seed, 0))

    def default_bias_initializer(self, fan_in: int) -> keras.initializers.Initializer:
        """Initializer of the bias where none was given."""
        return RuleInitializer(self.bias_rule, fan_in=fan_in, seed=derive_seed(self.seed, 1))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return ops.cast(self.affine(inputs), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: x W + b, t_k W, s W; in at least float32."""
        return self.propagate_affine(jet)

    def affine(self, inputs: tf.Tensor, scale: tuple[float, float] | None = None) -> tf.Tensor:
        """scale[0] * x W + scale[1] * b, with the scales folded into the weights: one pass over the points fewer."""
        wide = coords_dtype(self.variable_dtype) if self.reads_coords else None
        kernel, bias = self.folded_weights(scale, wide)
        return self.shifted(self.times(inputs if wide is None else ops.cast(inputs, wide), kernel), bias)

    def propagate_affine(self, jet: Jet, scale: tuple[float, float] | None = None) -> Jet:
        """The jet of `affine`."""
        kernel, bias = self.folded_weights(scale, coords_dtype(self.variable_dtype))
        jet = jet.linear(lambda part: self.times(part, kernel))
        return dataclasses.replace(jet, value=self.shifted(jet.value, bias))

    def folded_weights(
        self, scale: tuple[float, float] | None, dtype: str | None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Kernel and bias (or None) times their scales, cast first unless dtype is None."""
        weights: list[tf.Tensor | None] = [self.kernel, self.bias]
        for i, weight in enumerate(weights):
            if weight is not None:
                weight = weight if dtype is None else ops.cast(weight, dtype)
                weights[i] = weight if scale is None else weight * scale[i]
        return weights[0], weights[1]

    def times(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """x W, exact for raw coordinates."""
        return exact_product(inputs, kernel) if self.reads_coords else product(inputs, kernel)

    def shifted(self, outputs: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
        """outputs + b."""
        if bias is None:
            return outputs
        if outputs.shape.rank == 2 and self.num_fields is None:
            return tf.nn.bias_add(outputs, bias)  # fuses with the product, and its gradient is a single sum
        return outputs + per_field(bias, outputs.shape.rank)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if self.num_fields is None:
            return (*input_shape[:-1], self.units)
        return (self.num_fields, *input_shape[1:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "reads_coords": self.reads_coords,
            "num_fields": self.num_fields,
            "seed": self.seed,
        }


NARROW = 4
"""Columns up to which a product's gradient is faster in another form where XLA compiles for CPUs."""


def product(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """x W for W (in, out) and any rank of x, or field by field for W (K, in, out) and x (K or 1, ..., in)."""
    alike = inputs.shape.rank == kernel.shape.rank and inputs.shape[:-2] == kernel.shape[:-2]
    if is_cpu_xla() and alike and kernel.shape[-1] <= NARROW:
        return _narrow_product(inputs, tf.convert_to_tensor(kernel))  # a variable would be captured
    if kernel.shape.rank == 2:
        return tf.matmul(inputs, kernel) if inputs.shape.rank == 2 else tf.tensordot(inputs, kernel, 1)
    fields, fan_in, units = kernel.shape
    if inputs.shape.rank == 2:
        return tf.linalg.matvec(kernel, inputs, transpose_a=True)
    points = ops.shape(inputs)[1:-1]
    # (K, N, in) x (K, in, units): one batched product, whatever the rank between
    flat = tf.matmul(tf.reshape(inputs, (ops.shape(inputs)[0], -1, fan_in)), kernel)
    return tf.reshape(flat, (fields, *points, units))


@custom_gradient
def _narrow_product(
    inputs: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """x W with the products of its gradient in the forms that XLA's CPU code is fast at."""

    def gradient(upstream):
        columns = range(kernel.shape[-1])
        of_inputs = sum(upstream[..., c : c + 1] * kernel[..., None, :, c] for c in columns)  # fuses with what follows
        of_kernel = tf.linalg.matrix_transpose(tf.matmul(upstream, inputs, transpose_a=True))
        return of_inputs, of_kernel

    return tf.matmul(inputs, kernel), gradient


def exact_product(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """As `product`, summed over the few input axes with multiplications that no device rounds to TF32."""
    terms = [inputs[..., d : d + 1] * per_field(kernel[..., d, :], inputs.shape.rank) for d in range(kernel.shape[-2])]
    return sum(terms[1:], terms[0])


def per_field(vector: tf.Tensor, rank: int) -> tf.Tensor:
    """(units) as it is; (K, units) as (K, 1, ..., 1, units), which broadcasts against tensors of that rank."""
    if vector.shape.rank == 1:
        return vector
    return tf.reshape(vector, (vector.shape[0], *[1] * (rank - 2), vector.shape[1]))
