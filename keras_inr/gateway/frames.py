"""Which part of a picture a tile shows: XYZ tiles and Deep Zoom."""

import dataclasses
import math

from keras_inr.coordinates import pixel_pitch
from keras_inr.serving.status import RequestError

MOST_PIXELS_ACROSS = 2**20
"""Of the finest level along the longer side: float32 coordinates tell 32 places apart in a pixel there, no more."""

TILE = 256
SIZES = (256, 512)
"""Pixels along a side of an XYZ tile."""

DEEP_ZOOM_TILE = 254
DEEP_ZOOM_OVERLAP = 1


@dataclasses.dataclass(frozen=True)
class Frame:
    """A raster over a part of a picture.

    Attributes:
        box: outer edges (left, top, right, bottom) in the picture's pixels, from its upper left corner.
        size: (height, width) of the raster.
        canvas: (height, width) of what is sent: the raster lies in its upper left corner, the rest is transparent.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    canvas: tuple[int, int]

    def coordinates(self, picture_size: tuple[int, int]) -> tuple[float, float, float, float]:
        """The edges (x0, y0, x1, y1) in the field's coordinates.

        >>> Frame((0, 0, 400, 150), (3, 8), (3, 8)).coordinates((300, 400))
        (-1.0, -0.75, 1.0, 0.0)
        """
        height, width = picture_size
        pitch = pixel_pitch(height, width)
        left, top, right, bottom = self.box
        return (
            (left - width / 2) * pitch,
            (top - height / 2) * pitch,
            (right - width / 2) * pitch,
            (bottom - height / 2) * pitch,
        )

    @property
    def pixel_sides(self) -> tuple[float, float]:
        """(height, width) of a pixel of the raster, in the picture's pixels."""
        left, top, right, bottom = self.box
        return ((bottom - top) / self.size[0], (right - left) / self.size[1])


def finest_xyz(tile: int = TILE) -> int:
    """The last z of XYZ tiles.

    >>> finest_xyz(256), finest_xyz(512)
    (12, 11)
    """
    return int(math.log2(MOST_PIXELS_ACROSS // tile))


def xyz_frame(picture_size: tuple[int, int], z: int, x: int, y: int, tile: int = TILE) -> Frame:
    """The frame of an XYZ tile.

    The tile 0/0/0 is a square with the picture's longer side, and the picture in its upper left corner; each z
    halves its tiles. What lies outside of the picture is transparent.

    Raises:
        RequestError: NOT_FOUND for a tile outside of the picture or finer than float32 can tell.

    >>> xyz_frame((300, 400), 0, 0, 0)
    Frame(box=(0.0, 0.0, 400.0, 300.0), size=(192, 256), canvas=(256, 256))
    >>> xyz_frame((300, 400), 1, 1, 0).box
    (200.0, 0.0, 400.0, 200.0)
    """
    if z > finest_xyz(tile):
        raise RequestError(
            "NOT_FOUND", f"z must be at most {finest_xyz(tile)} for tiles of {tile} pixels, received {z}"
        )
    height, width = picture_size
    scale = max(height, width) / (tile * 2**z)
    left, top = x * tile * scale, y * tile * scale
    if left >= width or top >= height:
        raise RequestError("NOT_FOUND", f"tile {z}/{x}/{y} lies outside of the picture")
    return _cut((left, top), (tile, tile), scale, picture_size, (tile, tile))


@dataclasses.dataclass(frozen=True)
class DeepZoom:
    """A pyramid as Deep Zoom describes it: of the picture enlarged by a power of two, as far as float32 goes.

    Args:
        picture_size: (height, width) in pixels.

    >>> pyramid = DeepZoom((300, 400))
    >>> pyramid.size, pyramid.levels
    ((614400, 819200), 21)
    """

    picture_size: tuple[int, int]

    @property
    def enlargement(self) -> int:
        """Pixels of the finest level along a side of one of the picture's."""
        return 2 ** max(0, int(math.log2(MOST_PIXELS_ACROSS / max(self.picture_size))))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the finest level."""
        return (self.picture_size[0] * self.enlargement, self.picture_size[1] * self.enlargement)

    @property
    def levels(self) -> int:
        """How many there are: the first, of one pixel, is 0."""
        return math.ceil(math.log2(max(self.size))) + 1

    def document(self, format: str) -> str:
        """The .dzi file.

        Args:
            format: of the tiles, such as "png".
        """
        height, width = self.size
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="{format}" '
            f'Overlap="{DEEP_ZOOM_OVERLAP}" TileSize="{DEEP_ZOOM_TILE}">'
            f'<Size Height="{height}" Width="{width}"/></Image>\n'
        )

    def frame(self, level: int, column: int, row: int) -> Frame:
        """The frame of a tile.

        Raises:
            RequestError: NOT_FOUND if there is none.

        >>> DeepZoom((300, 400)).frame(9, 1, 0)
        Frame(box=(253.0, 0.0, 400.0, 255.0), size=(255, 147), canvas=(255, 147))
        """
        if not 0 <= level < self.levels:
            raise RequestError("NOT_FOUND", f"level must be from 0 to {self.levels - 1}, received {level}")
        shrunk = 2 ** (self.levels - 1 - level)
        sides = [math.ceil(side / shrunk) for side in self.size]
        starts, counts = [], []
        for index, side in zip((row, column), sides, strict=True):
            start = max(0, index * DEEP_ZOOM_TILE - DEEP_ZOOM_OVERLAP)
            if index * DEEP_ZOOM_TILE >= side:
                raise RequestError("NOT_FOUND", f"tile {level}/{column}_{row} lies outside of the picture")
            starts.append(start)
            counts.append(min((index + 1) * DEEP_ZOOM_TILE + DEEP_ZOOM_OVERLAP, side) - start)
        scale = shrunk / self.enlargement
        corner = (starts[1] * scale, starts[0] * scale)
        return _cut(corner, (counts[0], counts[1]), scale, self.picture_size, None)


def _cut(
    corner: tuple[float, float],
    size: tuple[int, int],
    scale: float,
    picture_size: tuple[int, int],
    canvas: tuple[int, int] | None,
) -> Frame:
    """The frame of so many pixels of that side from a corner (left, top) on, without what lies outside."""
    left, top = corner
    right = min(left + size[1] * scale, float(picture_size[1]))
    bottom = min(top + size[0] * scale, float(picture_size[0]))
    drawn = tuple(max(1, math.ceil((end - start) / scale - 1e-6)) for start, end in ((top, bottom), (left, right)))
    return Frame((float(left), float(top), right, bottom), (drawn[0], drawn[1]), canvas or (drawn[0], drawn[1]))
