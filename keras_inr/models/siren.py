"""The sinusoidal representation network."""

import keras

from keras_inr.arguments import number_range, positive_ints
from keras_inr.initializers import RuleInitializer, derive_seed, get_scheme, scheme_config
from keras_inr.layers.affine import Affine
from keras_inr.layers.sine_dense import SineDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field


@keras.saving.register_keras_serializable(package="keras_inr")
class Siren(Field):
    """Sine layers and a linear head, on coordinates divided by the scheme's input scale s and mapped from [low, high].

    h_0 = coords / s, h_i = sin(omega_0 (h_(i-1) W_i + b_i)), values = (h_n W + b - low) / (high - low). The call takes
    coords (..., 2) and gives values (..., channels), see `Field`; it is differentiable to every order.

    Args:
        units: widths of the sine layers.
        scheme: how weights are drawn and inputs scaled: a name of `list_schemes()`, a `Scheme`, or its config.
        omega_0: radians per unit of pre-activation; None takes the scheme's (30, but 1 for "descent", which folds 30
            into its first kernel). Higher follows finer detail.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        channels, picture_size, num_fields, seed: see `Field`.

    Source: Sitzmann et al. 2020, eq. 2 to 4. Different from their code: coordinates are pixel centres with square
    pixels, and values are returned in [0, 1] whatever the working range.

    >>> field = Siren(units=(256, 128, 64, 32), scheme="descent", value_range=(0, 1))
    >>> field.count_params()
    44099
    """

    def __init__(
        self,
        units: tuple[int, ...] = (256, 256, 256, 256),
        scheme: str = "paper",
        omega_0: float | None = None,
        value_range: tuple[float, float] = (-1.0, 1.0),
        channels: int = 3,
        picture_size: tuple[int, int] | None = None,
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(channels, picture_size, num_fields, seed, **kwargs)
        self.units = positive_ints("units", units)
        self.scheme = get_scheme(scheme)
        self.omega_0 = float(self.scheme.omega_0 if omega_0 is None else omega_0)
        self.value_range = number_range("value_range", value_range)
        layers = [
            SineDense(width, self.omega_0, i == 0, self.scheme, name=f"sine_{i}", **self.place(i))
            for i, width in enumerate(self.units)
        ]
        values = ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")
        self.set_stack([*layers, self.make_head(), values])

    def make_head(self):
        """The linear layer that ends the network, drawn by the scheme's head rules."""
        fan_in, place = self.units[-1], len(self.units)

        def draw(rule, index):
            return RuleInitializer(rule, self.omega_0, fan_in, derive_seed(self.seed, place, index))

        bias = self.scheme.head_bias
        return Affine(
            self.channels,
            use_bias=bias is not None,
            kernel_initializer=draw(self.scheme.head_kernel, 0),
            bias_initializer=None if bias is None else draw(bias, 1),
            name="head",
            **self.place(place, self.values_dtype),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "scheme": scheme_config(self.scheme),
            "omega_0": self.omega_0,
            "value_range": self.value_range,
        }
