"""The routes of a gateway: pictures, tiles, Deep Zoom, IIIF, and the page that shows them."""

import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from keras_inr.gateway.encoding import MEDIA_TYPES, checked_format
from keras_inr.gateway.frames import (
    MOST_PIXELS_ACROSS,
    SIZES,
    TILE,
    DeepZoom,
    Frame,
    finest_xyz,
    xyz_frame,
)
from keras_inr.gateway.gateway import Asked, Gateway
from keras_inr.gateway.iiif import CONTEXT, MAX_AREA, PROFILE, image_information, image_request
from keras_inr.gateway.page import page_routes
from keras_inr.gateway.pictures import Picture
from keras_inr.serving.application import guarded, told
from keras_inr.serving.status import RequestError

YEAR = 365 * 24 * 3600
HEALTH_SECONDS = 5.0
INFO_KEYS = ("psnr_db", "ssim", "num_parameters", "model", "preset", "steps", "train_seconds", "fingerprint")
"""Of what a model says of itself: those that a page shows."""


class _Place(IntegerConvertor):
    """Of a tile; Python refuses to read an int of thousands of digits, and no float holds one of hundreds."""

    regex = "[0-9]{1,9}"


register_url_convertor("place", _Place())


def gateway_routes(gateway: Gateway, token: str | None = None, public_url: str | None = None) -> list[BaseRoute]:
    """All routes of a gateway.

        /                                            the page
        /pictures  /pictures/ID  /pictures/ID/at     what there is, JSON; values at a point
        /pictures/ID/view.FORMAT?box=&size=&layer=   any part at any size
        /tiles/ID.json  /tiles/ID/Z/X/Y.FORMAT       XYZ tiles
        /dzi/ID.dzi  /dzi/ID_files/LEVEL/C_R.FORMAT  Deep Zoom
        /iiif/ID/info.json  /iiif/ID/REGION/SIZE/ROTATION/QUALITY.FORMAT

    ID is a name, NAME@VERSION or NAME@LABEL; FORMAT png, jpg or webp; ?layer= one of the picture's layers.

    Args:
        gateway: that answers.
        token: that requests need, all but the page's own files; None for none.
        public_url: of the server's root, where that is not what requests say, as behind a proxy.
    """
    routes = _Routes(gateway, public_url, private=token is not None)
    places: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/pictures": routes.pictures,
        "/pictures/{id}": routes.picture,
        "/pictures/{id}/at": routes.at,
        "/pictures/{id}/view.{format}": routes.view,
        "/tiles/{id}.json": routes.tile_json,
        "/tiles/{id}/{z:place}/{x:place}/{y:place}.{format}": routes.tile,
        "/dzi/{id}.dzi": routes.deep_zoom,
        "/dzi/{id}_files/{level:place}/{column:place}_{row:place}.{format}": routes.deep_zoom_tile,
        "/iiif/{id}": routes.iiif_base,
        "/iiif/{id}/info.json": routes.iiif_information,
        "/iiif/{id}/{region}/{size}/{rotation}/{quality}.{format}": routes.iiif_image,
    }
    return [*page_routes(), *(Route(path, guarded(endpoint, token)) for path, endpoint in places.items())]


def health_route(gateway: Gateway) -> Route:
    """Whether the backend answers, for a gateway that is a server of its own: of the first picture, within a moment."""

    async def health(request: Request) -> Response:
        until = time.monotonic() + HEALTH_SECONDS
        try:
            for name in gateway.pictures.names()[:1]:
                await gateway.find(name, until)
        except RequestError as error:
            return told({"ready": False, "error": error.message}, 503)
        return told({"ready": True})

    return Route("/health", health)


