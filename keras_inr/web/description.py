"""What a browser needs to know of a field: a list of operations, and the numbers that they read."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from keras_inr.errors import InputError
from keras_inr.layers.affine import Affine
from keras_inr.layers.band_limited_filters import BandLimitedFilters
from keras_inr.layers.cell_encoding import CellEncoding
from keras_inr.layers.finer_dense import FinerDense
from keras_inr.layers.gabor_dense import ComplexGaborDense, GaborDense
from keras_inr.layers.gabor_filter import GaborFilter
from keras_inr.layers.gauss_dense import GaussDense
from keras_inr.layers.gaussian_encoding import GaussianEncoding
from keras_inr.layers.hash_encoding import HashEncoding
from keras_inr.layers.leaky_relu_dense import LeakyReluDense
from keras_inr.layers.learnt_sine_dense import LearntSineDense
from keras_inr.layers.multiplicative_filters import MultiplicativeFilters
from keras_inr.layers.positional_encoding import PositionalEncoding
from keras_inr.layers.sine_dense import SineDense
from keras_inr.layers.squareplus_dense import SquareplusDense
from keras_inr.layers.value_range import ValueRange
from keras_inr.models.field import Field

COORDS = 0
"""The register that holds the coordinates."""

MOST_OCTAVES = 13
"""Of a positional encoding: up to there phases are reduced by 2 pi exactly in float32, see page/webgl.js."""

MOST_CHANNELS = 4
KERAS_ACTIVATIONS = ("linear", "relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu", "exponential")
SLOPE = 0.2
"""Of `keras.activations.leaky_relu`."""

PLAIN, SINE, COSINE = 0, 1, 2
"""What an operation "waves" does with a phase."""

PASSED = (keras.layers.Dropout, keras.layers.GaussianNoise, keras.layers.GaussianDropout, keras.layers.Identity)
"""Layers that change nothing but while a field is fitted."""


@dataclasses.dataclass(frozen=True)
class Description:
    """A field as a browser evaluates it.

    Attributes:
        operations: list of dicts for JSON; each reads the registers `from` (0: coordinates) and writes a register `to`.
            Arrays are offsets into `numbers`.
        widths: of the registers, the coordinates' first. The last register holds the values.
        numbers: float32, all arrays one after another: first those that must be float32, then the others.
        exact: how many of the numbers must be float32; float16 may do for those behind them.
    """

    operations: list[dict[str, Any]]
    widths: list[int]
    numbers: np.ndarray
    exact: int

    def halved(self) -> "Description":
        """The description whose numbers are what is left of them in float16, where that may do."""
        numbers = self.numbers.copy()
        numbers[self.exact :] = numbers[self.exact :].astype("float16")
        return dataclasses.replace(self, numbers=numbers)

    def packed(self, half: bool) -> bytes:
        """The numbers in little-endian order, for a file."""
        behind = self.numbers[self.exact :].astype("<f2" if half else "<f4")
        return self.numbers[: self.exact].astype("<f4").tobytes() + behind.tobytes()


def describe(field: Field) -> Description:
    """The operations of a field, layer by layer, with scales folded into weights.

    Raises:
        InputError: for a stacked field, one without a picture or of more than 4 channels, and for a layer that has no
            form in a browser; the sentence names it.

    >>> from keras_inr.models import Siren
    >>> description = describe(Siren(units=(8, 8), picture_size=(20, 30)))
    >>> [operation["op"] for operation in description.operations], description.widths
    (['affine', 'affine', 'affine'], [2, 8, 8, 3])
    """
    if field.num_fields is not None:
        raise InputError(f"field must be a single one, received num_fields={field.num_fields}")
    if field.picture_size is None:
        raise InputError("field must have a picture_size, which a page shows it by, received None")
    if field.channels > MOST_CHANNELS:
        raise InputError(f"field must have at most {MOST_CHANNELS} channels, received {field.channels}")
    if type(field).call is not Field.call:
        raise InputError(f"{type(field).__name__} has a call of its own, which no browser knows")
    program = _Program()
    register = COORDS
    for layer in field.stack:
        register = _written(program, layer, register)
    return program.finished(register)


class _Program:
    """The operations so far, with their arrays in them."""

    def __init__(self) -> None:
        self.operations: list[dict[str, Any]] = []
        self.widths = [Field.num_dims]

    def add(self, op: str, source: int, width: int, **rest: Any) -> int:
        """Adds an operation; the register that it writes."""
        self.widths.append(width)
        self.operations.append({"op": op, "from": source, "to": len(self.widths) - 1, "width": width, **rest})
        return len(self.widths) - 1

    def affine(
        self,
        source: int,
        kernel: np.ndarray,
        bias: np.ndarray | None,
        activation: str = "linear",
        parameter: float = 0.0,
        times: int | None = None,
    ) -> int:
        """Adds activation(x W + b), times what another register holds if one is given."""
        bias = np.zeros(kernel.shape[-1]) if bias is None else bias
        rest = {"activation": activation, "parameter": parameter, "times": times}
        return self.add("affine", source, kernel.shape[-1], kernel=kernel, bias=bias, **rest)

    def scaled(self, source: int, scale: float, shift: float) -> int:
        """Adds scale * x + shift; into the operation that wrote x, where it is linear."""
        last = self.operations[-1] if self.operations else {}
        if last.get("activation") == "linear" and last["op"] == "affine" and last["times"] is None:
            last["kernel"], last["bias"] = last["kernel"] * scale, last["bias"] * scale + shift
            return source
        width = self.widths[source]
        return self.affine(source, np.eye(width) * scale, np.full(width, shift))

    def activated(self, source: int, activation: str, parameter: float) -> int:
        """Adds an activation; into the operation that wrote its input, where it is linear."""
        last = self.operations[-1] if self.operations else {}
        if last.get("activation") == "linear" and last["op"] == "affine" and last["times"] is None:
            last["activation"], last["parameter"] = activation, parameter
            return source
        return self.affine(source, np.eye(self.widths[source]), None, activation, parameter)

    def finished(self, register: int) -> Description:
        """The description, once the arrays have their places; `register` holds the values."""
        if register == COORDS:
            raise InputError("a field must have a layer that a browser can evaluate, received none")
        arrays = [(o, n, v) for o in self.operations for n, v in o.items() if isinstance(v, np.ndarray)]
        arrays.sort(key=lambda place: not _is_exact(place[0], place[1]))  # stable: the exact ones first
        size = exact = 0
        for operation, name, array in arrays:
            operation[name] = size
            size += array.size
            exact = size if _is_exact(operation, name) else exact
        numbers = np.concatenate([np.ravel(array) for _, _, array in arrays]).astype("float32")
        return Description(self.operations, self.widths, numbers, exact)


def _is_exact(operation: Mapping[str, Any], name: str) -> bool:
    """Whether an array must be float32: what makes phases of coordinates, and biases, which are few."""
    return name in ("bias", "rows") or (name == "kernel" and operation["from"] == COORDS)


def _written(program: _Program, layer: keras.layers.Layer, source: int) -> int:
    """Adds what a layer does; the register with its outputs."""
    # a subclass may compute something else
    write = WRITERS.get(type(layer))
    if write is None:
        told = f"layer {layer.name!r} is a {type(layer).__name__}, which has no form in a browser"
        raise InputError(f"{told}: those of keras_inr have one, and of Keras Dense with a plain activation")
    return write(program, layer, source)


def _folded(layer: Affine, scale: tuple[float, float] | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    kernel, bias = layer.folded_weights(scale, "float64")
    return kernel.numpy(), None if bias is None else bias.numpy()


def _affine(activation: str, parameter: Callable[[Any], float] = lambda layer: 0.0) -> Callable[..., int]:
    """How a layer that is an affine map and an activation is written."""

    def write(program, layer, source, times=None):
        scale = getattr(layer, "folding", None)
        return program.affine(source, *_folded(layer, scale), activation, parameter(layer), times)

    return write


def _gabor(program: _Program, layer: GaborDense, source: int) -> int:
    maps = program.affine(source, *_folded(layer))
    return program.add("gabor", maps, layer.units, omega=layer.omega_0, scale=layer.scale)


def _complex_gabor(program: _Program, layer: ComplexGaborDense, source: int) -> int:
    maps = program.affine(source, *_folded(layer))
    rest = {"omega": layer.omega_0, "scale": layer.scale, "real": layer.first}
    return program.add("complex_gabor", maps, 2 * layer.units, **rest)


def _positional(program: _Program, layer: PositionalEncoding, source: int) -> int:
    _check_reads_coords(layer, source)
    if layer.num_frequencies > MOST_OCTAVES:
        told = f"has {layer.num_frequencies} octaves, and sines in a browser are exact up to {MOST_OCTAVES}"
        raise InputError(f"layer {layer.name!r} {told}")
    columns = [[*axis, PLAIN] for axis in np.eye(2)] if layer.include_input else []
    for axis in np.eye(2):
        for kind in (SINE, COSINE):
            columns += [[*(np.pi * 2.0**k * axis), kind] for k in range(layer.num_frequencies)]
    return program.add("waves", source, len(columns), rows=np.transpose(columns))


def _gaussian(program: _Program, layer: GaussianEncoding, source: int) -> int:
    _check_reads_coords(layer, source)
    phases = np.pi * layer.frequencies.numpy().astype("float64")
    halves = [np.vstack([phases, np.full(phases.shape[1], kind)]) for kind in (SINE, COSINE)]
    return program.add("waves", source, 2 * layer.num_frequencies, rows=np.hstack(halves))


def _window(program: _Program, layer: GaborFilter, source: int) -> int:
    _check_reads_coords(layer, source)
    weights = (layer.kernel, layer.bias, layer.gamma, layer.centre)
    rows = np.vstack([np.atleast_2d(weight.numpy().astype("float64")) for weight in weights])
    return program.add("window", source, layer.units, rows=rows)


def _products(program: _Program, layer: MultiplicativeFilters, source: int) -> int:
    outputs = _written(program, layer.filter_layers[0], source)
    for linear, filter_layer in zip(layer.maps, layer.filter_layers[1:], strict=True):
        filters = _written(program, filter_layer, source)
        outputs = _affine("linear")(program, linear, outputs, filters)
    return outputs


def _hash_grid(program: _Program, layer: HashEncoding, source: int) -> int:
    _check_reads_coords(layer, source)
    levels, first = [], 0
    for index, (cells, entries) in enumerate(zip(layer.resolutions, layer.num_entries, strict=True)):
        kind = "dense" if index < layer.num_dense_levels else layer.grid
        levels.append({"cells": cells, "first": first, "entries": entries, "kind": kind})
        first += entries
    rest = {"features": layer.num_features, "smooth": layer.interpolation == "smoothstep", "side": layer.tile_side}
    width = layer.num_levels * layer.num_features
    return program.add("grid", source, width, levels=levels, table=layer.table.numpy(), **rest)


def _cell_grid(program: _Program, layer: CellEncoding, source: int) -> int:
    _check_reads_coords(layer, source)
    factors = np.ones(len(layer.layout))
    if layer.form != "plain":
        weights = np.exp(layer.level_weights.numpy().astype("float64"))
        factors = weights / weights.sum()
    levels: list[dict[str, Any]] = []
    tables: list[np.ndarray] = []
    for index, (_, cell_size, features) in enumerate(layer.layout):
        columns, rows = layer.num_vertices[index]
        entries = layer.num_entries[index]
        kind = "source" if layer.form == "source" else "dense" if entries == columns * rows else "fold"
        numbers = {"size": cell_size, "columns": columns, "rows": rows, "entries": entries, "features": features}
        levels.append({**numbers, "first": sum(table.size for table in tables), "kind": kind})
        tables.append(np.ravel(layer.tables[index].numpy() * factors[index]))
    appended = {"plain": None, "source": "position", "corrected": "coordinates"}[layer.form]
    rest = {"pixels": list(layer.picture_size), "append": appended}
    width = sum(level["features"] for level in levels) + (0 if appended is None else Field.num_dims)
    return program.add("cells", source, width, levels=levels, table=np.concatenate(tables), **rest)


def _check_reads_coords(layer: keras.layers.Layer, source: int) -> None:
    if source != COORDS:
        raise InputError(f"layer {layer.name!r} must be the first one to have a form in a browser")


def _keras_activation(layer: keras.layers.Layer) -> tuple[str, float]:
    """Name and parameter of the activation of a Keras layer."""
    function = keras.activations.get(layer.activation)
    name = getattr(function, "__name__", type(function).__name__)
    if name not in KERAS_ACTIVATIONS or function is not keras.activations.get(name):
        told = f"layer {layer.name!r} has the activation {name!r}, which has no form in a browser"
        raise InputError(f"{told}: these have one: {', '.join(KERAS_ACTIVATIONS)}")
    slope = SLOPE if name == "leaky_relu" else 0.0
    return ("leaky_relu" if name == "relu" else name), slope


def _dense(program: _Program, layer: keras.layers.Dense, source: int) -> int:
    kernel, bias = layer.kernel.numpy(), None if layer.bias is None else layer.bias.numpy()
    activation, parameter = _keras_activation(layer)
    return program.affine(source, kernel.astype("float64"), bias, activation, parameter)


WRITERS: dict[type, Callable[..., int]] = {
    Affine: _affine("linear"),
    SineDense: _affine("sine"),
    LearntSineDense: _affine("sine"),
    FinerDense: _affine("finer", lambda layer: layer.omega_0),
    LeakyReluDense: _affine("leaky_relu", lambda layer: layer.negative_slope),
    SquareplusDense: _affine("squareplus", lambda layer: layer.softness),
    GaussDense: _affine("gauss"),
    GaborDense: _gabor,
    ComplexGaborDense: _complex_gabor,
    PositionalEncoding: _positional,
    GaussianEncoding: _gaussian,
    GaborFilter: _window,
    MultiplicativeFilters: _products,
    BandLimitedFilters: _products,
    HashEncoding: _hash_grid,
    CellEncoding: _cell_grid,
    ValueRange: lambda program, layer, source: program.scaled(
        source, 1 / (layer.high - layer.low), -layer.low / (layer.high - layer.low)
    ),
    keras.layers.Rescaling: lambda program, layer, source: program.scaled(source, layer.scale, layer.offset),
    keras.layers.Dense: _dense,
    keras.layers.Activation: lambda program, layer, source: program.activated(source, *_keras_activation(layer)),
    keras.layers.LeakyReLU: lambda program, layer, source: program.activated(
        source, "leaky_relu", float(layer.negative_slope)
    ),
    **dict.fromkeys(PASSED, lambda program, layer, source: source),
}
"""How each kind of layer is written: (program, layer, register that it reads) -> register with its outputs."""
