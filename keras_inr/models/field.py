"""What a field is: a stack of layers from coordinates to values that knows its picture's size."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_inr.arguments import positive_int, positive_ints
from keras_inr.coordinates import box_coords, coords_dtype, picture_box
from keras_inr.initializers import derive_seed

POINTS_PER_CALL = 65536


class Field(keras.Model):
    """Base class of the zoo: values = stack(coords).

    A subclass calls `super().__init__`, then `self.set_stack([...])` with its layers; weights exist from then on.

    Args:
        channels: number of values at a point, 1 grey, 3 RGB, 4 RGBA.
        picture_size: (height, width) of the picture that the field was fitted to, None if there is none (yet).
        num_fields: None, or K for K independent fields with stacked weights.
        seed: int; initial weights are a pure function of it and of their place in the stack. None draws fresh ones.

    Call: coords (..., 2), order (x, y), see `keras_inr.coordinates` -> values (..., channels), sRGB-coded, nominally
    in [0, 1], not clamped, float32 (float64 under a float64 policy). With num_fields, coords (N, 2) or
    (K or 1, ..., 2) -> (K, ..., channels).

    Raises:
        ValueError: for a channel count or picture size that is not positive, or coords of another last axis than 2.
    """

    num_dims = 2

    def __init__(self, channels=3, picture_size=None, num_fields=None, seed=None, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.channels = positive_int("channels", channels)
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        self.picture_size = picture_size
        self.seed = seed
        self._evaluate = None

    @property
    def picture_size(self):
        """(height, width) of the fitted picture, or None."""
        return self._picture_size

    @picture_size.setter
    def picture_size(self, size):
        if size is not None:
            size = positive_ints("picture_size", size)
            if len(size) != 2:
                raise ValueError(f"picture_size must be (height, width), received {size!r}")
        self._picture_size = size

    @property
    def values_dtype(self):
        """dtype of coords and values: float64 under a float64 policy, else float32."""
        return coords_dtype(self.variable_dtype)

    def place(self, index, dtype=None):
        """Arguments that the layer at a place of the stack shares with the field: policy, stacking, seed.

        Heads are given values_dtype, since under a mixed policy half precision would limit a picture to about 59 dB.
        """
        return {
            "dtype": dtype or self.dtype_policy,
            "num_fields": self.num_fields,
            "seed": derive_seed(self.seed, index),
        }

    def set_stack(self, layers):
        """Takes the layers, first to last, and builds them."""
        self.stack = layers
        self.build((None, self.num_dims))

    def build(self, input_shape):
        if self.built:  # loading from disk asks again
            return
        shape = (self.num_fields, None, self.num_dims) if self.num_fields else (None, self.num_dims)
        for layer in self.stack:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, coords):
        if coords.shape[-1] != self.num_dims:
            raise ValueError(f"coords must have a last axis of {self.num_dims} (x, y), received shape {coords.shape}")
        values = ops.cast(coords, self.values_dtype)
        if self.num_fields is not None and len(values.shape) < 3:
            values = values[None]
        for layer in self.stack:
            values = layer(values)
        return values

    def propagate(self, jet):
        """Carries derivatives from coords to values through the layers' rules, see `keras_inr.forward_rules`."""
        jet = jet.linear(lambda part: ops.cast(part, self.values_dtype))
        if self.num_fields is not None and len(jet.value.shape) < 3:
            jet = jet.linear(lambda part: part[None])
        for layer in self.stack:
            jet = layer.propagate(jet)
        return jet

    def compute_output_shape(self, input_shape):
        if self.num_fields is None:
            return (*input_shape[:-1], self.channels)
        points = input_shape[:-1] if len(input_shape) < 3 else input_shape[1:-1]
        return (self.num_fields, *points, self.channels)

    def compute_output_spec(self, coords):
        return keras.KerasTensor(self.compute_output_shape(coords.shape), dtype=self.values_dtype)

    def sample_grid(self, height=None, width=None, box=None):
        """Values at the pixel centres of a height x width raster laid over a box, in chunks.

        Args:
            height, width: size of the raster; the picture's own by default.
            box: (x0, y0, x1, y1), outer edges; None is the whole picture, or [-1, 1]^2 for a field without one.

        Returns:
            NumPy array (height, width, channels), not clamped; (K, height, width, channels) for K stacked fields.

        Raises:
            ValueError: for a size that is not positive, has 2^31 pixels or more, or is missing where the field has no
                picture; for a box without four edges.
        """
        return self._raster(height, width, box, self.values_dtype, lambda values: values)

    def render(self, height=None, width=None, box=None):
        """The field as a picture: `sample_grid`, clamped to [0, 1] and rounded to uint8, (height, width, channels).

        >>> from keras_inr.models import Siren
        >>> Siren(units=(16, 16), picture_size=(20, 30)).render(40, 60).shape
        (40, 60, 3)
        """
        return self._raster(height, width, box, np.uint8, to_uint8)

    def _raster(self, height, width, box, dtype, convert):
        """convert(values) at the pixel centres, chunk by chunk into one array."""
        if height is None or width is None:
            if self.picture_size is None:
                raise ValueError("height and width must be given for a field without a picture_size")
            height = self.picture_size[0] if height is None else height
            width = self.picture_size[1] if width is None else width
        height, width = positive_int("height", height), positive_int("width", width)
        if height * width >= 2**31:
            raise ValueError(f"a raster must have less than 2^31 pixels, received {height} x {width}")
        if box is None:
            box = picture_box(*self.picture_size) if self.picture_size else (-1.0, -1.0, 1.0, 1.0)
        if len(box) != 4:
            raise ValueError(f"box must be (x0, y0, x1, y1), received {box!r}")
        if self._evaluate is None:
            points = tf.TensorSpec((None, self.num_dims), self.values_dtype)
            self._evaluate = tf.function(lambda coords: self(coords)).get_concrete_function(points)
        leading = () if self.num_fields is None else (self.num_fields,)
        raster = np.empty((*leading, height * width, self.channels), dtype)
        for first in range(0, height * width, POINTS_PER_CALL):
            count = min(POINTS_PER_CALL, height * width - first)
            coords = box_coords(box, height, width, first, count, dtype=self.values_dtype)
            raster[..., first : first + count, :] = convert(self._evaluate(coords).numpy())
        return raster.reshape((*leading, height, width, self.channels))

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "picture_size": self.picture_size,
            "num_fields": self.num_fields,
            "seed": self.seed,
        }


def to_uint8(values):
    """Values as 8-bit codes: clamped to [0, 1], times 255, rounded.

    >>> to_uint8(np.array([-0.1, 0.5, 1.1])).tolist()
    [0, 128, 255]
    """
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
