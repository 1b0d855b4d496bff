"""What a field is: a stack of layers from coordinates to values that knows its picture's size."""

import inspect
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_inr._arguments import as_list, positive_int, positive_ints
from keras_inr._cpu_xla import compiles_for_cpu, cpu_xla
from keras_inr._custom_gradients import releases_gradients
from keras_inr._lazy import later
from keras_inr._variable_names import one_name
from keras_inr.coordinates import coords_dtype
from keras_inr.errors import InputError, InputTypeError
from keras_inr.forward_rules import Jet
from keras_inr.initializers.rules import Rule, RuleInitializer, derive_seed
from keras_inr.kinks import states
from keras_inr.layers._raster import raster_points
from keras_inr.layers.affine import Affine
from keras_inr.models.preset import PresetInfo
from keras_inr.rendering.raster import POINTS_PER_CALL as POINTS_PER_CALL
from keras_inr.rendering.raster import FieldRaster, integer_codes

mimebundle = later("keras_inr.web.notebook", "mimebundle")
presets_of = later("keras_inr.presets", "presets_of")
from_preset_of = later("keras_inr.presets", "from_preset_of")
write_preset = later("keras_inr.models.stored_presets", "save_to_preset")

TO_LOAD_IT = "import keras_inr before"
"""What Keras's error shows, with the rest of the config, where a file is loaded and the field's class is not known."""


class PresetsOfClass:
    """The attribute `presets` of a class."""

    def __get__(self, field: Any, model: type) -> dict[str, PresetInfo]:
        return presets_of(model)


