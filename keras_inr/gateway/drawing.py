"""Draws what a frame shows: the field, its derivatives, or the picture that it was fitted to."""

import functools
import io
import math
import pathlib
import threading
import time
from collections.abc import Iterator

import cachetools
import numpy as np
import PIL.Image

from keras_inr.coordinates import REDUCTION, box_coords
from keras_inr.gateway.backends import Backend
from keras_inr.gateway.frames import Frame
from keras_inr.gateway.pictures import Picture
from keras_inr.rendering.derivative_pictures import DERIVATIVES
from keras_inr.rendering.spline import BORDER, SMALLER, CubicSpline
from keras_inr.serving.status import RequestError

MAX_SUPERSAMPLING = 64
"""As in exported fields, whose rule of points in a pixel this follows."""

DERIVATIVE_SUPERSAMPLING = 2
"""Most points along a side of a pixel that shows a derivative: they cost several times as much as values."""

SCALE_SIDE = 128
"""Points along the longer side that the scale of a derivative is found from."""

SPLINE_PIXELS = 2**18
"""Most pixels of a spline that are computed at a time: each takes 50 bytes meanwhile."""

MOST_SCALES = 4096
MOST_ORIGINALS = 4
ORIGINALS_LOCK = threading.Lock()
"""One is decoded at a time, and not once by each of those who ask for its tiles."""

ORIGINAL_MODES = ("L", "RGB", "RGBA")
RESAMPLING = {"original": PIL.Image.Resampling.NEAREST, "bicubic": PIL.Image.Resampling.BICUBIC}

Drawn = bytes | np.ndarray
"""A PNG file, or uint8 (height, width, channels)."""


