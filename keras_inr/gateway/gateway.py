"""Answers with encoded pictures: found, drawn once, and kept for those who ask again."""

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

from keras_inr.gateway.cache import Cache
from keras_inr.gateway.drawing import Drawing
from keras_inr.gateway.encoding import as_file, check_size, encoded, image_of
from keras_inr.gateway.frames import Frame
from keras_inr.gateway.iiif import ImageRequest, turned
from keras_inr.gateway.pictures import Picture, Pictures
from keras_inr.serving.admission import Admission
from keras_inr.serving.measures import Measures
from keras_inr.serving.status import RequestError

CACHE_BYTES = 256 * 2**20
ATTEMPTS = 2
"""A version may go between the moment that it is found to be the latest and the one that it is asked, and the time of
the request that another one waits with may be over."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a request wants to see.

    Attributes:
        layer: one of the picture's.
        frame: the part of the picture.
        format: a key of `MEDIA_TYPES`.
        change: mirrored, turned or in another quality; None for as it is.
    """

    layer: str
    frame: Frame
    format: str
    change: ImageRequest | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the answer."""
        return self.frame.canvas if self.change is None else self.change.turned_size


@dataclasses.dataclass(frozen=True)
class Found:
    """The answer to a request.

    Attributes:
        picture: that is shown.
        pinned: whether the request named its version by number, so that the answer never changes.
        etag: of the answer, in quotes.
        content: the file; None where the client has it already.
    """

    picture: Picture
    pinned: bool
    etag: str
    content: bytes | None


class Gateway:
    """Pictures by name, for the routes of a server.

    Args:
        pictures: that are served.
        admission: the slots that drawing takes place in; shared with whoever else computes in this process.
        measures: that count.
        cache_bytes: most bytes of encoded pictures that are kept.
    """

    def __init__(
        self, pictures: Pictures, admission: Admission, measures: Measures, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.pictures = pictures
        self.admission = admission
        self.measures = measures
        self.cache = Cache(cache_bytes, measures.looked_up)
        self._drawing = Drawing(pictures.backend)
        self._limiters: dict[str, anyio.CapacityLimiter] = {}

    async def show(self, identifier: str, asked_of: Callable[[Picture], Asked], known: str = "") -> Found:
        """The file that shows what is asked of a picture.

        Args:
            identifier: as "fox", "fox@3" or "fox@stable".
            asked_of: what is wanted of the picture that was found.
            known: value of If-None-Match: the client has what has one of these tags.

        Raises:
            RequestError: for what is not there or cannot be drawn.
        """
        until = time.monotonic() + self.admission.bounds.seconds
        for attempt in range(ATTEMPTS):
            picture, pinned = await self.find(identifier, until)
            asked = asked_of(picture)
            if asked.layer not in picture.layers:  # before a tag is made of it
                layers = ", ".join(picture.layers)
                raise RequestError("INVALID_ARGUMENT", f"layer must be one of {layers}, received {asked.layer[:40]!r}")
            check_size(asked.size, asked.format)
            key = (picture.fingerprint, asked)
            etag = f'"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}"'
            if _knows(known, etag):
                return Found(picture, pinned, etag, None)
            try:
                content = await self.cache.get(key, functools.partial(self._drawn, picture, asked, until))
                return Found(picture, pinned, etag, content)
            except RequestError as error:
                late = error.code == "DEADLINE_EXCEEDED" and time.monotonic() < until  # for the one who asked first
                gone = error.code == "NOT_FOUND" and not pinned
                if attempt == ATTEMPTS - 1 or not (late or gone):
                    raise
                if gone:
                    self.pictures.forget()
        raise AssertionError

    async def find(self, identifier: str, until: float) -> tuple[Picture, bool]:
        """The picture, and whether its version was named by number, see `Pictures.find`."""
        known = self.pictures.known(identifier)
        return known or await self.in_thread(lambda: self.pictures.find(identifier, until - time.monotonic()))

    async def at(self, identifier: str, x: float, y: float) -> dict[str, Any]:
        """Values and derivatives at a point, in the picture's pixels from its upper left corner."""
        until = time.monotonic() + self.admission.bounds.seconds
        picture, _ = await self.find(identifier, until)
        return await self._computed(lambda: self._drawing.at(picture, x, y, until), until)

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        """The result of a function that may wait for the backend, however many wait for a slot."""
        return await self._run(function, "look")

    async def _run(self, function: Callable[[], Any], kind: str) -> Any:
        if kind not in self._limiters:  # it belongs to the loop that is running
            self._limiters[kind] = anyio.CapacityLimiter(self.admission.most)
        return await anyio.to_thread.run_sync(function, limiter=self._limiters[kind])

    async def _drawn(self, picture: Picture, asked: Asked, until: float) -> bytes:
        return await self._computed(lambda: self._file(picture, asked, until), until)

    async def _computed(self, function: Callable[[], Any], until: float) -> Any:
        def in_slot():
            with self.admission.slot(until):
                return function()

        with self.admission.admitted():
            return await self._run(in_slot, "draw")

    def _file(self, picture, asked, until):
        drawn = self._drawing.draw(picture, asked.layer, asked.frame, until)
        if asked.change is None:
            return as_file(drawn, asked.frame.canvas, asked.frame.size, asked.format)
        return encoded(turned(image_of(drawn), asked.change), asked.format)


def _knows(header, etag):
    return header.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in header.split(",")]
