"""The sine network whose frequency grows with its phase."""

from typing import Any

import keras

from keras_inr.layers.finer_dense import FinerDense
from keras_inr.models.preset import Preset, PresetInfo
from keras_inr.models.siren import Siren


@keras.saving.register_keras_serializable(package="keras_inr")
class Finer(Siren):
    """A `Siren` of `FinerDense` layers, h_i = sin(omega_0 (|z_i| + 1) z_i).

    Args:
        units, omega_0, value_range, channels, picture_size, num_fields, seed: see `Siren`.
        scheme: see `Siren`. The width of the first biases sets the reach in frequency: "finer" has U(-1, 1).

    Source: Liu et al., FINER, 2024; see `FinerDense` for what is different. Here first biases are U(+-1), where its
    run_finer.sh leaves them at PyTorch's U(+-0.707).

    >>> Finer().count_params()
    198915
    """

    layer_class = FinerDense

    def __init__(
        self,
        units: tuple[int, ...] = (256, 256, 256, 256),
        scheme: str = "finer",
        omega_0: float | None = None,
        value_range: tuple[float, float] = (-1.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(units, scheme, omega_0, value_range, **kwargs)


PRESETS = (
    Preset(
        PresetInfo("finer", 198915, "4 FINER layers of 256, first biases up to 1", "liuzhen0212/FINER, run_finer.sh"),
        Finer,
        {"units": (256, 256, 256, 256)},
    ),
)
