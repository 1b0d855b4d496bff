"""Products of sinusoids whose frequencies are whole and fixed, so that the band of every product is known."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_inr._arguments import positive_ints
from keras_inr.initializers.rules import Rule, RuleInitializer, derive_seed
from keras_inr.layers.multiplicative_filters import MultiplicativeFilters
from keras_inr.layers.sine_dense import SineDense


@keras.saving.register_keras_serializable(package="keras_inr")
class BandLimitedFilters(MultiplicativeFilters):
    """`MultiplicativeFilters` g_i(x) = sin(pi x F_i + c_i) with whole F_i from -B_i to B_i that are not trained.

    On coordinates in [-1, 1] the product h_i is a Fourier series with whole frequencies up to B_1 + ... + B_i periods
    on each axis, whatever is learnt.

    Args:
        units: width of every product.
        limits: B_i, one for each filter, in periods per longer side of the picture.
        num_fields, seed: see `MultiplicativeFilters`.

    c_i start as U(+-pi), W_i as U(+-sqrt(6 / units)), b_i as U(+-1/sqrt(units)). Shapes: (..., dims) -> (..., units).
    Differentiable to every order.

    Source: Lindell et al., BACON, 2022, section 3; MultiscaleBACON in computational-imaging/bacon's modules.py, whose
    coordinates span [-0.5, 0.5] and whose frequencies are multiples of 2 pi: the same functions of the picture.

    Raises:
        InputError: for arguments out of range.

    >>> layer = BandLimitedFilters(16, limits=(8, 8, 16))
    >>> layer(keras.ops.zeros((5, 2))).shape
    TensorShape([5, 16])
    >>> [tuple(weight.shape) for weight in layer.non_trainable_weights]
    [(2, 16), (2, 16), (2, 16)]
    """

    def __init__(
        self,
        units: int,
        limits: Sequence[int] = (16, 16, 32, 32, 32),
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.limits = positive_ints("limits", limits)
        unused: dict[str, Any] = {"filters": "fourier", "input_scale": 1.0, "gamma_shape": 1.0, "gamma_rate": 1.0}
        super().__init__(units, len(self.limits), **unused, num_fields=num_fields, seed=seed, **kwargs)

    def make_filter(self, index: int) -> SineDense:
        phases = Rule("uniform", gain=1.0)
        layer = SineDense(
            self.units,
            omega_0=math.pi,
            first=True,
            kernel_initializer=RuleInitializer(
                Rule("integers", gain=float(self.limits[index])), seed=derive_seed(self.seed, index, 0)
            ),
            bias_initializer=RuleInitializer(phases, fan_in=1, seed=derive_seed(self.seed, index, 1)),
            name=f"filter_{index}",
            **self.shared,
        )
        layer.trains_kernel = False  # for good: to freeze the layer and to thaw it again changes nothing
        return layer

    @property
    def map_rule(self) -> Rule:
        return Rule("uniform", gain=math.sqrt(6), fan_in_power=-0.5)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("num_filters", "filters", "input_scale", "gamma_shape", "gamma_rate"):
            del config[name]
        return {**config, "limits": self.limits}
