"""The cell grid with a small rectified network, and the pixel grid, whose finest cells are pixels."""

import itertools
from collections.abc import Sequence
from typing import Any, cast

import keras

from keras_inr._arguments import number_range, one_of, positive_ints
from keras_inr.initializers.rules import UNIFORM_FAN_IN, RuleInitializer, derive_seed
from keras_inr.layers.affine import Affine
from keras_inr.layers.cell_encoding import CellEncoding, checked_layout, checked_size
from keras_inr.layers.leaky_relu_dense import LeakyReluDense
from keras_inr.layers.squareplus_dense import SquareplusDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import Preset, PresetInfo

UNKNOWN_SIZE = (512, 512)
"""What pixels are counted in where there is no picture yet."""

ACTIVATIONS = ("relu", "squareplus")

Layout = tuple[tuple[int, float, int], ...]
"""Levels, each (hash_size, cell_size, dimensions)."""


@keras.saving.register_keras_serializable(package="keras_inr")
class CellGrid(Field):
    """A `CellEncoding` followed by ReLU or squareplus layers and a linear head.

    Args:
        layout: see `CellEncoding`.
        form: see `CellEncoding`.
        units: widths of the layers behind the encoding.
        activation: "relu", or "squareplus" for `SquareplusDense` layers, which are smooth.
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
        layout: Layout = ((14, 8.0, 4), (16, 2.0, 8), (18, 0.5, 8)),
        form: str = "corrected",
        units: tuple[int, ...] = (64,),
        activation: str = "relu",
        value_range: tuple[float, float] = (0.0, 1.0),
        pixels: tuple[int, ...] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.layout = checked_layout(layout)
        self.form = form
        self.units = positive_ints("units", units)
        one_of("activation", activation, ACTIVATIONS)
        self.activation = activation
        self.value_range = number_range("value_range", value_range)
        self.pixels = checked_size("pixels", self.picture_size or UNKNOWN_SIZE if pixels is None else pixels)
        encoding = CellEncoding(self.layout, self.pixels, form, name="encoding", **self.place(0))
        fans_in = (cast(int, encoding.compute_output_shape((None, 2))[-1]), *self.units)
        layers = [self.make_layer(i, *fans) for i, fans in enumerate(itertools.pairwise(fans_in))]
        head = self.make_head(len(self.units) + 1, self.units[-1], UNIFORM_FAN_IN, UNIFORM_FAN_IN)
        values = ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")
        self.set_stack([encoding, *layers, head, values])

    def make_layer(self, index: int, fan_in: int, width: int) -> Affine:
        """A layer with PyTorch's default start."""
        place = self.place(index + 1)

        def draw(number, fan_in=None):
            return RuleInitializer(UNIFORM_FAN_IN, fan_in=fan_in, seed=derive_seed(place["seed"], number))

        initializers = {"kernel_initializer": draw(0), "bias_initializer": draw(1, fan_in)}
        if self.activation == "squareplus":
            return SquareplusDense(width, name=f"squareplus_{index}", **initializers, **place)
        return LeakyReluDense(width, negative_slope=0.0, name=f"relu_{index}", **initializers, **place)

    def get_config(self) -> dict[str, Any]:
        names = ("layout", "form", "units", "activation", "value_range", "pixels")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def pixel_layout(features: Sequence[int], hash_size: int = 24) -> Layout:
    """A layout of cells of 1, 2, 4, ... pixels.

    Args:
        features: of each level's vertices, the finest level first.
        hash_size: log2 of the most vertices that a level has entries of its own for.

    >>> pixel_layout((1, 4))
    ((24, 1.0, 1), (24, 2.0, 4))
    """
    return tuple((hash_size, 2.0**level, number) for level, number in enumerate(features))


_SOURCE = "andreidanrusu/HashGrid-AI-Upscaler"
_OURS = "after Müller et al. 2022, aligned with the pixels"
_PIXEL_RECIPES: dict[str, dict[str, Any]] = {
    "muon": {"learning_rate": 0.1, "beta_2": 0.99, "sampling": "shuffled"},
    "adam": {"learning_rate": 0.01},
}
"""As measured on photographs of 768 x 512, see benchmarks/NOTES.md."""

_PIXELS = {"form": "plain", "activation": "squareplus", "units": (64,)}
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
    Preset(
        PresetInfo(
            "pixel_grid", 616919, "6 levels of cells of 1 to 32 pixels, squareplus 64: 2.4 parameters a pixel", _OURS
        ),
        CellGrid,
        {**_PIXELS, "layout": pixel_layout((1, 4, 4, 4, 4, 4))},
        _PIXEL_RECIPES,
    ),
    Preset(
        PresetInfo("pixel_grid_small", 385170, "the same levels with fewer features: 1.5 parameters a pixel", _OURS),
        CellGrid,
        {**_PIXELS, "layout": pixel_layout((1, 1, 2, 4, 4, 4))},
        _PIXEL_RECIPES,
    ),
)
