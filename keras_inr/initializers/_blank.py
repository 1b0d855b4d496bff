"""Tables that are not drawn, where weights from elsewhere are assigned to them next.

To draw hundreds of megabytes takes seconds, and for a while as much memory again.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import keras

_blank = contextvars.ContextVar("blank", default=False)


@contextlib.contextmanager
def blank_tables() -> Iterator[None]:
    """Tables of layers that are built within are zeros."""
    token = _blank.set(True)
    try:
        yield
    finally:
        _blank.reset(token)


def table_initializer(drawn: Callable[..., Any]) -> Callable[..., Any]:
    """An initializer, which gives zeros within `blank_tables`.

    >>> draw = table_initializer(keras.initializers.Ones())
    >>> with blank_tables():
    ...     draw((2,), "float32").numpy().tolist()
    [0.0, 0.0]
    """

    def draw(shape: Any, dtype: Any = None) -> Any:
        return keras.ops.zeros(shape, dtype) if _blank.get() else drawn(shape, dtype=dtype)

    return draw
