"""That gradients through a loaded export are the derivatives of what it computes."""

import os
import pathlib

from tensorflow.core.protobuf import saved_model_pb2

CUSTOM = "_gradient_op_type"


def drop_custom_gradients(folder: str | os.PathLike[str]) -> None:
    """Lets TensorFlow differentiate a SavedModel op by op, whatever `tf.custom_gradient` its layers were written with.

    A custom gradient may use everything in the function around it. In the body of a loop, where exports evaluate
    chunks of points, that cannot be restored: a gradient through the loaded file would raise "out of scope". Those of
    this package are the plain derivatives in forms that are faster in training, so nothing is lost. One that is not the
    derivative on purpose, such as a straight-through estimator, gives way to the derivative.

    Args:
        folder: the SavedModel's folder, written with `experimental_custom_gradients=False`. The file saved_model.pb is
            replaced; the checksum in fingerprint.pb, which nothing compares with it, stays that of the file before.

    >>> import tempfile, tensorflow as tf
    >>> module, folder = tf.Module(), tempfile.mkdtemp()
    >>> doubled = tf.custom_gradient(lambda x: (2 * x, lambda upstream: 7 * upstream))
    >>> module.call = tf.function(doubled, input_signature=[tf.TensorSpec((), tf.float32)])
    >>> options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    >>> tf.saved_model.save(module, folder, options=options)
    >>> drop_custom_gradients(folder)
    >>> loaded, x = tf.saved_model.load(folder), tf.constant(1.0)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = loaded.call(x)
    >>> float(tape.gradient(y, x))
    2.0
    """
    path = pathlib.Path(folder) / "saved_model.pb"
    saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved_model.meta_graphs:
        bodies = [graph.graph_def.node, *(function.node_def for function in graph.graph_def.library.function)]
        for node in (node for body in bodies for node in body):
            if CUSTOM in node.attr and node.op == "IdentityN":  # calls of functions bear such a name too
                del node.attr[CUSTOM]
    path.write_bytes(saved_model.SerializeToString(deterministic=True))
