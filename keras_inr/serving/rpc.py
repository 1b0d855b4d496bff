"""TensorFlow Serving's gRPC API: PredictionService and ModelService."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_inr.errors import InputError
from keras_inr.serving import messages
from keras_inr.serving.admission import Admission
from keras_inr.serving.measures import Measures
from keras_inr.serving.models import Models
from keras_inr.serving.settings import settings_of_config
from keras_inr.serving.status import RequestError
from keras_inr.serving.tokens import is_bearer

SIGNATURE_DEF = "signature_def"
MANAGERS = 4
"""Threads for calls that ask for status, beside those that compute and wait."""

MOST_FILLED = 2**20
"""Entries of a tensor that one value stands for."""


def grpc_server(
    models: Models,
    admission: Admission,
    measures: Measures,
    token: str | None = None,
    as_content: bool = False,
    reload_allowed: bool = True,
    tells_health: bool = False,
) -> grpc.Server:
    """A server with both services, without an address yet.

    Args:
        models: that answer.
        admission: that lets calls compute.
        measures: that count.
        token: that calls need as metadata "authorization: Bearer TOKEN"; None for none.
        as_content: whether tensors are sent as bytes (`tensor_content`), or in the fields that
            TensorFlow Serving fills by default (`float_val` and others).
        reload_allowed: whether HandleReloadConfigRequest may name other models. It names folders of the server.
        tells_health: whether grpc.health.v1.Health answers: for "" and for names of models.
    """
    options = [
        ("grpc.max_receive_message_length", admission.bounds.body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
    interceptors = [] if token is None else [_Token(token)]
    threads = futures.ThreadPoolExecutor(admission.most + MANAGERS, "grpc")  # who waits for a slot waits in a thread
    server = grpc.server(threads, options=options, interceptors=interceptors)
    predictions = _Predictions(models, admission, measures, as_content)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(predictions, server)
    management = _Management(models, measures, reload_allowed)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(management, server)
    if tells_health:
        health_pb2_grpc.add_HealthServicer_to_server(_Health(models), server)
    return server


class _Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models: Models, admission: Admission, measures: Measures, as_content: bool) -> None:
        self._models, self._admission = models, admission
        self._measures, self._as_content = measures, as_content

    def Predict(self, request, context):
        spec = request.model_spec
        with _told(context), self._measures.request(self._models.names, spec.name, "gRPC", "predict"):
            seconds, waits = self._admission.bounds.seconds, context.time_remaining()
            until = time.monotonic() + (seconds if waits is None else min(seconds, waits))
            with (
                self._admission.admitted(),
                self._models.use(*_model_of(spec)) as (number, servable),
                self._admission.slot(until),
            ):
                signature = servable.signature(spec.signature_name)
                inputs = {name: _array(name, tensor) for name, tensor in request.inputs.items()}
                outputs = servable.run(signature, inputs, request.output_filter, until - time.monotonic())
                return self._response(spec, number, outputs)

    def _response(self, spec, number, outputs):
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.signature_name = spec.signature_name or "serving_default"
        response.model_spec.version.value = number
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(_tensor(array, self._as_content))
        return response

    def GetModelMetadata(self, request, context):
        spec = request.model_spec
        with _told(context), self._measures.request(self._models.names, spec.name, "gRPC", "metadata"):
            if list(request.metadata_field) != [SIGNATURE_DEF]:
                raise RequestError("INVALID_ARGUMENT", f"metadata_field must be exactly {SIGNATURE_DEF!r}")
            return messages.model_metadata(self._models, *_model_of(spec))

    def Classify(self, request, context):
        self._unanswered(request, context, "classify")

    def Regress(self, request, context):
        self._unanswered(request, context, "regress")

    def _unanswered(self, request, context, method):
        with _told(context), self._measures.request(self._models.names, request.model_spec.name, "gRPC", method):
            raise RequestError("UNIMPLEMENTED", f"{method} takes tf.Example, which no field answers: use Predict")


class _Management(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: Models, measures: Measures, reload_allowed: bool) -> None:
        self._models, self._measures, self._reload_allowed = models, measures, reload_allowed

    def GetModelStatus(self, request, context):
        spec = request.model_spec
        with _told(context), self._measures.request(self._models.names, spec.name, "gRPC", "status"):
            name, version, _ = _model_of(spec)  # labels are passed over, as in TensorFlow Serving
            return messages.model_status(self._models, name, version)

    def HandleReloadConfigRequest(self, request, context):
        response = model_management_pb2.ReloadConfigResponse()
        with _told(context):
            if not self._reload_allowed:
                raise RequestError("PERMISSION_DENIED", "models are those of the server's folder: change models.config")
            if request.config.WhichOneof("config") != "model_config_list":
                raise RequestError("INVALID_ARGUMENT", "config must have a model_config_list")
            try:
                settings = settings_of_config(request.config)
            except InputError as error:
                raise RequestError("INVALID_ARGUMENT", str(error)) from None
            self._models.configure(settings)
            broken = [name for name in settings if not self._models.is_served(name)]
            if broken:
                raise RequestError("FAILED_PRECONDITION", f"no version could be loaded of {', '.join(broken)}")
        response.status.error_code = 0
        return response


class _Health(health_pb2_grpc.HealthServicer):
    """SERVING where a model, or for "" every model, has a version that is available."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def Check(self, request, context):
        names = self._models.names
        if request.service and request.service not in names:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no model is called {request.service[:100]!r}")
        asked = [request.service] if request.service else names
        ready = all(self._models.is_served(name) for name in asked)
        states = health_pb2.HealthCheckResponse
        return states(status=states.SERVING if ready else states.NOT_SERVING)


