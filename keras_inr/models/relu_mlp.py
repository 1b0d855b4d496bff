"""The rectified coordinate network, with or without positional encoding."""

from typing import Any

import keras

from keras_inr._arguments import count, number_range, positive_ints
from keras_inr.layers.affine import Affine
from keras_inr.layers.leaky_relu_dense import LeakyReluDense
from keras_inr.layers.positional_encoding import MAX_FREQUENCIES, PositionalEncoding
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import DESCENT, Preset, PresetInfo


@keras.saving.register_keras_serializable(package="keras_inr")
class ReluMLP(Field):
    """Leaky ReLU layers and a linear head, on raw coordinates or on their positional encoding.

    Args:
        units: widths of the rectified layers.
        num_frequencies: octaves of the positional encoding, 0 for none.
        include_input: whether the encoding carries the raw coordinates too.
        negative_slope: slope for negative pre-activations; 0 is the plain ReLU.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        channels, picture_size, num_fields, seed: see `Field`.

    Kernels start as N(0, 2/fan_in), biases at zero. Source: descent's examples/image_fit, whose "ReLU" has slope 0.01.

    >>> ReluMLP().count_params(), ReluMLP(num_frequencies=8).count_params()
    (44099, 51779)
    """

    def __init__(
        self,
        units: tuple[int, ...] = (256, 128, 64, 32),
        num_frequencies: int = 0,
        include_input: bool = False,
        negative_slope: float = 0.01,
        value_range: tuple[float, float] = (0.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_ints("units", units)
        self.num_frequencies = count("num_frequencies", num_frequencies, MAX_FREQUENCIES)
        self.include_input = include_input
        self.negative_slope = negative_slope
        self.value_range = number_range("value_range", value_range)
        layers = []
        if num_frequencies:
            layers.append(PositionalEncoding(num_frequencies, include_input, dtype=self.dtype_policy, name="encoding"))
        for i, width in enumerate(self.units):
            reads_coords = i == 0 and not num_frequencies
            name = f"relu_{i}"
            layers.append(LeakyReluDense(width, negative_slope, reads_coords=reads_coords, name=name, **self.place(i)))
        head = Affine(self.channels, name="head", **self.place(len(self.units), self.values_dtype))
        self.set_stack([*layers, head, ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")])

    def get_config(self) -> dict[str, Any]:
        names = ("units", "num_frequencies", "include_input", "negative_slope", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


PRESETS = (
    Preset(
        PresetInfo("relu", 44099, "leaky ReLU 256-128-64-32 on raw coordinates", DESCENT),
        ReluMLP,
        {"units": (256, 128, 64, 32)},
    ),
    Preset(
        PresetInfo("relu_pe", 51779, "leaky ReLU 256-128-64-32 on 8 octaves of sines and cosines", DESCENT),
        ReluMLP,
        {"units": (256, 128, 64, 32), "num_frequencies": 8},
    ),
)
