"""Whether XLA compiles for a CPU what is being traced: some formulas are faster there in another form."""

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf

_active = contextvars.ContextVar("cpu_xla", default=False)


@contextlib.contextmanager
def cpu_xla(active: bool = True) -> Iterator[None]:
    """Within the context, `is_cpu_xla` tells what is active.

    >>> with cpu_xla():
    ...     print(is_cpu_xla())
    True
    """
    token = _active.set(active)
    try:
        yield
    finally:
        _active.reset(token)


def compiles_for_cpu(jit_compile: bool) -> bool:
    """Whether a model that is compiled with this `jit_compile` is compiled by XLA for a CPU.

    >>> compiles_for_cpu(False)
    False
    """
    return bool(jit_compile) and not tf.config.list_logical_devices("GPU")


def is_cpu_xla() -> bool:
    """Whether what is called now is compiled by XLA for a CPU.

    >>> is_cpu_xla()
    False
    """
    return _active.get()
