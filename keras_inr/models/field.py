"""What a field is: a stack of layers from coordinates to values that knows its picture's size."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_inr._arguments import positive_int, positive_ints
from keras_inr._cpu_xla import compiles_for_cpu, cpu_xla
from keras_inr._custom_gradients import releases_gradients
from keras_inr._variable_names import one_name
from keras_inr.coordinates import coords_dtype
from keras_inr.errors import InputError
from keras_inr.initializers.rules import RuleInitializer, derive_seed
from keras_inr.layers.affine import Affine
from keras_inr.rendering.raster import POINTS_PER_CALL as POINTS_PER_CALL
from keras_inr.rendering.raster import FieldRaster


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
        InputError: for a channel count or picture size that is not positive, a quantized policy, or coords of another
            last axis than 2.
    """

    num_dims = 2

    def __init__(self, channels=3, picture_size=None, num_fields=None, seed=None, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        if self.dtype_policy.quantization_mode is not None:
            raise InputError(f"dtype must be a policy of floats such as 'float32', received {self.dtype_policy.name!r}")
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
                raise InputError(f"picture_size must be (height, width), received {size!r}")
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

    def make_head(self, index, fan_in, kernel_rule, bias_rule, omega_0=1.0, name="head"):
        """The linear layer that ends a network, drawn by rules; a bias rule of None is no bias."""

        def draw(rule, number):
            return RuleInitializer(rule, omega_0, fan_in, derive_seed(self.seed, index, number))

        return Affine(
            self.channels,
            use_bias=bias_rule is not None,
            kernel_initializer=draw(kernel_rule, 0),
            bias_initializer=None if bias_rule is None else draw(bias_rule, 1),
            name=name,
            **self.place(index, self.values_dtype),
        )

    def set_stack(self, layers):
        """Takes the layers, first to last, and builds them."""
        self.stack = layers
        self.build((None, self.num_dims))

    @property
    def named_layers(self):
        """Layers that can be named to be frozen: the stack, and what a field has beside it."""
        return list(self.stack)

    @one_name()
    def build(self, input_shape):
        if self.built:  # loading from disk asks again
            return
        shape = self.stack_shape
        for layer in self.stack:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    @property
    def stack_shape(self):
        """Shape of what the first layer reads."""
        return (self.num_fields, None, self.num_dims) if self.num_fields else (None, self.num_dims)

    @releases_gradients
    def train_step(self, data):
        with cpu_xla(compiles_for_cpu(self.jit_compile)):
            return super().train_step(data)

    def quantize(self, mode=None, **kwargs):
        """Always raises: Keras would leave a field as it is, since it knows no quantized form of its layers."""
        raise NotImplementedError(f"a field has no layers that Keras can quantize, received mode={mode!r}")

    def call(self, coords):
        if coords.shape[-1] != self.num_dims:
            raise InputError(f"coords must have a last axis of {self.num_dims} (x, y), received shape {coords.shape}")
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

    @property
    def traced(self):
        """`call` as a concrete function of coords (N, 2), traced at the first use."""
        if self._evaluate is None:
            points = tf.TensorSpec((None, self.num_dims), self.values_dtype)
            self._evaluate = tf.function(lambda coords: self(coords)).get_concrete_function(points)
        return self._evaluate

    def sample_grid(self, height=None, width=None, box=None, supersampling=None):
        """Values on the pixels of a height x width raster laid over a box, in chunks.

        At pixel centres, unless pixels are larger than the picture's own. Those are the mean over s_y x s_x points, the
        centres of as many equal parts of the pixel, with s = min(64, ceil(r - 0.01)) on each axis for pixels that are
        r > 1 times as long as the picture's. See `keras_inr.rendering.raster.FieldRaster`, which has derivatives too.

        Args:
            height, width: size of the raster; the picture's own by default.
            box: (x0, y0, x1, y1), outer edges; None is the whole picture, or [-1, 1]^2 for a field without one.
            supersampling: None as above, or an integer from 1 (pixel centres) to 64, the points along each side of
                every pixel.

        Returns:
            NumPy array (height, width, channels), not clamped; (K, height, width, channels) for K stacked fields.

        Raises:
            InputError: for a size that is not positive, has 2^31 pixels or more, or is missing where the field has no
                picture; for a box without four edges; for a supersampling out of range.

        >>> from keras_inr.models import Siren
        >>> Siren(units=(16, 16), picture_size=(200, 300)).sample_grid(20, 30).shape  # 10 x 10 points per pixel
        (20, 30, 3)
        """
        return FieldRaster(self, height, width, box, supersampling).array()

    def render(self, height=None, width=None, box=None, supersampling=None):
        """The field as a picture: `sample_grid`, clamped to [0, 1] and rounded to uint8, (height, width, channels).

        Filtered as there where it is smaller than the field's picture.

        >>> from keras_inr.models import Siren
        >>> Siren(units=(16, 16), picture_size=(20, 30)).render(40, 60).shape
        (40, 60, 3)
        """
        return FieldRaster(self, height, width, box, supersampling).array(to_uint8)

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
