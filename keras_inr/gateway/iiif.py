"""The IIIF Image API 3: what a request asks for, and what a picture says of itself. https://iiif.io/api/image/3.0/"""

import dataclasses
import math
import re
from typing import Any

import PIL.Image

from keras_inr.gateway.frames import MOST_PIXELS_ACROSS, Frame
from keras_inr.serving.status import RequestError

CONTEXT = "http://iiif.io/api/image/3/context.json"
PROFILE = "http://iiif.io/api/image/3/level2.json"
MAX_AREA = 2**24
"""Most pixels of an answer."""

TILE = 256
SMALLEST = 64
"""Pixels along the longer side of the smallest size that is told of."""

QUALITIES = ("default", "color", "gray", "bitonal")
NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,12})?|\.[0-9]{1,12})"
INTEGER = r"([0-9]{1,9})"
REGION = re.compile(rf"{INTEGER},{INTEGER},{INTEGER},{INTEGER}")
PERCENT_REGION = re.compile(rf"pct:{NUMBER},{NUMBER},{NUMBER},{NUMBER}")
SIZE = re.compile(rf"(\^?)(?:(max)|pct:{NUMBER}|(!?){INTEGER},{INTEGER}|{INTEGER},|,{INTEGER})")
ROTATION = re.compile(rf"(!?){NUMBER}")


@dataclasses.dataclass(frozen=True)
class ImageRequest:
    """What a URL asks for.

    Attributes:
        frame: the part of the picture, and the size of the raster.
        mirrored: left and right changed, before the rotation.
        rotation: degrees with the clock.
        quality: one of `QUALITIES`, as it was asked for: "gray" makes derivatives grey too, also of a grey picture.
        canonical: region/size/rotation/quality in the canonical form.
    """

    frame: Frame
    mirrored: bool
    rotation: float
    quality: str
    canonical: str

    @property
    def turned_size(self) -> tuple[int, int]:
        """(height, width) of the answer; for angles between the quarters, of the rectangle around the turned raster."""
        height, width = self.frame.size
        if self.rotation % 180 == 0:
            return height, width
        if self.rotation % 90 == 0:
            return width, height
        sine, cosine = (abs(f(math.radians(self.rotation))) for f in (math.sin, math.cos))
        return math.ceil(width * sine + height * cosine), math.ceil(width * cosine + height * sine)


def image_request(
    region: str, size: str, rotation: str, quality: str, picture_size: tuple[int, int], channels: int
) -> ImageRequest:
    """What the parts of a URL ask for.

    Args:
        region, size, rotation, quality: parts of the URL.
        picture_size: (height, width) in pixels.
        channels: of the picture.

    Raises:
        RequestError: INVALID_ARGUMENT for parts that the API does not have or allow.

    >>> image_request("50,0,100,100", "^max", "0", "color", (300, 400), 3).canonical
    '50,0,100,100/^4096,4096/0/default'
    >>> image_request("full", "!100,100", "!90", "gray", (300, 400), 3).canonical
    'full/100,75/!90/gray'
    """
    box, region_text = _region(region, picture_size)
    height, width, enlarged = _size(size, box)
    turned = ROTATION.fullmatch(rotation)
    if not turned or float(turned[2]) > 360:
        raise _refused("rotation", "degrees from 0 to 360, with ! in front for a mirrored picture", rotation)
    if quality not in QUALITIES:
        raise _refused("quality", f"one of {', '.join(QUALITIES)}", quality)
    natural = "color" if channels >= 3 else "gray"
    quality_text = "default" if quality == natural else quality
    native = (round(box[3] - box[1]), round(box[2] - box[0]))
    size_text = "max" if (height, width) == native else f"{'^' * enlarged}{width},{height}"
    degrees = float(turned[2]) % 360
    canonical = f"{region_text}/{size_text}/{turned[1]}{degrees:g}/{quality_text}"
    frame = Frame(box, (height, width), (height, width))
    request = ImageRequest(frame, bool(turned[1]), degrees, quality, canonical)
    if math.prod(request.turned_size) > MAX_AREA:
        raise _refused("rotation", f"such that the turned picture has at most {MAX_AREA} pixels", rotation)
    return request


