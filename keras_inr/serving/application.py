"""What all routes of a server have in common: a token, errors as JSON, other origins, health and metrics."""

import importlib.resources
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from keras_inr.serving.measures import Measures
from keras_inr.serving.status import RequestError
from keras_inr.serving.tokens import is_bearer

Endpoint = Callable[[Request], Awaitable[Response]]
METRICS_PATH = "/monitoring/prometheus/metrics"
EXPOSED = ("ETag", "Link", "Content-Location")
"""Headers that pages of other origins may read."""


def application(routes: Sequence[BaseRoute], cors: bool = False) -> Starlette:
    """An ASGI application whose errors are {"error": TEXT}.

    Args:
        routes: in the order in which they are tried.
        cors: whether pages of other origins may ask.
    """
    allowed = Middleware(
        CORSMiddleware, allow_origins=["*"], allow_methods=["GET", "POST"], allow_headers=["*"], expose_headers=EXPOSED
    )
    handlers: dict[Any, Any] = {RequestError: _failed, Exception: _crashed, HTTPException: _http_failed}
    return Starlette(routes=routes, middleware=[allowed] if cors else [], exception_handlers=handlers)


def guarded(endpoint: Endpoint, token: str | None) -> Endpoint:
    """The endpoint, which needs "Authorization: Bearer TOKEN" unless the token is None."""

    async def checked(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("latin-1")
        if token is not None and not is_bearer(given, token):
            raise RequestError("UNAUTHENTICATED", "the request needs the header 'Authorization: Bearer TOKEN'")
        return await endpoint(request)

    return checked


def metrics_route(measures: Measures, token: str | None) -> Route:
    """The route at which Prometheus asks."""

    async def metrics(request: Request) -> Response:
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return Route(METRICS_PATH, guarded(metrics, token))


def document_route() -> Route:
    """The route at which the API describes itself, by OpenAPI."""
    content = importlib.resources.files("keras_inr.serving").joinpath("openapi.json").read_bytes()

    async def document(request: Request) -> Response:
        return Response(content, media_type="application/json")

    return Route("/openapi.json", document)


def told(document: dict[str, Any], status: int = 200) -> Response:
    """A document as JSON."""
    return Response(orjson.dumps(document, option=orjson.OPT_INDENT_2), status, media_type="application/json")


def _error(status: int, text: str) -> Response:
    text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
    return Response(orjson.dumps({"error": text}), status, media_type="application/json")


async def _failed(request: Request, error: RequestError) -> Response:
    return _error(error.http_status, error.message)


async def _http_failed(request: Request, error: HTTPException) -> Response:
    return _error(error.status_code, str(error.detail))


async def _crashed(request: Request, error: Exception) -> Response:
    return _error(500, "internal error")
