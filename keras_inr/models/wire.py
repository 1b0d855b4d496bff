"""The network of Gabor wavelets."""

from typing import Any

import keras

from keras_inr._arguments import STEEPEST, number_range, one_of, positive_float, positive_ints
from keras_inr.initializers.rules import UNIFORM_FAN_IN
from keras_inr.layers.gabor_dense import ComplexGaborDense, GaborDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import Preset, PresetInfo

FORMS = ("complex", "real")


@keras.saving.register_keras_serializable(package="keras_inr")
class Wire(Field):
    """Layers of Gabor wavelets and a linear head; with complex features, their real and imaginary parts side by side.

    Args:
        units: widths of the wavelet layers, in complex features for the complex form.
        form: "complex", exp(i omega_0 z - |scale z|^2), or "real", cos(omega_0 z) exp(-(scale r)^2).
        omega_0: radians per unit of pre-activation.
        scale: how narrow the bumps are.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        channels, picture_size, num_fields, seed: see `Field`.

    The complex form's head takes the real part of a complex linear map, which is a real one of both parts: the unused
    imaginary half of their weights is left out. Everything is real arithmetic, in training and in exports.

    Source: Saragadam et al., WIRE, 2023; vishwa91/wire's modules/wire.py, which makes 256 features int(256 / sqrt(2))
    = 181 complex ones. Four layers, omega_0 and scale are not WIRE's but those of the comparison in FINER (Liu et al.
    2024): liuzhen0212/FINER's train_image.py, 3 hidden layers behind the first, and run_wire.sh. WIRE's own scripts
    have three layers, 2 behind the first, of 256 features (300 for tomography), and omega_0 and scale by task, 20 and
    30 for pictures: the preset wire_own has these, and 110 complex features to come to about 50,000 weights. FINER's
    comparison has targets in [-1, 1], here value_range is (0, 1). WIRE's code has no network of the real form: here
    that has 181 real features, which takes as many weights.

    >>> Wire(units=(181, 181, 181)).count_params()
    133400
    """

    def __init__(
        self,
        units: tuple[int, ...] = (181, 181, 181, 181),
        form: str = "complex",
        omega_0: float = 20.0,
        scale: float = 10.0,
        value_range: tuple[float, float] = (0.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_ints("units", units)
        one_of("form", form, FORMS)
        self.form = form
        self.omega_0 = positive_float("omega_0", omega_0, STEEPEST)
        self.scale = positive_float("scale", scale, STEEPEST)
        self.value_range = number_range("value_range", value_range)
        layers = [self.make_layer(i, width) for i, width in enumerate(self.units)]
        head = self.make_head(len(self.units), self.units[-1], UNIFORM_FAN_IN, UNIFORM_FAN_IN)
        self.set_stack([*layers, head, ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")])

    def make_layer(self, index: int, width: int) -> ComplexGaborDense | GaborDense:
        """The wavelet layer of a place."""
        arguments = {"omega_0": self.omega_0, "scale": self.scale, "name": f"gabor_{index}", **self.place(index)}
        if self.form == "complex":
            return ComplexGaborDense(width, first=index == 0, **arguments)
        return GaborDense(width, reads_coords=index == 0, **arguments)

    def get_config(self) -> dict[str, Any]:
        names = ("units", "form", "omega_0", "scale", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


PRESETS = (
    Preset(
        PresetInfo("wire", 199284, "4 complex Gabor layers of 181", "vishwa91/wire; liuzhen0212/FINER, run_wire.sh"),
        Wire,
        {"units": (181, 181, 181, 181), "form": "complex", "omega_0": 20.0, "scale": 10.0},
    ),
    Preset(
        PresetInfo("wire_own", 49833, "3 complex Gabor layers of 110, WIRE's own omega and scale", "vishwa91/wire"),
        Wire,
        {"units": (110, 110, 110), "form": "complex", "omega_0": 20.0, "scale": 30.0},
    ),
    Preset(
        PresetInfo("wire_real", 199284, "4 real Gabor layers", "vishwa91/wire, RealGaborLayer"),
        Wire,
        {"units": (181, 181, 181, 181), "form": "real", "omega_0": 20.0, "scale": 10.0},
    ),
)
