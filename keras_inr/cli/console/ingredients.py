"""A picture and a network that a person has named; what is wrong with them is an `InputError`."""

import tensorflow as tf

from keras_inr.errors import InputError
from keras_inr.presets import from_preset
from keras_inr.signals.image import load_image

MAX_PARAMETERS = 2**27


def load_picture(source, longer_side=None):
    """A picture at the size that a person has named."""
    return load_image(source, size=longer_side)


def build_field(signal, preset, arguments, seed):
    """A field with fresh weights for a picture, or for none yet.

    Raises:
        InputError: for what cannot be built, or would have more than 2^27 parameters.

    >>> build_field(None, "relu", {"units": (8,)}, seed=0).count_params()
    51
    """
    shared = {} if signal is None else {"channels": signal.channels, "picture_size": signal.size}
    try:
        with tf.Graph().as_default():  # where weights are counted without being made
            count = from_preset(preset, seed=seed, **shared, **arguments).count_params()
        if count <= MAX_PARAMETERS:
            return from_preset(preset, seed=seed, **shared, **arguments)
    except (OverflowError, tf.errors.OpError) as error:
        raise InputError(f"{preset} cannot be built with {arguments}: {' '.join(str(error).split())}") from error
    raise InputError(f"a network must have at most {MAX_PARAMETERS} parameters, received one of {count}")
