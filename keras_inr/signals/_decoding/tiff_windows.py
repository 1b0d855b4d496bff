"""TIFF files whose strips and tiles are decoded when a window needs them."""

import collections
import itertools
import math
import mmap
import os
import threading
from typing import BinaryIO, cast

import numpy as np
import tifffile

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Raster, check_pixels
from keras_inr.signals._decoding.metadata import numbered_orientation
from keras_inr.signals._decoding.stored import Lost, Read, Stored, rows_in_file
from keras_inr.signals._decoding.tiff import checked_model, interpreted, profile_of
from keras_inr.signals._decoding.tiff_directory import check_pixel_tags, read_directory
from keras_inr.signals._decoding.tiff_segments import check_places, check_segment

CACHE_BYTES = 2**27
"""Of decoded strips and tiles, which the next window may need again."""


def stored_tiff(file: BinaryIO, max_pixels: int, skip_damaged: bool = False) -> Stored | None:
    """The first page of a TIFF file; None where a strip is so large that it had to be decoded as a whole.

    With skip_damaged, strips and tiles that cannot be decoded are 0, and `Stored.lost` tells where.
    """
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        data = cast("bytes", view)
        directory = read_directory(data)
        check_pixel_tags(data, directory)
        orientation = numbered_orientation(data, directory, "TIFF directory")
        profile = profile_of(data, directory)
        file.seek(0)
        page = tifffile.TiffFile(file).pages.first
        check_pixels(page.imagelength, page.imagewidth, max_pixels)
        model = checked_model(page)
        if not skip_damaged:
            check_places(page, data)
    orientation = orientation if orientation is not None and 1 <= orientation <= 8 else 1
    read, lost = _reader(file, page, skip_damaged)
    if read is None:
        return None

    def raster(*window: int) -> Raster:
        samples = read(*window)
        bit_depth = 32 if samples.dtype.kind == "f" else 8 if page.bitspersample <= 8 else 16
        samples, peak, has_alpha = interpreted(page, samples, model)
        return Raster(samples, model, has_alpha, peak, bit_depth, profile, orientation)

    return Stored(page.imagelength, page.imagewidth, raster, lost=lost)


def _reader(file, page, skip_damaged) -> tuple[Read | None, Lost | None]:
    interleaved = page.samplesperpixel == 1 or page.planarconfig == tifffile.PLANARCONFIG.CONTIG
    if interleaved and page.is_memmappable and not skip_damaged:
        shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
        return rows_in_file(file, page.dataoffsets[0], shape, np.dtype(page.parent.byteorder + page.dtype.char)), None
    segments = Segments(file, page, skip_damaged)
    if segments.bytes_each > CACHE_BYTES:
        return None, None
    return segments.window, segments.lost if skip_damaged else None


class Segments:
    """The strips or tiles of a page, decoded by need; those that were asked for last are kept.

    Args:
        file: of the page.
        page: of tifffile, whose places were checked.
        skip_damaged: whether what cannot be decoded is 0.
    """

    def __init__(self, file: BinaryIO, page: tifffile.TiffPage, skip_damaged: bool = False) -> None:
        self.file = file
        self.skip_damaged = skip_damaged
        self.damaged: set[int] = set()
        self.page = page
        self.planes = page.samplesperpixel if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE else 1
        self.rows, self.columns = (
            (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        )
        self.rows = min(self.rows, page.imagelength)
        self.grid = math.ceil(page.imagelength / self.rows), math.ceil(page.imagewidth / self.columns)
        self.bytes_each = self.rows * self.columns * page.samplesperpixel // self.planes * page.dtype.itemsize
        self.kept: collections.OrderedDict[int, np.ndarray] = collections.OrderedDict()
        self.lock = threading.Lock()

    def window(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Samples (height, width, samples) of a window inside of the picture."""
        found = np.empty((height, width, self.page.samplesperpixel), self.page.dtype)
        self._each(found, top, left, self.decoded)
        return found

    def lost(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Which pixels (height, width, 1) of a window that was read could not be decoded."""
        found = np.zeros((height, width, self.page.samplesperpixel), bool)
        self._each(found, top, left, lambda index: np.full((self.rows, self.columns, 1), index in self.damaged))
        return np.any(found, axis=-1, keepdims=True)

    def _each(self, found, top, left, part_of):
        """Puts what a function gives for each strip or tile that a window touches into the array of the window."""
        height, width = found.shape[:2]
        rows = range(top // self.rows, (top + height - 1) // self.rows + 1)
        columns = range(left // self.columns, (left + width - 1) // self.columns + 1)
        for plane, row, column in itertools.product(range(self.planes), rows, columns):
            part = part_of((plane * self.grid[0] + row) * self.grid[1] + column)
            first, start = row * self.rows, column * self.columns
            inner_top, inner_left = max(top - first, 0), max(left - start, 0)
            part = part[inner_top : top + height - first, inner_left : left + width - start]
            place_top, place_left = first + inner_top - top, start + inner_left - left
            channels = slice(plane, plane + 1) if self.planes > 1 else slice(None)
            found[place_top : place_top + part.shape[0], place_left : place_left + part.shape[1], channels] = part

    def decoded(self, index: int) -> np.ndarray:
        """Samples (rows, columns, samples) of a strip or tile, as far as it lies in the picture."""
        with self.lock:
            if index in self.kept:
                self.kept.move_to_end(index)
                return self.kept[index]
            found = self._tried(index)
            self.kept[index] = found
            while len(self.kept) > max(1, CACHE_BYTES // max(1, self.bytes_each)):
                self.kept.popitem(last=False)
            return found

    def _tried(self, index):
        """What a strip or tile decodes to; where damage is skipped, 0 for what cannot be decoded."""
        try:
            return self._decode(index)
        except ImageError:
            if not self.skip_damaged:
                raise
        self.damaged.add(index)
        return np.zeros((self.rows, self.columns, self.page.samplesperpixel // self.planes), self.page.dtype)

    def _decode(self, index):
        if index >= min(len(self.page.dataoffsets), len(self.page.databytecounts)):
            raise ImageError(f"source is a TIFF file that is damaged: it has no place for strip or tile {index}")
        start, count = self.page.dataoffsets[index], self.page.databytecounts[index]
        data = os.pread(self.file.fileno(), count, start)
        kind = "tile" if self.page.is_tiled else "strip"
        if len(data) < count:
            raise ImageError(f"source ends early: {kind} {index} is not whole in the file")
        try:
            check_segment(self.page, data, index)
            found, _, shape = self.page.decode(data, index, **self._tables)
        except ImageError:
            raise
        except Exception as error:  # whatever a codec raises for damaged bytes
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(f"source is a TIFF file that is damaged: {kind} {index}: {reason}") from error
        if found is None:
            raise ImageError(f"source is a TIFF file that is damaged: {kind} {index} is empty")
        return found[0, : shape[1], : shape[2]]

    @property
    def _tables(self):
        """What goes in front of a segment of JPEG."""
        if self.page.compression in (6, 7, 33007, 34892):
            return {"jpegtables": self.page.jpegtables, "jpegheader": self.page.jpegheader}
        return {}
