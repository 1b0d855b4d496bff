"""The cell grid: learnt features of square cells that are so many pixels long."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_inr._arguments import INT32_MAX, one_of, positive_float, positive_int, positive_ints
from keras_inr._portable import is_portable, low_bits
from keras_inr.coordinates import coords_dtype
from keras_inr.errors import InputError
from keras_inr.forward_rules import Jet, side_by_side, sum_of
from keras_inr.initializers._blank import table_initializer
from keras_inr.initializers.rules import derive_seed
from keras_inr.layers._raster import interpolated, raster_points
from keras_inr.layers.hash_encoding import PRIMES, gathered

FORMS = ("corrected", "source", "plain")
CORNERS = ((0, 0), (1, 0), (0, 1), (1, 1))
MOST_BITS = 24
MOST_VERTICES = 2**24  # along a side: what float32 counts without gaps
FOLD = 14
SNAP = 64


@keras.saving.register_keras_serializable(package="keras_inr")
class CellEncoding(keras.layers.Layer):
    """Learnt features of grids whose cells are given in pixels, weighed by a softmax over levels, and the position.

    Level l is (hash_size, cell_size, dimensions): a table of up to 2^hash_size entries of `dimensions` features for
    vertices cell_size pixels apart, the first at the centre of the first pixel. Its features are multiplied by
    softmax(level_weights)_l; all levels are concatenated, then the position. Neither weights nor position are there in
    the plain form, whose levels of cells of one pixel have a vertex at every pixel's centre: a pixel reads one entry.

    Args:
        layout: the levels, a sequence of (hash_size 1 to 24, cell_size > 0, dimensions > 0).
        picture_size: (height, width) of the picture that pixels are of.
        form: "corrected" interpolates linearly between the four vertices around a point, gives vertices entries of
            their own where the table has room for all of them, and appends coordinates in [-1, 1]. "source" takes the
            one entry of the cell that a point is in, always hashed, and appends pixel positions from 0. "plain" is
            "corrected" without level weights and coordinates.
        num_fields: None, or K for K stacked tables and coordinates (K or 1, ..., 2).
        seed: int for repeatable tables.

    Tables start from N(0, 0.01^2), level weights from U(0, 1). Shapes: (..., 2) -> (..., sum of dimensions + 2),
    without the 2 in the plain form.
    Beyond the outermost pixel centres points are clamped to them: the layer is constant there, its derivatives zero.
    A cell_size below 1 has vertices between pixels, which only sampling="continuous" trains. The source form is
    constant in every cell but for the appended position; its positions are rounded to 1/64 of a pixel before cells are
    formed, since a pixel's centre, often a border between cells, is known in float32 only up to rounding.

    Corrected, vertex (x, y) that has no entry of its own takes h = (x * 1958374283) xor (y * 2654435761) in 32 bits,
    folded to h xor (h >> 14) with the sign kept, modulo the table's size. Without the fold every second of the
    vertices of half a pixel, which pixels lie on, would share half of the table.

    Source: andreidanrusu/HashGrid-AI-Upscaler, main/classes (MRHG2D): hash h = x; h ^= h >> 16; h *= 0x85ebca6b;
    h ^= h >> 13; h += y * 0xc2b2ae35; h ^= h >> 16; modulo the table's size. Corrected: see `form`.

    Raises:
        InputError: for arguments out of range, or a level of more than 2^24 vertices along a side.

    >>> CellEncoding(((8, 4.0, 4), (10, 1.0, 2)), picture_size=(20, 30))(ops.zeros((5, 2))).shape
    TensorShape([5, 8])
    """

    gathers = True  # see keras_inr.training.compilation

    def __init__(
        self,
        layout: Iterable[tuple[int, float, int]],
        picture_size: tuple[int, int],
        form: str = "corrected",
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.layout = checked_layout(layout)
        self.picture_size = checked_size("picture_size", picture_size)
        one_of("form", form, FORMS)
        self.form = form
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        self.seed = seed
        for level, vertices in zip(self.layout, self.num_vertices, strict=True):
            if max(vertices) > MOST_VERTICES:
                raise InputError(
                    f"cell_size must leave at most {MOST_VERTICES} vertices along a side of a picture of "
                    f"{self.picture_size} pixels, received level {level!r}"
                )

    @property
    def num_vertices(self) -> tuple[tuple[int, int], ...]:
        """(columns, rows) of each level's vertices, of the source form its cells."""
        height, width = self.picture_size
        return tuple(
            (self.vertices_along(width, cell_size), self.vertices_along(height, cell_size))
            for _, cell_size, _ in self.layout
        )

    def vertices_along(self, side: int, cell_size: float) -> int:
        """How many there are along a side of so many pixels; the last pixel centre has one on both sides of it."""
        cells = (side - 1) / cell_size
        return math.floor(cells) + 1 if self.form == "source" else max(math.ceil(cells), 1) + 1

    @property
    def num_entries(self) -> tuple[int, ...]:
        """Entries of each level's table: one for each vertex where there is room for all, else 2^hash_size."""
        return tuple(
            columns * rows if self.form != "source" and columns * rows <= 2**hash_size else 2**hash_size
            for (hash_size, _, _), (columns, rows) in zip(self.layout, self.num_vertices, strict=True)
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] != 2:
            raise InputError(f"the last axis of the inputs must be 2 (x, y), received {tuple(input_shape)}")
        fields = () if self.num_fields is None else (self.num_fields,)
        self.tables = [
            self.add_weight(
                shape=(*fields, entries, dimensions),
                initializer=table_initializer(
                    keras.initializers.RandomNormal(0.0, 0.01, seed=derive_seed(self.seed, level))
                ),
                autocast=False,
                name=f"table_{level}",
            )
            for level, (entries, (_, _, dimensions)) in enumerate(zip(self.num_entries, self.layout, strict=True))
        ]
        if self.form != "plain":
            self.level_weights = self.add_weight(
                shape=(*fields, len(self.layout)),
                initializer=keras.initializers.RandomUniform(0.0, 1.0, seed=derive_seed(self.seed, len(self.layout))),
                autocast=False,
                name="level_weights",
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        coords = ops.cast(inputs, coords_dtype(self.variable_dtype))
        position = tf.clip_by_value(self.pixels(coords), 0.0, self.last_pixel)
        parts = []
        for level, (_, cell_size, _) in enumerate(self.layout):
            cell, corners = self.cell_and_features(level, position)
            weights = self.corner_weights(*tf.split(position / cell_size - cell, 2, axis=-1))
            encoded = sum_of([weight * features for weight, features in zip(weights, corners, strict=True)])
            parts.append(self.weighed(level, encoded))
        if self.form != "plain":
            parts.append(self.for_all_fields(self.appended(position)))
        return ops.cast(tf.concat(parts, axis=-1), self.compute_dtype)

    def on_raster(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The encoding of a raster's points, columns x (W) and rows y (H), as `call` has it: (H * W, features).

        For single fields. Equal to `call` up to rounding, in a fraction of the time; the source form has no
        interpolation to save and is looked up point by point.
        """
        if self.form == "source":
            return self.call(raster_points(x, y))
        dtype = coords_dtype(self.variable_dtype)
        pixels = [
            tf.clip_by_value(ops.cast(part, dtype) * self.pixels_per_unit + last / 2, 0.0, last)
            for part, last in zip((x, y), self.last_pixel, strict=True)
        ]
        parts = []
        for level, (_, cell_size, _) in enumerate(self.layout):
            last_cells = [vertices - 2.0 for vertices in self.num_vertices[level]]
            places = [part / cell_size for part in pixels]
            cells = [tf.minimum(tf.floor(place), last) for place, last in zip(places, last_cells, strict=True)]

            def features_of(columns, rows, level=level):
                entries = self.entries(level, tf.stack(tf.meshgrid(columns, rows), axis=-1))
                return ops.cast(tf.gather(tf.convert_to_tensor(self.tables[level]), entries), dtype)

            whole = [tf.cast(cell, "int32") for cell in cells]
            upper = [place - cell for place, cell in zip(places, cells, strict=True)]
            encoded = interpolated(features_of, (whole[0], whole[1]), (upper[0], upper[1]))
            parts.append(self.weighed(level, tf.reshape(encoded, (-1, encoded.shape[-1]))))
        if self.form != "plain":
            parts.append(self.appended(raster_points(*pixels)))
        return ops.cast(tf.concat(parts, axis=-1), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: sum_corners F_c times its weight, by the product rule; zero outside the picture."""
        pixels = self.pixels(jet)
        inside = tf.cast((pixels.value >= 0) & (pixels.value <= self.last_pixel), pixels.value.dtype)
        position = pixels.chain(tf.clip_by_value(pixels.value, 0.0, self.last_pixel), inside)
        parts = []
        for level, (_, cell_size, _) in enumerate(self.layout):
            cell, corners = self.cell_and_features(level, position.value)
            x, y = (
                position.linear(lambda part, axis=axis, size=cell_size: part[..., axis : axis + 1] / size)
                + -cell[..., axis : axis + 1]
                for axis in (0, 1)
            )
            weighted = zip(self.corner_weights(x, y), corners, strict=True)
            encoded = sum_of([weight.linear(lambda part, f=features: part * f) for weight, features in weighted])
            parts.append(encoded.linear(lambda part, level=level: self.weighed(level, part)))
        if self.form != "plain":
            parts.append(self.appended(position).linear(self.for_all_fields))
        return side_by_side(parts)

    def for_all_fields(self, part: tf.Tensor) -> tf.Tensor:
        """Coordinates (1, ..., 2) that all stacked fields share, once for each."""
        if self.num_fields is None or part.shape[0] == self.num_fields:
            return part
        return tf.repeat(part, self.num_fields, axis=0)

    @property
    def kink(self) -> str:
        """Why there is no second derivative."""
        return f"{self.name!r} has cells (HashEncoding(interpolation='smoothstep') has second derivatives)"

    @property
    def pixels_per_unit(self) -> float:
        """Pixels along a unit of the coordinates."""
        return max(self.picture_size) / 2

    @property
    def last_pixel(self) -> list[float]:
        """[column, row] of the last pixel, counted from 0."""
        height, width = self.picture_size
        return [width - 1.0, height - 1.0]

    def pixels(self, coords: tf.Tensor | Jet) -> tf.Tensor | Jet:
        """(column, row) of coordinates, 0 at the centre of the first pixel; of a tensor or a jet, as `appended`."""
        return coords * self.pixels_per_unit + [last / 2 for last in self.last_pixel]

    def appended(self, position: tf.Tensor | Jet) -> tf.Tensor | Jet:
        """What stands behind the features: pixel positions as they are, or as coordinates again."""
        if self.form == "source":
            return position
        return (position + [-last / 2 for last in self.last_pixel]) * (1 / self.pixels_per_unit)

    def cell_and_features(self, level: int, position: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Lower vertex (..., 2) of each point's cell, and the features (..., dimensions) of its corners."""
        _, cell_size, _ = self.layout[level]
        columns, rows = self.num_vertices[level]
        if self.form == "source":
            cell = tf.stop_gradient(tf.floor(tf.round(position * SNAP) / SNAP / cell_size))
            if is_portable():
                entries = [looked_up_entries(tf.cast(cell, "int32"), (columns, rows), self.num_entries[level])]
            else:
                entries = [source_entries(tf.cast(cell, "int64"), self.num_entries[level])]
        else:
            # the last vertex belongs to the last cell, so that every point has neighbours on both sides
            last = tf.constant([columns - 2.0, rows - 2.0], position.dtype)
            cell = tf.stop_gradient(tf.minimum(tf.floor(position / cell_size), last))
            entries = [self.entries(level, tf.cast(cell, "int32") + np.array(corner, "int32")) for corner in CORNERS]
        return cell, [ops.cast(gathered(self.tables[level], corner), position.dtype) for corner in entries]

    def entries(self, level: int, vertex: tf.Tensor) -> tf.Tensor:
        """Rows of a level's table for vertices (..., 2) of the corrected form."""
        columns, rows = self.num_vertices[level]
        x, y = tf.unstack(vertex, axis=-1)
        if self.num_entries[level] == columns * rows:
            return x + y * columns
        primes = np.array(PRIMES, np.uint32).view(np.int32)  # products wrap around, as unsigned ones do
        hashed = tf.bitwise.bitwise_xor(x * primes[0], y * primes[1])
        folded = tf.bitwise.bitwise_xor(hashed, tf.bitwise.right_shift(hashed, FOLD))
        return low_bits(folded, self.num_entries[level])

    def weighed(self, level: int, features: tf.Tensor) -> tf.Tensor:
        """Features (..., dimensions) times softmax(level_weights)_level; as they are in the plain form."""
        if self.form == "plain":
            return features
        weight = tf.nn.softmax(ops.cast(self.level_weights, features.dtype), axis=-1)[..., level]
        return features * (
            weight if self.num_fields is None else tf.reshape(weight, (-1, *[1] * (features.shape.rank - 1)))
        )

    def corner_weights(self, x: tf.Tensor | Jet, y: tf.Tensor | Jet) -> list[tf.Tensor | Jet]:
        """The corners' weights, from fractions (..., 1) of a cell; the source form has one corner, of weight 1."""
        if self.form == "source":
            return [x * 0.0 + 1.0]
        return [(x if right else x * -1.0 + 1.0) * (y if below else y * -1.0 + 1.0) for right, below in CORNERS]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        leading = input_shape[:-1] if self.num_fields is None else (self.num_fields, *input_shape[1:-1])
        return (*leading, sum(dimensions for _, _, dimensions in self.layout) + (0 if self.form == "plain" else 2))

    def get_config(self) -> dict[str, Any]:
        names = ("layout", "picture_size", "form", "num_fields", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def checked_layout(layout: Iterable[tuple[int, float, int]]) -> tuple[tuple[int, float, int], ...]:
    """A tuple of (hash_size, cell_size, dimensions).

    Raises:
        InputError: for what is not such a sequence, or a number out of range.

    >>> checked_layout([[14, 8, 4]])
    ((14, 8.0, 4),)
    """
    try:
        levels = tuple((hash_size, cell_size, dimensions) for hash_size, cell_size, dimensions in layout)
    except (TypeError, ValueError):
        levels = ()
    if not levels:
        raise InputError(f"layout must be levels (hash_size, cell_size, dimensions), received {layout!r}")
    return tuple(
        (
            (bits := positive_int("hash_size", hash_size, MOST_BITS)),
            positive_float("cell_size", cell_size),
            positive_int("dimensions", dimensions, INT32_MAX >> bits),
        )
        for hash_size, cell_size, dimensions in levels
    )


def checked_size(name: str, size: Iterable[int]) -> tuple[int, int]:
    """(height, width) as a tuple.

    Raises:
        InputError: for what is not two positive integers.

    >>> checked_size("picture_size", [20, 30])
    (20, 30)
    """
    size = positive_ints(name, size)
    if len(size) != 2:
        raise InputError(f"{name} must be (height, width), received {size!r}")
    return size


def source_entries(cell: tf.Tensor, size: int) -> tf.Tensor:
    """The source project's hash of cells (..., 2), (column, row), in 64 bits."""
    x, y = tf.unstack(cell, axis=-1)
    shift, xor = tf.bitwise.right_shift, tf.bitwise.bitwise_xor
    hashed = xor(x, shift(x, 16)) * 0x85EBCA6B
    hashed = xor(hashed, shift(hashed, 13)) + y * 0xC2B2AE35
    return tf.cast(xor(hashed, shift(hashed, 16)) % size, "int32")


def looked_up_entries(cell: tf.Tensor, counts: tuple[int, int], size: int) -> tf.Tensor:
    """As `source_entries`, in integers of 32 bits: the hash is of a sum of a column's part and a row's.

    Args:
        cell: int32 (..., 2), (column, row).
        counts: how many columns and rows there are.
        size: of the table, a power of two up to 2^24, so that nothing above 40 bits of the sum is read.

    >>> looked_up_entries(tf.constant([[599, 699]]), (600, 700), 2**16).numpy().tolist()
    [53697]
    >>> source_entries(tf.constant([[599, 699]], "int64"), 2**16).numpy().tolist()
    [53697]
    """
    column, row = (np.arange(count, dtype=np.int64) for count in counts)
    hashed = (column ^ column >> 16) * 0x85EBCA6B
    parts = [hashed ^ hashed >> 13, row * 0xC2B2AE35]
    numbers = tf.unstack(cell, axis=-1)
    halves = [
        sum_of([tf.gather((part >> shift & mask).astype(np.int32), n) for part, n in zip(parts, numbers, strict=True)])
        for shift, mask in ((0, 2**16 - 1), (16, 2**24 - 1))
    ]
    upper = halves[1] + tf.bitwise.right_shift(halves[0], 16)
    total = low_bits(halves[0], 2**16) + low_bits(upper, 2**8) * 2**16
    return tf.bitwise.bitwise_xor(low_bits(total, size), low_bits(upper, size))
