"""Pictures that are read window by window, so that they may be larger than memory."""

import contextlib
import dataclasses
import hashlib
import importlib.util
import math
import mmap
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Protocol, Self, cast

import numpy as np

from keras_inr.errors import ImageError
from keras_inr.signals._arrays import check_array, raster_from_array
from keras_inr.signals._colour import srgb_values
from keras_inr.signals._decoding.decode import HEAD_BYTES, decode_image, format_of, header_pixels, one_sentence
from keras_inr.signals._decoding.decoded import Raster, check_pixels, oriented
from keras_inr.signals._decoding.stored import Stored, in_scratch_file, rows_in_file
from keras_inr.signals._decoding.tiff_windows import stored_tiff
from keras_inr.signals._framing import checked_crop
from keras_inr.signals._sources import picture_bytes, picture_path
from keras_inr.signals.image import check_image_options

MOST_PIXELS = 2**40
NPY = b"\x93NUMPY"
ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
"""What a Zarr array or group has, of the formats 3 and 2."""

NPY_VERSIONS = ((1, 0), (2, 0), (3, 0))
MOST_DECODED = 2**28
"""Pixels of a JPEG, PNG, WebP, BMP or GIF, which is decoded as a whole, at three to eight bytes a pixel."""

IN_MEMORY = 2**26
"""Bytes of samples up to which a picture that is decoded as a whole stays in memory."""

ONLY_TIFF = "skip_damaged is for TIFF files whose strips or tiles are decoded one by one"


