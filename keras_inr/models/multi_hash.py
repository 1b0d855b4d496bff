"""The multi-resolution hash grid with a small rectified network."""

import keras

from keras_inr.arguments import number_range, positive_ints
from keras_inr.layers.affine import Affine
from keras_inr.layers.hash_encoding import HashEncoding
from keras_inr.layers.leaky_relu_dense import LeakyReluDense
from keras_inr.layers.sine_dense import SineDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field

ACTIVATIONS = ("leaky_relu", "sine")


@keras.saving.register_keras_serializable(package="keras_inr")
class MultiHash(Field):
    """A `HashEncoding` followed by leaky ReLU or sine layers and a linear head.

    With interpolation="smoothstep" and activation="sine" it has second derivatives everywhere.

    Args:
        num_levels, table_size, num_features, base_resolution, finest_resolution, interpolation: see `HashEncoding`.
        units: widths of the layers behind the encoding.
        activation: "leaky_relu", or "sine" for sine layers with omega_0 = 1.
        negative_slope: of the leaky ReLU, for negative pre-activations.
        value_range: (low, high) that the head works in; it is mapped onto [0, 1] as the last step.
        channels, picture_size, num_fields, seed: see `Field`.

    Source: Müller et al. 2022; sizes as in descent's examples/image_fit, whose collisions on small levels are mended.

    >>> MultiHash().count_params()
    43977
    """

    def __init__(
        self,
        num_levels: int = 10,
        table_size: int = 4096,
        num_features: int = 2,
        base_resolution: int = 2,
        finest_resolution: int = 512,
        interpolation: str = "linear",
        units: tuple[int, ...] = (64, 64),
        activation: str = "leaky_relu",
        negative_slope: float = 0.01,
        value_range: tuple[float, float] = (0.0, 1.0),
        channels: int = 3,
        picture_size: tuple[int, int] | None = None,
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(channels, picture_size, num_fields, seed, **kwargs)
        self.num_levels = num_levels
        self.table_size = table_size
        self.num_features = num_features
        self.base_resolution = base_resolution
        self.finest_resolution = finest_resolution
        self.interpolation = interpolation
        self.units = positive_ints("units", units)
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {ACTIVATIONS}, received {activation!r}")
        self.activation = activation
        self.negative_slope = negative_slope
        self.value_range = number_range("value_range", value_range)
        encoding = HashEncoding(
            num_levels,
            table_size,
            num_features,
            base_resolution,
            finest_resolution,
            interpolation,
            num_dims=self.num_dims,
            name="encoding",
            **self.place(0),
        )
        if activation == "sine":
            sine = {"omega_0": 1.0, "scheme": "descent"}  # its hidden rules: U(+-sqrt(6 / fan_in)), biases U(+-1)
            hidden = [SineDense(w, **sine, name=f"sine_{i}", **self.place(i + 1)) for i, w in enumerate(self.units)]
        else:
            slope = {"negative_slope": negative_slope}
            hidden = [
                LeakyReluDense(w, **slope, name=f"relu_{i}", **self.place(i + 1)) for i, w in enumerate(self.units)
            ]
        head = Affine(self.channels, name="head", **self.place(len(self.units) + 1, self.values_dtype))
        values = ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")
        self.set_stack([encoding, *hidden, head, values])

    def get_config(self):
        names = ("num_levels", "table_size", "num_features", "base_resolution", "finest_resolution", "interpolation")
        names += ("units", "activation", "negative_slope", "value_range")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