def _region(text, picture_size):
    """The box in pixels, cut at the picture's edges, and the canonical form of the region."""
    height, width = picture_size
    if text == "full":
        left, top, across, down = 0.0, 0.0, float(width), float(height)
    elif text == "square":
        side = min(height, width)
        left, top, across, down = float((width - side) // 2), float((height - side) // 2), float(side), float(side)
    elif found := REGION.fullmatch(text):
        left, top, across, down = (float(part) for part in found.groups())
    elif found := PERCENT_REGION.fullmatch(text):
        sides = (width, height, width, height)
        left, top, across, down = (float(p) / 100 * side for p, side in zip(found.groups(), sides, strict=True))
    else:
        raise _refused("region", "full, square, x,y,w,h or pct:x,y,w,h", text)
    right, bottom = min(left + across, float(width)), min(top + down, float(height))
    if right <= left or bottom <= top:
        raise _refused("region", "a part of the picture", text)
    if min(right - left, bottom - top) < max(picture_size) / MOST_PIXELS_ACROSS:
        raise _refused("region", "no smaller than what float32 coordinates tell apart", text)
    box = (left, top, right, bottom)
    if box == (0.0, 0.0, float(width), float(height)):
        return box, "full"
    sides = (left, top, right - left, bottom - top)
    if all(side.is_integer() for side in sides):
        return box, ",".join(str(int(side)) for side in sides)
    parts = zip(sides, (width, height, width, height), strict=True)
    return box, "pct:" + ",".join(f"{100 * side / whole:.9f}".rstrip("0").rstrip(".") for side, whole in parts)


def _size(text, box):
    """(height, width) of the answer, and whether it is enlarged."""
    across, down = box[2] - box[0], box[3] - box[1]
    found = SIZE.fullmatch(text)
    if not found:
        raise _refused("size", "max, w,h or w, or ,h or pct:n or !w,h, each with ^ in front to enlarge", text)
    may_enlarge, maximal, percent, within, width, height, only_width, only_height = found.groups()
    largest = math.sqrt(MAX_AREA / (across * down))
    if maximal:
        scale = largest if may_enlarge else min(1.0, largest)
        sides = _scaled(down, across, scale, math.floor if scale == largest else round)
    elif percent:
        sides = _scaled(down, across, float(percent) / 100)
    elif within:
        scale = min(int(width) / across, int(height) / down, largest)
        sides = _scaled(down, across, scale if may_enlarge else min(scale, 1.0))
    elif width:
        sides = (int(height), int(width))
    elif only_width:
        sides = (max(1, round(down * int(only_width) / across)) if int(only_width) else 0, int(only_width))
    else:
        sides = (int(only_height), max(1, round(across * int(only_height) / down)) if int(only_height) else 0)
    if min(sides) < 1:
        raise _refused("size", "at least one pixel", text)
    if sides[0] * sides[1] > MAX_AREA:
        raise _refused("size", f"at most {MAX_AREA} pixels", text)
    enlarged = sides[0] > max(1, round(down)) or sides[1] > max(1, round(across))
    if enlarged and not may_enlarge:
        raise _refused("size", "no larger than the region, or have ^ in front", text)
    return (*sides, enlarged)


def _scaled(height, width, scale, whole=round):
    return max(scale > 0, whole(height * scale)), max(scale > 0, whole(width * scale))


def _refused(name, rule, received):
    return RequestError("INVALID_ARGUMENT", f"{name} must be {rule}, received {received[:120]!r}")


def turned(image: PIL.Image.Image, request: ImageRequest) -> PIL.Image.Image:
    """The image mirrored, rotated and in the quality that were asked for."""
    if request.mirrored:
        image = image.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    if request.rotation % 90 == 0:
        quarters = {90: "ROTATE_270", 180: "ROTATE_180", 270: "ROTATE_90"}
        if request.rotation:
            image = image.transpose(PIL.Image.Transpose[quarters[int(request.rotation)]])
    else:
        with_corners = image.convert("LA" if image.mode == "L" else "RGBA")
        image = with_corners.rotate(-request.rotation, PIL.Image.Resampling.BICUBIC, expand=True)
    if request.quality == "gray":
        return image.convert("LA" if "A" in image.getbands() else "L")
    if request.quality == "bitonal":
        return image.convert("L").point([0] * 128 + [255] * 128)
    return image


def image_information(url: str, picture_size: tuple[int, int], channels: int) -> dict[str, Any]:
    """The content of info.json.

    >>> image_information("http://localhost/iiif/fox", (300, 400), 3)["sizes"]
    [{'width': 100, 'height': 75}, {'width': 200, 'height': 150}, {'width': 400, 'height': 300}]
    """
    height, width = picture_size
    factors = [2**power for power in range(max(1, math.ceil(math.log2(max(height, width) / TILE)) + 1))]
    halvings = max(0, int(math.log2(max(height, width) / SMALLEST)))
    shrunk = [2**power for power in range(halvings + 1) if height * width / 4**power <= MAX_AREA]
    return {
        "@context": CONTEXT,
        "id": url,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": width,
        "height": height,
        "maxArea": MAX_AREA,
        "sizes": [{"width": -(-width // by), "height": -(-height // by)} for by in reversed(shrunk)],
        "tiles": [{"width": TILE, "height": TILE, "scaleFactors": factors}],
        "extraFormats": ["webp"],
        "extraQualities": [*(["color"] if channels >= 3 else []), "gray", "bitonal"],
        "extraFeatures": [
            *("canonicalLinkHeader", "mirroring", "profileLinkHeader", "rotationArbitrary", "sizeUpscaling")
        ],
    }
