"""The SIREN layer."""

import warnings
from typing import Any, cast

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import STEEPEST, positive_float
from keras_inr._sines import sin_of
from keras_inr.coordinates import coords_dtype
from keras_inr.forward_rules import Jet, sine
from keras_inr.initializers.published import get_scheme, scheme_config
from keras_inr.initializers.rules import Rule, RuleInitializer, derive_seed
from keras_inr.initializers.scheme import Scheme
from keras_inr.layers.affine import Affine

MOST_ON_DESCENT = 3.0
"""omega_0 of the scheme "descent", beyond which somebody has probably meant another scheme's."""


@keras.saving.register_keras_serializable(package="keras_inr")
class SineDense(Affine):
    """sin(omega_0 * (x W + b)), the layer of sinusoidal representation networks.

    Args:
        units: width of the output.
        omega_0: radians per unit of pre-activation; None takes the scheme's (30 for "paper"; 1 for "descent", whose
            first kernel has the 30 in it, so that a first layer of it warns of more than 3).
        first: True for a layer that reads raw coordinates: the scheme's first rules apply, coordinates are divided
            by the scheme's input scale, and phases are formed in at least float32 without TF32.
        scheme: a name (see `list_schemes`), a `Scheme`, or its config.
        kernel_initializer, bias_initializer: initializer objects that take the place of the scheme's rules.
        num_fields: None, or K for K stacked fields, see `Affine`.
        seed: int for repeatable weights.

    The stored kernel is W, as in the paper; omega_0 and the input scale are folded into it inside `call`, which gives
    sin(x (omega_0 W) + omega_0 b) and saves a pass over the points. Shapes: (..., in) -> (..., units), values in
    [-1, 1]. Differentiable to every order. Sine is taken in at least float32.

    Source: Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions, 2020, eq. 2 to 4.

    Raises:
        InputError: for an omega_0 that is not in (0, 1e6], or an unknown scheme.

    >>> SineDense(256, first=True, scheme="init-33")(ops.zeros((10, 2))).shape
    TensorShape([10, 256])
    """

    kink = None  # smooth
    oscillates = True  # see keras_inr.training.compilation

    def __init__(
        self,
        units: int,
        omega_0: float | None = None,
        first: bool = False,
        scheme: str | Scheme | dict[str, Any] = "paper",
        kernel_initializer: keras.initializers.Initializer | str | dict[str, Any] | None = None,
        bias_initializer: keras.initializers.Initializer | str | dict[str, Any] | None = None,
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        resolved = get_scheme(scheme)
        rule = resolved.first_bias if first else resolved.hidden_bias
        super().__init__(
            units,
            use_bias=rule is not None or bias_initializer is not None,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            reads_coords=first,
            num_fields=num_fields,
            seed=seed,
            **kwargs,
        )
        self.omega_0 = positive_float("omega_0", resolved.omega_0 if omega_0 is None else omega_0, STEEPEST)
        if first and resolved.name == "descent" and self.omega_0 > MOST_ON_DESCENT:
            warnings.warn(
                f"scheme 'descent' has 30 radians in its first kernel, which omega_0={self.omega_0:g} multiplies: "
                "leave omega_0 out, or take scheme='paper' or 'init-33', whose omega_0 is 30",
                stacklevel=3,
            )
        self.first = first
        self.scheme = resolved

    def default_kernel_initializer(self, fan_in: int) -> keras.initializers.Initializer:
        rule = self.scheme.first_kernel if self.first else self.scheme.hidden_kernel
        return RuleInitializer(rule, self.omega_0, fan_in, derive_seed(self.seed, 0))

    def default_bias_initializer(self, fan_in: int) -> keras.initializers.Initializer:
        rule = self.scheme.first_bias if self.first else self.scheme.hidden_bias
        # a rule of None is no bias, which nothing is drawn for
        return RuleInitializer(cast(Rule, rule), self.omega_0, fan_in, derive_seed(self.seed, 1))

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return ops.cast(sin_of(self.phases(inputs)), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: sin z, cos(z) z_k, cos(z) z_s - sin(z) sum_k z_k^2, where z, z_k, z_s are the phases' jet."""
        return sine(self.propagate_affine(jet, self.folding))

    def phases(self, inputs: tf.Tensor) -> tf.Tensor:
        """omega_0 * (x W + b), in radians."""
        return ops.cast(self.affine(inputs, self.folding), coords_dtype(self.variable_dtype))

    @property
    def folding(self) -> tuple[float, float]:
        """What kernel and bias are multiplied with to give phases."""
        input_scale = self.scheme.input_scale if self.first else 1.0
        return self.omega_0 / input_scale, self.omega_0

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["use_bias"], config["reads_coords"]
        return {**config, "omega_0": self.omega_0, "first": self.first, "scheme": scheme_config(self.scheme)}
