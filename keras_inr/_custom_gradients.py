"""Gradients of one's own that are forgotten with the graph that they were traced in.

In a graph, `tf.custom_gradient` enters the gradient into a registry that lives as long as the process, and with it
every tensor that it uses, hence the whole graph and its compiled function: 15 MB for each fit. Keras's optimizers do so
in every training step. Here the registry holds it weakly, and the graph holds it.
"""

import functools
import weakref
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

P = ParamSpec("P")
R = TypeVar("R")

FUNCTION = "type"  # the key of the function in an entry of the registry
MARK = "_gradient_op_type"  # the attribute of an operation that names its entry


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """`tf.custom_gradient` for functions of tensors, without its leak.

    Args:
        function: tensors -> (a tensor or several, a function from their gradients to those of the arguments).

    >>> square = custom_gradient(lambda x: (x * x, lambda upstream: 2.0 * x * upstream))
    >>> with tf.GradientTape() as tape:
    ...     x = tf.Variable(3.0)
    ...     y = square(x)
    >>> float(tape.gradient(y, x))
    6.0
    """
    traced = tf.custom_gradient(function)

    @functools.wraps(function)
    def call(*tensors):
        result = traced(*tensors)
        first = tf.nest.flatten(result)[0]
        if tf.is_symbolic_tensor(first):
            hand_over(first.op)
        return result

    return call


def releases_gradients(step: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function that is traced, such as a training step: custom gradients in it die with its graph."""

    @functools.wraps(step)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        result = step(*args, **kwargs)
        if not tf.executing_eagerly():
            for operation in tf.compat.v1.get_default_graph().get_operations():
                if operation.type == "IdentityN":  # what `tf.custom_gradient` marks
                    hand_over(operation)
        return result

    return call


def hand_over(operation: tf.Operation) -> None:
    """Lets the graph of an operation hold its custom gradient, if it has one, in the place of the registry."""
    graph, entries = operation.graph, gradient_registry._registry
    held = getattr(graph, "keras_inr_gradients", {})
    try:
        name = operation.get_attr(MARK).decode()
    except ValueError:  # it has the gradient of every operation of its type
        return
    if name in held or name not in entries:
        return
    gradient = entries[name][FUNCTION]
    graph.keras_inr_gradients = held | {name: gradient}
    weakly: Callable[[], Any] = weakref.ref(gradient, lambda _: entries.pop(name, None))
    entries[name][FUNCTION] = lambda operation, *upstream: weakly()(operation, *upstream)
