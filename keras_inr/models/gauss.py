"""The network of Gaussian layers."""

from typing import Any

import keras

from keras_inr._arguments import STEEPEST, number_range, positive_float, positive_ints
from keras_inr.initializers.rules import UNIFORM_FAN_IN
from keras_inr.layers.gauss_dense import GaussDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import Preset, PresetInfo


@keras.saving.register_keras_serializable(package="keras_inr")
class Gauss(Field):
    """Layers exp(-(scale (x W + b))^2) and a linear head, all drawn from U(+-1/sqrt(fan_in)).

    Args:
        units: widths of the Gaussian layers.
        scale: how narrow the bumps are.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        channels, picture_size, num_fields, seed: see `Field`.

    Source: Ramasinghe and Lucey, Beyond Periodicity, 2022; sizes and scale as in liuzhen0212/FINER's run_gauss.sh.

    >>> Gauss().count_params()
    198915
    """

    def __init__(
        self,
        units: tuple[int, ...] = (256, 256, 256, 256),
        scale: float = 30.0,
        value_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_ints("units", units)
        self.scale = positive_float("scale", scale, STEEPEST)
        self.value_range = number_range("value_range", value_range)
        layers = [
            GaussDense(width, scale, reads_coords=i == 0, name=f"gauss_{i}", **self.place(i))
            for i, width in enumerate(self.units)
        ]
        head = self.make_head(len(self.units), self.units[-1], UNIFORM_FAN_IN, UNIFORM_FAN_IN)
        self.set_stack([*layers, head, ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")])

    def get_config(self) -> dict[str, Any]:
        names = ("units", "scale", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


PRESETS = (
    Preset(
        PresetInfo("gauss", 198915, "4 Gaussian layers of 256, scale 30", "liuzhen0212/FINER, run_gauss.sh"),
        Gauss,
        {"units": (256, 256, 256, 256), "scale": 30.0},
    ),
)
