"""The sinusoidal representation network."""

from typing import Any

import keras

from keras_inr._arguments import STEEPEST, number_range, positive_float, positive_ints
from keras_inr.initializers.published import get_scheme, scheme_config
from keras_inr.layers.sine_dense import SineDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import DESCENT, Preset, PresetInfo


@keras.saving.register_keras_serializable(package="keras_inr")
class Siren(Field):
    """Sine layers and a linear head, on coordinates divided by the scheme's input scale s and mapped from [low, high].

    h_0 = coords / s, h_i = sin(omega_0 (h_(i-1) W_i + b_i)), values = (h_n W + b - low) / (high - low). The call takes
    coords (..., 2) and gives values (..., channels), see `Field`; it is differentiable to every order.

    Args:
        units: widths of the sine layers.
        scheme: how weights are drawn and inputs scaled: a name of `list_schemes()`, a `Scheme`, or its config.
        omega_0: radians per unit of pre-activation; None takes the scheme's (30, but 1 for "descent", which has 30 in
            its first kernel and warns of an omega_0 beyond 3). Higher follows finer detail.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        channels, picture_size, num_fields, seed: see `Field`.

    Source: Sitzmann et al. 2020, eq. 2 to 4. Different from their code: coordinates are pixel centres with square
    pixels, and values are returned in [0, 1] whatever the working range.

    >>> field = Siren(units=(256, 128, 64, 32), scheme="descent", value_range=(0, 1))
    >>> field.count_params()
    44099
    """

    layer_class: type[SineDense] = SineDense

    def __init__(
        self,
        units: tuple[int, ...] = (256, 256, 256, 256),
        scheme: str = "paper",
        omega_0: float | None = None,
        value_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_ints("units", units)
        self.scheme = get_scheme(scheme)
        self.omega_0 = positive_float("omega_0", self.scheme.omega_0 if omega_0 is None else omega_0, STEEPEST)
        self.value_range = number_range("value_range", value_range)
        layers = [
            self.layer_class(width, self.omega_0, i == 0, self.scheme, name=f"sine_{i}", **self.place(i))
            for i, width in enumerate(self.units)
        ]
        values = ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")
        rules = self.scheme.head_kernel, self.scheme.head_bias
        head = self.make_head(len(self.units), self.units[-1], *rules, self.omega_0)
        self.set_stack([*layers, head, values])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "scheme": scheme_config(self.scheme),
            "omega_0": self.omega_0,
            "value_range": self.value_range,
        }


_MUON_RECIPES: dict[str, dict[str, Any]] = {
    "muon": {"learning_rate": 0.02, "beta_2": 0.99, "batch_size": 4096, "sampling": "shuffled"},
    "adam": {"learning_rate": 0.005},
}
"""Muon's as measured on photographs of 256 x 256, see benchmarks/NOTES.md; Adam's rate lies between two tried there."""

PRESETS = (
    Preset(
        PresetInfo(
            "siren", 44099, "descent's sine layers 256-128-64-32: omega_0 is 1, the 30 is in the first kernel", DESCENT
        ),
        Siren,
        {"units": (256, 128, 64, 32), "scheme": "descent", "value_range": (0.0, 1.0)},
    ),
    Preset(
        PresetInfo("siren_jax", 198915, "4 sine layers of 256, the paper's initialisation", "KeunwooPark/siren-jax"),
        Siren,
        {"units": (256, 256, 256, 256), "scheme": "paper"},
    ),
    Preset(
        PresetInfo("siren_256", 198915, "4 sine layers of 256 on init-33", "KeunwooPark/siren-jax; pugh_torch"),
        Siren,
        {"units": (256, 256, 256, 256), "scheme": "init-33"},
    ),
    Preset(
        PresetInfo("siren_paper", 50307, "4 sine layers of 128, the paper's initialisation", "Sitzmann et al. 2020"),
        Siren,
        {"units": (128, 128, 128, 128), "scheme": "paper"},
    ),
    Preset(
        PresetInfo("siren_init_33", 50307, "4 sine layers of 128 on init-33", "pugh_torch, experiment 33"),
        Siren,
        {"units": (128, 128, 128, 128), "scheme": "init-33"},
    ),
    Preset(
        PresetInfo(
            "siren_muon", 198915, "4 sine layers of 256 in descent's scheme, for Muon: a photograph in 20 s", DESCENT
        ),
        Siren,
        {"units": (256, 256, 256, 256), "scheme": "descent", "value_range": (0.0, 1.0)},
        _MUON_RECIPES,
    ),
)
