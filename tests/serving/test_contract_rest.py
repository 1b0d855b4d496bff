"""TensorFlow Serving's REST API, asked of our server, or of the one at --server_url.

What is expected is written down in TensorFlow Serving's documentation and source; see also
https://www.tensorflow.org/tfx/serving/api_rest. python -m serving.models FOLDER makes the models for another server.
"""

import base64
import gzip
import io
import json

import numpy as np
import PIL.Image
import pytest
from export.small_fields import ATOL, small_field

from serving.conftest import ask

COORDS = [[0.0, 0.0], [0.25, -0.5], [-1.0, 0.625]]
FRAME = {"box": [-1.0, -0.5, 1.0, 0.5], "size": [4, 6]}


@pytest.fixture(scope="module")
def fields():
    """Version -> the field that it was made from."""
    return {1: small_field("siren_256"), 2: small_field("siren_256", seed=2)}


def values_at(field):
    return np.asarray(field(np.float32(COORDS)))


class TestPredict:
    def test_rows(self, rest, fields):
        reply = rest("fox:predict", {"instances": COORDS})
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        assert list(reply.json) == ["predictions"]
        assert {tuple(sorted(row)) for row in reply.json["predictions"]} == {("valid", "values")}
        values = [row["values"] for row in reply.json["predictions"]]
        np.testing.assert_allclose(values, values_at(fields[2]), atol=ATOL)
        assert [row["valid"] for row in reply.json["predictions"]] == [True] * 3

    def test_rows_with_names(self, rest):
        named = rest("fox:predict", {"instances": [{"coords": coords} for coords in COORDS]})
        assert named.json == rest("fox:predict", {"instances": COORDS}).json

    @pytest.mark.parametrize("inputs", [COORDS, {"coords": COORDS}, {"coords": COORDS, "other": 7}])
    def test_columns(self, rest, fields, inputs):
        reply = rest("fox:predict", {"inputs": inputs, "unknown": None})
        assert reply.status == 200
        np.testing.assert_allclose(reply.json["outputs"]["values"], values_at(fields[2]), atol=ATOL)
        assert reply.json["outputs"]["valid"] == [True] * 3

    @pytest.mark.parametrize(
        ("path", "version"), [("fox/versions/1", 1), ("fox/versions/2", 2), ("fox/labels/stable", 1)]
    )
    def test_versions_and_labels(self, rest, fields, path, version):
        reply = rest(f"{path}:predict", {"inputs": COORDS})
        np.testing.assert_allclose(reply.json["outputs"]["values"], values_at(fields[version]), atol=ATOL)

    def test_a_signature_with_one_output_is_given_bare(self, rest):
        reply = rest("fox_pictures:predict", {"signature_name": "render", "instances": [FRAME]})
        assert np.shape(reply.json["predictions"]) == (1, 4, 6, 3)
        columns = {name: [value] for name, value in FRAME.items()}
        other = rest("fox_pictures:predict", {"signature_name": "render", "inputs": columns})
        assert other.json["outputs"] == reply.json["predictions"]

    def test_pictures_are_base64(self, rest, fields):
        reply = rest("fox_pictures:predict", {"signature_name": "render_png", "instances": [FRAME, FRAME]})
        png = base64.b64decode(reply.json["predictions"][1]["b64"])
        expected = fields[2].render(4, 6, FRAME["box"], between="field")
        np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(png))), expected)
        default = rest("fox_pictures:predict", {"instances": [FRAME, FRAME]})
        assert default.json == reply.json

    @pytest.mark.parametrize("query", ["?", "", "é", {"b64": base64.b64encode(b"\xff").decode()}])
    def test_texts(self, rest, query):
        reply = rest("fox:predict", {"signature_name": "info", "instances": [query]})
        assert json.loads(reply.json["predictions"][0])["channels"] == 3

    def test_a_gzip_body(self, rest):
        body = gzip.compress(json.dumps({"instances": COORDS}).encode())
        reply = rest("fox:predict", body, headers={"Content-Encoding": "gzip"})
        assert reply.status == 200
        assert len(reply.json["predictions"]) == 3

    def test_floats_are_told_to_the_last_digit(self, rest, fields):
        reply = rest("fox:predict", {"inputs": COORDS})
        again = np.float32(reply.json["outputs"]["values"])
        assert all(len(text) <= 14 for text in reply.content.decode().replace("[", ",").split(",") if text[:2] == "0.")
        np.testing.assert_allclose(again, values_at(fields[2]), atol=ATOL)

    def test_a_bad_row_is_nan_and_leaves_the_others(self, rest):
        body = b'{"inputs": [[0.0, 0.0], [NaN, 0.0], [1e39, 0], [-Infinity, 0]]}'
        reply = rest("fox:predict", body)
        assert reply.json["outputs"]["valid"] == [True, False, False, False]
        assert np.isnan(reply.json["outputs"]["values"]).all(axis=-1).tolist() == [False, True, True, True]
        in_rows = rest("fox:predict", b'{"instances": [[0, 0], [NaN, 0.0]]}').json["predictions"]
        assert np.isnan(in_rows[1]["values"]).all()
        assert in_rows[0]["valid"]

    def test_paths_are_read_without_regard_to_case(self, running):
        assert ask(f"{running.url}/V1/Models/fox:Predict", {"inputs": COORDS}).status == 200


