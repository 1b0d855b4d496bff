"""The fitted blocks of a run: a file for each, and the field that they make together."""

import collections
import json
import pathlib
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_inr._files import atomic_path
from keras_inr.blocks.work import name_of, numbers_of
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.fleet.work import FITTED, Outcome
from keras_inr.models.block_field import BlockField
from keras_inr.models.field import Field
from keras_inr.models.lattice import Lattice
from keras_inr.models.stacking import empty_stack

BLOCKS = "blocks"
Key = tuple[int, int]
"""A level, 0 for the picture, and a block of it."""


class BlockStore:
    """Files of fitted blocks.

    Args:
        folder: of the run.
        lattices: `Lattice` of the picture, and of its reduced ones.

    Attributes:
        rows: (level, block) -> its row, of those that are fitted.
    """

    def __init__(self, folder: pathlib.Path, lattices: Sequence[Lattice]) -> None:
        self.folder, self.lattices = folder / BLOCKS, lattices
        self.all = [(level, block) for level, some in enumerate(lattices) for block in range(some.num_blocks)]
        self.rows: dict[Key, dict[str, Any]] = {}
        for key in self.all:
            if self.path(key).exists():
                self.rows[key] = self.facts(key)["row"]

    def path(self, key: Key) -> pathlib.Path:
        """The file of a block."""
        return self.folder / f"{name_of(*key)}.npz"

    @property
    def left(self) -> list[Key]:
        """Blocks that are still to be fitted."""
        return [key for key in self.all if key not in self.rows]

    def keep(self, outcome: Outcome) -> None:
        """Writes what has become of a block; raises an InputError for one that failed."""
        key = numbers_of(outcome.name)
        if outcome.row["status"] != FITTED or outcome.model is None:
            raise InputError(f"block {outcome.name} could not be fitted: {outcome.row['reason']}")
        self.folder.mkdir(exist_ok=True)
        with atomic_path(self.path(key)) as temporary:
            temporary.write_bytes(outcome.model)
        self.rows[key] = outcome.row

    def facts(self, key: Key) -> dict[str, Any]:
        """What a block's file tells: format_version, network and row."""
        (facts,) = self._read(key, lambda names: ["facts"])
        return json.loads(facts.tobytes())

    def weights(self, key: Key) -> list[np.ndarray]:
        """The weights of a block."""
        return self._read(key, lambda names: [f"weight_{place}" for place in range(len(names) - 2)])

    def shown(self, key: Key) -> np.ndarray:
        """What a preview shows of a block."""
        return self._read(key, lambda names: ["shown"])[0]

    def _read(self, key: Key, chosen: Callable[[list[str]], list[str]]) -> list[np.ndarray]:
        """Arrays of a block's file, of the names that a function chooses."""
        path = self.path(key)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
                return [content[name] for name in chosen(content.files)]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            told = f"{path} is damaged ({error}); remove it, and resume=True fits it again"
            raise DamagedFileError(told) from None

    def field(self) -> BlockField:
        """The field of all blocks.

        Raises:
            InputError: where some are missing.
        """
        if self.left:
            raise InputError(f"{self.folder} must hold all {len(self.all)} blocks, {len(self.left)} are missing")
        found = self._level(len(self.lattices) - 1, None)
        for level in reversed(range(len(self.lattices) - 1)):
            found = self._level(level, found)
        return found

    def _level(self, level: int, reduced: Field | None) -> BlockField:
        """The field of one level."""
        kinds: dict[str, list[int]] = collections.defaultdict(list)
        for block in range(self.lattices[level].num_blocks):
            kinds[json.dumps(self.facts((level, block))["network"], sort_keys=True)].append(block)
        networks = [self._stacked(json.loads(kind), level, blocks) for kind, blocks in kinds.items()]
        return BlockField(networks, list(kinds.values()), self.lattices[level], reduced)

    def _stacked(self, config: dict[str, Any], level: int, blocks: Sequence[int]) -> Field:
        """The fields of blocks that are of one network."""
        stacked = empty_stack(keras.saving.deserialize_keras_object(config), len(blocks))
        arrays = [np.empty(variable.shape, variable.dtype) for variable in stacked.weights]
        for place, block in enumerate(blocks):
            for array, weight in zip(arrays, self.weights((level, block)), strict=True):
                array[place] = weight
        for variable in stacked.weights:
            variable.assign(arrays.pop(0))
        return stacked
