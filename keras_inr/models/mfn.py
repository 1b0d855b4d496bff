"""The multiplicative filter network."""

from typing import Any

import keras

from keras_inr._arguments import STEEPEST, number_range, positive_float, positive_int
from keras_inr.initializers.rules import UNIFORM_FAN_IN
from keras_inr.layers.multiplicative_filters import MultiplicativeFilters
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import Preset, PresetInfo


@keras.saving.register_keras_serializable(package="keras_inr")
class MultiplicativeFilterNetwork(Field):
    """`MultiplicativeFilters` and a linear head.

    Args:
        units: width of the filters.
        num_filters, filters, input_scale, gamma_shape, gamma_rate: see `MultiplicativeFilters`.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        channels, picture_size, num_fields, seed: see `Field`.

    Source: Fathony et al. 2021; image_rep.py of boschresearch/multiplicative-filter-networks: 4 filters of 256.

    >>> MultiplicativeFilterNetwork().count_params()
    201219
    """

    def __init__(
        self,
        units: int = 256,
        num_filters: int = 4,
        filters: str = "fourier",
        input_scale: float = 256.0,
        gamma_shape: float = 6.0,
        gamma_rate: float = 1.0,
        value_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.num_filters = num_filters
        self.filters = filters
        self.input_scale = positive_float("input_scale", input_scale, STEEPEST)
        self.gamma_shape = positive_float("gamma_shape", gamma_shape, STEEPEST)
        self.gamma_rate = positive_float("gamma_rate", gamma_rate, STEEPEST, 1 / STEEPEST)
        self.value_range = number_range("value_range", value_range)
        arguments = (num_filters, filters, input_scale, gamma_shape, gamma_rate)
        products = MultiplicativeFilters(self.units, *arguments, name="products", **self.place(0))
        head = self.make_head(1, self.units, UNIFORM_FAN_IN, UNIFORM_FAN_IN)
        self.set_stack([products, head, ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")])

    def get_config(self) -> dict[str, Any]:
        names = ("units", "num_filters", "filters", "input_scale", "gamma_shape", "gamma_rate", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


_SOURCE = "boschresearch/multiplicative-filter-networks"
PRESETS = (
    Preset(
        PresetInfo("mfn_fourier", 201219, "products of 4 Fourier filters of 256", _SOURCE),
        MultiplicativeFilterNetwork,
        {"units": 256, "num_filters": 4, "filters": "fourier"},
    ),
    Preset(
        PresetInfo("mfn_gabor", 204291, "products of 4 Gabor filters of 256", _SOURCE),
        MultiplicativeFilterNetwork,
        {"units": 256, "num_filters": 4, "filters": "gabor"},
    ),
)
