"""The fitted blocks of a run: a file for each, and the field that they make together."""

import collections
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr._arguments import local_path
from keras_inr._files import atomic_path
from keras_inr.blocks.plan import lattices_of
from keras_inr.blocks.work import FORMAT_VERSION, name_of, numbers_of
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.fleet.work import FITTED, Outcome
from keras_inr.initializers._blank import blank_tables
from keras_inr.models.block_field import BlockField
from keras_inr.models.field import Field
from keras_inr.models.lattice import Lattice
from keras_inr.models.stacking import empty_stack
from keras_inr.models.stored_block_field import StoredBlockField
from keras_inr.runs.folder import holds_run, run_identity

BLOCKS = "blocks"

KEPT_BYTES = 2**28
"""Weights that a field in files keeps in memory, at most."""

Key = tuple[int, int]
"""A level, 0 for the picture, and a block of it."""


def holds_blocks(run: pathlib.Path) -> bool:
    """Whether a folder is that of a run of blocks, with its files."""
    return holds_run(run) and run_identity(run).get("kind") == "blocks" and (run / BLOCKS).is_dir()


def open_blocks(run: str | os.PathLike[str]) -> StoredBlockField:
    """The field of a run of blocks, its weights in the run's files: what it takes of memory does not grow with it.

    Args:
        run: folder of a finished run.

    Raises:
        InputError: for a folder that holds no run of blocks, or not all blocks.
    """
    folder = local_path("run", run)
    if not holds_blocks(folder):
        raise InputError(f"run must be the folder of a run of blocks, received {folder}")
    return BlockStore(folder, lattices_of(Lattice(**run_identity(folder)["lattice"]))).stored_field()


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
        found = json.loads(facts.tobytes())
        if found["format_version"] != FORMAT_VERSION:
            told = f"must have format_version {FORMAT_VERSION}, received {found['format_version']!r}"
            raise InputError(f"{self.path(key)} {told}")
        return found

    def weights(self, key: Key) -> list[np.ndarray]:
        """The weights of a block."""
        weights = self._read(key, lambda names: [f"weight_{place}" for place in range(len(names) - 2)])
        found, expected = sum(weight.size for weight in weights), self.rows[key]["num_parameters"]
        if found != expected:
            raise self._damaged(key, f"it holds {found} of {expected} weights")
        return weights

    def shown(self, key: Key) -> np.ndarray:
        """What a preview shows of a block."""
        return self._read(key, lambda names: ["shown"])[0]

    def _read(self, key: Key, chosen: Callable[[list[str]], list[str]]) -> list[np.ndarray]:
        """Arrays of a block's file, of the names that a function chooses."""
        try:
            with self.path(key).open("rb") as file, np.load(file, allow_pickle=False) as content:
                return [content[name] for name in chosen(content.files)]
        except MemoryError:
            raise
        except Exception as error:  # damaged bytes make readers of ZIP and NPY raise nearly anything
            raise self._damaged(key, " ".join(str(error).split()) or type(error).__name__) from None

    def _damaged(self, key, problem):
        return DamagedFileError(f"{self.path(key)} is damaged ({problem}); remove it, and resume=True fits it again")

    def field(self) -> BlockField:
        """The field of all blocks, in memory.

        Raises:
            InputError: where some are missing.
        """
        return self._of_levels(self._level)

    def stored_field(self) -> StoredBlockField:
        """The same field with its weights in the files: those of the blocks that were asked for last are kept.

        Raises:
            InputError: where some are missing.
        """
        kept: collections.OrderedDict[Key, list[np.ndarray]] = collections.OrderedDict()

        def read(level: int, block: int) -> list[np.ndarray]:
            weights = kept.pop((level, block), None) or self.weights((level, block))
            kept[level, block] = weights
            while len(kept) > 1 and sum(each.nbytes for some in kept.values() for each in some) > KEPT_BYTES:
                kept.popitem(last=False)
            return weights

        return self._of_levels(lambda level, reduced: self._stored_level(level, reduced, read))

    def _of_levels(self, level: Callable[[int, Any], Any]) -> Any:
        """Fields of all levels, each with the smaller one."""
        if self.left:
            told = f"must hold all {len(self.all)} blocks, received {len(self.rows)}; resume=True fits the others"
            raise InputError(f"{self.folder} {told}")
        found = None
        for number in reversed(range(len(self.lattices))):
            found = level(number, found)
        return found

    def _kinds(self, level: int) -> tuple[list[dict[str, Any]], list[list[int]]]:
        """Configs of the networks of a level, and the blocks of each."""
        kinds: dict[str, list[int]] = collections.defaultdict(list)
        for block in range(self.lattices[level].num_blocks):
            kinds[json.dumps(self.facts((level, block))["network"], sort_keys=True)].append(block)
        return [json.loads(kind) for kind in kinds], list(kinds.values())

    def _level(self, level: int, reduced: Field | None) -> BlockField:
        """The field of one level."""
        configs, places = self._kinds(level)
        networks = [self._stacked(config, level, blocks) for config, blocks in zip(configs, places, strict=True)]
        return BlockField(networks, places, self.lattices[level], reduced)

    def _stored_level(
        self, level: int, reduced: StoredBlockField | None, read: Callable[[int, int], list[np.ndarray]]
    ) -> StoredBlockField:
        """The field of one level, its weights in files."""
        configs, places = self._kinds(level)
        networks = [keras.saving.deserialize_keras_object(config) for config in configs]
        number = sum(self.rows[level, block]["num_parameters"] for some in places for block in some)
        number += 0 if reduced is None else reduced.count_params()
        return StoredBlockField(
            networks, places, self.lattices[level], lambda block: read(level, block), number, reduced
        )

    def _stacked(self, config: dict[str, Any], level: int, blocks: Sequence[int]) -> Field:
        """The fields of blocks that are of one network."""
        with blank_tables():
            network = keras.saving.deserialize_keras_object(config)
        stacked = empty_stack(network, len(blocks))
        for place, block in enumerate(blocks):
            for variable, weight in zip(stacked.weights, self.weights((level, block)), strict=True):
                variable.value.scatter_update(tf.IndexedSlices(weight[None], [place]))  # in place
        return stacked
