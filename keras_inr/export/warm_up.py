"""Requests that TensorFlow Serving sends to a version of its own before anybody else's, so that none is slow."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inr.export.serving_api import protos

WARM_UP = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")
"""Where TensorFlow Serving looks, below the folder of a version."""

MOST_RECORDS = 1000
"""TensorFlow Serving loads no model with more."""


def write_warm_up(
    folder: pathlib.Path, loaded: Any, model: str, requests: Mapping[str, Mapping[str, np.ndarray]]
) -> None:
    """Writes a TFRecord file of `PredictionLog`s, one for each signature.

    A request that fails keeps a version from being loaded, so all of them are sent to the SavedModel first.

    Args:
        folder: of the version.
        loaded: its SavedModel, as `tf.saved_model.load` gives it.
        model: name of the model in the requests.
        requests: signature -> input -> array.

    Raises:
        tf.errors.OpError: if the model cannot answer one.
    """
    prediction_log = protos("prediction_log_pb2")
    path = folder / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            loaded.signatures[signature](**{name: tf.constant(array) for name, array in inputs.items()})
            log = prediction_log.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, array in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
            writer.write(log.SerializeToString())
