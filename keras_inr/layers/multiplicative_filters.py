"""Multiplicative filters: products of sinusoids or Gabor functions of the coordinates with linear maps between."""

import math
from typing import Any

import keras
import tensorflow as tf

from keras_inr._arguments import STEEPEST, one_of, positive_float, positive_int
from keras_inr.forward_rules import Jet
from keras_inr.initializers.rules import UNIFORM_FAN_IN, Rule, RuleInitializer, derive_seed
from keras_inr.layers.affine import Affine
from keras_inr.layers.gabor_filter import GaborFilter
from keras_inr.layers.sine_dense import SineDense

FILTERS = ("fourier", "gabor")


@keras.saving.register_keras_serializable(package="keras_inr")
class MultiplicativeFilters(keras.layers.Layer):
    """h_1 = g_1(x), h_i = g_i(x) * (h_(i-1) W_i + b_i) for i = 2 ... num_filters, elementwise products.

    Filters are g_i(x) = sin(x F_i + c_i) ("fourier") or sin(x F_i + c_i) exp(-gamma_i |x - mu_i|^2 / 2) ("gabor").

    Args:
        units: width of every h_i and of the output h_n.
        num_filters: n, one more than there are linear maps.
        filters: "fourier" or "gabor".
        input_scale: F_i start as U(+-1/sqrt(dims)) times input_scale / sqrt(n), of Gabor filters sqrt(gamma) times
            that; in (0, 1e6].
        gamma_shape, gamma_rate: Gabor filters' gamma starts from the Gamma distribution of shape gamma_shape / n and
            rate gamma_rate; in (0, 1e6] and [1e-6, 1e6].
        num_fields: None, or K for K stacked sets of weights and coordinates (K or 1, ..., dims).
        seed: int for repeatable weights.

    c_i start as U(+-pi), W_i and b_i as U(+-1/sqrt(units)). A product of n sinusoids is a sum of 2^(n-1) of them: the
    output is a Fourier series of exponentially many terms. Shapes: (..., dims) -> (..., units). Filters are formed in
    at least float32 without TF32. Differentiable to every order.

    Source: Fathony et al., Multiplicative Filter Networks, 2021, eq. 4 to 9; mfn/mfn.py of
    boschresearch/multiplicative-filter-networks, with its weight_scale of 1.

    Raises:
        InputError: for arguments out of range.

    >>> MultiplicativeFilters(16, num_filters=3)(keras.ops.zeros((5, 2))).shape
    TensorShape([5, 16])
    """

    kink = None  # smooth
    oscillates = True  # see keras_inr.training.compilation

    def __init__(
        self,
        units: int,
        num_filters: int = 4,
        filters: str = "fourier",
        input_scale: float = 256.0,
        gamma_shape: float = 6.0,
        gamma_rate: float = 1.0,
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.units = positive_int("units", units)
        self.num_filters = positive_int("num_filters", num_filters)
        one_of("filters", filters, FILTERS)
        self.filters = filters
        self.input_scale = positive_float("input_scale", input_scale, STEEPEST)
        self.gamma_shape = positive_float("gamma_shape", gamma_shape, STEEPEST)
        self.gamma_rate = positive_float("gamma_rate", gamma_rate, STEEPEST, 1 / STEEPEST)
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        self.seed = seed
        self.filter_layers = [self.make_filter(i) for i in range(self.num_filters)]
        self.maps = [self.make_map(i) for i in range(1, self.num_filters)]

    def make_filter(self, index: int) -> GaborFilter | SineDense:
        """The layer g of a place."""
        scale = self.input_scale / math.sqrt(self.num_filters)
        shared = {"name": f"filter_{index}", "seed": derive_seed(self.seed, index), **self.shared}
        if self.filters == "gabor":
            return GaborFilter(self.units, scale, self.gamma_shape / self.num_filters, self.gamma_rate, **shared)
        frequencies = Rule("uniform", gain=scale, fan_in_power=-0.5)
        return SineDense(
            self.units,
            omega_0=1.0,
            first=True,
            kernel_initializer=RuleInitializer(frequencies, seed=derive_seed(self.seed, index, 0)),
            bias_initializer=RuleInitializer(
                Rule("uniform", gain=math.pi), fan_in=1, seed=derive_seed(self.seed, index, 1)
            ),
            **shared,
        )

    def make_map(self, index: int) -> Affine:
        """The linear map in front of the filter of a place."""
        seeds = [derive_seed(self.seed, self.num_filters + index, number) for number in (0, 1)]
        return Affine(
            self.units,
            kernel_initializer=RuleInitializer(self.map_rule, seed=seeds[0]),
            bias_initializer=RuleInitializer(UNIFORM_FAN_IN, fan_in=self.units, seed=seeds[1]),
            name=f"map_{index}",
            **self.shared,
        )

    @property
    def map_rule(self) -> Rule:
        """How the kernels of the linear maps are drawn."""
        return UNIFORM_FAN_IN

    @property
    def shared(self) -> dict[str, Any]:
        """Arguments that all filters and maps share with the layer: policy and stacking."""
        return {"dtype": self.dtype_policy, "num_fields": self.num_fields}

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for filter_layer in self.filter_layers:
            filter_layer.build(input_shape)
        for layer in self.maps:
            layer.build(self.compute_output_shape(input_shape))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.products(inputs)[-1]

    def products(self, inputs: tf.Tensor) -> list[tf.Tensor]:
        """h_1, ..., h_n."""
        outputs = [self.filter_layers[0](inputs)]
        for layer, filter_layer in zip(self.maps, self.filter_layers[1:], strict=True):
            outputs.append(filter_layer(inputs) * layer(outputs[-1]))
        return outputs

    def propagate(self, jet: Jet) -> Jet:
        """Rule: the product rule, filter by filter."""
        outputs = self.filter_layers[0].propagate(jet)
        for layer, filter_layer in zip(self.maps, self.filter_layers[1:], strict=True):
            outputs = filter_layer.propagate(jet) * layer.propagate(outputs)
        return outputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.filter_layers[0].compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        names = ("units", "num_filters", "filters", "input_scale", "gamma_shape", "gamma_rate", "num_fields", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
