"""The pictures that are served: what their models are, and what is known of them."""

import dataclasses
import json
import pathlib
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import cachetools
import numpy as np

from keras_inr.export.models_config import NAME, ORIGINAL, PICTURES
from keras_inr.gateway.backends import Backend
from keras_inr.serving.status import RequestError

IDENTIFIER = re.compile(rf"({NAME.pattern})(?:@({NAME.pattern}))?")
FRESH_SECONDS = 1.0
"""That what was heard of a model holds: TensorFlow Serving looks for versions as often."""

MOST_KNOWN = 4096
FIELD_LAYERS = {"value": "render_png", "field": "render_png", "gradient": "gradient", "laplacian": "laplacian"}
"""Layer -> the signature that it needs."""

ORIGINAL_LAYERS = ("original", "bicubic")


@dataclasses.dataclass(frozen=True)
class Picture:
    """A version of a picture that is served.

    Attributes:
        name: of the picture.
        version: number.
        drawn_by, asked_by: the models for pictures and for points; asked_by is "" where there is none.
        info: what its `info` signature says.
        layers: names of what it can be shown as.
        original: file of the picture that it was fitted to; None where it is not there.
        weights_bytes: of its weights in the folder of the version; None where that is not known here.
    """

    name: str
    version: int
    drawn_by: str
    asked_by: str
    info: Mapping[str, Any]
    layers: tuple[str, ...]
    original: pathlib.Path | None
    weights_bytes: int | None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return (self.info["height"], self.info["width"])

    @property
    def fingerprint(self) -> str:
        """Of network and weights, and the version."""
        return f"{self.info.get('fingerprint', '')}-{self.name}@{self.version}"

    @property
    def original_bytes(self) -> int | None:
        """Of the file; None where it is not there (any more)."""
        try:
            return None if self.original is None else self.original.stat().st_size
        except OSError:
            return None

    @property
    def is_smooth(self) -> bool:
        """Whether the field is shown itself between its pixels, and not a spline through them, which needs points."""
        return not self.asked_by or (self.info.get("between_pixels") or {}).get("shown_by") != "spline"


class Pictures:
    """Finds pictures by name, as "fox", "fox@3" or "fox@stable".

    Args:
        backend: that answers for the models.
        folder_of: model, version -> the folder of its SavedModel, or None where it is not known here.
        labels_of: model -> its labels, {label: version}.
    """

    def __init__(
        self,
        backend: Backend,
        folder_of: Callable[[str, int], pathlib.Path | None] = lambda model, version: None,
        labels_of: Callable[[str], dict[str, int]] = lambda model: {},
    ) -> None:
        self.backend = backend
        self.labels_of = labels_of
        self._folder_of = folder_of
        self._known: cachetools.TTLCache[Any, Any] = cachetools.TTLCache(MOST_KNOWN, FRESH_SECONDS, time.monotonic)
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Of all pictures, whether or not a version of them is available."""
        return self._fresh(("names",), self._names)

    def _names(self):
        models = set(self.backend.models())
        with_pictures = {model.removesuffix(PICTURES) for model in models if model.endswith(PICTURES)}
        return sorted(with_pictures | {model for model in models if not model.endswith(PICTURES)})

    def find(self, identifier: str, seconds: float) -> tuple[Picture, bool]:
        """The picture, and whether the identifier names a version by its number.

        Raises:
            RequestError: NOT_FOUND for a name or version that is not served, INVALID_ARGUMENT for an unknown label;
                UNIMPLEMENTED for a model that no picture can be drawn of.
        """
        return self._fresh(identifier, lambda: self._found(identifier, seconds))

    def known(self, identifier: str) -> tuple[Picture, bool] | None:
        """What `find` found a moment ago, if it did."""
        with self._lock:
            return self._known.get(identifier)

    def _found(self, identifier, seconds):
        found = IDENTIFIER.fullmatch(identifier)
        if not found or found[1] not in self.names():
            raise RequestError("NOT_FOUND", f"no picture is called {identifier[:120]!r}")
        name, version = found.groups()
        drawn_by = name + PICTURES if name + PICTURES in self.backend.models() else name
        if version is not None and version.isdigit():
            number = int(version)
            if number >= 2**63:
                raise RequestError("NOT_FOUND", f"{name} has no version {version}")
        else:
            number = self._fresh((drawn_by, version), lambda: self.backend.version_of(drawn_by, version, seconds))
        return self._picture(name, drawn_by, number, seconds), version == str(number)

    def versions(self, picture: Picture, seconds: float) -> list[int]:
        """Numbers of the versions that are available, the newest first."""
        return self.backend.versions(picture.drawn_by, seconds)

    def forget(self) -> None:
        """What was heard of the models is heard anew."""
        with self._lock:
            self._known.clear()

    def _picture(self, name, drawn_by, number, seconds):
        apart = drawn_by != name

        def known():
            info = self._info(drawn_by, number, seconds)
            if not info.get("height") or "render_png" not in info["signatures"]:
                text = f"{name} has no signature that draws a picture of known size"
                if not apart and not name.endswith(PICTURES):
                    text += f": add {name}{PICTURES}, the model of its pictures, to the models"
                raise RequestError("UNIMPLEMENTED", text)
            asked_by = name if not apart or name in self.backend.models() else ""
            signatures = {*info["signatures"], *(self._point_signatures(name, number, seconds) if apart else ())}
            folder = self._folder_of(drawn_by, number)
            original = folder / ORIGINAL if folder is not None and (folder / ORIGINAL).is_file() else None
            picture = Picture(name, number, drawn_by, asked_by, info, (), original, _weights_bytes(folder))
            return dataclasses.replace(picture, layers=_layers(picture, signatures))

        return self._fresh((name, number, "picture"), known)

    def _point_signatures(self, name, number, seconds):
        """Of the model of points: it may be a moment behind that of pictures, and then its layers come later."""
        try:
            return self._info(name, number, seconds)["signatures"]
        except RequestError as error:
            if error.code != "NOT_FOUND":
                raise
            return ()

    def _info(self, model, number, seconds):
        """What a model says of itself."""
        answer = self.backend.ask(model, number, "info", {"query": np.array([b""], object)}, seconds)
        try:
            info = json.loads(answer["info"][0])
            info["signatures"]
        except (LookupError, TypeError, ValueError):
            raise RequestError("UNIMPLEMENTED", f"{model} is no exported field") from None
        return info

    def _fresh(self, key, find):
        with self._lock:
            if key in self._known:
                return self._known[key]
        found = find()
        with self._lock:
            self._known[key] = found
        return found


def _weights_bytes(folder):
    if folder is None:
        return None
    try:
        return sum(path.stat().st_size for path in (folder / "variables").iterdir())
    except OSError:  # a version is served a while longer than its folder is there
        return None


def _layers(picture, signatures):
    names = [name for name, signature in FIELD_LAYERS.items() if signature in signatures]
    if picture.is_smooth:
        names.remove("field")  # the value is the field's own anyway
    return (*names, *(ORIGINAL_LAYERS if picture.original is not None else ()))
