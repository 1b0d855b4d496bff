"""What keeps a function from having second derivatives everywhere."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# Ops on floats whose slope or value jumps, comparisons among them; what a plain function is searched for, beside casts
# from floats to integers and calls of Python
_KINKED = """
    Abs ArgMax ArgMin Bitcast Ceil ClipByValue Elu Equal Floor FloorDiv FloorMod Greater GreaterEqual LeakyRelu Less
    LessEqual LowerBound Max MaxPool Maximum Min Minimum Mod NotEqual Relu Relu6 ResizeBilinear ResizeNearestNeighbor
    Rint Round SegmentMax SegmentMin Select SelectV2 Selu Sign Softsign TopKV2 TruncateMod UnsortedSegmentMax
    UnsortedSegmentMin UpperBound
"""
KINKED_OPS = frozenset(_KINKED.split())


def kinks_of(function: Callable[..., Any], coords: tf.Tensor | tf.TensorSpec | None = None) -> list[str]:
    """Why second derivatives do not exist everywhere: a list of reasons, empty for a smooth function.

    Layers that have a `kink` answer for themselves, as do functions. Any other layer of a field, and any other function
    (at coords), is traced and searched for piecewise operations, Keras's activations among them. That can find more
    than there is, since a difference of two ReLUs may be smooth: a layer of your own says so by `kink = None` in the
    class of its `call`. And it knows only TensorFlow's own common operations: `KINKED_OPS`, casts to integers,
    `tf.numpy_function`; what has none of them is taken for smooth.

    >>> kinks_of(tf.nn.relu, tf.zeros((1, 2)))
    ['the function has the operation Relu']
    """
    part: Any = function
    if hasattr(part, "stack") and states(part, "propagate"):
        return _kinks_of_layers(part)
    if states(part, "kink"):
        return [] if part.kink is None else [part.kink]
    points = tf.TensorSpec((1, part.num_dims), part.values_dtype) if coords is None else coords
    traced = tf.function(function).get_concrete_function(tf.TensorSpec(points.shape, points.dtype))
    return [f"the function has the operation {op}" for op in _kinked_ops(traced)]


def _kinks_of_layers(field: Any) -> list[str]:
    """The reasons of a field's layers, each at what the one before it gives for one point."""
    if all(states(layer, "kink") for layer in field.stack):
        return [layer.kink for layer in field.stack if layer.kink is not None]
    reasons, spec = [], tf.TensorSpec([length or 1 for length in field.stack_shape], field.values_dtype)
    for layer in field.stack:
        traced = tf.function(layer).get_concrete_function(spec)
        if states(layer, "kink"):
            reasons += [] if layer.kink is None else [layer.kink]
        else:
            reasons += [f"{layer.name!r} has the operation {op}" for op in _kinked_ops(traced)]
        spec = tf.TensorSpec(traced.outputs[0].shape, traced.outputs[0].dtype)
    return reasons


def _kinked_ops(traced: Any) -> list[str]:
    """Names of the piecewise operations in a concrete function."""
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    return sorted({node.op for node in nodes if _is_kinked(node)})


def _is_kinked(node: Any) -> bool:
    """Whether a node of a graph is piecewise in floats, or may be anything."""
    if node.op == "PyFunc":  # tf.numpy_function, which has no derivatives at all
        return True
    if node.op == "Cast":
        return tf.as_dtype(node.attr["SrcT"].type).is_floating and not tf.as_dtype(node.attr["DstT"].type).is_floating
    return node.op in KINKED_OPS and tf.as_dtype(node.attr["T"].type).is_floating


def states(part: object, name: str) -> bool:
    """Whether a class has the attribute that belongs to its call, rather than inherits that of another call."""
    for cls in type(part).__mro__:
        if name in vars(cls) or "call" in vars(cls):
            return name in vars(cls)
    return False