class _Routes:
    def __init__(self, gateway: Gateway, public_url: str | None, private: bool) -> None:
        self._gateway = gateway
        self._public_url = public_url
        self._scope = "private" if private else "public"

    async def pictures(self, request: Request) -> Response:
        found, until = [], self._until()
        for name in self._gateway.pictures.names():
            try:
                found.append(await self._described(name, until))
            except RequestError as error:  # one that is not there yet, or no picture
                found.append({"name": name, "error": error.message})
        return told({"pictures": found})

    async def picture(self, request: Request) -> Response:
        return told(await self._described(request.path_params["id"], self._until()))

    async def _described(self, identifier: str, until: float) -> dict[str, Any]:
        picture, _ = await self._gateway.find(identifier, until)
        height, width = picture.size
        pictures = self._gateway.pictures
        versions = await self._gateway.in_thread(lambda: pictures.versions(picture, until - time.monotonic()))
        return {
            "name": picture.name,
            "version": picture.version,
            "versions": versions,
            "labels": pictures.labels_of(picture.drawn_by),
            "height": height,
            "width": width,
            "channels": picture.info["channels"],
            "layers": list(picture.layers),
            "most_pixels_across": MOST_PIXELS_ACROSS,
            "most_pixels": MAX_AREA,
            **{key: picture.info[key] for key in INFO_KEYS if key in picture.info},
            "bytes": picture.weights_bytes,
            "image_bytes": picture.original_bytes,
        }

    async def at(self, request: Request) -> Response:
        x, y = (_number(request, name) for name in ("x", "y"))
        return told(await self._gateway.at(request.path_params["id"], x, y))

    async def view(self, request: Request) -> Response:
        format = checked_format(request.path_params["format"])

        def asked(picture: Picture) -> Asked:
            return Asked(_layer(request), _view_frame(request, picture.size), format)

        return await self._shown(request, asked)

    async def tile_json(self, request: Request) -> Response:
        picture, _ = await self._gateway.find(request.path_params["id"], self._until())
        place = f"{self._root(request)}/tiles/{request.path_params['id']}/{{z}}/{{x}}/{{y}}.png"
        layer = f"?layer={_layer(request)}" if "layer" in request.query_params else ""
        return told(
            {
                "tilejson": "3.0.0",
                "name": picture.name,
                "version": f"{picture.version}.0.0",
                "scheme": "xyz",
                "tiles": [place + layer],
                "minzoom": 0,
                "maxzoom": finest_xyz(TILE),
            }
        )

    async def tile(self, request: Request) -> Response:
        z, x, y = (request.path_params[name] for name in "zxy")
        format = checked_format(request.path_params["format"])
        side = request.query_params.get("tile", str(TILE))
        if side not in map(str, SIZES):
            raise RequestError("INVALID_ARGUMENT", f"tile must be one of {SIZES}, received {side[:40]!r}")
        if _flag(request, "tms") and z <= finest_xyz(int(side)):
            y = 2**z - 1 - y
            if y < 0:
                raise RequestError("NOT_FOUND", "the tile lies outside of the picture")
        return await self._shown(
            request, lambda picture: Asked(_layer(request), xyz_frame(picture.size, z, x, y, int(side)), format)
        )

    async def deep_zoom(self, request: Request) -> Response:
        picture, pinned = await self._gateway.find(request.path_params["id"], self._until())
        text = DeepZoom(picture.size).document("png")
        return Response(text, media_type="application/xml", headers=self._caching(pinned))

    async def deep_zoom_tile(self, request: Request) -> Response:
        level, column, row = (request.path_params[name] for name in ("level", "column", "row"))
        format = checked_format(request.path_params["format"])
        return await self._shown(
            request, lambda picture: Asked(_layer(request), DeepZoom(picture.size).frame(level, column, row), format)
        )

    async def iiif_base(self, request: Request) -> Response:
        await self._gateway.find(request.path_params["id"], self._until())
        return RedirectResponse(f"{self._root(request)}/iiif/{request.path_params['id']}/info.json", 303)

    async def iiif_information(self, request: Request) -> Response:
        identifier = request.path_params["id"]
        picture, pinned = await self._gateway.find(identifier, self._until())
        url = f"{self._root(request)}/iiif/{identifier}"
        wants_json = "application/json" in request.headers.get("accept", "")
        media_type = "application/json" if wants_json else f'application/ld+json;profile="{CONTEXT}"'
        document = image_information(url, picture.size, picture.info["channels"])
        headers = {**self._caching(pinned), "Link": f'<{PROFILE}>;rel="profile"'}
        return Response(orjson.dumps(document, option=orjson.OPT_INDENT_2), media_type=media_type, headers=headers)

    async def iiif_image(self, request: Request) -> Response:
        format = checked_format(request.path_params["format"])
        region, size, rotation, quality = (
            request.path_params[name] for name in ("region", "size", "rotation", "quality")
        )
        canonical: list[str] = []

        def asked(picture: Picture) -> Asked:
            change = image_request(region, size, rotation, quality, picture.size, picture.info["channels"])
            canonical[:] = [change.canonical]
            return Asked(_layer(request), change.frame, format, change)

        reply = await self._shown(request, asked)
        url = f"{self._root(request)}/iiif/{request.path_params['id']}/{canonical[0]}.{format}"
        reply.headers["Link"] = f'<{PROFILE}>;rel="profile", <{url}>;rel="canonical"'
        return reply

    async def _shown(self, request: Request, asked: Callable[[Picture], Asked]) -> Response:
        gateway, identifier = self._gateway, request.path_params["id"]
        name = identifier.partition("@")[0]
        with gateway.measures.request(gateway.pictures.names(), name, "pictures", request.url.path.split("/")[1]):
            found = await gateway.show(identifier, asked, request.headers.get("if-none-match", ""))
        headers = {**self._caching(found.pinned), "ETag": found.etag, "X-Content-Type-Options": "nosniff"}
        if found.content is None:
            return Response(status_code=304, headers=headers)
        media_type = MEDIA_TYPES[checked_format(request.path_params["format"])]
        return Response(found.content, media_type=media_type, headers=headers)

    def _caching(self, pinned: bool) -> dict[str, str]:
        kept = f"{self._scope}, max-age={YEAR}, immutable" if pinned else f"{self._scope}, no-cache"
        return {"Cache-Control": kept}

    def _until(self) -> float:
        return time.monotonic() + self._gateway.admission.bounds.seconds

    def _root(self, request: Request) -> str:
        return (self._public_url or str(request.base_url)).rstrip("/")


