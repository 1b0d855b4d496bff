"""The rectified network on random Fourier features."""

from typing import Any

import keras

from keras_inr._arguments import STEEPEST, number_range, positive_float, positive_ints
from keras_inr.layers.affine import Affine
from keras_inr.layers.gaussian_encoding import GaussianEncoding
from keras_inr.layers.leaky_relu_dense import LeakyReluDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import Preset, PresetInfo


@keras.saving.register_keras_serializable(package="keras_inr")
class FourierFeatures(Field):
    """ReLU layers and a linear head on sin(pi x B) and cos(pi x B) of a fixed random B from N(0, sigma^2).

    Args:
        units: widths of the rectified layers.
        num_frequencies, sigma: see `GaussianEncoding`.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        channels, picture_size, num_fields, seed: see `Field`.

    Source: Tancik et al. 2020, section 6.1, and their Demo.ipynb: 256 features, 4 layers of 256 with the head among
    them, sigma 10. Different: there is no sigmoid at the end, since values are clamped when they are shown; kernels
    start as N(0, 2/fan_in) and biases at zero, theirs, which are those of JAX's stax.Dense, as a truncated normal of
    variance 2 / (fan_in + fan_out) and as N(0, 0.01^2); coordinates are those of pixel centres, theirs of corners.

    >>> FourierFeatures().count_params() - FourierFeatures().encoding.count_params()
    263683
    """

    def __init__(
        self,
        units: tuple[int, ...] = (256, 256, 256),
        num_frequencies: int = 256,
        sigma: float = 10.0,
        value_range: tuple[float, float] = (0.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_ints("units", units)
        self.num_frequencies = num_frequencies
        self.sigma = positive_float("sigma", sigma, STEEPEST)
        self.value_range = number_range("value_range", value_range)
        self.encoding = GaussianEncoding(num_frequencies, sigma, name="encoding", **self.place(0))
        layers = [
            LeakyReluDense(width, negative_slope=0.0, name=f"relu_{i}", **self.place(i + 1))
            for i, width in enumerate(self.units)
        ]
        head = Affine(self.channels, name="head", **self.place(len(self.units) + 1, self.values_dtype))
        values = ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")
        self.set_stack([self.encoding, *layers, head, values])

    def get_config(self) -> dict[str, Any]:
        names = ("units", "num_frequencies", "sigma", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


PRESETS = (
    Preset(
        PresetInfo("fourier", 263683, "ReLU 256-256-256 on 256 random frequencies, sigma 10", "Tancik et al. 2020"),
        FourierFeatures,
        {"units": (256, 256, 256), "num_frequencies": 256, "sigma": 10.0},
    ),
)
