"""The network that a person has named."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.presets import from_preset
from keras_inr.signals.image import ImageSignal

MAX_PARAMETERS = 2**27


def build_field(signal: ImageSignal | None, preset: str, arguments: Mapping[str, Any], seed: int) -> Field:
    """A field with fresh weights for a picture, or for none yet.

    Raises:
        InputError: for what cannot be built, or would have more than 2^27 parameters.

    >>> build_field(None, "relu", {"units": (8,)}, seed=0).count_params()
    51
    """
    shared: dict[str, Any] = {} if signal is None else {"channels": signal.channels, "picture_size": signal.size}
    try:
        with tf.Graph().as_default():  # where weights are counted without being made
            count = from_preset(preset, seed=seed, **shared, **arguments).count_params()
        if count <= MAX_PARAMETERS:
            return from_preset(preset, seed=seed, **shared, **arguments)
    except (OverflowError, tf.errors.OpError) as error:
        raise InputError(f"{preset} cannot be built with {arguments}: {' '.join(str(error).split())}") from error
    raise InputError(f"a network must have at most {MAX_PARAMETERS} parameters, received one of {count}")
