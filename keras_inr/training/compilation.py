"""What compiles with XLA, and how many steps go into one call, decided by a table made from measurements."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Compilation:
    """Settings for `keras.Model.compile`."""

    jit_compile: bool
    steps_per_execution: int


# CPU rows: measured by benchmarks/bench_step.py, see benchmarks/results/step.json. GPU rows have not been measured yet;
# they follow what is known of XLA on GPUs (fused element-wise chains, launch-bound small networks).
TABLE = {
    ("dense", "CPU"): Compilation(jit_compile=False, steps_per_execution=1),
    ("hash", "CPU"): Compilation(jit_compile=True, steps_per_execution=8),
    ("dense", "GPU"): Compilation(jit_compile=True, steps_per_execution=16),
    ("hash", "GPU"): Compilation(jit_compile=True, steps_per_execution=16),
}


def compilation_for(field, device=None):
    """The table's row for a field on a device.

    Args:
        field: a model with a `stack` of layers; one that gathers entries of tables, and says so by `gathers = True`,
            makes it a "hash" field, else it is "dense".
        device: "CPU" or "GPU"; None takes the GPU if TensorFlow sees one.

    >>> from keras_inr.models import MultiHash, Siren
    >>> compilation_for(Siren(), "CPU").jit_compile, compilation_for(MultiHash(), "CPU").jit_compile
    (False, True)
    """
    family = "hash" if any(getattr(layer, "gathers", False) for layer in field.stack) else "dense"
    device = device or ("GPU" if tf.config.list_logical_devices("GPU") else "CPU")
    return TABLE[family, device]
