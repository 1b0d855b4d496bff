"""The page that shows pictures: its files, read once."""

import hashlib
import importlib.resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FILES = {
    "/": ("keras_inr.gateway", "viewer/index.html", "text/html; charset=utf-8"),
    "/viewer/viewer.js": ("keras_inr.gateway", "viewer/viewer.js", "text/javascript; charset=utf-8"),
    "/viewer/viewer.css": ("keras_inr.gateway", "viewer/viewer.css", "text/css; charset=utf-8"),
    "/viewer/openseadragon.min.js": (
        "keras_inr.web",
        "openseadragon/openseadragon.min.js",
        "text/javascript; charset=utf-8",
    ),
}
"""Path -> package, file in it, media type. No other file is ever sent."""

POLICY = "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'"


def page_routes() -> list[BaseRoute]:
    """A route for each file of the page; they hold no data of pictures and need no token."""
    return [Route(path, _endpoint(*entry)) for path, entry in FILES.items()]


def _endpoint(package, name, media_type):
    content = importlib.resources.files(package).joinpath(name).read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}

    async def endpoint(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return endpoint
