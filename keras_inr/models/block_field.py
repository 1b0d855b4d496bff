"""A field of fields: a lattice of blocks, each a small field of its own, blended where they overlap."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr.coordinates import reduced_size
from keras_inr.errors import InputError
from keras_inr.forward_rules import Jet, side_by_side
from keras_inr.models.field import Field
from keras_inr.models.lattice import Lattice, TensorOrJet
from keras_inr.models.stacking import empty_copy, network_of, stack


@keras.saving.register_keras_serializable(package="keras_inr")
class Blocks(keras.layers.Layer):
    """values(x) = sum_b w_b(x) f_b(x_b): fields f_b of the blocks of a lattice, blended by its weights w_b.

    x_b are the block's own coordinates, those of a picture of its pixels, see `Lattice`. Only blocks whose weight is
    not zero are evaluated, each once, at all of its points together.

    Args:
        networks: stacked `Field`s, one for each kind of network; field k of a network is that of block places[kind][k].
        places: for each network, the numbers of its blocks, row by row from 0; each block has one field.
        lattice: `Lattice`, or its arguments as a dict.

    Shapes: (N, 2) -> (N, channels), and in `on_raster` (W), (H) -> (H * W, channels).

    Raises:
        InputError: for networks that are no stacked fields of so many blocks of this size, or places that are not each
            block once.
    """

    def __init__(
        self,
        networks: Sequence[Field],
        places: Sequence[Sequence[int]],
        lattice: Lattice | Mapping[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.lattice = lattice if isinstance(lattice, Lattice) else Lattice(**lattice)
        self.networks = list(networks)
        self.places = tuple(tuple(int(place) for place in some) for some in places)
        self._check()
        self.channels = self.networks[0].channels
        self.kinds, self.slots = self._tables()
        # a tuple behind a function, since Keras would save what it finds in attributes
        singles = tuple(self._singles())
        self.single: Callable[[int], Field] = lambda kind: singles[kind]
        self.built = True

    def _check(self):
        blocks = self.lattice.num_blocks
        if sorted(place for some in self.places for place in some) != list(range(blocks)):
            raise InputError(f"places must be each of {blocks} blocks once, received {self.places!r}")
        for network, some in zip(self.networks, self.places, strict=True):
            if not isinstance(network, Field) or network.num_fields != self._num_fields(some):
                raise InputError(f"networks must be stacked fields of {len(some)} blocks, received {network!r}")
            if network.picture_size != self.lattice.block_size:
                size = self.lattice.block_size
                raise InputError(f"networks must have picture_size={size}, received {network.picture_size}")
        channels = sorted({network.channels for network in self.networks})
        if len(channels) > 1:
            raise InputError(f"networks must have as many channels each, received {' and '.join(map(str, channels))}")

    def _num_fields(self, places):
        """What num_fields is of the network of blocks."""
        return len(places)

    def _singles(self):
        """A field of one block for each kind, whose weights are replaced at each use."""
        return [empty_copy(network, num_fields=None, seed=0) for network in self.networks]

    def _tables(self):
        """The network of each block, and which of its fields it is."""
        kinds, slots = (np.zeros(self.lattice.num_blocks, np.int32) for _ in range(2))
        for kind, some in enumerate(self.places):
            kinds[list(some)], slots[list(some)] = kind, np.arange(len(some))
        return kinds, slots

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        shape = tf.concat([tf.shape(inputs)[:-1], [self.channels]], axis=0)
        rows = tf.cast(tf.reshape(inputs, (-1, 2)), self.coords_dtype)
        values = self.blended(rows, lambda field, coords: field(coords))
        return tf.cast(tf.reshape(values, shape), self.compute_dtype)

    @tf.autograph.experimental.do_not_convert
    def propagate(self, jet: Jet) -> Jet:
        """Rule: sum_b w_b f_b by the product rule, from those of the blocks' fields and of the weights."""
        rows = full(jet).linear(lambda part: tf.cast(tf.reshape(part, (-1, 2)), self.coords_dtype))
        shape = tf.shape(jet.value)
        values = self.blended(rows, lambda field, coords: field.propagate(coords))
        shape = tf.concat([shape[:-1], [self.channels]], axis=0)
        return values.linear(lambda part: tf.reshape(part, shape))

    def blended(self, coords: TensorOrJet, evaluate: Callable[[Field, TensorOrJet], TensorOrJet]) -> TensorOrJet:
        """Values (N, channels) at coords (N, 2), a tensor or a `Jet`, from what a block's field gives for its own."""
        lattice, at_points = self.lattice, coords.value if isinstance(coords, Jet) else coords
        dtype, rows = at_points.dtype, tf.shape(at_points)[0]
        places = lattice.places(mapped(coords, lambda part: tf.cast(part, "float64")))
        points, cells = self.by_block(places.value if isinstance(places, Jet) else places)
        places = mapped(places, lambda part: tf.gather(part, points))
        x, y = mapped(places, lambda part: part[:, :1]), mapped(places, lambda part: part[:, 1:])
        columns, rows_of_cells = (some[:, None] for some in cells)
        own = [lattice.local(0, x, columns), lattice.local(1, y, rows_of_cells)]
        local = side_by_side(own) if isinstance(coords, Jet) else tf.concat(own, axis=1)
        weights = lattice.weights(0, x, columns) * lattice.weights(1, y, rows_of_cells)
        blocks = cells[1] * lattice.grid[1] + cells[0]
        values = self.each_block(blocks, mapped(local, lambda part: tf.cast(part, dtype)), evaluate)
        values = values * mapped(weights, lambda part: tf.cast(part, dtype))
        return mapped(values, lambda part: tf.math.unsorted_segment_sum(part, points, rows))

    def by_block(self, places: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Which points (E) each block is evaluated at, block after block, and its cell along x and along y (E)."""
        x, y = (self.lattice.cells_at(axis, places[:, axis]) for axis in (0, 1))
        pairs = tf.stack([tf.repeat(x, 2, axis=1), tf.tile(y, (1, 2))], axis=-1)
        taken = tf.where(tf.reduce_all(pairs >= 0, axis=-1))
        cells = tf.gather_nd(pairs, taken)
        order = tf.argsort(cells[:, 1] * self.lattice.grid[1] + cells[:, 0], stable=True)
        return tf.gather(taken[:, 0], order), tf.unstack(tf.gather(cells, order), num=2, axis=1)

    def each_block(
        self, blocks: tf.Tensor, local: TensorOrJet, evaluate: Callable[[Field, TensorOrJet], TensorOrJet]
    ) -> TensorOrJet:
        """Values (E, channels) of blocks (E), equal ones side by side, at their own coords (E, 2)."""
        found, _, counts = tf.unique_with_counts(blocks)
        ends, dtype = tf.cumsum(counts), local.value.dtype if isinstance(local, Jet) else local.dtype
        number = len(parts_of(local))

        def add(place, arrays):
            these = mapped(local, lambda part: part[ends[place] - counts[place] : ends[place]])
            values = self.of_block(found[place], lambda field: parts_of(full(evaluate(field, these))))
            return place + 1, [array.write(place + 1, part) for array, part in zip(arrays, values, strict=True)]

        nothing = tf.zeros((0, self.channels), dtype)  # where there is no point at all
        shape = {"infer_shape": False, "element_shape": (None, self.channels)}
        arrays = [tf.TensorArray(dtype, tf.size(found) + 1, **shape).write(0, nothing) for _ in range(number)]
        arrays = tf.while_loop(lambda place, _: place < tf.size(found), add, (0, arrays), parallel_iterations=1)[1]
        return like(local, [array.concat() for array in arrays])

    @tf.autograph.experimental.do_not_convert
    def on_raster(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """The values (H * W, channels) at a raster's points, columns x (W) and rows y (H), as `call` has them."""
        lattice, dtype = self.lattice, x.dtype
        places = [lattice.places_along(axis, tf.cast(part, "float64")) for axis, part in enumerate((x, y))]
        cells = [lattice.cells_at(axis, places[axis]) for axis in (0, 1)]
        columns, rows = (tf.unique(tf.boolean_mask(some, some >= 0))[0] for some in cells)
        number = tf.size(columns) * tf.size(rows)

        def along(axis, cell):
            these = tf.where(tf.reduce_any(cells[axis] == cell, axis=1))[:, 0]
            there = tf.gather(places[axis], these)
            parts = (lattice.local(axis, there, cell), lattice.weights(axis, there, cell))
            return these, *(tf.cast(part, dtype) for part in parts)

        def add(place, values):
            cell = columns[place % tf.size(columns)], rows[place // tf.size(columns)]
            (across, local_x, weights_x), (down, local_y, weights_y) = (along(axis, cell[axis]) for axis in (0, 1))
            own = self.of_block(cell[1] * lattice.grid[1] + cell[0], lambda field: field.on_raster(local_x, local_y))
            own = tf.reshape(own, (tf.size(down), tf.size(across), self.channels))
            indices = tf.stack(tf.meshgrid(down, across, indexing="ij"), axis=-1)
            own *= (weights_y[:, None] * weights_x)[..., None]
            return place + 1, tf.tensor_scatter_nd_add(values, indices, own)

        values = tf.zeros((tf.size(y), tf.size(x), self.channels), dtype)
        values = tf.while_loop(lambda place, _: place < number, add, (0, values), parallel_iterations=1)[1]
        return tf.reshape(values, (-1, self.channels))

    def of_block(self, block: tf.Tensor, evaluate: Callable[[Field], Any]) -> Any:
        """What a function of a block's field gives, a tensor or a list of them."""

        def of_kind(kind):
            single = self.single(kind)
            weights = zip(single.weights, self.weights_of(kind, block), strict=True)
            with keras.StatelessScope(state_mapping=list(weights)):
                return evaluate(single)

        if len(self.networks) == 1:
            return of_kind(0)
        branches = [lambda kind=kind: of_kind(kind) for kind in range(len(self.networks))]
        return tf.switch_case(tf.gather(tf.constant(self.kinds), block), branches)

    def weights_of(self, kind: int, block: tf.Tensor) -> list[tf.Tensor]:
        """The weights of a block, which is of a kind."""
        slot = tf.gather(tf.constant(self.slots), block)
        return [tf.gather(tf.convert_to_tensor(weight.value), slot) for weight in self.networks[kind].weights]

    @property
    def coords_dtype(self) -> str:
        """dtype of coords, and of what the blocks' fields give."""
        return self.networks[0].values_dtype

    @property
    def kink(self) -> str | None:
        """Why there is no second derivative: that of the first block's layer that has none."""
        kinks = [layer.kink for network in self.networks for layer in network.stack if layer.kink is not None]
        return kinks[0] if kinks else None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.channels)

    def get_config(self) -> dict[str, Any]:
        networks = [keras.saving.serialize_keras_object(network) for network in self.networks]
        return {
            **super().get_config(),
            "networks": networks,
            "places": self.places,
            "lattice": self.lattice.arguments,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Blocks":
        networks = [keras.saving.deserialize_keras_object(network) for network in config["networks"]]
        return cls(**{**config, "networks": networks})


def mapped(tensor_or_jet: TensorOrJet, function: Callable[[tf.Tensor], tf.Tensor]) -> TensorOrJet:
    """A linear function of a tensor, or of each part of a `Jet`."""
    return tensor_or_jet.linear(function) if isinstance(tensor_or_jet, Jet) else function(tensor_or_jet)


def full(values: TensorOrJet) -> TensorOrJet:
    """A `Jet` whose parts all have the shape of its value; a tensor as it is."""
    shape = tf.shape(values.value) if isinstance(values, Jet) else None
    return values if shape is None else values.linear(lambda part: tf.broadcast_to(part, shape))


def parts_of(values: TensorOrJet) -> list[tf.Tensor]:
    """The tensors that a tensor or a `Jet` is of."""
    if not isinstance(values, Jet):
        return [values]
    return [values.value, *values.tangents, *([] if values.second is None else [values.second])]


def like(pattern: TensorOrJet, parts: Sequence[tf.Tensor]) -> TensorOrJet:
    """What `parts_of` takes apart, a tensor or `Jet` as the pattern is."""
    if not isinstance(pattern, Jet):
        return parts[0]
    count = len(pattern.tangents)
    return Jet(parts[0], tuple(parts[1 : 1 + count]), None if pattern.second is None else parts[1 + count])


@keras.saving.register_keras_serializable(package="keras_inr")
class BlockField(Field):
    """A field of a large picture that is made of blocks, each a small field that was fitted to its part alone.

    See `Blocks` for the formula and `Lattice` for blocks and weights. It is called, rendered, differentiated, saved
    and exported like any other field; `field_of_blocks` makes one of fitted blocks.

    Args:
        networks, places: see `Blocks`.
        lattice: `Lattice` or its arguments; its picture_size is that of the field.
        reduced: None, or a field of the same picture reduced to `keras_inr.coordinates.reduced_size`. Rasters whose
            pixels are as long as its own, or longer, are drawn by it, or by its own `reduced` in turn: a small view of
            a large picture costs what a small picture does.
        channels, picture_size, seed: see `Field`; what is given must be that of networks and lattice.

    >>> from keras_inr.models import Siren
    >>> lattice = Lattice((40, 60), (20, 30), 3)
    >>> field = field_of_blocks([Siren(units=(8,), picture_size=lattice.block_size, seed=k) for k in range(4)], lattice)
    >>> field.render().shape
    (40, 60, 3)
    """

    points_per_call = 2**19  # each call looks up the weights of each block that it touches

    def __init__(
        self,
        networks: Sequence[Field],
        places: Sequence[Sequence[int]],
        lattice: Lattice | Mapping[str, Any],
        reduced: Field | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": getattr(networks[0], "dtype_policy", None) if networks else None, **kwargs})
        blocks = self._layer(networks, places, lattice, name="blocks", dtype=self.values_dtype)
        self.picture_size = size = blocks.lattice.picture_size
        if reduced is not None and reduced.picture_size != (wanted := reduced_size(*size)):
            raise InputError(f"reduced must have picture_size={wanted}, received {reduced.picture_size}")
        self.reduced = reduced
        self.set_stack([blocks])

    def _layer(self, *arguments, **kwargs):
        """Its layer."""
        return Blocks(*arguments, **kwargs)

    @property
    def lattice(self) -> Lattice:
        """Where its blocks lie."""
        return self.stack[0].lattice

    @property
    def networks(self) -> list[Field]:
        """Its stacked fields."""
        return self.stack[0].networks

    @property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """The blocks of each network's fields."""
        return self.stack[0].places

    @property
    def unstackable(self) -> str:
        """Why several such fields cannot be stacked."""
        return f"{self.name!r} is a field of blocks"

    def get_config(self) -> dict[str, Any]:
        blocks = self.stack[0].get_config()
        own = {name: blocks[name] for name in ("networks", "places", "lattice")}
        reduced = None if self.reduced is None else keras.saving.serialize_keras_object(self.reduced)
        return {**super().get_config(), **own, "reduced": reduced}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "BlockField":
        networks = [keras.saving.deserialize_keras_object(each, custom_objects) for each in config["networks"]]
        reduced = keras.saving.deserialize_keras_object(config["reduced"], custom_objects)
        return cls(**{**config, "networks": networks, "reduced": reduced})


def field_of_blocks(fields: Iterable[Field], lattice: Lattice, **kwargs: Any) -> BlockField:
    """A `BlockField` of single fields, one for each block of a lattice in its order, with their weights.

    Fields of one network share its stacked weights.

    Raises:
        InputError: unless there are as many fields as blocks, each of the lattice's block_size.
    """
    kinds: dict[str, list[int]] = {}
    fields = list(fields)
    for place, field in enumerate(fields):
        kinds.setdefault(json.dumps(network_of(field), sort_keys=True), []).append(place)
    networks = [stack([fields[place] for place in places]) for places in kinds.values()]
    return BlockField(networks, list(kinds.values()), lattice, **kwargs)
