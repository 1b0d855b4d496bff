"""One field on several devices of this machine, by `tf.distribute`."""

import functools

import tensorflow as tf

from keras_inr._arguments import one_of
from keras_inr.errors import InputError

STRATEGIES = ("none", "mirrored")


@functools.cache  # replicas of two strategies in one process would wait for each other
def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy in whose scope a field must be made to be trained so.

    Args:
        name: "none", one device; or "mirrored", all GPUs that TensorFlow sees, or where it sees none all its logical
            CPU devices. Each holds the weights and takes an equal part of the points of a step, and gradients are
            summed: figures are those of one device up to rounding. Nothing is compiled with XLA.

    Returns:
        A `tf.distribute.Strategy`, the same one whenever it is asked for.

    Raises:
        InputError: for another name, or for "mirrored" where there is one device.

    >>> make_strategy("none").num_replicas_in_sync
    1
    """
    one_of("strategy", name, STRATEGIES)
    if name == "none":
        return tf.distribute.get_strategy()
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    devices = tf.config.list_logical_devices(kind)
    if len(devices) < 2:
        raise InputError(f"strategy must be 'none' where TensorFlow sees one device ({kind}), received {name!r}")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def check_share(strategy: tf.distribute.Strategy, points_per_step: int) -> None:
    """Raises an InputError unless a step's points can be shared out equally."""
    number = strategy.num_replicas_in_sync
    if points_per_step % number:
        raise InputError(f"points in a step must be a multiple of the {number} devices, received {points_per_step}")