def _layer(request):
    return request.query_params.get("layer", "value")


def _flag(request, name):
    return request.query_params.get(name, "0") not in ("", "0", "false")


def _number(request, name):
    text = request.query_params.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= MOST_PIXELS_ACROSS:
        raise RequestError("INVALID_ARGUMENT", f"{name} must be a number of pixels, received {text[:40]!r}")
    return value


def _view_frame(request, picture_size):
    """The frame of ?box=left,top,right,bottom in the picture's pixels and ?size=WIDTHxHEIGHT."""
    height, width = picture_size
    box_text = request.query_params.get("box", f"0,0,{width},{height}")
    size_text = request.query_params.get("size", f"{width}x{height}")
    try:
        left, top, right, bottom = (float(edge) for edge in box_text.split(","))
        across, down = (int(side) for side in size_text.split("x"))
    except ValueError:
        raise RequestError(
            "INVALID_ARGUMENT",
            f"box must be left,top,right,bottom and size WIDTHxHEIGHT, received {box_text[:80]!r}, {size_text[:40]!r}",
        ) from None
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise RequestError("INVALID_ARGUMENT", f"box must lie in 0,0,{width},{height}, received {box_text[:80]!r}")
    if min(across, down) < 1 or across * down > MAX_AREA:
        raise RequestError("INVALID_ARGUMENT", f"size must have 1 to {MAX_AREA} pixels, received {size_text[:40]!r}")
    if min((right - left) / across, (bottom - top) / down) < 0.999 * max(picture_size) / MOST_PIXELS_ACROSS:
        raise RequestError(
            "INVALID_ARGUMENT", f"pixels of a view must be at least 1 / {MOST_PIXELS_ACROSS} of the longer side"
        )
    return Frame((left, top, right, bottom), (down, across), (down, across))
