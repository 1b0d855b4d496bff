"""A field of blocks whose weights are read where they are needed, so that it may be larger than memory."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
import tensorflow as tf

from keras_inr.errors import DamagedFileError, InputError
from keras_inr.models.block_field import BlockField, Blocks
from keras_inr.models.field import Field
from keras_inr.models.lattice import Lattice
from keras_inr.rendering.raster import levels_of

ReadWeights = Callable[[int], list[np.ndarray]]
"""A function of a block's number that gives its weights, in the order of its network's."""


class StoredBlocks(Blocks):
    """`Blocks` that ask a function for the weights of each block that is evaluated, each time.

    Args:
        networks: a single `Field` for each kind of network, whose own weights play no part.
        places: for each network, the numbers of its blocks.
        lattice: see `Blocks`.
        read: `ReadWeights`.
    """

    def __init__(
        self,
        networks: Sequence[Field],
        places: Sequence[Sequence[int]],
        lattice: Lattice,
        read: ReadWeights,
        **kwargs: Any,
    ) -> None:
        super().__init__(networks, places, lattice, **kwargs)
        self.failure: DamagedFileError | None = None

        def asked(block: np.ndarray) -> list[np.ndarray]:
            try:
                return read(int(block))
            except DamagedFileError as error:  # TensorFlow makes another of it on the way out of a graph
                self.failure = error
                raise

        self._read: Callable[[np.ndarray], list[np.ndarray]] = asked

    def _num_fields(self, places):
        return None

    def _singles(self):
        return self.networks

    def weights_of(self, kind: int, block: tf.Tensor) -> list[tf.Tensor]:
        expected = self.networks[kind].weights
        found = tf.numpy_function(self._read, [block], [weight.dtype for weight in expected], stateful=False)
        return [tf.ensure_shape(each, weight.shape) for each, weight in zip(found, expected, strict=True)]


class StoredBlockField(BlockField):
    """A `BlockField` of weights that a function reads.

    It is called, rendered and differentiated like any other field. It cannot be saved, exported or trained: what it is
    made of is in files already.

    Args:
        networks, places, read: see `StoredBlocks`.
        lattice: `Lattice`.
        num_parameters: weights of all blocks together, its own and those of `reduced`.
        reduced: see `BlockField`.

    >>> from keras_inr.models import Siren
    >>> lattice = Lattice((40, 60), (20, 30), 3)
    >>> blocks = [Siren(units=(8,), picture_size=lattice.block_size, seed=number) for number in range(4)]
    >>> read = lambda block: blocks[block].get_weights()
    >>> field = StoredBlockField(blocks[:1], [range(4)], lattice, read, num_parameters=4 * blocks[0].count_params())
    >>> field.render(box=(0, 0, 1, 0.5)).shape
    (40, 60, 3)
    """

    def __init__(
        self,
        networks: Sequence[Field],
        places: Sequence[Sequence[int]],
        lattice: Lattice,
        read: ReadWeights,
        num_parameters: int,
        reduced: Field | None = None,
        **kwargs: Any,
    ) -> None:
        self._read: Callable[[], ReadWeights] = lambda: read
        self._num_parameters = num_parameters
        super().__init__(networks, places, lattice, reduced, **kwargs)

    def _layer(self, *arguments, **kwargs):
        return StoredBlocks(*arguments, read=self._read(), **kwargs)

    def count_params(self) -> int:
        """Weights of all blocks."""
        return self._num_parameters

    @contextlib.contextmanager
    def errors_of_files(self) -> Iterator[None]:
        """Within it, a file that cannot be read raises the `DamagedFileError` that the function raised."""
        layers = [level.stack[0] for level in levels_of(self)]
        for layer in layers:
            layer.failure = None
        try:
            yield
        except tf.errors.OpError:
            for layer in layers:
                if layer.failure is not None:
                    raise layer.failure from None
            raise

    def get_config(self) -> NoReturn:
        """Always raises, since the weights lie elsewhere."""
        raise InputError("a field whose blocks lie in files cannot be saved; model.keras of its run holds the same one")
