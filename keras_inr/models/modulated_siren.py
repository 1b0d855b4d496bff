"""One sine network for many pictures, and a short latent for each of them that modulates its layers."""

from collections.abc import Sequence
from typing import Any, Self

import keras
import tensorflow as tf
from keras import ops

from keras_inr._arguments import one_of, positive_int
from keras_inr._cpu_xla import compiles_for_cpu, cpu_xla
from keras_inr._custom_gradients import releases_gradients
from keras_inr._sines import sin_of
from keras_inr._variable_names import one_name
from keras_inr.coordinates import coords_dtype
from keras_inr.errors import InputError
from keras_inr.initializers.rules import Rule, RuleInitializer, derive_seed
from keras_inr.layers.affine import Affine
from keras_inr.layers.sine_dense import SineDense
from keras_inr.models.siren import Siren

MODULATIONS = ("shift", "film")
LATENT_RULE = Rule("normal", gain=1 / 300)
"""Latents of a size that Adam crosses in a few steps at a rate of 1e-3, the network's own."""

MAP_RULE = Rule("normal", gain=300.0, fan_in_power=-0.5, omega_power=-1)
"""Such latents move phases by about 1 radian."""


@keras.saving.register_keras_serializable(package="keras_inr")
class ModulatedSiren(keras.Model):
    """K pictures as one SIREN whose weights they share and a latent z_k of d numbers for each.

    z_k A = (s_k1, g_k1, s_k2, g_k2, ...) with one linear map A for all, and layer by layer, from h_0 = coords / s,
        "shift": h_i = sin(omega_0 (h_(i-1) W_i + b_i + s_ki)),
        "film":  h_i = sin(omega_0 ((1 + g_ki) (h_(i-1) W_i + b_i) + s_ki));
    the head and the range of values are those of `Siren` and not modulated. A picture's `field` is an ordinary `Siren`,
    since shifts fold into biases and scales into kernels.

    Args:
        num_pictures: K.
        latent_dim: d, the numbers that belong to a picture.
        modulation: "shift" (functa) or "film", scales as well (FiLM, pi-GAN).
        units, scheme, omega_0, value_range, channels, picture_size: of the shared network, see `Siren`.
        seed: int; initial weights are a pure function of it and of their place. None draws fresh ones.

    Call: coords (N, 2), which all pictures share, or (K or 1, N, 2) -> values (K, N, channels), sRGB-coded, nominally
    in [0, 1], not clamped; differentiable in coords, latents and weights. Mixed policies count as float32. It trains
    with plain `compile` and `fit` on targets (K, N, channels); see `keras_inr.training.many.fit_modulated`.

    Raises:
        InputError: for an unknown modulation, a scheme without biases in sine layers, which shifts need to fold into,
            an argument out of range, or coords of another shape.

    Source: Dupont et al., From data to functa, 2022, section 3, and google-deepmind/functa, function_reps.py (scales
    too); Perez et al. 2018; Chan et al., pi-GAN, 2021. Different: A has no bias, which b would only repeat; widths may
    differ between layers; coordinates and values are those of this package.

    >>> model = ModulatedSiren(num_pictures=5, latent_dim=16, units=(32, 32), picture_size=(20, 30), seed=0)
    >>> model(ops.zeros((7, 2))).shape
    TensorShape([5, 7, 3])
    >>> model.field(4).render().shape
    (20, 30, 3)
    """

    built: bool  # of every Keras layer

    def __init__(
        self,
        num_pictures: int,
        latent_dim: int = 64,
        modulation: str = "shift",
        units: tuple[int, ...] = (128, 128, 128),
        scheme: str = "paper",
        omega_0: float | None = None,
        value_range: tuple[float, float] = (-1.0, 1.0),
        channels: int = 3,
        picture_size: tuple[int, int] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # layers are called by their parts, which would mix dtypes under a mixed policy
        policy = keras.dtype_policies.get(kwargs.pop("dtype", None))
        super().__init__(**{"autocast": False, **kwargs}, dtype=coords_dtype(policy.variable_dtype))
        self.num_pictures = positive_int("num_pictures", num_pictures)
        self.latent_dim = positive_int("latent_dim", latent_dim)
        one_of("modulation", modulation, MODULATIONS)
        self.modulation = modulation
        self.seed = seed
        of_field = {"channels": channels, "picture_size": picture_size, "seed": seed, "dtype": self.dtype_policy}
        self.network = Siren(units, scheme, omega_0, value_range, **of_field, name="network")
        self.units, self.scheme, self.omega_0 = self.network.units, self.network.scheme, self.network.omega_0
        self.value_range, self.channels = self.network.value_range, self.network.channels
        if any(layer.bias is None for layer in self.sine_layers):
            raise InputError(f"scheme must have biases in all sine layers, received {self.scheme.name!r}")
        self.to_modulations = Affine(
            sum(layer.units for layer in self.sine_layers) * (1 if modulation == "shift" else 2),
            use_bias=False,
            kernel_initializer=RuleInitializer(MAP_RULE, self.omega_0, seed=self.seed_of(0)),
            dtype=self.dtype_policy,
            name="to_modulations",
        )
        self.build((None, self.network.num_dims))

    @one_name()
    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.built:
            return
        self.to_modulations.build((self.num_pictures, self.latent_dim))
        self.latents = self.add_weight(
            shape=(self.num_pictures, self.latent_dim),
            initializer=RuleInitializer(LATENT_RULE, seed=self.seed_of(1)),
            name="latents",
        )
        self.built = True

    def seed_of(self, place: int) -> int | None:
        """Seed of a weight outside the shared network, whose layers count from 0."""
        return derive_seed(self.seed, len(self.network.stack), place)

    @property
    def sine_layers(self) -> list[SineDense]:
        """The shared layers that are modulated, first to last."""
        return self.network.stack[: len(self.units)]

    @property
    def values_dtype(self) -> str:
        """dtype of coords, latents and values: float64 under a float64 policy, else float32."""
        return self.variable_dtype

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """(height, width) of every picture, or None."""
        return self.network.picture_size

    @picture_size.setter
    def picture_size(self, size: tuple[int, int] | None) -> None:
        self.network.picture_size = size

    def modulations(self) -> list[tuple[tf.Tensor, tf.Tensor | None]]:
        """[(s, g) for each sine layer], tensors (K, units) both; g is None without scales."""
        widths = [layer.units for layer in self.sine_layers]
        if self.modulation == "film":
            widths = [width for width in widths for _ in "sg"]
        parts = tf.split(self.to_modulations(self.latents), widths, axis=-1)
        if self.modulation == "shift":
            return [(shift, None) for shift in parts]
        return list(zip(parts[::2], parts[1::2], strict=True))

    def call(self, coords: tf.Tensor) -> tf.Tensor:
        shape = tuple(coords.shape)
        if shape[-1:] != (self.network.num_dims,) or len(shape) not in (2, 3):
            raise InputError(f"coords must have shape (N, 2) or ({self.num_pictures} or 1, N, 2), received {shape}")
        values = ops.cast(coords, self.values_dtype)
        values = values if len(shape) == 3 else values[None]
        for layer, (shift, scale) in zip(self.sine_layers, self.modulations(), strict=True):
            phases = layer.phases(values)  # (K or 1, N, units)
            if scale is not None:
                phases = phases * (1 + scale[:, None])
            values = sin_of(phases + layer.omega_0 * shift[:, None])
        for layer in self.network.stack[len(self.sine_layers) :]:
            values = layer(values)
        return values

    quantize = Siren.quantize

    @releases_gradients
    def train_step(self, data: Any) -> dict[str, Any]:
        with cpu_xla(compiles_for_cpu(self.jit_compile)):
            return super().train_step(data)

    def field(self, place: int) -> Siren:
        """The picture at a place as a `Siren` of its own: the same function up to rounding, its weights copies.

        b_i becomes (1 + g_ki) b_i + s_ki and W_i becomes W_i (1 + g_ki), column by column.

        Raises:
            InputError: for a place that is not from 0 to K - 1.

        >>> ModulatedSiren(2, latent_dim=4, units=(8,), picture_size=(5, 6)).field(1).render(10, 12).shape
        (10, 12, 3)
        """
        place = self.checked_place(place)
        field = Siren.from_config({**self.network.get_config(), "seed": None, "name": None})
        field.set_weights(self.network.get_weights())
        for layer, (shift, scale) in zip(field.stack, self.modulations(), strict=False):
            factor = 1 if scale is None else 1 + scale.numpy()[place].astype("float64")
            layer.kernel.assign(layer.kernel.numpy() * factor)
            layer.bias.assign(layer.bias.numpy() * factor + shift.numpy()[place])
        return field

    def for_pictures(self, num_pictures: int, like: Sequence[int] | None = None) -> Self:
        """A model for other pictures, with copies of what is shared.

        Args:
            num_pictures: of them.
            like: for each, the place of the picture of this model whose latent it begins with, see
                `keras_inr.training.nearest`; None begins all with the mean of the latents.

        Raises:
            InputError: for places that are not from 0 to K - 1, or not one for each picture.

        >>> ModulatedSiren(2, latent_dim=4, units=(8,)).for_pictures(3, like=(1, 0, 1)).latents.shape
        TensorShape([3, 4])
        """
        model = type(self).from_config({**self.get_config(), "num_pictures": num_pictures, "name": None})
        for part, own in ((model.network, self.network), (model.to_modulations, self.to_modulations)):
            part.set_weights(own.get_weights())
        if like is None:
            latents = tf.broadcast_to(tf.reduce_mean(self.latents, axis=0), model.latents.shape)
        elif len(like) != model.num_pictures:
            raise InputError(f"like must have {model.num_pictures} places, one for each picture, received {len(like)}")
        else:
            latents = tf.gather(self.latents, [self.checked_place(place) for place in like])
        model.latents.assign(latents)
        return model

    def checked_place(self, place: int) -> int:
        """The place of a picture as an int."""
        if isinstance(place, bool) or place not in range(self.num_pictures):
            raise InputError(f"place must be an integer from 0 to {self.num_pictures - 1}, received {place!r}")
        return int(place)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (self.num_pictures, input_shape[-2], self.channels)

    def compute_output_spec(self, coords: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(coords.shape), dtype=self.values_dtype)

    def get_config(self) -> dict[str, Any]:
        network = self.network.get_config()
        shared = ("units", "scheme", "omega_0", "value_range", "channels", "picture_size")
        return {
            **super().get_config(),
            "num_pictures": self.num_pictures,
            "latent_dim": self.latent_dim,
            "modulation": self.modulation,
            **{name: network[name] for name in shared},
            "seed": self.seed,
        }
