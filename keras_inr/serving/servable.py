"""One version of a model: a SavedModel in a session of its own, as TensorFlow Serving holds it."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inr.export.serving_api import protos
from keras_inr.export.warm_up import MOST_RECORDS, WARM_UP
from keras_inr.serving.status import RequestError

INIT_SIGNATURE = "__saved_model_init_op"
CODES = {
    tf.errors.InvalidArgumentError: "INVALID_ARGUMENT",
    tf.errors.FailedPreconditionError: "FAILED_PRECONDITION",
    tf.errors.OutOfRangeError: "OUT_OF_RANGE",
    tf.errors.NotFoundError: "NOT_FOUND",
    tf.errors.ResourceExhaustedError: "RESOURCE_EXHAUSTED",
    tf.errors.DeadlineExceededError: "DEADLINE_EXCEEDED",
    tf.errors.CancelledError: "CANCELLED",
    tf.errors.UnimplementedError: "UNIMPLEMENTED",
    tf.errors.UnavailableError: "UNAVAILABLE",
    tf.errors.DataLossError: "DATA_LOSS",
}


class Servable:
    """A loaded SavedModel.

    Args:
        folder: of the version, with saved_model.pb and the tag "serve".

    Raises:
        Exception: of any kind, if it cannot be loaded or a warm-up record fails.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], os.fspath(folder))
            graph.finalize()
            self.signatures: dict[str, Any] = dict(meta_graph.signature_def)
            self._warm_up(pathlib.Path(folder))
        except BaseException:
            self._session.close()
            raise

    def signature(self, name: str) -> Any:
        """The `SignatureDef` of that name, or of serving_default for an empty one.

        Raises:
            RequestError: FAILED_PRECONDITION if there is none.
        """
        name = name or "serving_default"
        if name not in self.signatures or name == INIT_SIGNATURE:
            raise RequestError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        return self.signatures[name]

    def run(
        self,
        signature: Any,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        timeout_seconds: float | None = None,
    ) -> dict[str, np.ndarray]:
        """The answer of a signature.

        Args:
            signature: a `SignatureDef` of this version.
            inputs: name -> array, of exactly the signature's inputs and their dtypes.
            output_filter: names of the outputs that are wanted; all by default.
            timeout_seconds: after which the computation is stopped.

        Raises:
            RequestError: INVALID_ARGUMENT for other inputs, dtypes, shapes or outputs, else what the graph raises.
        """
        feeds = self._feeds(signature, inputs)
        names = self._outputs(signature, output_filter)
        options = None
        if timeout_seconds is not None:
            options = tf.compat.v1.RunOptions(timeout_in_ms=max(1, round(timeout_seconds * 1000)))
        try:
            return self._session.run({name: signature.outputs[name].name for name in names}, feeds, options=options)
        except tf.errors.OpError as error:
            code = next((code for kind, code in CODES.items() if isinstance(error, kind)), "INTERNAL")
            raise RequestError(code, _first_sentence(error.message)) from None

    def close(self) -> None:
        """Frees what the session holds; no request may run any more."""
        self._session.close()

    def _feeds(self, signature, inputs):
        if set(inputs) != set(signature.inputs):
            missing = sorted(set(signature.inputs) - set(inputs))
            extra = sorted(set(inputs) - set(signature.inputs))
            raise RequestError(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} "
                f"len({{{','.join(sorted(inputs))}}}) != len({{{','.join(sorted(signature.inputs))}}}). "
                f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}.",
            )
        return {info.name: checked_array(name, inputs[name], info) for name, info in signature.inputs.items()}

    def _outputs(self, signature, output_filter):
        names = list(output_filter) or sorted(signature.outputs)
        for name in names:
            if name not in signature.outputs:
                raise RequestError("INVALID_ARGUMENT", f"output tensor alias not found in signature: {name}")
        if len(set(names)) < len(names):
            raise RequestError("INVALID_ARGUMENT", "duplicate output tensor aliases")
        return names

    def _warm_up(self, folder):
        path = folder / WARM_UP
        if not path.exists():
            return
        prediction_log = protos("prediction_log_pb2")
        for index, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()):
            if index == MOST_RECORDS:
                raise ValueError(f"{path} has more than {MOST_RECORDS} records")
            request = prediction_log.PredictionLog.FromString(record).predict_log.request
            arrays = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            self.run(self.signature(request.model_spec.signature_name), arrays, request.output_filter)


def checked_array(name: str, array: np.ndarray, info: Any) -> np.ndarray:
    """The array, if it has the dtype and shape of a `TensorInfo`.

    Raises:
        RequestError: INVALID_ARGUMENT if it has not.
    """
    wanted = tf.dtypes.as_dtype(info.dtype)
    given = "string" if array.dtype.kind in "OSU" else array.dtype.name
    if given != wanted.name:
        raise RequestError("INVALID_ARGUMENT", f"input {name!r} must have dtype {wanted.name}, received {given}")
    shape = tf.TensorShape(info.tensor_shape)
    if not shape.is_compatible_with(array.shape):
        sides = [side if side is not None else "any" for side in shape.as_list()]
        raise RequestError("INVALID_ARGUMENT", f"input {name!r} must have shape {sides}, received {list(array.shape)}")
    return array


def _first_sentence(message):
    """What a graph says, without the places in it that TensorFlow adds."""
    return message.removeprefix("Graph execution error:").partition("\n\t [[")[0].strip()
