"""TensorFlow Serving's REST API, as routes of an ASGI application."""

import functools
import re
import time
import urllib.parse
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from keras_inr.serving import json_tensors, messages
from keras_inr.serving.admission import Admission
from keras_inr.serving.application import document_route, guarded, metrics_route, told
from keras_inr.serving.measures import Measures
from keras_inr.serving.models import Models
from keras_inr.serving.status import RequestError

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]
MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
PREDICT = re.compile(rf"{MODEL}:(predict|classify|regress)", re.IGNORECASE)
STATUS = re.compile(MODEL, re.IGNORECASE)
METADATA = re.compile(rf"{MODEL}/metadata", re.IGNORECASE)
MOST_VERSION = 2**63 - 1


def rest_routes(
    models: Models,
    admission: Admission,
    measures: Measures,
    token: str | None = None,
    further: Sequence[BaseRoute] = (),
) -> list[BaseRoute]:
    """The routes of the API; the last of them takes whatever no other one did.

    Args:
        models: that answer.
        admission: that lets requests compute.
        measures: that count.
        token: that requests need as "Authorization: Bearer TOKEN"; None for none. Health is told without.
        further: routes beside those of the API.
    """
    limiter: list[anyio.CapacityLimiter] = []

    async def in_thread(function: Callable[[], Any]) -> Any:
        if not limiter:  # it belongs to the loop that is running; who waits for a slot waits in a thread
            limiter.append(anyio.CapacityLimiter(admission.most))
        return await anyio.to_thread.run_sync(function, limiter=limiter[0])

    async def api(request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        if request.url.query:  # part of the path, as in TensorFlow Serving
            path = f"{path}?{request.url.query}"
        if request.method == "POST" and (found := PREDICT.fullmatch(path)):
            model, until = _model_of(found), time.monotonic() + admission.bounds.seconds
            with admission.admitted():
                body = await _body(request, admission.bounds.body_bytes)
                answer = functools.partial(_predict, models, admission, measures, model, found[4].lower(), body, until)
                return Response(await in_thread(answer), media_type="application/json")
        if request.method == "GET" and (found := METADATA.fullmatch(path)):
            return told(messages.metadata_as_dict(messages.model_metadata(models, *_model_of(found))))
        if request.method == "GET" and (found := STATUS.fullmatch(path)):
            return told(messages.as_dict(messages.model_status(models, *_model_of(found)[:2])))
        if not path.lower().startswith("/v1/"):
            raise HTTPException(404)
        raise RequestError("INVALID_ARGUMENT", f"Malformed request: {request.method} {path}")

    async def health(request: Request) -> Response:
        missing = [name for name in models.names if not models.is_served(name)]
        return told({"ready": not missing, "without_a_version": missing}, 503 if missing else 200)

    return [
        Route("/health", health),
        metrics_route(measures, token),
        document_route(),
        *further,
        Route("/{rest:path}", guarded(api, token), methods=METHODS),  # "/V1" too
    ]


def _model_of(found: re.Match[str]) -> tuple[str, int | None, str | None]:
    name, version, label = found.groups()[:3]
    number = None if version is None else int(version.lstrip("0")[:20] or "0")
    if number is not None and number > MOST_VERSION:
        raise RequestError("INVALID_ARGUMENT", f"version must be at most {MOST_VERSION}, received {version[:40]}")
    return urllib.parse.unquote(name), number, None if label is None else urllib.parse.unquote(label)


async def _body(request: Request, most: int) -> bytes:
    """The body, decompressed where it is gzip.

    Raises:
        RequestError: RESOURCE_EXHAUSTED for more bytes than that; INVALID_ARGUMENT for another encoding.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise RequestError("INVALID_ARGUMENT", f"Content-Encoding must be gzip or identity, received {encoding!r}")
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    parts, size = [], 0
    async for part in request.stream():
        if unpack is not None and unpack.eof and part:
            raise RequestError("INVALID_ARGUMENT", "the body goes on behind its gzip")
        try:
            whole = part if unpack is None else unpack.decompress(part, most + 1 - size)
        except zlib.error as error:
            raise RequestError("INVALID_ARGUMENT", f"the body is no gzip: {error}") from None
        parts.append(whole)
        size += len(whole)
        if size > most or (unpack is not None and unpack.unconsumed_tail):
            raise RequestError("RESOURCE_EXHAUSTED", f"a body must have at most {most} bytes")
    if unpack is not None and (not unpack.eof or unpack.unused_data):
        raise RequestError("INVALID_ARGUMENT", "the body must be one whole gzip")
    return b"".join(parts)


def _predict(
    models: Models,
    admission: Admission,
    measures: Measures,
    model: tuple[str, int | None, str | None],
    method: str,
    body: bytes,
    until: float,
) -> bytes:
    """The body of the answer."""
    with measures.request(models.names, model[0], "REST", method):
        if method != "predict":
            raise RequestError("UNIMPLEMENTED", f"{method} takes tf.Example, which no field answers: use predict")
        with models.use(*model) as (_, servable), admission.slot(until):

            def signature_of(key):
                try:
                    return servable.signature(key)
                except RequestError:
                    text = f'Serving signature name: "{key}" not found in signature def'
                    raise RequestError("INVALID_ARGUMENT", text) from None

            signature, inputs, in_rows = json_tensors.request_arrays(json_tensors.parse_json(body), signature_of)
            outputs = servable.run(signature, inputs, (), until - time.monotonic())
            return json_tensors.reply(outputs, in_rows)
