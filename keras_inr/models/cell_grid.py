"""The cell grid with a small rectified network."""

from typing import Any

import keras

from keras_inr._arguments import number_range, positive_ints
from keras_inr.initializers.rules import UNIFORM_FAN_IN, RuleInitializer, derive_seed
from keras_inr.layers.cell_encoding import CellEncoding, checked_layout, checked_size
from keras_inr.layers.leaky_relu_dense import LeakyReluDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import Preset, PresetInfo

UNKNOWN_SIZE = (512, 512)
"""What pixels are counted in where there is no picture yet."""


@keras.saving.register_keras_serializable(package="keras_inr")
class CellGrid(Field):
    """A `CellEncoding` followed by ReLU layers and a linear head.

    Args:
        layout: see `CellEncoding`.
        form: see `CellEncoding`.
        units: widths of the layers behind the encoding.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        pixels: (height, width) of the picture whose pixels cell_size counts; None takes picture_size, or 512 x 512. It
            stays when picture_size is set anew.
        channels, picture_size, num_fields, seed: see `Field`.

    Weights of the network start as U(+-1/sqrt(fan_in)), PyTorch's default.

    Source: andreidanrusu/HashGrid-AI-Upscaler. Different: the head has as many outputs as there are channels, of its
    four one is never used.

    >>> CellGrid(picture_size=(128, 128)).count_params()
    556826
    """

    def __init__(
        self,
        layout: tuple[tuple[int, float, int], ...] = ((14, 8.0, 4), (16, 2.0, 8), (18, 0.5, 8)),
        form: str = "corrected",
        units: tuple[int, ...] = (64,),
        value_range: tuple[float, float] = (0.0, 1.0),
        pixels: tuple[int, ...] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.layout = checked_layout(layout)
        self.form = form
        self.units = positive_ints("units", units)
        self.value_range = number_range("value_range", value_range)
        self.pixels = checked_size("pixels", self.picture_size or UNKNOWN_SIZE if pixels is None else pixels)
        encoding = CellEncoding(self.layout, self.pixels, form, name="encoding", **self.place(0))
        layers = [self.make_layer(i, width) for i, width in enumerate(self.units)]
        head = self.make_head(len(self.units) + 1, self.units[-1], UNIFORM_FAN_IN, UNIFORM_FAN_IN)
        values = ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")
        self.set_stack([encoding, *layers, head, values])

    def make_layer(self, index: int, width: int) -> LeakyReluDense:
        """A rectified layer with PyTorch's default start."""
        place = self.place(index + 1)

        def draw(number, fan_in=None):
            return RuleInitializer(UNIFORM_FAN_IN, fan_in=fan_in, seed=derive_seed(place["seed"], number))

        fan_in = sum(dimensions for _, _, dimensions in self.layout) + 2 if index == 0 else self.units[index - 1]
        return LeakyReluDense(
            width,
            negative_slope=0.0,
            kernel_initializer=draw(0),
            bias_initializer=draw(1, fan_in),
            name=f"relu_{index}",
            **place,
        )

    def get_config(self) -> dict[str, Any]:
        names = ("layout", "form", "units", "value_range", "pixels")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


_SOURCE = "andreidanrusu/HashGrid-AI-Upscaler"
PRESETS = (
    Preset(
        PresetInfo("cell_grid", 2640010, "its README's 3 levels of cells of 8, 2 and 0.5 pixels", _SOURCE),
        CellGrid,
        {"layout": ((14, 8.0, 4), (16, 2.0, 8), (18, 0.5, 8))},
    ),
    Preset(
        PresetInfo("cell_grid_4", 3688843, "its console's 4 levels, down to 0.125 pixels", _SOURCE),
        CellGrid,
        {"layout": ((14, 8.0, 4), (16, 2.0, 8), (18, 0.5, 8), (18, 0.125, 4))},
    ),
    Preset(
        PresetInfo("cell_grid_smooth", 66180, "a single level of cells of 4 pixels, for smooth pictures", _SOURCE),
        CellGrid,
        {"layout": ((14, 4.0, 4),)},
    ),
    Preset(
        PresetInfo("cell_grid_source", 2688646, "the 3 levels as published: hashed, not interpolated", _SOURCE),
        CellGrid,
        {"layout": ((14, 8.0, 4), (16, 2.0, 8), (18, 0.5, 8)), "form": "source"},
    ),
)