@keras.saving.register_keras_serializable(package="keras_inr")
class Field(keras.Model):
    """values = layers(coords): a field of layers that are given, and the base class of the zoo.

    `Field([...])` takes ordinary Keras layers, from coordinates to values. A subclass calls `super().__init__`, then
    `self.set_stack([...])` with its layers. Weights exist from then on.

    Args:
        layers: `keras.layers.Layer`s with names of their own, first to last: those of this package, Keras's, or your
            own, which need no `compute_output_shape`, no forward rule and no `kink`. None for a subclass that has its
            own.
        channels: number of values at a point, 1 grey, 3 RGB, 4 RGBA. None takes what the last layer gives; until a
            subclass has set its layers, it is 3.
        picture_size: (height, width) of the picture that the field was fitted to, None if there is none (yet).
        num_fields: None, or K for K independent fields with stacked weights; the layers must have them, too.
        seed: int; a subclass draws initial weights as a pure function of it and of their place in the stack, None draws
            fresh ones. Layers that are given draw by their own initializers, which the seed does not reach: give them
            seeds, or call `keras.utils.set_random_seed` before.

    Call: coords (..., 2), order (x, y), see `keras_inr.coordinates` -> values (..., channels), sRGB-coded, nominally
    in [0, 1], not clamped, float32 (float64 under a float64 policy). With num_fields, coords (N, 2) or
    (K or 1, ..., 2) -> (K, ..., channels).

    Each layer computes by its own dtype policy; the field's decides the dtype of coords and values. Where a layer has
    no forward rule (`propagate`, see `keras_inr.forward_rules`), all layers are called with points (N, 2), and
    derivatives are taken by tapes. Where it has no `kink`, it is searched for operations that have no second
    derivatives, see `keras_inr.kinks`. A point's values must not depend on the other points.

    Layers that are given are saved with the field. To be loaded again, a class of your own must be registered
    (`keras.saving.register_keras_serializable`) or be among the custom_objects. Their weights cannot be stacked.

    Raises:
        InputTypeError: for what are no layers.
        InputError: for a channel count or picture size that is not positive, channels that the last layer does not
            give, layers that do not give (N, channels), a quantized policy, or coords of another last axis than 2.

    >>> field = Field([keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(3)], picture_size=(20, 30))
    >>> field.channels, field.render().shape
    (3, (20, 30, 3))
    """

    num_dims = 2
    presets = PresetsOfClass()
    """Name -> `PresetInfo` of the presets of this class and its subclasses: `Siren.presets`, `Field.presets`."""
    points_per_call = POINTS_PER_CALL
    """Points of a raster that are evaluated at a time."""
    recipes: Mapping[str, Mapping[str, Any]] = {}
    """Optimizer -> arguments of a `Recipe` that were measured best with it, the best optimizer first: what `fit` takes
    where none are given. `from_preset` sets those of the preset. They are not saved."""
    built: bool

    def __init__(
        self,
        layers: Sequence[keras.layers.Layer] | None = None,
        channels: int | None = None,
        picture_size: Sequence[int] | None = None,
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        if self.dtype_policy.quantization_mode is not None:
            raise InputError(f"dtype must be a policy of floats such as 'float32', received {self.dtype_policy.name!r}")
        self.channels = 3 if channels is None else positive_int("channels", channels)
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        self.picture_size = picture_size
        self.seed = seed
        self._evaluate = self._evaluate_raster = None
        self._channels_given = channels is not None
        self._layers_given = layers is not None
        if layers is not None:
            self.set_stack(layers)
        elif type(self) is Field:
            raise InputTypeError("layers must be given: Keras layers from coordinates to values, received None")

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """(height, width) of the fitted picture, or None."""
        return self._picture_size

    @picture_size.setter
    def picture_size(self, size: Sequence[int] | None) -> None:
        if size is not None:
            size = positive_ints("picture_size", size)
            if len(size) != 2:
                raise InputError(f"picture_size must be (height, width), received {size!r}")
        self._picture_size = size

    @property
    def values_dtype(self) -> str:
        """dtype of coords and values: float64 under a float64 policy, else float32."""
        return coords_dtype(self.variable_dtype)

    def place(self, index: int, dtype: Any = None) -> dict[str, Any]:
        """Arguments that the layer at a place of the stack shares with the field: policy, stacking, seed.

        Heads are given values_dtype, since under a mixed policy half precision would limit a picture to about 59 dB.
        """
        return {
            "dtype": dtype or self.dtype_policy,
            "num_fields": self.num_fields,
            "seed": derive_seed(self.seed, index),
        }

    def make_head(
        self,
        index: int,
        fan_in: int,
        kernel_rule: Rule,
        bias_rule: Rule | None,
        omega_0: float = 1.0,
        name: str = "head",
    ) -> Affine:
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

    def set_stack(self, layers: Sequence[keras.layers.Layer]) -> None:
        """Takes the layers, first to last, and builds them.

        Raises:
            InputTypeError: for what are no layers, or where the field has layers already.
            InputError: for no layer, two of one name, or layers that do not give (N, channels).
        """
        if hasattr(self, "stack"):
            raise InputTypeError(f"{type(self).__name__} has layers of its own, so that layers must not be given")
        layers = as_list("layers", layers)
        for layer in layers:
            if not isinstance(layer, keras.layers.Layer):
                raise InputTypeError(f"layers must be a list of keras.layers.Layer, received {layer!r} in it")
        names = [layer.name for layer in layers]
        if not names or len(set(names)) < len(names):
            raise InputError(f"layers must be one at least, each with a name of its own, received {names}")
        self.stack = layers
        self._in_rows = self.num_fields is None and not all(states(layer, "propagate") for layer in layers)
        self.build((None, self.num_dims))

    @property
    def named_layers(self) -> list[keras.layers.Layer]:
        """Layers that can be named to be frozen: the stack, and what a field has beside it."""
        return list(self.stack)

    @property
    def unstackable(self) -> str | None:
        """Why the weights of several such fields cannot be stacked; None if they can."""
        if self._layers_given:
            return f"{type(self).__name__} has layers that were given to it"
        lone = [layer.name for layer in self.stack if layer.weights and not hasattr(layer, "num_fields")]
        return f"{lone[0]!r} holds the weights of one field" if lone else None

    @one_name()
    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights, and takes the number of channels that the last layer gives."""
        if self.built:  # loading from disk asks again
            return
        spec = keras.KerasTensor(self.stack_shape, dtype=self.values_dtype)
        for layer in self.stack:
            if self.num_fields != getattr(layer, "num_fields", self.num_fields if states(layer, "propagate") else None):
                told = f"must be that of all layers, but {layer.name!r} is not one of so many fields"
                raise InputError(f"num_fields {told}, received {self.num_fields}")
            spec = _built(layer, spec)
        shape = getattr(spec, "shape", None)
        if shape is None or len(shape) != len(self.stack_shape) or shape[-1] is None:
            raise InputError(f"layers must give values (points, channels) at points (points, 2), received {spec!r}")
        if self._channels_given and shape[-1] != self.channels:
            raise InputError(f"channels must be what the last layer gives, {shape[-1]}, received {self.channels}")
        self.channels = shape[-1]
        self.built = True

    @property
    def stack_shape(self) -> tuple[int | None, ...]:
        """Shape of what the first layer reads."""
        return (self.num_fields, None, self.num_dims) if self.num_fields else (None, self.num_dims)

    @releases_gradients
    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step of `keras.Model.fit`."""
        with cpu_xla(compiles_for_cpu(self.jit_compile)):
            return super().train_step(data)

    def quantize(self, mode: Any = None, **kwargs: Any) -> None:
        """Always raises: Keras would leave a field as it is, since it knows no quantized form of its layers."""
        raise NotImplementedError(f"a field has no layers that Keras can quantize, received mode={mode!r}")

    def call(self, coords: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Values (..., channels) at coords (..., 2); dropout and the like learn from Keras if this is training."""
        if coords.shape[-1] != self.num_dims:
            raise InputError(f"coords must have a last axis of {self.num_dims} (x, y), received shape {coords.shape}")
        values = ops.cast(coords, self.values_dtype)
        if self.num_fields is not None and len(values.shape) < 3:
            values = values[None]
        reshaped = self._in_rows and len(values.shape) != 2
        if reshaped:
            values = ops.reshape(values, (-1, self.num_dims))
        for layer in self.stack:
            values = layer(values)
        if reshaped:
            values = ops.reshape(values, (*ops.shape(coords)[:-1], self.channels))
        return ops.cast(values, self.values_dtype)

    def on_raster(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Values (H * W, channels) at the points of a raster of a single field, row by row.

        As the field at these points, up to rounding. Encodings by grids are several times as fast so: the raster's
        columns and rows share what is looked up.

        Args:
            x, y: coordinates of the raster's columns (W) and rows (H).
        """
        first, *others = self.stack
        if self.num_fields is not None or not hasattr(first, "on_raster"):
            return self(raster_points(x, y))
        values = first.on_raster(ops.cast(x, self.values_dtype), ops.cast(y, self.values_dtype))
        for layer in others:
            values = layer(values)
        return ops.cast(values, self.values_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Carries derivatives from coords to values through the layers' rules, see `keras_inr.forward_rules`."""
        jet = jet.linear(lambda part: ops.cast(part, self.values_dtype))
        if self.num_fields is not None and len(jet.value.shape) < 3:
            jet = jet.linear(lambda part: part[None])
        for layer in self.stack:
            jet = layer.propagate(jet)
        return jet

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Shape of the values at coords of a shape."""
        if self.num_fields is None:
            return (*input_shape[:-1], self.channels)
        points = input_shape[:-1] if len(input_shape) < 3 else input_shape[1:-1]
        return (self.num_fields, *points, self.channels)

    def compute_output_spec(self, coords: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        """Shape and dtype of the values at coords."""
        return keras.KerasTensor(self.compute_output_shape(coords.shape), dtype=self.values_dtype)

    @property
    def traced(self) -> Any:
        """`call` as a concrete function of coords (N, 2), traced at the first use."""
        if self._evaluate is None:
            points = tf.TensorSpec((None, self.num_dims), self.values_dtype)
            self._evaluate = tf.function(lambda coords: self(coords), autograph=False).get_concrete_function(points)
        return self._evaluate

    @property
    def traced_raster(self) -> Any:
        """`on_raster` as a concrete function of columns x (W) and rows y (H), traced at the first use."""
        if self._evaluate_raster is None:
            axis = tf.TensorSpec((None,), self.values_dtype)
            evaluate = tf.function(lambda x, y: self.on_raster(x, y), autograph=False)
            self._evaluate_raster = evaluate.get_concrete_function(axis, axis)
        return self._evaluate_raster

    def sample_grid(
        self,
        height: int | None = None,
        width: int | None = None,
        box: Sequence[float] | None = None,
        supersampling: int | None = None,
    ) -> np.ndarray:
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

    def render(
        self,
        height: int | None = None,
        width: int | None = None,
        box: Sequence[float] | None = None,
        supersampling: int | None = None,
        between: str = "auto",
    ) -> np.ndarray:
        """The field as a picture: `sample_grid`, clamped to [0, 1] and rounded to uint8, (height, width, channels).

        Filtered as there where it is smaller than the field's picture. Where it is larger, "auto" shows a field that is
        not smooth between the picture's pixels by the cubic spline through its values at pixel centres, as "spline"
        does any; "field" shows its own values, which may be noise there. See `keras_inr.rendering.between_pixels`.

        >>> from keras_inr.models import Siren
        >>> Siren(units=(16, 16), picture_size=(20, 30)).render(40, 60).shape
        (40, 60, 3)
        """
        return FieldRaster(self, height, width, box, supersampling, between=between).array(to_uint8)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What a notebook shows: a picture that zooms, see `keras_inr.web.notebook`."""
        return mimebundle(self)

    def get_config(self) -> dict[str, Any]:
        """The arguments; layers only of a class whose constructor takes them."""
        config = {
            **super().get_config(),
            "channels": self.channels,
            "picture_size": self.picture_size,
            "num_fields": self.num_fields,
            "seed": self.seed,
        }
        if self._layers_given and "layers" in inspect.signature(type(self).__init__).parameters:
            config["layers"] = [_config_of(layer) for layer in self.stack]
        return config

    def get_build_config(self) -> dict[str, Any] | None:
        """The shape that Keras would build it with, and a word for those who load a file without `import keras_inr`."""
        config = super().get_build_config()
        return config and {**config, "to_load_it": TO_LOAD_IT}

    def save_to_preset(self, folder: str | os.PathLike[str]) -> pathlib.Path:
        """Writes a folder with config.json, metadata.json and model.weights.h5, which `from_preset` reads.

        `keras.saving.load_model` reads it, too. It appears by one rename once it is whole.

        Args:
            folder: that does not exist, or is empty; its parents are made.

        Returns:
            `pathlib.Path` of the folder.

        Raises:
            InputError: for a folder that holds something.

        >>> import tempfile
        >>> folder = Field([keras.layers.Dense(3)]).save_to_preset(tempfile.mkdtemp())
        >>> Field.from_preset(folder).channels
        3
        """
        return write_preset(self, folder)

    @classmethod
    def from_preset(cls, name: str | os.PathLike[str], /, **arguments: Any) -> Self:
        """As `keras_inr.from_preset`, of this class or its subclasses only.

        Args:
            name: of `presets`, a folder that `save_to_preset` wrote, or "hf://USER/NAME" or
                "kaggle://USER/MODEL/keras/VARIATION" for one on a hub.
            **arguments: see `keras_inr.from_preset`.

        Raises:
            InputError: as there, and for a preset of another class.

        >>> from keras_inr.models import Siren
        >>> Siren.from_preset("siren_256", channels=1).count_params()
        198401
        """
        return from_preset_of(cls, name, **arguments)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """A field with these arguments and new weights.

        Raises:
            InputError: for a layer of a class that Keras does not know, or that cannot be made again.
        """
        layers = config.get("layers")
        if isinstance(layers, list) and all(isinstance(layer, dict) for layer in layers):
            config = {**config, "layers": [_revived(layer, custom_objects) for layer in layers]}
        return super().from_config(config, custom_objects)


def _built(layer: keras.layers.Layer, spec: Any) -> Any:
    """The layer's output for an input, once it has its weights: a KerasTensor."""
    kind, plain = type(layer), keras.layers.Layer
    says_all = kind.build is not plain.build and kind.compute_output_shape is not plain.compute_output_shape
    if not says_all or kind.compute_output_spec is not plain.compute_output_spec:
        return layer(spec)  # Keras finds the rest out by a call
    if not layer.built:
        layer.build(spec.shape)
    return keras.KerasTensor(layer.compute_output_shape(spec.shape), dtype=layer.compute_dtype)


def _config_of(layer: keras.layers.Layer) -> dict[str, Any]:
    """What a layer is made of again; without the shape that it was built for, since the field builds it."""
    return {name: v for name, v in keras.saving.serialize_keras_object(layer).items() if name != "build_config"}


def _revived(config: dict[str, Any], custom_objects: dict[str, Any] | None) -> keras.layers.Layer:
    """The layer that a config is of."""
    try:
        return keras.saving.deserialize_keras_object(config, custom_objects=custom_objects)
    except TypeError as error:
        unknown = re.search(r"Could not locate (class|function) '([^']+)'", str(error))
        if unknown is None:
            name = config.get("class_name")
            raise InputError(f"a layer {name!r} of the field cannot be made from its config: {error}") from error
        kind, name = unknown.groups()
        raise InputError(
            f"the field has a layer with the {kind} {name!r}, which Keras does not know: put "
            f"@keras.saving.register_keras_serializable() above it and import its module before, or give "
            f"custom_objects={{{name!r}: {name}}}"
        ) from error


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Values as 8-bit codes: clamped to [0, 1], times 255, rounded.

    >>> to_uint8(np.array([-0.1, 0.5, 1.1])).tolist()
    [0, 128, 255]
    """
    return integer_codes(values, np.uint8)
