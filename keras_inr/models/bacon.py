"""The band-limited coordinate network, whose outputs by depth are the picture at rising resolutions."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import number_range, positive_floats, positive_int, positive_ints
from keras_inr._variable_names import one_name
from keras_inr.errors import InputError
from keras_inr.initializers.rules import UNIFORM_FAN_IN, Rule
from keras_inr.layers.band_limited_filters import BandLimitedFilters
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import Preset, PresetInfo

UNKNOWN_SIDE = 256
"""Pixels along the longer side where there is no picture yet."""
HEAD_RULE = Rule("uniform", gain=6**0.5, fan_in_power=-0.5)


@keras.saving.register_keras_serializable(package="keras_inr")
class Bacon(Field):
    """`BandLimitedFilters` with a linear head at some of their depths; its values are those at the last depth.

    The output at depth d has no frequency above sum_(i <= d) B_i periods per longer side, by construction. Limits are
    B_i = round(scales_i * N / 2), N the pixels along the longer side, so that scales which sum to 1 reach
    the picture's Nyquist frequency.

    A training step on values minimises the mean of the losses of all depths against the same targets. Other
    objectives, and what is reported, are of the last depth.

    Args:
        units: width of the filters.
        scales: share of the band of each filter.
        depths: how many filters go into each output, ascending; the last is all of them.
        value_range: (low, high) that the heads work in; it is mapped onto [0, 1] as the last step.
        resolution: N; None takes the longer side of picture_size, or 256.
        channels, picture_size, num_fields, seed: see `Field`.

    Source: Lindell et al., BACON, 2022; train_img.py, config/img/bacon.ini of computational-imaging/bacon. Different:
    pixels are square, so that the shorter side of a picture gets the frequencies that its pixels need.

    Raises:
        InputError: for arguments out of range.

    >>> field = Bacon(units=32, picture_size=(128, 256))
    >>> [limit for limit in field.band_limits]
    [32, 64, 128]
    >>> field.at_depth(1)(ops.zeros((5, 2))).shape
    TensorShape([5, 3])
    """

    def __init__(
        self,
        units: int = 256,
        scales: tuple[float, ...] = (1 / 8, 1 / 8, 1 / 4, 1 / 4, 1 / 4),
        depths: tuple[int, ...] = (2, 3, 5),
        value_range: tuple[float, float] = (-1.0, 1.0),
        resolution: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.scales = positive_floats("scales", scales, most=1.0)
        self.depths = positive_ints("depths", depths)
        if list(self.depths) != sorted(set(self.depths)) or self.depths[-1] != len(self.scales):
            raise InputError(f"depths must ascend to the number of scales, {len(self.scales)}, received {depths!r}")
        self.value_range = number_range("value_range", value_range)
        side = max(self.picture_size or (UNKNOWN_SIDE,))
        self.resolution = positive_int("resolution", side if resolution is None else resolution)
        limits = tuple(max(1, round(scale * self.resolution / 2)) for scale in self.scales)
        products = BandLimitedFilters(self.units, limits, name="products", **self.place(0))
        heads = [
            self.make_head(1 + i, self.units, HEAD_RULE, UNIFORM_FAN_IN, name=f"head_{depth}")
            for i, depth in enumerate(self.depths)
        ]
        self.side_heads = heads[:-1]
        values = ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")
        self.set_stack([products, heads[-1], values])

    @property
    def named_layers(self) -> list[keras.layers.Layer]:
        products, *rest = self.stack
        return [products, *self.side_heads, *rest]

    @one_name()
    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        for head in self.side_heads:
            if not head.built:
                head.build(self.stack[0].compute_output_shape(self.stack_shape))

    @property
    def band_limits(self) -> tuple[int, ...]:
        """The highest frequency of each output, in periods per longer side."""
        limits = self.stack[0].limits
        return tuple(sum(limits[:depth]) for depth in self.depths)

    def at_depth(self, index: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """coords -> values of the output at self.depths[index], with this field's weights."""
        return lambda coords: self.outputs_by_depth(coords)[index]

    def outputs_by_depth(self, coords: tf.Tensor) -> list[tf.Tensor]:
        """Values (..., channels) at every depth of self.depths."""
        products, head, values = self.stack
        coords = ops.cast(coords, self.values_dtype)
        coords = coords[None] if self.num_fields is not None and len(coords.shape) < 3 else coords
        found = products.products(coords)
        heads = [*self.side_heads, head]
        return [values(layer(found[depth - 1])) for depth, layer in zip(self.depths, heads, strict=True)]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tf.Tensor:
        """The mean of the losses of all depths in training, else that of the last one."""
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        losses = [super(Bacon, self).compute_loss(x, y, o, sample_weight, training) for o in self.outputs_by_depth(x)]
        return sum(losses) / len(losses)

    def get_config(self) -> dict[str, Any]:
        names = ("units", "scales", "depths", "value_range", "resolution")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


PRESETS = (
    Preset(
        PresetInfo("bacon", 266761, "products of 5 fixed band-limited filters of 256", "computational-imaging/bacon"),
        Bacon,
        {"units": 256},
    ),
)
