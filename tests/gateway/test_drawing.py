"""How a gateway asks for a frame."""

import math
import time

import numpy as np
import pytest

from keras_inr.coordinates import reduced_size
from keras_inr.gateway.drawing import MAX_SUPERSAMPLING, Drawing, supersampling
from keras_inr.gateway.frames import Frame
from keras_inr.gateway.pictures import Picture
from keras_inr.rendering.png import png_bytes
from keras_inr.rendering.raster import boxes_of, sampling_of

SIZE = (9000, 12000)
LIMIT = 2**20


class Level:
    def __init__(self, picture_size):
        self.picture_size = picture_size


def levels(number):
    found = [Level(SIZE)]
    for _ in range(number):
        found.append(Level(reduced_size(*found[-1].picture_size)))
    return found


def picture(reduced):
    info = {"height": SIZE[0], "width": SIZE[1], "limits": {"max_pixels": LIMIT}, "fingerprint": "0"}
    info["reduced"] = [level.picture_size for level in levels(reduced)[1:]]
    return Picture("scan", 1, "drawn", "asked", info, ("value",), None, None)


class Backend:
    """Answers grey, and notes how many points each request takes by the rule of exported fields."""

    def __init__(self, levels):
        self.levels, self.points = levels, []

    def ask(self, model, version, signature, inputs, seconds):
        box, size = inputs["box"], inputs["size"]
        _, sampling = sampling_of(boxes_of(box, self.levels), size, self.levels)
        self.points.append(int(np.prod(size[0]) * np.prod(sampling[0])))
        return {"png_bytes": [png_bytes(np.zeros((*size[0], 3), np.uint8))]}


@pytest.mark.parametrize("reduced", [0, 1, 3])
@pytest.mark.parametrize("side", [64, 300, 1024, 4096, 8999])
def test_a_request_is_as_large_as_it_may_be(reduced, side):
    backend = Backend(levels(reduced))
    Drawing(backend).draw(picture(reduced), "value", Frame((0, 0, side, side), (256, 256), SIZE), time.monotonic() + 60)
    assert max(backend.points) <= LIMIT
    # no more requests than the points that are taken ask for
    rows = max(1, LIMIT // (sum(backend.points) // 256))
    assert len(backend.points) == math.ceil(256 / rows)


def test_a_far_view_of_a_large_picture_is_one_request():
    counts = []
    for reduced in (0, 3):
        backend = Backend(levels(reduced))
        frame = Frame((0, 0, 12000, 9000), (192, 256), SIZE)
        Drawing(backend).draw(picture(reduced), "value", frame, time.monotonic() + 60)
        counts.append(len(backend.points))
    assert counts[0] > 50
    assert counts[1] == 1


def test_the_points_of_a_pixel_are_those_of_the_rule():
    sizes = np.random.default_rng(0).uniform(0.1, 200, (300, 2))
    for number in (0, 2):
        for height, width in sizes:
            frame = Frame((0, 0, 16 * width, 16 * height), (16, 16), (16, 16))
            box = np.array(frame.coordinates(SIZE))
            _, expected = sampling_of(boxes_of(box, levels(number)), (16, 16), levels(number))
            assert supersampling(frame, MAX_SUPERSAMPLING, number) == tuple(expected.numpy().tolist())