class Drawing:
    """Draws frames of pictures. May be called from any thread.

    Args:
        backend: that answers for the models.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._scales: cachetools.LRUCache[tuple[str, str], float] = cachetools.LRUCache(MOST_SCALES)
        self._lock = threading.Lock()

    def draw(self, picture: Picture, layer: str, frame: Frame, until: float) -> Drawn:
        """What a layer of a picture shows in a frame.

        Args:
            picture: that is served.
            layer: one of its layers.
            frame: what to draw; its canvas plays no part.
            until: by `time.monotonic`.

        Raises:
            RequestError: DEADLINE_EXCEEDED, and what the backend answers.
        """
        if layer in DERIVATIVES:
            return self._derivative(picture, layer, frame, until)
        if layer in RESAMPLING:
            return _of_original(picture, layer, frame)
        if layer == "value" and not picture.is_smooth and min(frame.pixel_sides) < SMALLER:
            return self._spline(picture, frame, until)
        return self._values(picture, frame, until)

    def at(self, picture: Picture, x: float, y: float, until: float) -> dict[str, list]:
        """Values and derivatives at a point of the picture, in pixels from its upper left corner."""
        if not picture.asked_by:
            return {}
        frame = Frame((x, y, x, y), (1, 1), (1, 1))
        coords = np.array([frame.coordinates(picture.size)[:2]], np.float32)
        told: dict[str, list] = {"coordinates": coords[0].tolist()}
        signatures = {"value": "serving_default", "gradient": "gradient", "laplacian": "laplacian"}
        for layer, signature in signatures.items():
            if layer in picture.layers:
                outputs = self._ask(picture, picture.asked_by, signature, {"coords": coords}, until)
                told |= {name: array[0].tolist() for name, array in outputs.items() if name != "valid"}
        return told

    def _ask(self, picture, model, signature, inputs, until):
        return self._backend.ask(model, picture.version, signature, inputs, _seconds_left(until))

    def _values(self, picture, frame, until):
        pixel_points = math.prod(supersampling(frame, MAX_SUPERSAMPLING, len(picture.info.get("reduced", []))))
        parts = []
        for strip in _strips(frame, picture.info["limits"]["max_pixels"] // pixel_points):
            box, size = np.float32([strip.coordinates(picture.size)]), np.int32([strip.size])
            answer = self._ask(picture, picture.drawn_by, "render_png", {"box": box, "size": size}, until)
            parts.append(answer["png_bytes"][0])
        return parts[0] if len(parts) == 1 else np.concatenate([decoded(part) for part in parts])

    def _spline(self, picture, frame, until):
        """The cubic spline through the values at pixel centres, of the pixels that matter in the frame."""
        height, width = picture.size
        left, top, right, bottom = frame.box
        first = max(0, math.floor(top) - BORDER), max(0, math.floor(left) - BORDER)
        last = min(height, math.ceil(bottom) + BORDER), min(width, math.ceil(right) + BORDER)
        native = Frame((first[1], first[0], last[1], last[0]), (last[0] - first[0], last[1] - first[1]), (0, 0))
        spline = CubicSpline(self._points(picture, "serving_default", "values", native, until))
        parts = []
        for strip in _strips(frame, SPLINE_PIXELS):
            _seconds_left(until)
            rows, columns = _places(strip)
            values = spline(np.meshgrid(rows - 0.5 - first[0], columns - 0.5 - first[1], indexing="ij"))
            parts.append(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))
        return np.concatenate(parts)

    def _points(self, picture, signature, output, frame, until):
        """What a signature answers at pixel centres, (height, width, ...)."""
        parts = []
        for strip in _strips(frame, picture.info["limits"]["max_points"]):
            answer = self._ask(picture, picture.asked_by, signature, {"coords": _coords(strip, picture.size)}, until)
            parts.append(answer[output].reshape(*strip.size, *answer[output].shape[1:]))
        return np.concatenate(parts)

    def _derivative(self, picture, layer, frame, until):
        kind = DERIVATIVES[layer]
        return kind.draw(self._sampled(picture, layer, frame, until), self._scale(picture, layer, until))

    def _sampled(self, picture, layer, frame, until):
        """A derivative (height, width, channels[, 2]), each pixel the mean over its points."""
        down, across = supersampling(frame, DERIVATIVE_SUPERSAMPLING)
        parts = []
        for strip in _strips(frame, picture.info["limits"]["max_points"] // (down * across)):
            fine = Frame(strip.box, (strip.size[0] * down, strip.size[1] * across), strip.canvas)
            values = self._points(picture, layer, DERIVATIVES[layer].output, fine, until)
            shape = (strip.size[0], down, strip.size[1], across, *values.shape[2:])
            parts.append(values.reshape(shape).mean((1, 3)))
        return np.concatenate(parts)

    def _scale(self, picture, layer, until):
        """What has full colour, the same in all tiles of a picture: its 99th percentile over an even sample."""
        key = (picture.fingerprint, layer)
        with self._lock:
            if key in self._scales:
                return self._scales[key]
        height, width = picture.size
        shrink = min(1.0, SCALE_SIDE / max(picture.size))
        size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
        whole = Frame((0.0, 0.0, float(width), float(height)), size, size)
        kind = DERIVATIVES[layer]
        scale = kind.scale_of(self._points(picture, layer, kind.output, whole, until))
        with self._lock:
            self._scales[key] = scale
        return scale


def _seconds_left(until):
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise RequestError("DEADLINE_EXCEEDED", "the picture took too long to draw")
    return seconds


def supersampling(frame: Frame, most: int, reduced: int = 0) -> tuple[int, int]:
    """Points along each side of a pixel (down, across), by the rule of exported fields with so many reduced ones."""
    shorter = min(frame.pixel_sides) + 0.01
    factor = REDUCTION ** sum(shorter >= REDUCTION**number for number in range(1, reduced + 1))
    down, across = (max(1, math.ceil(min(side / factor, most) - 0.01)) for side in frame.pixel_sides)
    return down, across


def _strips(frame: Frame, most_pixels: int) -> Iterator[Frame]:
    """The frame in parts of so many pixels or one row, from top to bottom."""
    height, width = frame.size
    left, top, right, bottom = frame.box
    rows = max(1, most_pixels // width)
    for first in range(0, height, rows):
        last = min(first + rows, height)
        upper, lower = (top + (bottom - top) * row / height for row in (first, last))
        yield Frame((left, upper, right, lower), (last - first, width), (last - first, width))


def _places(frame):
    """Rows and columns of pixel centres, in the picture's pixels from its upper left corner."""
    left, top, right, bottom = frame.box
    rows = top + (np.arange(frame.size[0]) + 0.5) * ((bottom - top) / frame.size[0])
    columns = left + (np.arange(frame.size[1]) + 0.5) * ((right - left) / frame.size[1])
    return rows, columns


def _coords(frame, picture_size):
    """Coordinates of the pixel centres (height * width, 2)."""
    return box_coords(frame.coordinates(picture_size), *frame.size).numpy()


def decoded(png: bytes) -> np.ndarray:
    """uint8 (height, width, channels) of a PNG file."""
    array = np.asarray(PIL.Image.open(io.BytesIO(png)))
    return array[..., None] if array.ndim == 2 else array


def _of_original(picture, layer, frame):
    height, width = frame.size
    image = _checked_original(picture)
    smaller = min(frame.pixel_sides) >= 1
    resampling = PIL.Image.Resampling.BOX if smaller else RESAMPLING[layer]
    array = np.asarray(image.resize((width, height), resampling, box=frame.box))
    return array[..., None] if array.ndim == 2 else array


def _checked_original(picture):
    path = picture.original
    try:
        with ORIGINALS_LOCK:
            image = _original(path, path.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):  # whatever Pillow says of a file
        raise RequestError("DATA_LOSS", f"the original of {picture.name} cannot be read") from None
    if image.size != picture.size[::-1] or image.mode not in ORIGINAL_MODES:
        raise RequestError("DATA_LOSS", f"the original of {picture.name} has another size or kind of pixels")
    return image


@functools.lru_cache(MOST_ORIGINALS)
def _original(path: pathlib.Path, changed: int) -> PIL.Image.Image:
    with PIL.Image.open(path) as image:
        image.load()
        return image.copy()
