"""The page that shows pictures: its files, read once."""

import hashlib
import importlib.resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

SCRIPT, STYLE, HTML = (f"text/{kind}; charset=utf-8" for kind in ("javascript", "css", "html"))
FILES = {
    "/": ("index.html", HTML),
    "/viewer/viewer.js": ("viewer.js", SCRIPT),
    "/viewer/viewer.css": ("viewer.css", STYLE),
    "/viewer/openseadragon.min.js": ("openseadragon.min.js", SCRIPT),
}
"""Path -> file in viewer/, media type. No other file is ever sent."""

POLICY = "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'"


def page_routes() -> list[BaseRoute]:
    """A route for each file of the page; they hold no data of pictures and need no token."""
    return [Route(path, _endpoint(*entry)) for path, entry in FILES.items()]


def _endpoint(name, media_type):
    content = importlib.resources.files("keras_inr.gateway").joinpath("viewer", name).read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}

    async def endpoint(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return endpoint
