"""TensorFlow Serving's gRPC API with its own stubs, asked of our server, or of the one at --grpc_url."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from export.small_fields import ATOL, small_field
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

COORDS = np.float32([[0.0, 0.0], [0.25, -0.5], [-1.0, 0.625]])


def request(name="fox", signature="", inputs=None, **spec):
    made = predict_pb2.PredictRequest()
    made.model_spec.name = name
    made.model_spec.signature_name = signature
    if "version" in spec:
        made.model_spec.version.value = spec["version"]
    if "label" in spec:
        made.model_spec.version_label = spec["label"]
    for key, array in ({"coords": COORDS} if inputs is None else inputs).items():
        made.inputs[key].CopyFrom(tf.make_tensor_proto(array))
    return made


def refused(call, sent):
    with pytest.raises(grpc.RpcError) as caught:
        call(sent, timeout=60)
    return caught.value.code().name, caught.value.details()


class TestPredict:
    @pytest.mark.parametrize(("spec", "version"), [({}, 2), ({"version": 1}, 1), ({"label": "stable"}, 1)])
    def test_values(self, stubs, spec, version):
        reply = stubs.predict.Predict(request(**spec), timeout=60)
        assert (reply.model_spec.name, reply.model_spec.version.value) == ("fox", version)
        assert reply.model_spec.signature_name == "serving_default"
        field = small_field("siren_256", seed=version)
        assert len(reply.outputs["values"].float_val) == 9  # as upstream's own clients read it
        np.testing.assert_allclose(tf.make_ndarray(reply.outputs["values"]), field(COORDS), atol=ATOL)
        assert tf.make_ndarray(reply.outputs["valid"]).tolist() == [True] * 3

    def test_an_output_that_is_asked_for(self, stubs):
        sent = request(signature="gradient")
        sent.output_filter.append("jacobian")
        reply = stubs.predict.Predict(sent, timeout=60)
        assert list(reply.outputs) == ["jacobian"]
        assert tf.make_ndarray(reply.outputs["jacobian"]).shape == (3, 3, 2)

    def test_strings(self, stubs):
        inputs = {"box": np.float32([[-1, -0.5, 1, 0.5]]), "size": np.int32([[4, 6]])}
        reply = stubs.predict.Predict(request("fox_pictures", "render_png", inputs), timeout=60)
        (png,) = reply.outputs["png_bytes"].string_val
        assert tf.io.decode_png(png).shape == (4, 6, 3)

    def test_no_rows(self, stubs):
        reply = stubs.predict.Predict(request(inputs={"coords": np.zeros((0, 2), np.float32)}), timeout=60)
        assert tf.make_ndarray(reply.outputs["values"]).shape == (0, 3)

    @pytest.mark.parametrize(
        ("sent", "code", "text"),
        [
            (request("nobody"), "NOT_FOUND", "Servable not found for request: Latest(nobody)"),
            (request(version=9), "NOT_FOUND", "Servable not found for request: Specific(fox, 9)"),
            (request(label="none"), "INVALID_ARGUMENT", "Unrecognized servable version label: none"),
            (request(signature="none"), "FAILED_PRECONDITION", 'Serving signature key "none" not found.'),
            (request(inputs={}), "INVALID_ARGUMENT", "input size does not match signature: 0!=1"),
            (
                request(inputs={"coords": COORDS, "x": 1}),
                "INVALID_ARGUMENT",
                "input size does not match signature: 2!=1",
            ),
            (request(inputs={"coords": COORDS[:, :1]}), "INVALID_ARGUMENT", ""),
            (request(inputs={"coords": COORDS.astype(float)}), "INVALID_ARGUMENT", ""),
            (request(inputs={"coords": [[b"0", b"0"]]}), "INVALID_ARGUMENT", ""),
            (
                request(inputs={"coords": np.zeros((20_001, 2), np.float32)}),
                "INVALID_ARGUMENT",
                "coords must have at most",
            ),
        ],
    )
    def test_bad_requests(self, stubs, sent, code, text):
        received, details = refused(stubs.predict.Predict, sent)
        assert received == code
        assert text in details

    def test_a_tensor_that_claims_more_than_it_has(self, stubs):
        sent = request()
        tensor = sent.inputs["coords"]
        tensor.tensor_content = b""
        tensor.float_val.append(0.5)
        tensor.tensor_shape.dim[0].size = 2**40
        code, _ = refused(stubs.predict.Predict, sent)
        assert code in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")

    def test_an_unknown_output(self, stubs):
        sent = request()
        sent.output_filter.append("none")
        assert refused(stubs.predict.Predict, sent)[0] == "INVALID_ARGUMENT"


class TestModels:
    def test_status(self, stubs):
        sent = get_model_status_pb2.GetModelStatusRequest()
        sent.model_spec.name = "fox"
        reply = stubs.manage.GetModelStatus(sent, timeout=60)
        states = {entry.version: entry.state for entry in reply.model_version_status}
        assert states == {1: 30, 2: 30}  # AVAILABLE
        sent.model_spec.name = "nobody"
        assert refused(stubs.manage.GetModelStatus, sent)[0] == "NOT_FOUND"

    def test_metadata(self, stubs):
        sent = get_model_metadata_pb2.GetModelMetadataRequest()
        sent.model_spec.name = "fox"
        assert refused(stubs.predict.GetModelMetadata, sent)[0] == "INVALID_ARGUMENT"
        sent.metadata_field.append("signature_def")
        reply = stubs.predict.GetModelMetadata(sent, timeout=60)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        assert reply.metadata["signature_def"].Unpack(signatures)
        assert "gradient" in signatures.signature_def
        assert reply.model_spec.version.value == 2
