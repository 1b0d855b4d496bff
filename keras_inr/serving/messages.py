"""Status and metadata of models as TensorFlow Serving's messages."""

import re
from typing import Any

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from keras_inr.serving.models import Models

OK, UNKNOWN = 0, 2


def model_status(models: Models, name: str, version: int | None) -> Any:
    """The `GetModelStatusResponse` of a model."""
    response = get_model_status_pb2.GetModelStatusResponse()
    for number, entry in models.status(name, version):
        told = response.model_version_status.add(version=number)
        told.state = get_model_status_pb2.ModelVersionStatus.State.Value(entry.state)
        told.status.error_code = UNKNOWN if entry.error else OK
        told.status.error_message = _without_paths(entry.error, entry.folder)
    return response


def _without_paths(text, folder):
    """What went wrong with a version, for anybody who asks: where its files lie is the server's own affair."""
    text = text.replace(str(folder.parent) + "/", "")
    return re.sub(r"(?<![\w./])/(?:[^/\s'\":;,]+/)*", "", text)


def model_metadata(models: Models, name: str, version: int | None, label: str | None) -> Any:
    """The `GetModelMetadataResponse` of a model."""
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    with models.use(name, version, label) as (number, servable):
        response.model_spec.name = name
        response.model_spec.version.value = number
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for key, signature in servable.signatures.items():
            signatures.signature_def[key].CopyFrom(signature)
        response.metadata["signature_def"].Pack(signatures)
    return response


def as_dict(message: Any) -> dict[str, Any]:
    """A message as TensorFlow Serving's REST API writes it: names as they are, defaults too."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def metadata_as_dict(message: Any) -> dict[str, Any]:
    """A `GetModelMetadataResponse` as the REST API writes it: signatures without the name of their type."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    message.metadata["signature_def"].Unpack(signatures)
    spec = {"name": message.model_spec.name, "signature_name": "", "version": str(message.model_spec.version.value)}
    return {"model_spec": spec, "metadata": {"signature_def": as_dict(signatures)}}
