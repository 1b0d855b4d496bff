"""The fitted blocks of a run: a file for each, and the field that they make together."""

import collections
import json
import pathlib
import zipfile
from typing import Any

import keras
import numpy as np

from keras_inr._files import atomic_path
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.fleet.work import FITTED, Outcome
from keras_inr.models.block_field import BlockField
from keras_inr.models.lattice import Lattice
from keras_inr.models.stacking import empty_stack

BLOCKS = "blocks"


class BlockStore:
    """Files of fitted blocks.

    Args:
        folder: of the run.
        lattice: `Lattice` of the blocks.

    Attributes:
        rows: block -> its row, of those that are fitted.
    """

    def __init__(self, folder: pathlib.Path, lattice: Lattice) -> None:
        self.folder, self.lattice = folder / BLOCKS, lattice
        self.rows: dict[int, dict[str, Any]] = {}
        for block in range(lattice.num_blocks):
            if self.path(block).exists():
                self.rows[block] = self.facts(block)["row"]

    def path(self, block: int) -> pathlib.Path:
        """The file of a block."""
        return self.folder / f"block-{block:06d}.npz"

    @property
    def left(self) -> list[int]:
        """Blocks that are still to be fitted."""
        return [block for block in range(self.lattice.num_blocks) if block not in self.rows]

    def keep(self, outcome: Outcome) -> None:
        """Writes what has become of a block; raises an InputError for one that failed."""
        block = int(outcome.name)
        if outcome.row["status"] != FITTED or outcome.model is None:
            raise InputError(f"block {block} of {self.lattice.num_blocks} could not be fitted: {outcome.row['reason']}")
        self.folder.mkdir(exist_ok=True)
        with atomic_path(self.path(block)) as temporary:
            temporary.write_bytes(outcome.model)
        self.rows[block] = outcome.row

    def facts(self, block: int) -> dict[str, Any]:
        """What a block's file tells: format_version, network and row."""
        (facts,) = self._read(block, lambda names: ["facts"])
        return json.loads(facts.tobytes())

    def weights(self, block: int) -> list[np.ndarray]:
        """The weights of a block."""
        return self._read(block, lambda names: [f"weight_{place}" for place in range(len(names) - 1)])

    def _read(self, block, chosen):
        """Arrays of a block's file, of the names that a function chooses."""
        path = self.path(block)
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
            raise InputError(
                f"{self.folder} must hold all {self.lattice.num_blocks} blocks, {len(self.left)} are missing"
            )
        kinds: dict[str, list[int]] = collections.defaultdict(list)
        configs: dict[str, Any] = {}
        for block in range(self.lattice.num_blocks):
            config = self.facts(block)["network"]
            kind = json.dumps(config, sort_keys=True)
            kinds[kind].append(block)
            configs[kind] = config
        networks = []
        for kind, blocks in kinds.items():
            single = keras.saving.deserialize_keras_object(configs[kind])
            stacked = empty_stack(single, len(blocks))
            arrays = [np.empty(variable.shape, variable.dtype) for variable in stacked.weights]
            for place, block in enumerate(blocks):
                for array, weight in zip(arrays, self.weights(block), strict=True):
                    array[place] = weight
            for variable, array in zip(stacked.weights, arrays, strict=True):
                variable.assign(array)
            networks.append(stacked)
        return BlockField(networks, list(kinds.values()), self.lattice)