class Windows(Protocol):
    """A picture that gives windows: an `ImageSignal`, or a `LargeImage`."""

    source: str
    sha256: str
    bit_depth: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""

    @property
    def channels(self) -> int:
        """1 (grey), 3 (RGB) or 4 (RGBA)."""

    def window(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Values (height, width, channels) of a part, float32 in [0, 1]."""


def lost_in(picture: Windows, top: int, left: int, height: int, width: int) -> np.ndarray | None:
    """See `LargeImage.lost`; None of pictures that can lose nothing."""
    return picture.lost(top, left, height, width) if isinstance(picture, LargeImage) else None


class LargeImage:
    """A picture in a file of which windows are read by need; what `open_image` returns.

    Attributes:
        size: (height, width) of the upright picture, or of the crop.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        source, sha256, bit_depth: see `ImageSignal`.
    """

    def __init__(
        self,
        path: pathlib.Path,
        file: BinaryIO | None,
        stored: Stored,
        sha256: str,
        *,
        grayscale: bool = False,
        alpha: str = "white",
        crop: tuple[int, int, int, int] | None = None,
    ) -> None:
        self.source, self.sha256 = str(path), sha256
        self._path, self._file, self._stored = path, file, stored
        self._alpha, self._grayscale = alpha, grayscale
        self._state = _state_of(path)
        with one_sentence("source cannot be made a picture of"):
            first = stored.read(0, 0, 1, 1)
            self.bit_depth, self._orientation = first.bit_depth, first.orientation
            self.channels = srgb_values(first, alpha, grayscale).shape[-1]
        turned = self._orientation in (5, 6, 7, 8)
        whole = (stored.width, stored.height) if turned else (stored.height, stored.width)
        self._whole, self._corner, self.size = whole, (0, 0), whole
        if crop is not None:
            top, left, height, width = crop
            if top + height > whole[0] or left + width > whole[1]:
                told = f"inside the picture of {whole[0]} x {whole[1]} (height x width), received {crop}"
                raise ImageError(f"crop (top, left, height, width) must lie {told}")
            self._corner, self.size = (top, left), (height, width)

    @property
    def height(self) -> int:
        """Number of rows of pixels."""
        return self.size[0]

    @property
    def width(self) -> int:
        """Number of columns of pixels."""
        return self.size[1]

    def window(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Values (height, width, channels) of a part of the picture, float32 in [0, 1], sRGB-coded.

        Raises:
            ImageError: for a window that leaves the picture, a part of the file that is damaged or missing, or a file
                that has changed since it was opened.
        """
        if min(top, left) < 0 or min(height, width) < 1 or top + height > self.height or left + width > self.width:
            raise ImageError(f"a window must lie in the {self.size} pixels, received {(top, left, height, width)}")
        raster = self._raster(self._corner[0] + top, self._corner[1] + left, height, width)
        if _state_of(self._path) != self._state:
            raise ImageError(f"{self.source}: source has changed while it was read")
        return srgb_values(raster, self._alpha, self._grayscale)

    def _raster(self, top, left, height, width) -> Raster:
        """The upright samples of a window, which lies elsewhere in the file."""
        window = _stored_window((top, left, height, width), self._whole, self._orientation)
        with _named(self.source), one_sentence("source cannot be read"):
            return oriented(self._stored.read(*window))

    def lost(self, top: int, left: int, height: int, width: int) -> np.ndarray | None:
        """Which pixels (height, width) of a window that was read are damaged in the file; None where none can be."""
        if self._stored.lost is None:
            return None
        place = (self._corner[0] + top, self._corner[1] + left, height, width)
        samples = self._stored.lost(*_stored_window(place, self._whole, self._orientation))
        return oriented(Raster(samples, "grey", False, 1, 8, orientation=self._orientation)).samples[..., 0]

    def close(self) -> None:
        """Closes the file."""
        for file in (self._file, self._stored.scratch):
            if file is not None:
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def open_image(
    source: str | os.PathLike[str],
    *,
    grayscale: bool = False,
    alpha: str = "white",
    crop: Sequence[int] | None = None,
    max_pixels: int = MOST_PIXELS,
    skip_damaged: bool = False,
) -> LargeImage:
    """Opens a picture whose windows are read by need.

    TIFF and BigTIFF are read in place: strips and tiles are decoded when a window needs them (one strip of the whole
    picture is decoded at once). So are NPY files, and Zarr arrays where the package zarr is installed. JPEG, PNG, WebP,
    BMP and GIF are decoded once, in memory, at three bytes a pixel for eight bits (twice for a JPEG, to be sure that it
    is whole); what is longer than 64 MiB then goes into a scratch file in the temporary folder.

    Args:
        source: a path to a PNG, JPEG, WebP, TIFF, BMP or GIF file, an NPY file with an array as `load_image` takes it,
            or a folder that is a Zarr array (H, W) or (H, W, C).
        grayscale, alpha, crop: see `load_image`.
        max_pixels: the most pixels that are accepted; of pictures that are decoded as a whole never more than 2^28.
        skip_damaged: of a TIFF, whether strips and tiles that are damaged or missing are read as 0 instead of raising.
            `LargeImage.lost` tells where they are.

    Returns:
        A `LargeImage`.

    Raises:
        ImageError: whatever is wrong with the source or an argument, in one sentence.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".npy") as file:
    ...     np.save(file.name, np.full((20, 30, 3), 255, "uint8"))
    ...     with open_image(file.name) as picture:
    ...         picture.size, picture.window(5, 6, 1, 2)[0, :, 0].tolist()
    ((20, 30), [1.0, 1.0])
    """
    check_image_options(grayscale=grayscale, alpha=alpha, crop=crop, max_pixels=max_pixels)
    checked: dict[str, Any] = {"grayscale": grayscale, "alpha": alpha, "crop": checked_crop(crop)}
    path = picture_path(source, folders=True)
    with contextlib.ExitStack() as opened, _named(str(path)), one_sentence("source cannot be read"):
        if path.is_dir() and not skip_damaged:
            return LargeImage(path, None, _zarr(path, max_pixels), _sha256_of_folder(path), **checked)
        if path.is_dir():
            raise ImageError(ONLY_TIFF)
        file = opened.enter_context(path.open("rb"))
        stored = _stored(path, file, max_pixels, skip_damaged)
        if skip_damaged and stored.lost is None:
            raise ImageError(ONLY_TIFF)
        file.seek(0)
        image = LargeImage(path, file, stored, hashlib.file_digest(file, "sha256").hexdigest(), **checked)
        opened.pop_all()
        return image


def pixels_of(source: str | os.PathLike[str]) -> int:
    """How many pixels the header of a picture tells of, which is not decoded.

    Raises:
        ImageError: for what is no picture.
    """
    path = picture_path(source, folders=True)
    if path.is_dir():
        return math.prod(_zarr(path, MOST_PIXELS).size)
    with _named(str(path)), one_sentence("source cannot be read"), path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if head.startswith(NPY):
            return math.prod(_npy(file, MOST_PIXELS).size)
        format_of(head)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return header_pixels(cast("bytes", view), MOST_PIXELS)


def needs_windows(source: str | os.PathLike[str]) -> bool:
    """Whether a source is one that `open_image` alone takes: a Zarr folder, or what starts as an NPY file does."""
    path = pathlib.Path(source).expanduser()
    with contextlib.suppress(OSError, ValueError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(len(NPY)) == NPY
        return _is_zarr(path)
    return False


def _is_zarr(path):
    """Whether a folder is a Zarr array or group."""
    return any((path / name).is_file() for name in ZARR_FILES)


def _stored(path: pathlib.Path, file: BinaryIO, max_pixels: int, skip_damaged: bool) -> Stored:
    """The picture in a file, decoded only where it must be."""
    head = file.read(HEAD_BYTES)
    if head.startswith(NPY):
        return _npy(file, max_pixels)
    if format_of(head)[0] == "TIFF" and (stored := stored_tiff(file, max_pixels, skip_damaged)) is not None:
        return stored
    most = min(max_pixels, MOST_DECODED)
    raster = decode_image(picture_bytes(path, most), most)
    if raster.samples.nbytes > IN_MEMORY:
        return in_scratch_file(raster)
    return _of_array(raster, raster.samples.__getitem__)


def _of_array(raster: Raster, read: Any) -> Stored:
    """A picture whose windows are slices of something like an array."""

    def window(top: int, left: int, height: int, width: int) -> Raster:
        samples = np.asarray(read((slice(top, top + height), slice(left, left + width))))
        return dataclasses.replace(raster, samples=samples)

    height, width = raster.samples.shape[:2]
    return Stored(height, width, window)


def _npy(file: BinaryIO, max_pixels: int) -> Stored:
    """An array in an NPY file, read row by row."""
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version not in NPY_VERSIONS:
        known = ", ".join(f"{major}.{minor}" for major, minor in NPY_VERSIONS)
        raise ImageError(f"source must be an NPY file of version {known}, received {version[0]}.{version[1]}")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read_header(file)
    if fortran_order:
        raise ImageError("source must be an NPY file in row-major order, received one in Fortran order")
    check_array(shape, dtype)
    height, width, channels = (*shape, 1)[:3]
    check_pixels(height, width, max_pixels)
    read = rows_in_file(file, file.tell(), (height, width, channels), dtype)
    return Stored(height, width, lambda *window: raster_from_array(read(*window), max_pixels))


def _zarr(path: pathlib.Path, max_pixels: int) -> Stored:
    """A Zarr array (H, W) or (H, W, C)."""
    if importlib.util.find_spec("zarr") is None:
        raise ImageError("source is a folder; Zarr arrays need the package zarr: pip install 'keras_inr[zarr]'")
    import zarr

    if not _is_zarr(path):
        raise ImageError("source is a folder and no Zarr array")
    with one_sentence("source is a folder and no Zarr array that can be opened"):
        array = zarr.open(str(path), mode="r")
    if not isinstance(array, zarr.Array):
        raise ImageError("source is a folder and must be a Zarr array of shape (H, W) or (H, W, C), received a group")
    check_array(array.shape, array.dtype)
    whole_height, whole_width = array.shape[:2]
    check_pixels(whole_height, whole_width, max_pixels)

    def window(top: int, left: int, height: int, width: int) -> Raster:
        return raster_from_array(np.asarray(array[top : top + height, left : left + width]), max_pixels)

    return Stored(whole_height, whole_width, window)


def _stored_window(
    window: tuple[int, int, int, int], whole: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """Where a window of an upright picture lies in one that is stored with an EXIF orientation.

    >>> _stored_window((0, 1, 2, 3), (20, 30), 6)
    (26, 0, 3, 2)
    """
    top, left, height, width = window
    if orientation in (2, 3, 6, 7):
        left = whole[1] - left - width
    if orientation in (3, 4, 7, 8):
        top = whole[0] - top - height
    return (left, top, width, height) if orientation in (5, 6, 7, 8) else (top, left, height, width)


def _state_of(path: pathlib.Path) -> tuple[int, ...]:
    """What changes when a file is written to or replaced."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _sha256_of_folder(path: pathlib.Path) -> str:
    """Hex SHA-256 of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for part in sorted(path.rglob("*")):
        if part.is_file():
            with part.open("rb") as file:
                digest.update(part.relative_to(path).as_posix().encode() + b"\0")
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Puts the source's name in front of an ImageError that has it not."""
    try:
        yield
    except ImageError as error:
        if str(error).startswith(name):
            raise
        raise ImageError(f"{name}: {error}") from error.__cause__
