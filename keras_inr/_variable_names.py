"""Variables that all have one name in TensorFlow.

TensorFlow keeps a kernel for every name of a variable that it has ever made, about 25 kB, and Keras gives each variable
a name of its own: 0.7 MB for each fit of a small network. Keras's own names, by which variables are saved, stay.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

ONE_NAME = "variable/"  # the slash leaves out the names of scopes


@contextlib.contextmanager
def one_name() -> Iterator[None]:
    """While the context lasts, variables that are made outside of graphs are called "variable" in TensorFlow.

    >>> with one_name():
    ...     tf.Variable(1.0, name="kernel").name
    'variable:0'
    """
    with tf.variable_creator_scope(_renamed):
        yield


def _renamed(create: Callable[..., tf.Variable], **arguments: Any) -> tf.Variable:
    # in a graph variables of one name would be one variable
    return create(**{**arguments, "name": ONE_NAME} if tf.executing_eagerly() else arguments)
