"""The multi-resolution hash grid with a small rectified network."""

import functools
from typing import Any

import keras

from keras_inr._arguments import number_range, one_of, positive_ints
from keras_inr.layers.affine import Affine
from keras_inr.layers.hash_encoding import HashEncoding
from keras_inr.layers.leaky_relu_dense import LeakyReluDense
from keras_inr.layers.sine_dense import SineDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field
from keras_inr.models.preset import DESCENT, Preset, PresetInfo

ACTIVATIONS = ("leaky_relu", "sine")


@keras.saving.register_keras_serializable(package="keras_inr")
class MultiHash(Field):
    """A `HashEncoding` followed by leaky ReLU or sine layers and a linear head.

    With interpolation="smoothstep" and activation="sine" it has second derivatives everywhere.

    Args:
        num_levels, table_size, num_features, base_resolution, finest_resolution, interpolation, grid: see
            `HashEncoding`.
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
        grid: str = "hash",
        units: tuple[int, ...] = (64, 64),
        activation: str = "leaky_relu",
        negative_slope: float = 0.01,
        value_range: tuple[float, float] = (0.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_levels = num_levels
        self.table_size = table_size
        self.num_features = num_features
        self.base_resolution = base_resolution
        self.finest_resolution = finest_resolution
        self.interpolation = interpolation
        self.grid = grid
        self.units = positive_ints("units", units)
        one_of("activation", activation, ACTIVATIONS)
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
            grid=grid,
            name="encoding",
            **self.place(0),
        )
        hidden: list[Affine]
        if activation == "sine":
            sine = functools.partial(SineDense, omega_0=1.0, scheme="descent")  # U(+-sqrt(6 / fan_in)), biases U(+-1)
            hidden = [sine(w, name=f"sine_{i}", **self.place(i + 1)) for i, w in enumerate(self.units)]
        else:
            slope = {"negative_slope": negative_slope}
            hidden = [
                LeakyReluDense(w, **slope, name=f"relu_{i}", **self.place(i + 1)) for i, w in enumerate(self.units)
            ]
        head = Affine(self.channels, name="head", **self.place(len(self.units) + 1, self.values_dtype))
        values = ValueRange(*self.value_range, dtype=self.values_dtype, name="value_range")
        self.set_stack([encoding, *hidden, head, values])

    def get_config(self) -> dict[str, Any]:
        names = ["num_levels", "table_size", "num_features", "base_resolution", "finest_resolution", "interpolation"]
        names += ["grid", "units", "activation", "negative_slope", "value_range"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


PRESETS = (
    Preset(
        PresetInfo("multi_hash", 43977, "10 hash levels of up to 4096 entries, leaky ReLU 64-64", DESCENT),
        MultiHash,
        {
            "num_levels": 10,
            "table_size": 4096,
            "num_features": 2,
            "base_resolution": 2,
            "finest_resolution": 512,
            "units": (64, 64),
        },
    ),
    Preset(
        PresetInfo("dense_grid", 49419, "4 dense levels up to 128 cells, ReLU 64-64", "NVlabs/tiny-cuda-nn, DenseGrid"),
        MultiHash,
        {"grid": "dense", "num_levels": 4, "base_resolution": 16, "finest_resolution": 128, "units": (64, 64)},
    ),
    Preset(
        PresetInfo("tiled_grid", 43977, "10 levels on repeated tiles of 64 x 64", "NVlabs/tiny-cuda-nn, TiledGrid"),
        MultiHash,
        {"grid": "tiled", "num_levels": 10, "table_size": 4096, "base_resolution": 2, "finest_resolution": 512},
    ),
    Preset(
        PresetInfo(
            "hash_16", 291777, "16 hash levels of up to 16384 entries, leaky ReLU 64-64", "after Müller et al. 2022"
        ),
        MultiHash,
        {
            "num_levels": 16,
            "table_size": 2**14,
            "num_features": 2,
            "base_resolution": 16,
            "finest_resolution": 512,
            "units": (64, 64),
        },
    ),
    Preset(
        PresetInfo(
            "hash_large", 181233, "8 hash levels of up to 65536 entries, finest 256", "after Müller et al. 2022"
        ),
        MultiHash,
        {"num_levels": 8, "table_size": 2**16, "base_resolution": 2, "finest_resolution": 256, "units": (64, 64)},
    ),
    Preset(
        PresetInfo(
            "hash_smooth", 73031, "13 smooth hash levels, sine 64-64: has a Laplacian", "after Müller et al. 2022"
        ),
        MultiHash,
        {
            "num_levels": 13,
            "table_size": 2**16,
            "base_resolution": 2,
            "finest_resolution": 128,
            "interpolation": "smoothstep",
            "activation": "sine",
            "units": (64, 64),
        },
    ),
)
