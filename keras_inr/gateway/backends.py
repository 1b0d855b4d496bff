"""Who answers for the models: this process, or TensorFlow Serving over gRPC or REST."""

import base64
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import grpc
import numpy as np
import orjson
import tensorflow as tf
import urllib3
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_inr.serving.models import Models
from keras_inr.serving.status import HTTP_STATUS, RequestError

Arrays = dict[str, np.ndarray]
CODES = {status: code for code, status in reversed(HTTP_STATUS.items())}
"""HTTP status of TensorFlow Serving -> name of a gRPC status."""

CONNECT_SECONDS = 5.0


class Backend(Protocol):
    """What a gateway asks.

    All methods raise RequestError: NOT_FOUND for models and versions that are not served, UNAVAILABLE where nobody
    answers.
    """

    def models(self) -> list[str]:
        """Names of the models that may be asked for."""

    def version_of(self, model: str, label: str | None, seconds: float) -> int:
        """The number of the latest version, or of the one with a label."""

    def versions(self, model: str, seconds: float) -> list[int]:
        """Numbers of all versions that are available, the newest first."""

    def ask(self, model: str, version: int, signature: str, inputs: Mapping[str, np.ndarray], seconds: float) -> Arrays:
        """What a signature answers."""


class Embedded:
    """Models that are served in this process.

    Args:
        models: that are served.
    """

    def __init__(self, models: Models) -> None:
        self._models = models

    def models(self) -> list[str]:
        """See `Backend`."""
        return self._models.names

    def version_of(self, model: str, label: str | None, seconds: float) -> int:
        """See `Backend`."""
        with self._models.use(model, None, label) as (number, _):
            return number

    def versions(self, model: str, seconds: float) -> list[int]:
        """See `Backend`."""
        return [number for number, entry in self._models.status(model) if entry.state == "AVAILABLE"]

    def ask(self, model: str, version: int, signature: str, inputs: Mapping[str, np.ndarray], seconds: float) -> Arrays:
        """See `Backend`."""
        with self._models.use(model, version) as (_, servable):
            return servable.run(servable.signature(signature), inputs, (), seconds)


class OverGrpc:
    """TensorFlow Serving at an address, asked over gRPC.

    Args:
        address: "host:port".
        names: called for the names of the models, which TensorFlow Serving does not list.
        token: sent as "authorization: Bearer TOKEN", if any.
    """

    def __init__(self, address: str, names: Callable[[], list[str]], token: str | None = None) -> None:
        self.models = names
        self._address = address
        self._metadata = [("authorization", f"Bearer {token}")] if token else []
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        channel = grpc.insecure_channel(address, options)
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        self._status = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus

    def version_of(self, model: str, label: str | None, seconds: float) -> int:
        """See `Backend`."""
        request = _request(model, "info", {"query": np.array([b""], object)})
        if label is not None:
            request.model_spec.version_label = label
        return self._call(self._predict, request, seconds).model_spec.version.value

    def versions(self, model: str, seconds: float) -> list[int]:
        """See `Backend`."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        found = self._call(self._status, request, seconds).model_version_status
        available = get_model_status_pb2.ModelVersionStatus.State.AVAILABLE
        return sorted((entry.version for entry in found if entry.state == available), reverse=True)

    def ask(self, model: str, version: int, signature: str, inputs: Mapping[str, np.ndarray], seconds: float) -> Arrays:
        """See `Backend`."""
        request = _request(model, signature, inputs)
        request.model_spec.version.value = version
        outputs = self._call(self._predict, request, seconds).outputs
        return {name: tf.make_ndarray(tensor) for name, tensor in outputs.items()}

    def _call(self, method, request, seconds):
        try:
            return method(request, timeout=max(0.001, seconds), metadata=self._metadata)
        except grpc.RpcError as error:
            code = error.code().name
            if code == "UNAVAILABLE":
                raise RequestError(code, f"TensorFlow Serving does not answer at {self._address}") from None
            raise RequestError(code if code in HTTP_STATUS else "INTERNAL", error.details() or code) from None


def _request(model, signature, inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return request


class OverRest:
    """TensorFlow Serving at a URL, asked over REST.

    Args:
        url: such as "http://host:8501".
        names: called for the names of the models, which TensorFlow Serving does not list.
        token: sent as "Authorization: Bearer TOKEN", if any.
    """

    def __init__(self, url: str, names: Callable[[], list[str]], token: str | None = None) -> None:
        self.models = names
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(maxsize=32, headers={**headers, "Content-Type": "application/json"})

    def version_of(self, model: str, label: str | None, seconds: float) -> int:
        """See `Backend`."""
        place = model if label is None else f"{model}/labels/{label}"
        with self._understood():
            return int(self._call("GET", f"{place}/metadata", None, seconds)["model_spec"]["version"])

    def versions(self, model: str, seconds: float) -> list[int]:
        """See `Backend`."""
        with self._understood():
            found = self._call("GET", model, None, seconds)["model_version_status"]
            return sorted((int(entry["version"]) for entry in found if entry["state"] == "AVAILABLE"), reverse=True)

    def ask(self, model: str, version: int, signature: str, inputs: Mapping[str, np.ndarray], seconds: float) -> Arrays:
        """See `Backend`."""
        values = {name: _as_json(array) for name, array in inputs.items()}
        body = orjson.dumps({"signature_name": signature, "inputs": values}, option=orjson.OPT_SERIALIZE_NUMPY)
        with self._understood():
            outputs = self._call("POST", f"{model}/versions/{version}:predict", body, seconds)["outputs"]
            if signature in OF_ONE_OUTPUT:  # given bare
                outputs = {OF_ONE_OUTPUT[signature]: outputs}
            return {name: _from_json(name, value) for name, value in outputs.items()}

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (AttributeError, LookupError, TypeError, ValueError):  # of JSON that is built in another way
            raise RequestError("UNAVAILABLE", f"{self._url} answers as no TensorFlow Serving does") from None

    def _call(self, method, place, body, seconds):
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, max(0.001, seconds)), total=max(0.001, seconds))
        try:
            reply = self._pool.request(
                method, f"{self._url}/v1/models/{place}", body=body, timeout=timeout, retries=False
            )
        except urllib3.exceptions.ReadTimeoutError:
            raise RequestError("DEADLINE_EXCEEDED", f"{self._url} did not answer in time") from None
        except urllib3.exceptions.HTTPError:
            raise RequestError("UNAVAILABLE", f"TensorFlow Serving does not answer at {self._url}") from None
        try:
            answer = json.loads(reply.data)  # not orjson, which knows no NaN
        except ValueError:
            raise RequestError("UNAVAILABLE", f"{self._url} answers something that is no JSON") from None
        if reply.status != 200:
            raise RequestError(CODES.get(reply.status, "UNKNOWN"), str(answer.get("error", reply.status)))
        return answer


OF_ONE_OUTPUT = {"render": "image", "render_png": "png_bytes", "info": "info"}
"""Signature -> its output, of those that have a single one."""


def _as_json(array):
    return [text.decode() for text in array] if array.dtype == object else np.ascontiguousarray(array)


def _from_json(name, value):
    if name.endswith("_bytes"):
        return np.array([base64.b64decode(entry["b64"]) for entry in value], object)
    if name == "info":
        return np.array([text.encode() for text in value], object)
    return np.asarray(value, bool if name == "valid" else np.float32)