class _Token(grpc.ServerInterceptor):
    """Refuses calls without the token."""

    def __init__(self, token: str) -> None:
        self._token = token

        def refuse(request, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the call needs the metadata 'authorization: Bearer TOKEN'")

        self._refusal = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """The method's handler, or the refusal."""
        given = next((value for key, value in details.invocation_metadata if key == "authorization"), "")
        given = given if isinstance(given, bytes) else given.encode("utf-8", "replace")
        return continuation(details) if is_bearer(given, self._token) else self._refusal


@contextlib.contextmanager
def _told(context: Any) -> Iterator[None]:
    """Ends a call with the status of a `RequestError`."""
    try:
        yield
    except RequestError as error:
        context.abort(getattr(grpc.StatusCode, error.code), error.message)


def _model_of(spec: Any) -> tuple[str, int | None, str | None]:
    if not spec.name:
        raise RequestError("INVALID_ARGUMENT", "ModelSpec has no name specified")
    choice = spec.WhichOneof("version_choice")
    version = spec.version.value if choice == "version" else None
    return spec.name, version, spec.version_label if choice == "version_label" else None


def _array(name: str, tensor: Any) -> np.ndarray:
    """The array of a `TensorProto`; INVALID_ARGUMENT for one that is not whole."""
    try:
        sides = [axis.size for axis in tensor.tensor_shape.dim]
        if tensor.tensor_shape.unknown_rank or any(side < 0 for side in sides):
            raise ValueError(f"its shape is {sides}")
        _check_size(tensor, sides)
        return tf.make_ndarray(tensor)
    except (TypeError, ValueError, KeyError) as error:
        text = f"input {name!r} must be a whole tensor: {error}"
        raise RequestError("INVALID_ARGUMENT", " ".join(text.split())) from None


def _check_size(tensor: Any, sides: list[int]) -> None:
    """ValueError unless a tensor holds as many entries as its shape says.

    One entry may stand for all in a proto, so that a few bytes could ask for gigabytes.
    """
    total = 1
    for side in sides:
        total *= side
    if tensor.tensor_content:
        return  # NumPy compares these itself
    names = [field.name for field, _ in tensor.ListFields() if field.name.endswith("_val")]
    held = sum(len(getattr(tensor, name)) for name in names)
    if held != total and not (held == 1 and total <= MOST_FILLED):
        raise ValueError(f"its shape is {sides} and it has {held} values")


def _tensor(array: np.ndarray, as_content: bool) -> Any:
    """The `TensorProto` of an output."""
    field = FIELDS.get(array.dtype.name)
    if as_content or field is None:
        return tf.make_tensor_proto(array)
    tensor = tensor_pb2.TensorProto(dtype=tf.dtypes.as_dtype(array.dtype).as_datatype_enum)
    for side in array.shape:
        tensor.tensor_shape.dim.add(size=side)
    if array.dtype.name in AS_ON_THE_WIRE:
        number, dtype = AS_ON_THE_WIRE[array.dtype.name]
        content = np.ascontiguousarray(array, dtype).tobytes()
        tensor.MergeFromString(bytes([number << 3 | LENGTH_DELIMITED]) + _varint(len(content)) + content)
    else:
        getattr(tensor, field).extend(array.ravel().tolist())
    return tensor


def _varint(number: int) -> bytes:
    """As protocol buffers write a number: 7 bits a byte, the lowest first."""
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "bool": "bool_val",
    "int64": "int64_val",
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "int_val"),
    "uint32": "uint32_val",
    "uint64": "uint64_val",
}
"""dtype -> the field of a `TensorProto` that TensorFlow Serving fills."""

LENGTH_DELIMITED = 2
AS_ON_THE_WIRE = {"float32": (5, "<f4"), "float64": (6, "<f8"), "bool": (11, "u1")}
"""dtype -> number of its field in a `TensorProto`, and how a packed field holds it, written whole."""
