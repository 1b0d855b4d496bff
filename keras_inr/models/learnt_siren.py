"""The sine network that learns its frequencies."""

import keras

from keras_inr.layers.learnt_sine_dense import LearntSineDense
from keras_inr.models.preset import Preset, PresetInfo
from keras_inr.models.siren import Siren


@keras.saving.register_keras_serializable(package="keras_inr")
class LearntSiren(Siren):
    """A `Siren` of `LearntSineDense` layers: every layer's omega_0 is multiplied by a trained number.

    Args:
        units, scheme, omega_0, value_range, channels, picture_size, num_fields, seed: see `Siren`.

    Source: Jagtap et al., Locally adaptive activation functions, 2020, on Sitzmann et al. 2020. Different here: their
    term that rewards steep slopes is not in the loss.

    >>> LearntSiren().count_params()
    198919
    """

    layer_class = LearntSineDense


PRESETS = (
    Preset(
        PresetInfo("siren_learnt", 198919, "4 sine layers of 256 on init-33, learnt omega", "Jagtap et al. 2020"),
        LearntSiren,
        {"units": (256, 256, 256, 256), "scheme": "init-33"},
    ),
)
