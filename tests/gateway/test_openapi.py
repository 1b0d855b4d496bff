"""Requests made from the documented schema, right and wrong ones: every answer is one that the document tells of."""

import json
import pathlib

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import keras_inr.serving

pytest_plugins = ["schemathesis.pytest.plugin"]
pytestmark = pytest.mark.slow

DOCUMENT = pathlib.Path(keras_inr.serving.__file__).parent / "openapi.json"
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
MODES = schemathesis.GenerationMode
schema = schemathesis.openapi.from_path(str(DOCUMENT))
schema.config.generation.update(modes=[MODES.POSITIVE, MODES.NEGATIVE])
OF_MODELS = {"name": ["fox", "hen", "fox_pictures"], "id": ["fox", "owl", "hen@1", "fox@stable"]}


@schema.hook
def map_path_parameters(context, path_parameters):
    """Every second request is for something that is there, or all would be answered by 404."""
    for key, known in OF_MODELS.items():
        if path_parameters and key in path_parameters and len(str(path_parameters[key])) % 2:
            path_parameters[key] = known[len(str(path_parameters)) % len(known)]
    return path_parameters


@schema.parametrize()
@hypothesis.settings(max_examples=40, suppress_health_check=list(hypothesis.HealthCheck))
def test_answers_are_those_of_the_document(case, embedded):
    response = case.call(base_url=embedded.url)
    case.validate_response(response, checks=CHECKS)


def test_the_document_is_served(embedded, show):
    found = show("openapi.json")
    assert found.json == json.loads(DOCUMENT.read_text())
    assert found.headers["Content-Type"] == "application/json"


def test_every_route_is_in_the_document(embedded):
    paths = set(json.loads(DOCUMENT.read_text())["paths"])
    app = embedded.server._rest._server.config.app
    others = {"/{rest:path}", "/openapi.json", "/iiif/{id}"}
    routes = {route.path.replace(":place", "") for route in app.routes} - others
    assert {path for path in routes if path != "/" and not path.startswith("/viewer/")} <= paths
