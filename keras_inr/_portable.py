"""Arithmetic of hashes by the operations that other runtimes have, while a field is exported to one of them.

LiteRT has no bitwise and, but remainders; OpenVINO takes those in floating point, which is wrong beyond 2^24, but has
bitwise and. ONNX shifts no integers of 64 bits, LiteRT has no operation on their bits, OpenVINO computes them in 32.
What is traced within `portable` gives the same numbers by what the runtime has. Elsewhere nothing changes.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import tensorflow as tf

_runtime: contextvars.ContextVar[str | None] = contextvars.ContextVar("runtime", default=None)


@contextlib.contextmanager
def portable(runtime: str) -> Iterator[None]:
    """Within the context, what is called is traced for a runtime: "onnx", "litert" or "openvino".

    >>> with portable("onnx"):
    ...     print(is_portable())
    True
    """
    token = _runtime.set(runtime)
    try:
        yield
    finally:
        _runtime.reset(token)


def is_portable() -> bool:
    """Whether what is called now is traced for another runtime than TensorFlow.

    >>> is_portable()
    False
    """
    return _runtime.get() is not None


def low_bits(numbers: tf.Tensor, count: int) -> tf.Tensor:
    """numbers modulo a count that is a power of two, of integers of either sign.

    >>> low_bits(tf.constant([-3, 9]), 8).numpy().tolist()
    [5, 1]
    """
    return numbers % count if _runtime.get() == "litert" else tf.bitwise.bitwise_and(numbers, count - 1)
