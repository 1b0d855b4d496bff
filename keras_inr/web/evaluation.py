"""A description evaluated by NumPy in float32, as a browser does it."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_inr.layers.cell_encoding import FOLD, SNAP
from keras_inr.layers.hash_encoding import PRIMES
from keras_inr.web.description import COSINE, SINE, Description

Levels = dict[str, Any]


def evaluate(description: Description, coords: np.ndarray) -> np.ndarray:
    """Values (N, channels) at coords (N, 2), not clamped.

    >>> from keras_inr.models import Siren
    >>> from keras_inr.web.description import describe
    >>> evaluate(describe(Siren(units=(8,), picture_size=(20, 30))), np.zeros((5, 2))).shape
    (5, 3)
    """
    registers = {0: np.asarray(coords, "float32")}
    for operation in description.operations:
        reader = _Reader(operation, description)
        registers[operation["to"]] = np.asarray(OPERATIONS[operation["op"]](reader, registers), "float32")
    return registers[description.operations[-1]["to"]]


class _Reader:
    """An operation with its arrays."""

    def __init__(self, operation: dict[str, Any], description: Description) -> None:
        self.operation = operation
        self.description = description

    def __getitem__(self, name: str) -> Any:
        return self.operation[name]

    def array(self, name: str, *shape: int, first: int = 0) -> np.ndarray:
        """An array of a shape; of one axis -1 for all numbers from `first` on."""
        start = self.operation[name] + first
        end = None if shape == (-1,) else start + int(np.prod(shape))
        return self.description.numbers[start:end].reshape(shape)


def _affine(reader: _Reader, registers: dict[int, np.ndarray]) -> np.ndarray:
    inputs = registers[reader["from"]]
    width = reader["width"]
    z = inputs @ reader.array("kernel", inputs.shape[1], width) + reader.array("bias", width)
    outputs = ACTIVATIONS[reader["activation"]](z, np.float32(reader["parameter"]))
    return outputs if reader["times"] is None else outputs * registers[reader["times"]]


def _gabor(reader: _Reader, registers: dict[int, np.ndarray]) -> np.ndarray:
    z, r = np.split(registers[reader["from"]], 2, axis=1)
    return np.cos(reader["omega"] * z) * np.exp(-np.square(reader["scale"] * r))


def _complex_gabor(reader: _Reader, registers: dict[int, np.ndarray]) -> np.ndarray:
    z, omega, scale = registers[reader["from"]], reader["omega"], reader["scale"]
    p, q = (z, np.zeros_like(z)) if reader["real"] else np.split(z, 2, axis=1)
    bump = np.exp(-np.square(scale * p) - np.square(scale * q) - omega * q)
    return np.hstack([bump * np.cos(omega * p), bump * np.sin(omega * p)])


def _waves(reader: _Reader, registers: dict[int, np.ndarray]) -> np.ndarray:
    x, y, kind = reader.array("rows", 3, reader["width"])
    coords = registers[reader["from"]]
    z = coords[:, :1] * x + coords[:, 1:] * y
    return np.select([kind == SINE, kind == COSINE], [np.sin(z), np.cos(z)], z)


def _window(reader: _Reader, registers: dict[int, np.ndarray]) -> np.ndarray:
    x, y, bias, gamma, centre_x, centre_y = reader.array("rows", 6, reader["width"])
    coords = registers[reader["from"]]
    squares = np.square(coords[:, :1] - centre_x) + np.square(coords[:, 1:] - centre_y)
    return np.sin(coords[:, :1] * x + coords[:, 1:] * y + bias) * np.exp(-0.5 * gamma * squares)


def _grid(reader: _Reader, registers: dict[int, np.ndarray]) -> np.ndarray:
    unit = np.clip(registers[reader["from"]] * 0.5 + 0.5, 0, 1).astype("float32")
    features = reader["features"]
    parts = []
    for level in reader["levels"]:
        position = unit * np.float32(level["cells"])
        cell = np.minimum(np.floor(position), level["cells"] - 1)
        t = position - cell
        t = t**3 * (t * (t * 6 - 15) + 10) if reader["smooth"] else t
        table = reader.array("table", level["entries"], features, first=level["first"] * features)
        parts.append(_interpolated(table, cell, t, functools.partial(_grid_entries, reader, level)))
    return np.hstack(parts)


def _grid_entries(reader: _Reader, level: Levels, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if level["kind"] == "dense":
        return x + y * (level["cells"] + 1)
    if level["kind"] == "tiled":
        return x % reader["side"] + y % reader["side"] * reader["side"]
    return ((x * PRIMES[0]) ^ (y * PRIMES[1])) & (level["entries"] - 1)


def _cells(reader: _Reader, registers: dict[int, np.ndarray]) -> np.ndarray:
    height, width = reader["pixels"]
    last = np.array([width - 1, height - 1], "float32")
    scale = np.float32(max(height, width) / 2)
    position = np.clip(registers[reader["from"]] * scale + last / 2, 0, last)
    parts = []
    for level in reader["levels"]:
        table = reader.array("table", level["entries"], level["features"], first=level["first"])
        if level["kind"] == "source":
            cell = np.floor(np.rint(position * SNAP) / SNAP / np.float32(level["size"])).astype("int64")
            parts.append(table[_source_entries(cell, level["entries"])])
            continue
        cell = np.minimum(np.floor(position / np.float32(level["size"])), [level["columns"] - 2, level["rows"] - 2])
        t = position / np.float32(level["size"]) - cell.astype("float32")
        parts.append(_interpolated(table, cell, t, functools.partial(_cell_entries, level)))
    if reader["append"] is not None:
        parts.append(position if reader["append"] == "position" else (position - last / 2) / scale)
    return np.hstack(parts)


def _cell_entries(level: Levels, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if level["kind"] == "dense":
        return x + y * level["columns"]
    hashed = ((x * PRIMES[0]) ^ (y * PRIMES[1])).astype("int32")  # so that its shift keeps the sign
    return (hashed ^ (hashed >> FOLD)) & (level["entries"] - 1)


def _source_entries(cell: np.ndarray, size: int) -> np.ndarray:
    x, y = cell.T
    hashed = (x ^ (x >> 16)) * 0x85EBCA6B
    hashed = (hashed ^ (hashed >> 13)) + y * 0xC2B2AE35
    return (hashed ^ (hashed >> 16)) % size


def _interpolated(
    table: np.ndarray, cell: np.ndarray, t: np.ndarray, entries: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Features between the four corners of each cell."""
    x, y = cell.astype("int64").T
    total = np.zeros((len(cell), table.shape[1]), "float32")
    for right, below in itertools.product((0, 1), repeat=2):
        weight = (t[:, 0] if right else 1 - t[:, 0]) * (t[:, 1] if below else 1 - t[:, 1])
        total += table[entries(x + right, y + below)] * weight.astype("float32")[:, None]
    return total


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * z) + 0.5


ACTIVATIONS: dict[str, Callable[[np.ndarray, np.float32], np.ndarray]] = {
    "linear": lambda z, p: z,
    "sine": lambda z, p: np.sin(z),
    "finer": lambda z, p: np.sin((np.abs(z) / p + 1) * z),
    "leaky_relu": lambda z, p: np.maximum(z, p * z),
    "squareplus": lambda z, p: 0.5 * (z + np.sqrt(z * z + p)),
    "gauss": lambda z, p: np.exp(-z * z),
    "tanh": lambda z, p: np.tanh(z),
    "sigmoid": lambda z, p: _sigmoid(z),
    "softplus": lambda z, p: np.logaddexp(z, np.float32(0)),
    "silu": lambda z, p: z * _sigmoid(z),
    "exponential": lambda z, p: np.exp(z),
}

OPERATIONS: dict[str, Callable[[_Reader, dict[int, np.ndarray]], np.ndarray]] = {
    "affine": _affine,
    "gabor": _gabor,
    "complex_gabor": _complex_gabor,
    "waves": _waves,
    "window": _window,
    "grid": _grid,
    "cells": _cells,
}