BAD = [
    (b"", 400),
    (b"{", 400),
    (b"[]", 400),
    (b"null", 400),
    (b'{"instances": []}', 400),
    (b'{"instances": 7}', 400),
    (b'{"instances": {}}', 400),
    (b'{"instances": [[0, 0]], "inputs": [[0, 0]]}', 400),
    (b'{"instance": [[0, 0]]}', 400),
    (b'{"instances": [[0, 0], [0]]}', 400),
    (b'{"instances": [[0, 0, 0]]}', 400),
    (b'{"instances": [[0, "0"]]}', 400),
    (b'{"instances": [[0, true]]}', 400),
    (b'{"instances": [[0, null]]}', 400),
    (b'{"instances": [0, 0]}', 400),
    (b'{"instances": [[1e400, 0]]}', 400),
    (b'{"instances": [{"coord": [0, 0]}]}', 400),
    (b'{"instances": [{"coords": [0, 0], "other": 1}]}', 400),
    (b'{"inputs": {"coord": [[0, 0]]}}', 400),
    (b'{"signature_name": 7, "inputs": [[0, 0]]}', 400),
    (b'{"signature_name": "none", "inputs": [[0, 0]]}', 400),
    (b'{"inputs": [[[[0, 0]]]]}', 400),
    (b"\xff\xfe", 400),
    (b'{"signature_name": "\\ud800", "inputs": [[0, 0]]}', 400),
    (b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400),
]


class TestErrors:
    @pytest.mark.parametrize(("body", "status"), BAD)
    def test_bad_bodies(self, rest, body, status):
        reply = rest("fox:predict", body, method="POST")
        assert reply.status == status
        assert list(reply.json) == ["error"]
        assert 0 < len(reply.json["error"]) <= 1100

    def test_bad_sizes_and_types_of_pictures(self, rest):
        for size in ([4.0, 6], ["4", 6], [4], 4, [2**40, 1], [0, 4]):
            body = {"signature_name": "render", "instances": [{**FRAME, "size": size}]}
            assert rest("fox_pictures:predict", body).status == 400
        too_large = {"signature_name": "render_png", "instances": [{**FRAME, "size": [5000, 5000]}]}
        reply = rest("fox_pictures:predict", too_large)
        assert reply.status == 400
        assert "size must ask for at most 65536 pixels over all rows" in reply.json["error"]

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("nobody:predict", 404),
            ("fox/versions/9:predict", 404),
            ("fox/labels/none:predict", 400),
            ("fox:explain", 400),
            ("fox/versions/x:predict", 400),
            ("fox%2F..%2Fhen:predict", 404),
            ("..%2f..%2fetc:predict", 404),
            ("fox:predict?x=1", 400),
        ],
    )
    def test_what_is_not_there(self, rest, path, status):
        reply = rest(path, {"inputs": COORDS})
        assert reply.status == status
        assert reply.json["error"]

    def test_a_model_that_is_not_there_is_named(self, rest):
        assert rest("nobody:predict", {"inputs": COORDS}).json == {
            "error": "Servable not found for request: Latest(nobody)"
        }
        assert rest("fox/versions/9:predict", {"inputs": COORDS}).json == {
            "error": "Servable not found for request: Specific(fox, 9)"
        }

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
    def test_other_methods(self, rest, method):
        reply = rest("fox:predict", method=method)
        assert reply.status == 400
        assert reply.json == {"error": f"Malformed request: {method} /v1/models/fox:predict"}


class TestStatus:
    def test_all_versions(self, rest):
        reply = rest("fox")
        states = {entry["version"]: entry["state"] for entry in reply.json["model_version_status"]}
        assert states == {"1": "AVAILABLE", "2": "AVAILABLE"}
        assert reply.json["model_version_status"][0]["status"] == {"error_code": "OK", "error_message": ""}

    def test_one_version(self, rest):
        assert [entry["version"] for entry in rest("fox/versions/1").json["model_version_status"]] == ["1"]
        assert rest("nobody").status == rest("fox/versions/9").status == 404

    def test_metadata(self, rest):
        reply = rest("fox/metadata")
        assert reply.json["model_spec"] == {"name": "fox", "signature_name": "", "version": "2"}
        signatures = reply.json["metadata"]["signature_def"]["signature_def"]
        assert {"serving_default", "gradient", "laplacian", "info"} <= set(signatures)
        coords = signatures["gradient"]["inputs"]["coords"]
        assert coords["dtype"] == "DT_FLOAT"
        assert [axis["size"] for axis in coords["tensor_shape"]["dim"]] == ["-1", "2"]
        assert rest("fox/labels/stable/metadata").json["model_spec"]["version"] == "1"
        assert rest("fox/versions/9/metadata").status == 404
