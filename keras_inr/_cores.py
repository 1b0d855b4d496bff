"""How many cores there are to compute on."""

import os

import tensorflow as tf


def usable_cores() -> int:
    """CPU cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # Linux, elsewhere


def num_threads() -> int:
    """Threads that TensorFlow computes with: what it was told, or one for each core."""
    return tf.config.threading.get_intra_op_parallelism_threads() or usable_cores()
