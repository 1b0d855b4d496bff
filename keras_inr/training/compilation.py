"""What compiles with XLA, and how many steps go into one call, decided by a table made from measurements."""

import dataclasses

import keras
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
    ("wave", "CPU"): Compilation(jit_compile=True, steps_per_execution=1),
    ("hash", "CPU"): Compilation(jit_compile=True, steps_per_execution=8),
    ("dense", "GPU"): Compilation(jit_compile=True, steps_per_execution=16),
    ("wave", "GPU"): Compilation(jit_compile=True, steps_per_execution=16),
    ("hash", "GPU"): Compilation(jit_compile=True, steps_per_execution=16),
}


SEVERAL_REPLICAS = Compilation(jit_compile=False, steps_per_execution=1)
"""Under a `tf.distribute` strategy: XLA refuses the calls between replicas."""


def compilation_for(field: keras.Model, device: str | None = None, derivatives: bool = False) -> Compilation:
    """The table's row for a field on a device.

    Args:
        field: a model with a `stack` of layers. One that gathers entries of tables, and says so by `gathers = True`,
            makes it a "hash" field; else one whose units are sines, `oscillates = True`, a "wave" field; else it is
            "dense".
        device: "CPU" or "GPU"; None takes the GPU if TensorFlow sees one.
        derivatives: whether derivatives are fitted, for which waves count as dense.

    >>> from keras_inr.models import MultiHash, ReluMLP, Siren
    >>> [compilation_for(field, "CPU").jit_compile for field in (MultiHash(), Siren(), ReluMLP())]
    [True, True, False]
    """
    families = {"gathers": "hash", "oscillates": "wave"}
    found = [family for mark, family in families.items() if any(getattr(layer, mark, False) for layer in field.stack)]
    family = found[0] if found and not (derivatives and found[0] == "wave") else "dense"
    if field.distribute_strategy.num_replicas_in_sync > 1:
        return SEVERAL_REPLICAS
    device = device or ("GPU" if tf.config.list_logical_devices("GPU") else "CPU")
    return TABLE[family, device]
