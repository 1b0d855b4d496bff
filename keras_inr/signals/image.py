"""Load a picture from a file, a sample, a data set or an array as sRGB-coded values with their coordinates."""

import dataclasses
import operator
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_inr.coordinates import pixel_coords
from keras_inr.errors import ImageError
from keras_inr.signals._arrays import array_sha256, signal_values
from keras_inr.signals._colour import srgb_values
from keras_inr.signals._decoding.decode import one_sentence
from keras_inr.signals._decoding.decoded import Raster, check_pixels, cropped, oriented
from keras_inr.signals._decoding.metadata import warn_without_stopping
from keras_inr.signals._framing import checked_crop, checked_size, resized, target_size
from keras_inr.signals._mask import read_mask, resized_weights, signal_weights
from keras_inr.signals._sources import Source, read_source
from keras_inr.signals._tfds import read_builder

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

DEFAULT_MAX_PIXELS = 2**26


@dataclasses.dataclass(frozen=True, eq=False)
class ImageSignal:
    """A picture as the samples of a function: `values[i, j]` at the centre of pixel (i, j).

    Attributes:
        values: (H, W, C) float32 in [0, 1], sRGB-coded, C-contiguous and read-only; C is 1 (grey), 3 (RGB), 4 (RGBA).
            What `load_image` gives lies in [0, 1]. Given by hand they are floats or booleans, and may leave it by as
            much as 0.5, as resizing without clipping does; anything else raises ImageError, NaN included.
        source: where it came from, for display, e.g. "sample:chelsea".
        sha256: hex SHA-256 of the file's bytes; of dtype, shape and values for an array and a TFDS example.
        bit_depth: of the source: 8 (up to eight bits a sample), 16 (more than eight) or 32 (floating point).
        weights: None, or (H, W) float32 in [0, 1], read-only: how much each pixel counts in a fit. Pixels of weight 0
            take no part.

    Two signals are equal only if they are the same object.

    >>> signal = load_image(np.zeros((2, 4, 3), "uint8"))
    >>> signal.size, signal.channels, signal.bit_depth
    ((2, 4), 3, 8)
    >>> signal.coords[0].tolist()
    [-0.75, -0.25]
    """

    values: np.ndarray = dataclasses.field(repr=False)
    source: str
    sha256: str
    bit_depth: int
    weights: np.ndarray | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        values = signal_values(self.values).view()
        values.flags.writeable = False
        object.__setattr__(self, "values", values)
        if self.weights is not None:
            object.__setattr__(self, "weights", signal_weights(self.weights, self.size))

    @property
    def height(self) -> int:
        """Number of rows of pixels."""
        return self.values.shape[0]

    @property
    def width(self) -> int:
        """Number of columns of pixels."""
        return self.values.shape[1]

    @property
    def channels(self) -> int:
        """1 (grey), 3 (RGB) or 4 (RGBA)."""
        return self.values.shape[2]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.values.shape[:2]

    @property
    def mask_sha256(self) -> str | None:
        """Hex SHA-256 of the weights; None without."""
        return None if self.weights is None else array_sha256(self.weights)

    def window(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Values (height, width, channels) of a part, a view."""
        return self.values[top : top + height, left : left + width]

    @property
    def coords(self) -> np.ndarray:
        """(H*W, 2) float32 pixel centres (x, y) in the order of values.reshape(-1, C), computed on each access."""
        rows, columns = np.divmod(np.arange(self.height * self.width), self.width)
        return pixel_coords(rows, columns, self.height, self.width).numpy()


def load_image(
    source: Source,
    *,
    grayscale: bool = False,
    alpha: str = "white",
    crop: Sequence[int] | None = None,
    size: int | Sequence[int] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    data_dir: str | os.PathLike[str] | None = None,
    mask: Source | None = None,
) -> ImageSignal:
    """Loads one picture: decode, turn upright, convert to sRGB, crop, grey, resize, in this order.

    Args:
        source: one of
            a path (str or pathlib.Path, "~" is expanded) to a PNG, JPEG, WebP, TIFF, BMP or GIF file, of which the
                first frame is taken;
            "sample:NAME", a picture inside the scikit-image package, e.g. "sample:chelsea";
            "tfds:NAME/SPLIT#INDEX" or "tfds:NAME/CONFIG:VERSION/SPLIT#INDEX", an example of a data set that
                TensorFlow Datasets has prepared (nothing is ever downloaded), e.g. "tfds:cifar10/train#17";
            bytes, the content of such a file;
            a NumPy array (H, W) or (H, W, C), C = 1, 2 (grey, alpha), 3, 4 (RGBA), already sRGB-coded: uint8, uint16,
                bool, or float in [0, 1].
        grayscale: True gives one channel, 0.299 R + 0.587 G + 0.114 B of the coded values (Pillow's mode "L").
        alpha: "white" composites transparent pictures on white, in coded values; "keep" gives RGBA for pictures with
            transparency (grey ones too) and cannot be combined with grayscale.
        crop: (top, left, height, width) in pixels of the upright picture; must lie inside of it.
        size: (height, width), or the longer side as one integer, which keeps the aspect. Lanczos with antialiasing,
            clipped to [0, 1].
        max_pixels: the most pixels that are accepted; a file is refused by its header, before it is decoded, also
            where `crop` takes a small part of it, as a picture is decoded whole. Bounds, too, the result of `size` and
            what is decoded inside of a TIFF. Of a file are read BYTES_PER_PIXEL (32) for each pixel that its header
            tells, and 64 MiB; for each of max_pixels, where more pictures may follow: TIFF, GIF and animated WebP.
            (For WebP, Pillow's own limit of 179 million pixels stays in force.)
        data_dir: where TensorFlow Datasets looks; its own default if None.
        mask: None, or what becomes the signal's `weights`: a picture as large as source before crop and size, taken as
            grey, in which white pixels count, black ones take no part in a fit, and greys are weights. Sources are the
            same; an array may be of booleans, where True counts. What is transparent is white. `crop` and `size` act on
            it, too: a new pixel takes no part if it touches one that takes none, and the others are made without the
            values of these.

    Returns:
        An ImageSignal, its `values` float32 in [0, 1] of 1, 3 or 4 channels. 16-bit samples keep all their bits.
        Embedded ICC profiles are converted to sRGB (one that is sRGB changes nothing; one that is broken is ignored
        with a warning, and so is a broken EXIF block). A BMP whose alpha is 0 everywhere has none. PNG's gAMA, cHRM and
        cICP chunks are not applied, and float TIFFs are taken as sRGB-coded.

    Raises:
        ImageError: whatever is wrong with the source or an argument, in one sentence.

    >>> load_image("sample:chelsea", size=256).size
    (170, 256)
    >>> load_image(np.ones((2, 2)), mask=np.array([[True, False], [True, True]])).weights.tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    checked = _checked(grayscale, alpha, crop, size, max_pixels)
    raster, name, sha256 = read_source(source, checked["max_pixels"], data_dir)
    raster = oriented(raster)
    weights = None
    if mask is not None:
        weights = read_mask(mask, raster.samples.shape[:2], checked["max_pixels"], data_dir)
    with one_sentence(f"{name}: source cannot be made a picture of"):
        return _signal(raster, name, sha256, weights, **checked)


def check_image_options(
    *,
    grayscale: bool = False,
    alpha: str = "white",
    crop: Sequence[int] | None = None,
    size: int | Sequence[int] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    data_dir: str | os.PathLike[str] | None = None,
) -> None:
    """Raises the `ImageError` that `load_image` would raise for these arguments, whatever the picture.

    >>> check_image_options(alpha="black")
    Traceback (most recent call last):
    keras_inr.errors.ImageError: alpha must be "white" or "keep", received 'black'
    """
    _checked(grayscale, alpha, crop, size, max_pixels)


def load_from_builder(
    builder: "tfds.core.DatasetBuilder",
    split: str,
    index: int,
    *,
    grayscale: bool = False,
    alpha: str = "white",
    crop: Sequence[int] | None = None,
    size: int | Sequence[int] | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> ImageSignal:
    """Loads example `index` of a `tfds.core.DatasetBuilder`, such as `tfds.ImageFolder("pictures/")`.

    The picture is what TensorFlow Datasets decodes: its ICC profile and EXIF orientation are not looked at.

    Args:
        builder: a builder whose data are prepared.
        split: the name of a split, e.g. "train".
        index: from 0 in the data set's own, unshuffled order.
        grayscale, alpha, crop, size, max_pixels: as in `load_image`.

    Returns:
        An ImageSignal, without a mask.

    Raises:
        ImageError: as `load_image`; also for an unknown split and an index out of range.

    >>> import tensorflow_datasets as tfds
    >>> with tfds.testing.mock_data(num_examples=3):
    ...     load_from_builder(tfds.builder("mnist"), "train", 2).size
    (28, 28)
    """
    checked = _checked(grayscale, alpha, crop, size, max_pixels)
    raster, name, sha256 = read_builder(builder, split, index, checked["max_pixels"])
    with one_sentence(f"{name}: source cannot be made a picture of"):
        return _signal(oriented(raster), name, sha256, None, **checked)


def _checked(
    grayscale: bool, alpha: str, crop: Sequence[int] | None, size: int | Sequence[int] | None, max_pixels: int
) -> dict[str, Any]:
    """The options that concern every source, validated before anything is read."""
    if alpha not in ("white", "keep"):
        raise ImageError(f'alpha must be "white" or "keep", received {alpha!r}')
    if grayscale and alpha == "keep":
        raise ImageError('grayscale=True gives one channel and needs alpha="white", received alpha="keep"')
    try:
        limit = operator.index(max_pixels)
    except TypeError:
        limit = 0
    if limit < 1:
        raise ImageError(f"max_pixels must be an integer of at least 1, received {max_pixels!r}")
    return {
        "grayscale": grayscale,
        "alpha": alpha,
        "crop": checked_crop(crop),
        "size": checked_size(size),
        "max_pixels": limit,
    }


def _signal(
    raster: Raster,
    name: str,
    sha256: str,
    weights: np.ndarray | None,
    *,
    grayscale: bool,
    alpha: str,
    crop: tuple[int, int, int, int] | None,
    size: tuple[int, ...] | None,
    max_pixels: int,
) -> ImageSignal:
    """The signal of an upright raster and its weights."""
    if alpha == "white" and raster.has_alpha and not raster.samples[..., -1].any():
        warn_without_stopping(f'{name} is transparent everywhere and becomes white; alpha="keep" keeps its colours')
    if crop is not None:  # before the colours, which gives the same values for less work
        raster = cropped(raster, crop)
        top, left, *sides = crop
        weights = weights if weights is None else weights[top : top + sides[0], left : left + sides[1]]
    height, width = raster.samples.shape[:2]
    if size is not None:
        height, width = target_size(size, height, width)
        check_pixels(height, width, max_pixels, what=f"size {size if len(size) == 2 else size[0]}")
    colours = srgb_values(raster, alpha, grayscale)
    values = resized(colours, height, width)
    if weights is not None:
        known, weights = weights > 0, resized_weights(weights, height, width)
        if known.shape != weights.shape:
            values = np.where(weights[..., None] > 0, resized(colours, height, width, known), values)
    return ImageSignal(values, name, sha256, raster.bit_depth, weights)
