"""The protocol buffers of TensorFlow Serving, from its own package."""

import importlib
from types import ModuleType

from keras_inr.errors import InputError

MODULES = {
    "prediction_log_pb2": "tensorflow_serving.apis.prediction_log_pb2",
    "model_server_config_pb2": "tensorflow_serving.config.model_server_config_pb2",
}


def protos(name: str) -> ModuleType:
    """A module of tensorflow-serving-api.

    Raises:
        InputError: where that is not installed.
    """
    try:
        return importlib.import_module(MODULES[name])
    except ModuleNotFoundError as error:
        raise InputError("a model base needs tensorflow-serving-api: pip install 'keras_inr[serving]'") from error
