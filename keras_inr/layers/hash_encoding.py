"""The multi-resolution hash encoding."""

import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_inr._arguments import INT32_MAX, one_of, positive_float, positive_int
from keras_inr._custom_gradients import custom_gradient
from keras_inr._portable import low_bits
from keras_inr.coordinates import coords_dtype
from keras_inr.errors import InputError
from keras_inr.forward_rules import Jet, sum_of
from keras_inr.initializers._blank import table_initializer
from keras_inr.layers._raster import interpolated

# One odd prime for every axis: leaving x unmultiplied, as instant-ngp does, shows as correlated noise along rows.
PRIMES = (1958374283, 2654435761, 805459861)
INTERPOLATIONS = ("linear", "smoothstep")
GRIDS = ("hash", "dense", "tiled")


@keras.saving.register_keras_serializable(package="keras_inr")
class HashEncoding(keras.layers.Layer):
    """Learnt features on lattices of growing resolution, interpolated at each coordinate and concatenated.

    Level l is a lattice of g_l cells per axis over [-1, 1]^dims, g_l = floor(base * b^l) with
    b = (finest / base)^(1 / (num_levels - 1)); a single level is the base one. If its (g_l + 1)^dims vertices fit into
    the table, they are indexed row-major, x fastest, one entry each; otherwise vertex c takes an entry by `grid`:
    "hash", (xor over axes of c_d * prime_d) mod table_size; "tiled", sum_d (c_d mod s) s^d with
    s = floor(table_size^(1 / dims)), a square of s^dims entries that repeats; "dense" never comes to that, it
    has as many entries as vertices.

    Args:
        num_levels: number of lattices.
        table_size: most entries a level may have, a power of two; without effect for "dense" grids.
        num_features: features per entry.
        base_resolution, finest_resolution: cells per axis of the first and the last level.
        interpolation: "linear" weighs the 2^dims corners by t and 1 - t along each axis; "smoothstep" by
            s(t) = t^3 (6 t^2 - 15 t + 10) and 1 - s(t), which makes first and second derivatives continuous.
        initial_scale: the table starts as U(-initial_scale, initial_scale).
        num_dims: 2 or 3.
        grid: "hash", "dense" or "tiled".
        num_fields: None, or K for K stacked tables and coordinates (K or 1, ..., dims).
        seed: int for repeatable tables.

    Shapes: (..., dims) -> (..., num_levels * num_features), level by level. Coordinates outside [-1, 1] are clamped
    to the lattice: features are constant there and derivatives zero. Positions are formed in at least float32.

    Source: Müller et al., Instant Neural Graphics Primitives, 2022, eq. 2 to 4. Different here: an odd prime for
    every axis, and vertices including the border (g + 1 per axis); tiles repeat along each axis, where tiny-cuda-nn
    wraps the row-major index, which shifts them from row to row, and has tiles of base_resolution instead of as much as
    table_size holds. descent's image_fit indexes its small levels with xor,
    which leaves up to 22 % of them unused.

    Raises:
        InputError: for arguments out of range.

    >>> encoding = HashEncoding(num_levels=4, table_size=1024, base_resolution=4, finest_resolution=64)
    >>> encoding(ops.zeros((5, 2))).shape, encoding.resolutions
    (TensorShape([5, 8]), (4, 10, 25, 64))
    """

    gathers = True  # see keras_inr.training.compilation

    def __init__(
        self,
        num_levels: int = 16,
        table_size: int = 2**14,
        num_features: int = 2,
        base_resolution: int = 16,
        finest_resolution: int = 512,
        interpolation: str = "linear",
        initial_scale: float = 1e-4,
        num_dims: int = 2,
        grid: str = "hash",
        num_fields: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.num_levels = positive_int("num_levels", num_levels)
        self.table_size = positive_int("table_size", table_size)
        self.num_features = positive_int("num_features", num_features)
        self.base_resolution = positive_int("base_resolution", base_resolution)
        self.finest_resolution = positive_int("finest_resolution", finest_resolution)
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        self.interpolation = interpolation
        self.initial_scale = positive_float("initial_scale", initial_scale)
        self.num_dims = num_dims
        self.grid = grid
        self.seed = seed
        if self.table_size & (self.table_size - 1):
            raise InputError(f"table_size must be a power of two, received {table_size!r}")
        if self.finest_resolution < self.base_resolution:
            raise InputError(
                f"finest_resolution must be at least base_resolution = {self.base_resolution}, "
                f"received {finest_resolution!r}"
            )
        one_of("interpolation", interpolation, INTERPOLATIONS)
        if num_dims not in (2, 3):
            raise InputError(f"num_dims must be 2 or 3, received {num_dims!r}")
        one_of("grid", grid, GRIDS)
        if sum(self.num_entries) * self.num_features > INT32_MAX:
            raise InputError(
                f"a {grid} grid of {self.resolutions} cells per axis has {sum(self.num_entries)} entries of "
                f"{self.num_features}, more than the {INT32_MAX} numbers that a table may hold"
            )

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Cells per axis of each level."""
        ratio = self.finest_resolution / self.base_resolution
        powers = np.arange(self.num_levels) / max(self.num_levels - 1, 1)
        # the small term keeps exact powers from falling to the integer below
        return tuple(int(g) for g in self.base_resolution * ratio**powers + 1e-6)

    @property
    def num_entries(self) -> tuple[int, ...]:
        """Entries of each level's table."""
        vertices = [(g + 1) ** self.num_dims for g in self.resolutions]
        if self.grid == "dense":
            return tuple(vertices)
        most = self.table_size if self.grid == "hash" else self.tile_side**self.num_dims
        return tuple(number if number <= self.table_size else most for number in vertices)

    @property
    def tile_side(self) -> int:
        """Vertices along each side of the square that a "tiled" grid repeats."""
        side = round(self.table_size ** (1 / self.num_dims))
        return side if side**self.num_dims <= self.table_size else side - 1

    @property
    def num_dense_levels(self) -> int:
        """How many levels, from the coarsest, have one entry for each vertex."""
        if self.grid == "dense":
            return self.num_levels
        return sum((g + 1) ** self.num_dims <= self.table_size for g in self.resolutions)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] != self.num_dims:
            raise InputError(f"the last axis of the inputs must be num_dims = {self.num_dims}, received {input_shape}")
        fields = () if self.num_fields is None else (self.num_fields,)
        self.table = self.add_weight(
            shape=(*fields, sum(self.num_entries), self.num_features),
            initializer=table_initializer(
                keras.initializers.RandomUniform(-self.initial_scale, self.initial_scale, seed=self.seed)
            ),
            autocast=False,
            name="table",
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        unit = tf.clip_by_value(ops.cast(inputs, coords_dtype(self.variable_dtype)) * 0.5 + 0.5, 0.0, 1.0)
        position = self.positions(unit)
        cell, features = self.cells_and_features(position)
        weights = tf.stack(self.corner_weights(tf.unstack(self.eased(position - cell), axis=-1)), axis=-1)
        encoded = tf.reduce_sum(features * weights[..., None], axis=-2)
        return ops.cast(self.flattened(encoded), self.compute_dtype)

    def on_raster(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The encoding of a raster's points, columns x (W) and rows y (H), as `call` has it: (H * W, features).

        For single fields in two dimensions. Equal to `call` up to rounding, in a fraction of the time.
        """
        table, dtype = tf.convert_to_tensor(self.table), coords_dtype(self.variable_dtype)
        unit = [tf.clip_by_value(ops.cast(part, dtype) * 0.5 + 0.5, 0.0, 1.0) for part in (x, y)]
        offsets = np.concatenate([[0], np.cumsum(self.num_entries)[:-1]])
        levels = []
        for level, (resolution, offset) in enumerate(zip(self.resolutions, offsets, strict=True)):
            positions = [part * resolution for part in unit]
            cells = [tf.minimum(tf.floor(position), resolution - 1.0) for position in positions]
            upper = [self.eased(position - cell) for position, cell in zip(positions, cells, strict=True)]

            def features_of(columns, rows, level=level, resolution=resolution, offset=offset):
                if level < self.num_dense_levels:
                    entries = columns[None, :] + rows[:, None] * (resolution + 1)
                else:
                    shared_entries = self.hashed if self.grid == "hash" else self.tiled
                    entries = shared_entries([columns[None, :], rows[:, None]])
                return ops.cast(tf.gather(table, entries + int(offset)), dtype)

            whole = [tf.cast(cell, "int32") for cell in cells]
            levels.append(interpolated(features_of, (whole[0], whole[1]), (upper[0], upper[1])))
        encoded = tf.concat(levels, axis=-1)
        return ops.cast(tf.reshape(encoded, (-1, self.num_levels * self.num_features)), self.compute_dtype)

    def propagate(self, jet: Jet) -> Jet:
        """Rule: sum_corners F_c prod_axes side, the product's jet by the product rule; zero outside [-1, 1]."""
        unit = jet * 0.5 + 0.5
        inside = tf.cast((unit.value >= 0) & (unit.value <= 1), unit.value.dtype)
        position = unit.chain(tf.clip_by_value(unit.value, 0.0, 1.0), inside).linear(self.positions)
        cell, features = self.cells_and_features(position.value)
        fraction = position + -cell
        if self.interpolation == "smoothstep":
            t = fraction.value
            fraction = fraction.chain(
                self.eased(t), 30 * tf.square(t * (1 - t)), lambda: 60 * t * (1 - t) * (1 - 2 * t)
            )
        along = [fraction.linear(lambda part, axis=axis: part[..., axis, None]) for axis in range(self.num_dims)]
        corners = zip(self.corner_weights(along), tf.unstack(features, axis=-2), strict=True)
        encoded = sum_of([weight.linear(lambda part, f=feature: part * f) for weight, feature in corners])
        return encoded.linear(self.flattened)

    @property
    def kink(self) -> str | None:
        """Why there is no second derivative, None if there is one."""
        if self.interpolation == "smoothstep":
            return None
        return f"{self.name!r} interpolates linearly (interpolation='smoothstep' has second derivatives)"

    def positions(self, unit: tf.Tensor) -> tf.Tensor:
        """[0, 1] in cells of each level: (..., dims) -> (..., levels, dims)."""
        return unit[..., None, :] * tf.constant(self.resolutions, dtype=unit.dtype)[:, None]

    def cells_and_features(self, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Lower vertices (..., levels, dims) and the features at the corners (..., levels, 2^dims, num_features)."""
        # vertex g belongs to the last cell, so that +1 has neighbours on both sides
        last = tf.constant(self.resolutions, dtype=position.dtype)[:, None] - 1
        cell = tf.stop_gradient(tf.minimum(tf.floor(position), last))
        return cell, ops.cast(self.lookup(self.corner_entries(tf.cast(cell, "int32"))), position.dtype)

    def eased(self, fraction: tf.Tensor) -> tf.Tensor:
        """The weight of a cell's upper side at a fraction of it: t, or s(t)."""
        if self.interpolation == "smoothstep":
            return fraction**3 * (fraction * (fraction * 6 - 15) + 10)
        return fraction

    def corner_weights(self, upper: Sequence[tf.Tensor | Jet]) -> list[tf.Tensor | Jet]:
        """One weight for each corner, from those of the upper side along each axis; they sum to 1, the lowest first."""
        sides = [(weight * -1 + 1, weight) for weight in upper]
        return [
            functools.reduce(operator.mul, [side[step] for side, step in zip(sides, corner, strict=True)])
            for corner in self.corners()
        ]

    def flattened(self, encoded: tf.Tensor) -> tf.Tensor:
        """(..., levels, features) -> (..., levels * features)."""
        return ops.reshape(encoded, (*ops.shape(encoded)[:-2], self.num_levels * self.num_features))

    def corner_entries(self, cell: tf.Tensor) -> tf.Tensor:
        """Rows of the flat table, (..., levels, 2^dims), for the cells' lower vertices (..., levels, dims)."""
        dense, resolutions = self.num_dense_levels, np.array(self.resolutions, np.int32)
        offsets = np.concatenate([[0], np.cumsum(self.num_entries)[:-1]]).astype(np.int32)
        shared_entries = self.hashed if self.grid == "hash" else self.tiled
        rows = []
        for corner in self.corners():
            vertex = [c + step for c, step in zip(tf.unstack(cell, axis=-1), corner, strict=True)]
            row_major = vertex[0][..., :dense]
            for axis in range(1, self.num_dims):
                row_major += vertex[axis][..., :dense] * (resolutions[:dense] + 1) ** axis
            shared = shared_entries([c[..., dense:] for c in vertex])
            rows.append(tf.concat([row_major, shared], axis=-1) + offsets)
        return tf.stack(rows, axis=-1)

    def hashed(self, vertex: Sequence[tf.Tensor]) -> tf.Tensor:
        """Entries of vertices, one tensor for each axis, by the hash."""
        primes = np.array(PRIMES, np.uint32).view(np.int32)  # products wrap around, as unsigned ones do
        products = [c * prime for c, prime in zip(vertex, primes, strict=False)]
        return low_bits(functools.reduce(tf.bitwise.bitwise_xor, products), self.table_size)

    def tiled(self, vertex: Sequence[tf.Tensor]) -> tf.Tensor:
        """Entries of vertices by their place in a tile."""
        return sum_of([c % self.tile_side * self.tile_side**axis for axis, c in enumerate(vertex)])

    def lookup(self, entries: tf.Tensor) -> tf.Tensor:
        """Features (..., levels, 2^dims, num_features) of the table's rows."""
        return gathered(self.table, entries)

    def corners(self) -> list[tuple[int, ...]]:
        """The 2^dims corners of a cell as 0/1 steps along (x, y[, z])."""
        return list(itertools.product((0, 1), repeat=self.num_dims))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        leading = input_shape[:-1] if self.num_fields is None else (self.num_fields, *input_shape[1:-1])
        return (*leading, self.num_levels * self.num_features)

    def get_config(self) -> dict[str, Any]:
        names = ["num_levels", "table_size", "num_features", "base_resolution", "finest_resolution", "interpolation"]
        names += ["initial_scale", "num_dims", "grid", "num_fields", "seed"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def gathered(table: tf.Tensor, entries: tf.Tensor) -> tf.Tensor:
    """Rows of a table (T, F), (...) -> (..., F), or field by field of a stacked one (K, T, F), (K or 1, ...)."""
    table = tf.convert_to_tensor(table)
    if table.shape.rank == 2:
        return rows_of(table, entries)
    fields, rows, width = table.shape
    first_row = np.arange(fields, dtype=np.int32) * rows
    entries += np.reshape(first_row, (-1, *[1] * (entries.shape.rank - 1)))
    return rows_of(tf.reshape(table, (fields * rows, width)), entries)


@custom_gradient
def rows_of(table: tf.Tensor, entries: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
    """`tf.gather` whose gradient is one number for each weight.

    That of `tf.gather` has a slice for each point, and Adam as Keras 3.15 has it squares these slices before they are
    added up: its second moments would be sums of squares in place of squares of sums.
    """

    def gradient(upstream):
        slices = tf.reshape(upstream, (-1, table.shape[-1]))
        return tf.math.unsorted_segment_sum(slices, tf.reshape(entries, [-1]), table.shape[0]), None

    return tf.gather(table, entries), gradient
