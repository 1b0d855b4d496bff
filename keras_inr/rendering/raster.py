"""A field's values or derivatives on the pixels of a raster, in chunks, whole or strip by strip."""

from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_inr._arguments import one_of, positive_int
from keras_inr.coordinates import (
    REDUCTION,
    box_axes,
    box_coords,
    in_float64,
    picture_box,
    pixel_pitch,
    reduced_box,
)
from keras_inr.derivatives import OUTPUTS, differentiate
from keras_inr.errors import InputError
from keras_inr.rendering.between_pixels import Spline, way_of

POINTS_PER_CALL = 65536
# a Jacobian or Laplacian carries about four times as much through every layer, and twice that between layers
DERIVATIVE_POINTS_PER_CALL = POINTS_PER_CALL // 8
MAX_SUPERSAMPLING = 64
MAX_EDGE = 1e6
"""Largest magnitude of a box's edge, as in exports: beyond it float32 phases mean nothing."""


class FieldRaster:
    """Values, Jacobians or Laplacians of a field on a height x width raster laid over a box.

    Pixels that are larger than those of the field's picture are filtered: a pixel is the mean over s_y x s_x points,
    the centres of as many equal parts of it, with s = min(64, ceil(r - 0.01)) on each axis, where r is the pixel's side
    divided by the picture's pixel pitch. The hundredth forgives boxes that were rounded to float32; above 64, the
    points still spread evenly over the pixel. Where r <= 1, and for a field without a picture, s is 1 and the field is
    evaluated at pixel centres. The mean is of coded values, as in most picture programs.

    A field that has a `reduced` one, of its picture at a quarter of its size, is drawn by that one where pixels are
    four times as long as the picture's or longer, or by that one's own in turn, by the same rule.

    Args:
        field: a `Field`.
        height, width: size of the raster in pixels; the picture's own by default.
        box: (x0, y0, x1, y1), outer edges; None is the whole picture, or [-1, 1]^2 for a field without one.
        supersampling: None for the rule above, or an integer from 1 to 64, the points along each side of every pixel.
        output: "values", "jacobian" or "laplacian"; derivatives are per coordinate unit.
        allow_kinks: whether a Laplacian may be the one between the kinks, see `keras_inr.derivatives`.
        between: what values between the picture's pixels are: "field", its own; "spline", the cubic spline through
            those at pixel centres; or "auto", the spline where pixels are smaller than the picture's and the field is
            not smooth between them, see `keras_inr.rendering.between_pixels`.

    Attributes:
        shape: (height, width, channels) for values and Laplacian, (height, width, channels, 2) for the Jacobian; with
            (K,) in front for K stacked fields.
        dtype: of the values, float32 or float64.
        supersampling: (s_y, s_x).
        between: "field" or "spline".

    Raises:
        InputError: for a size that is not positive or is missing where the field has no picture, a box without four
            edges, an unknown output or supersampling, or the Laplacian of a field with a kink.

    >>> from keras_inr.models import Siren
    >>> raster = FieldRaster(Siren(units=(8,), picture_size=(300, 400)), 30, 20, output="jacobian")
    >>> raster.shape, raster.supersampling, [strip.shape for strip in raster.strips(rows=20)]
    ((30, 20, 3, 2), (10, 20), [(20, 20, 3, 2), (10, 20, 3, 2)])
    """

    def __init__(
        self,
        field: keras.Model,
        height: int | None = None,
        width: int | None = None,
        box: Sequence[float] | None = None,
        supersampling: int | None = None,
        output: str = "values",
        allow_kinks: bool = False,
        between: str = "field",
    ) -> None:
        one_of("output", output, OUTPUTS)
        self.field = field
        self.height, self.width = _checked_size(height, width, field.picture_size)
        self.box = default_box(field.picture_size) if box is None else box
        if len(self.box) != 4 or not np.all(np.abs(np.asarray(self.box, np.float64)) <= MAX_EDGE):
            raise InputError(f"box must be (x0, y0, x1, y1) within +-{MAX_EDGE:g}, received {box!r}")
        self._drawn, self._drawn_box, self.supersampling = self._sampling(supersampling, output)
        self.dtype = np.dtype(field.values_dtype)
        self._leading = () if field.num_fields is None else (field.num_fields,)
        self._trailing = (field.channels, field.num_dims) if output == "jacobian" else (field.channels,)
        self.shape = (*self._leading, self.height, self.width, *self._trailing)
        self.between = way_of(between, field, self.box, self.height, self.width) if output == "values" else "field"
        self._evaluate: Callable[[tf.Tensor], tf.Tensor] | None = None  # None: the field itself, by rows and columns
        if self.between == "spline":
            self._evaluate = Spline(field, self.box)
        elif output != "values":
            self._evaluate = _traced_derivative(field, output, allow_kinks)
        elif field.num_fields is not None:
            self._evaluate = field.traced
        points = field.points_per_call if output == "values" else DERIVATIVE_POINTS_PER_CALL
        self._pixels_per_call = max(1, points // int(np.prod(self.supersampling)) // (field.num_fields or 1))

    def array(self, convert: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
        """The whole raster, of `shape`.

        Args:
            convert: None, or a function of arrays (..., channels[, 2]) that is applied to every chunk.

        Raises:
            InputError: for 2^31 pixels or more.
        """
        if self.height * self.width >= 2**31:
            raise InputError(f"a raster must have less than 2^31 pixels, received {self.height} x {self.width}")
        return self.rows(0, self.height, convert)

    def rows(self, first: int, count: int, convert: Callable[[np.ndarray], np.ndarray] | None = None) -> np.ndarray:
        """Rows first ... first + count - 1 as one array ([K,] count, width, ...), see `array`."""
        result: np.ndarray = np.empty(0)
        done = 0
        for chunk in self._chunks(first, count):
            chunk = chunk if convert is None else convert(chunk)
            if not done:
                result = np.empty((*self._leading, count * self.width, *self._trailing), chunk.dtype)
            length = chunk.shape[self._axis]
            self._part(result, done, done + length)[...] = chunk
            done += length
        return self._in_rows(result)

    def strips(self, rows: int | None = None) -> Iterator[np.ndarray]:
        """Yields the raster from top to bottom, so many rows at a time, the last time what is left.

        The values are those of `array` to the bit. No more than a strip and a chunk of points is held in memory.

        Args:
            rows: rows of a strip; by default as many as are evaluated at a time.
        """
        pixels = self.width * (max(1, self._pixels_per_call // self.width) if rows is None else rows)
        parts, held = [], 0
        for chunk in self._chunks(0, self.height):
            parts.append(chunk)
            held += chunk.shape[self._axis]
            if held < pixels:
                continue
            joined = np.concatenate(parts, axis=self._axis)
            whole = held - held % pixels
            for first in range(0, whole, pixels):
                yield self._in_rows(self._part(joined, first, first + pixels))
            parts, held = [self._part(joined, whole, held)], held - whole
        if held:
            yield self._in_rows(np.concatenate(parts, axis=self._axis))

    def _chunks(self, first: int, count: int) -> Iterator[np.ndarray]:
        """The pixels of rows first ... first + count - 1, from left to right and down: arrays ([K,] pixels, ...)."""
        if self._evaluate is None:
            yield from self._blocks(first, count)
            return
        per_pixel = int(np.prod(self.supersampling))
        end = (first + count) * self.width
        for start in range(first * self.width, end, self._pixels_per_call):
            length = min(self._pixels_per_call, end - start)
            coords = box_coords(self.box, self.height, self.width, start, length, self.dtype, self.supersampling)
            points = self._evaluate(coords)
            yield (pixel_means(points, per_pixel, self._axis) if per_pixel > 1 else points).numpy()

    def _blocks(self, first: int, count: int) -> Iterator[np.ndarray]:
        """The same of the field's values: whole rows at a time, or parts of one."""
        rows, columns = max(1, self._pixels_per_call // self.width), min(self.width, self._pixels_per_call)
        down, across = self.supersampling
        for top in range(first, first + count, rows):
            for left in range(0, self.width, columns):
                high, wide = min(rows, first + count - top), min(columns, self.width - left)
                place = ((top, high), (left, wide))
                x, y = box_axes(self._drawn_box, self.height, self.width, *place, self.dtype, self.supersampling)
                points = self._drawn.traced_raster(x, y)
                if down * across > 1:
                    points = tf.reduce_mean(tf.reshape(points, (high, down, wide, across, -1)), axis=(1, 3))
                yield points.numpy().reshape(high * wide, -1)

    @property
    def _axis(self) -> int:
        """The axis of the pixels in a chunk."""
        return len(self._leading)

    def _part(self, pixels: np.ndarray, first: int, end: int) -> np.ndarray:
        return pixels[(slice(None),) * self._axis + (slice(first, end),)]

    def _in_rows(self, pixels: np.ndarray) -> np.ndarray:
        return pixels.reshape((*self._leading, -1, self.width, *self._trailing))

    def _sampling(
        self, supersampling: int | None, output: str
    ) -> tuple[keras.Model, Sequence[float] | tf.Tensor, tuple[int, int]]:
        """The field that is drawn, the box in its coordinates, and the points along the sides of a pixel."""
        if supersampling is not None:
            number = positive_int("supersampling", supersampling)
            if number > MAX_SUPERSAMPLING:
                raise InputError(f"supersampling must be at most {MAX_SUPERSAMPLING}, received {supersampling!r}")
            return self.field, self.box, (number, number)
        levels = levels_of(self.field) if output == "values" else [self.field]
        boxes = boxes_of(self.box, levels)
        level, found = sampling_of(boxes, (self.height, self.width), levels)
        down, across = found.numpy().tolist()
        return levels[int(level)], boxes[int(level)], (down, across)


def default_box(picture_size: tuple[int, int] | None) -> tuple[float, float, float, float]:
    """The edges of the whole picture, or (-1, -1, 1, 1) where there is none.

    >>> default_box((300, 400)), default_box(None)
    ((-1.0, -0.75, 1.0, 0.75), (-1.0, -1.0, 1.0, 1.0))
    """
    return picture_box(*picture_size) if picture_size else (-1.0, -1.0, 1.0, 1.0)


def supersampling_of(
    box: Sequence[float] | tf.Tensor, size: tuple[int, int] | tf.Tensor, picture_size: tuple[int, int] | None
) -> tf.Tensor:
    """Points along each side of a pixel that is to be filtered, by the rule of `FieldRaster`.

    Works eagerly and inside `tf.function`.

    Args:
        box: edges (..., 4).
        size: (height, width) of the raster, (..., 2).
        picture_size: (height, width) of the field's picture, or None.

    Returns:
        int32 tensor (..., 2), (s_y, s_x).

    >>> supersampling_of((-1, -0.75, 1, 0.75), (100, 400), (300, 400)).numpy().tolist()
    [3, 1]
    """
    size = tf.convert_to_tensor(size, "int32")
    if picture_size is None:
        return tf.ones_like(size)
    ratio = _ratios(box, size, picture_size)
    ratio = tf.where(ratio > 1, ratio, 1.0)  # of an edge that is NaN too
    return tf.cast(tf.math.ceil(tf.minimum(ratio, MAX_SUPERSAMPLING) - 0.01), "int32")


def _ratios(box: Sequence[float] | tf.Tensor, size: tf.Tensor, picture_size: tuple[int, int]) -> tf.Tensor:
    """Sides of a raster's pixels over those of the picture's, float64 (..., 2), along y and along x."""
    box = in_float64(box)
    sides = tf.stack([box[..., 3] - box[..., 1], box[..., 2] - box[..., 0]], axis=-1) / tf.cast(size, "float64")
    return tf.abs(sides) / pixel_pitch(*picture_size)


def levels_of(field: keras.Model) -> list[keras.Model]:
    """A field, its `reduced` one, that one's, and so on: what rasters of larger and larger pixels are drawn by."""
    found = [field]
    while (smaller := getattr(found[-1], "reduced", None)) is not None:
        found.append(smaller)
    return found


def boxes_of(box: Sequence[float] | tf.Tensor, levels: Sequence[keras.Model]) -> list[Sequence[float] | tf.Tensor]:
    """A box (..., 4) of a picture in the coordinates of each of its `levels_of`."""
    found = [box]
    for level in levels[:-1]:
        found.append(reduced_box(found[-1], *level.picture_size))
    return found


def sampling_of(
    boxes: Sequence[Sequence[float] | tf.Tensor], size: tuple[int, int] | tf.Tensor, levels: Sequence[keras.Model]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Which level a raster is drawn by, int32 (...), and the points along each side of its pixels, int32 (..., 2).

    Args:
        boxes: of the raster in each level's coordinates, see `boxes_of`.
        size: (height, width) of the raster, (..., 2).
        levels: see `levels_of`.
    """
    found = [supersampling_of(box, size, level.picture_size) for box, level in zip(boxes, levels, strict=True)]
    if len(levels) == 1:
        return tf.zeros(tf.shape(found[0])[:-1], "int32"), found[0]
    ratios = _ratios(boxes[0], tf.convert_to_tensor(size, "int32"), levels[0].picture_size)
    shorter = tf.reduce_min(ratios, axis=-1) + 0.01
    level = tf.add_n([tf.cast(shorter >= REDUCTION**number, "int32") for number in range(1, len(levels))])
    chosen = found[0]
    for number in range(1, len(levels)):
        chosen = tf.where(level[..., None] == number, found[number], chosen)
    return level, chosen


def pixel_means(points: tf.Tensor, per_pixel: int | tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Means over the points of each pixel, (..., pixels * per_pixel, ...) -> (..., pixels, ...).

    >>> pixel_means(tf.constant([[1.0], [3.0], [5.0], [5.0]]), 2).numpy().tolist()
    [[2.0], [5.0]]
    """
    shape = tf.shape(points)
    apart = tf.concat([shape[:axis], [-1, per_pixel], shape[axis + 1 :]], axis=0)
    return tf.reduce_mean(tf.reshape(points, apart), axis=axis + 1)


def _checked_size(height: int | None, width: int | None, picture_size: tuple[int, int] | None) -> tuple[int, int]:
    if height is None or width is None:
        if picture_size is None:
            raise InputError("height and width must be given for a field without a picture_size")
        height = picture_size[0] if height is None else height
        width = picture_size[1] if width is None else width
    return positive_int("height", height), positive_int("width", width)


def _traced_derivative(field: keras.Model, output: str, allow_kinks: bool) -> Callable[[tf.Tensor], tf.Tensor]:
    """A concrete function from coords (N, 2) to derivatives."""

    def derivative(coords):
        return differentiate(field, coords, (output,), allow_kinks=allow_kinks)[output]

    # eagerly first, since tracing wraps the error of a field that has no such derivative
    derivative(tf.zeros((1, field.num_dims), field.values_dtype))
    points = tf.TensorSpec((None, field.num_dims), field.values_dtype)
    return tf.function(derivative, autograph=False).get_concrete_function(points)


def integer_codes(values: np.ndarray, dtype: npt.DTypeLike) -> np.ndarray:
    """Values as integers: clamped to [0, 1], times the largest of the dtype, rounded half to even.

    >>> integer_codes(np.array([-0.1, 0.5, 1.1]), np.uint16).tolist()
    [0, 32768, 65535]
    """
    return np.rint(np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)
