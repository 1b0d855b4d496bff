"""Tiles cover a picture without gaps, each pixel once, and agree with where OpenSeadragon puts them."""

import itertools

import numpy as np
import pytest

from keras_inr.coordinates import picture_box
from keras_inr.gateway.frames import MOST_PIXELS_ACROSS, DeepZoom, Frame, finest_xyz, xyz_frame
from keras_inr.serving.status import RequestError

SIZES = [(300, 400), (400, 300), (20, 30), (1, 1), (1, 700), (4096, 6144), (255, 257)]


def frames_of(pyramid, level):
    """{(column, row): frame} of all tiles of a level."""
    found = {}
    for row in itertools.count():
        try:
            found[0, row] = pyramid.frame(level, 0, row)
        except RequestError:
            break
        for column in itertools.count(1):
            try:
                found[column, row] = pyramid.frame(level, column, row)
            except RequestError:
                break
    return found


@pytest.mark.parametrize("size", SIZES)
def test_the_whole_picture_is_the_fields_box(size):
    frame = Frame((0.0, 0.0, float(size[1]), float(size[0])), size, size)
    np.testing.assert_allclose(frame.coordinates(size), picture_box(*size), rtol=1e-15)


@pytest.mark.parametrize("size", SIZES)
def test_xyz_tiles_of_a_level_cover_the_picture(size):
    tile, area = 256, 0.0
    for x, y in itertools.product(range(4), repeat=2):
        try:
            frame = xyz_frame(size, 2, x, y)
        except RequestError:
            continue
        left, top, right, bottom = frame.box
        area += (right - left) * (bottom - top)
        assert (left, top) == (x * max(size) / 4, y * max(size) / 4)
        assert frame.canvas == (tile, tile)
        assert all(1 <= drawn <= tile for drawn in frame.size)
    assert area == pytest.approx(size[0] * size[1])


def test_the_finest_tiles_are_as_fine_as_float32_can_tell():
    for tile in (256, 512):
        z = finest_xyz(tile)
        frame = xyz_frame((300, 400), z, 2**z - 1, 0, tile)
        x0, _, x1, _ = frame.coordinates((300, 400))
        pixels = np.float32(x0) + (np.float32(x1) - np.float32(x0)) * np.arange(tile, dtype=np.float32) / tile
        assert len(set(pixels.tolist())) == tile
        assert tile * 2**z == MOST_PIXELS_ACROSS
        with pytest.raises(RequestError, match=f"z must be at most {z} for tiles of {tile} pixels, received {z + 1}"):
            xyz_frame((300, 400), z + 1, 0, 0, tile)


@pytest.mark.parametrize(("x", "y"), [(4, 0), (0, 3), (10**30, 0)])
def test_tiles_outside_are_not_there(x, y):
    with pytest.raises(RequestError, match="lies outside of the picture"):
        xyz_frame((300, 400), 2, x, y)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("below", [0, 1, 3])
def test_deep_zoom_tiles_of_a_level_cover_the_picture_once(size, below):
    pyramid = DeepZoom(size)
    native = pyramid.levels - 1 - int(np.log2(pyramid.enlargement))
    level = max(0, native - below)
    scale = 2 ** (native - level)
    covered = np.zeros([-(-side // scale) for side in size], int)
    for (column, row), frame in frames_of(pyramid, level).items():
        left, top, right, bottom = frame.box
        first = [round(edge / scale) for edge in (top, left)]
        assert first == [max(0, 254 * row - 1), max(0, 254 * column - 1)]
        assert [right, bottom] == [
            min((first[1] + frame.size[1]) * scale, size[1]),
            min((first[0] + frame.size[0]) * scale, size[0]),
        ]
        own = [
            slice(254 * index, min(254 * (index + 1), side))
            for index, side in zip((row, column), covered.shape, strict=True)
        ]
        covered[tuple(own)] += 1
    assert (covered == 1).all()


def test_the_first_level_is_one_pixel_and_the_last_the_size():
    pyramid = DeepZoom((300, 400))
    assert pyramid.frame(0, 0, 0) == Frame((0.0, 0.0, 400.0, 300.0), (1, 1), (1, 1))
    last = pyramid.frame(pyramid.levels - 1, 0, 0)
    assert last.pixel_sides == pytest.approx((1 / pyramid.enlargement,) * 2)
    for place in [(-1, 0, 0), (pyramid.levels, 0, 0), (0, 1, 0), (0, 0, 10**30)]:
        with pytest.raises(RequestError):
            pyramid.frame(*place)


def test_the_document_is_deep_zoom():
    text = DeepZoom((300, 400)).document("png")
    assert '<Size Height="614400" Width="819200"/>' in text
    assert 'Format="png" Overlap="1" TileSize="254"' in text
