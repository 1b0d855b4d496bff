"""Exports in the formats of other runtimes, by Keras's own exporters, each compared with the field."""

import contextlib
import dataclasses
import importlib
import importlib.util
import logging
import math
import os
import pathlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr._arguments import local_path, one_of, positive_int
from keras_inr._disk_errors import disk_error, without_temporary_names
from keras_inr._files import atomic_folder, atomic_path, flush
from keras_inr._portable import portable
from keras_inr.coordinates import picture_box
from keras_inr.errors import InputError
from keras_inr.export.saved_model import check_exportable
from keras_inr.models.block_field import BlockField
from keras_inr.models.field import Field

Evaluate = Callable[[np.ndarray], np.ndarray]
"""Points (N, 2) -> values (N, channels), both float32, by a runtime."""

TOLERANCE = 1e-5
POINTS = 300
"""How many points an export is compared with its field at."""
MARGIN = 1.1
"""How many times as wide and high as the picture the box is that they are drawn from."""

LONGEST = 300
LACKING = {
    "op is neither a custom op nor a flex op": r"'tf\.(\w+)' op is neither",
    "No Op registered for": r"No Op registered for (\w+)",
    "No conversion rule found for operations:": r"No conversion rule found for operations: (\w+(?:, \w+)*)",
}
"""How a runtime says that it has no such operation -> where in the text the operations are."""


@dataclasses.dataclass(frozen=True)
class Format:
    """A format, and how a file of it is written and run.

    Attributes:
        title: what people call it.
        suffix: of the file; "" for a folder.
        file: what the folder's file to load is called; "" where there is no folder.
        packages: what must be installed beside the package, by the names that are imported.
        options: what `keras.Model.export` is given beside.
        runner: path -> what evaluates the file.
    """

    title: str
    suffix: str
    file: str
    packages: tuple[str, ...]
    options: Callable[[], dict[str, Any]]
    runner: Callable[[str], Evaluate]


def _run_onnx(path: str) -> Evaluate:
    session = importlib.import_module("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda coords: session.run(None, {name: coords})[0]


def _run_litert(path: str) -> Evaluate:
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(path)
    place, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]["index"]

    def evaluate(coords):
        if -1 in place["shape_signature"]:
            interpreter.resize_tensor_input(place["index"], coords.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(place["index"], coords)
        interpreter.invoke()
        return interpreter.get_tensor(answer)

    return evaluate


def _run_openvino(path: str) -> Evaluate:
    exact = {"INFERENCE_PRECISION_HINT": "f32"}  # not what the processor is fastest with
    compiled = importlib.import_module("openvino").Core().compile_model(path, "CPU", exact)
    return lambda coords: compiled(coords)[0]


def _builtins_only() -> dict[str, Any]:
    return {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}}  # else some need another runtime


FORMATS = {
    "onnx": Format(
        "ONNX", ".onnx", "", ("tf2onnx", "onnx", "onnxruntime"), lambda: {"opset_version": 18}, _run_onnx
    ),  # the first opset with bitwise operations
    "litert": Format("LiteRT", ".tflite", "", ("ai_edge_litert",), _builtins_only, _run_litert),
    "openvino": Format("OpenVINO", "", "model.xml", ("openvino",), dict, _run_openvino),
}
NAMES = (*FORMATS, "torch")


def export_field(field: Field, path: str | os.PathLike[str], format: str, batch: int | None = None) -> pathlib.Path:
    """Writes a field for another runtime: points float32 (N, 2), called `coords`, to values float32 (N, channels).

    Keras's exporter writes it, the runtime is asked for values in the picture and a little beyond, and only when all
    are within 1e-5 of the field's does the export take its name, by one rename. Otherwise nothing is left behind.
    Coordinates follow `keras_inr.coordinates`, values are not clamped.

    | format     | what is written                                                    | by, and run by          |
    |------------|--------------------------------------------------------------------|-------------------------|
    | "onnx"     | a file .onnx, opset 18; an existing one is replaced                | tf2onnx, ONNX Runtime   |
    | "litert"   | a file .tflite, builtin operations only; an existing one is replaced | TensorFlow, LiteRT    |
    | "openvino" | a folder, absent or empty before, with model.xml and model.bin     | OpenVINO                |
    | "torch"    | nothing: Keras writes it from its PyTorch backend only             |                         |

    Hashes are computed by other operations than in Keras where a runtime lacks those, with the same results; see
    `keras_inr._portable`. What OpenVINO would tell Intel of its use is not sent, unless it
    has been imported before.

    Args:
        field: a single `Field` of the policy float32.
        path: of the file or the folder, in a folder that exists.
        format: see the table.
        batch: how many points every call has; None for any number of them.

    Returns:
        `pathlib.Path` of what was written.

    Raises:
        InputTypeError: unless field is a `Field`.
        InputError: for stacked fields and fields of blocks, another policy, arguments out of range, a package that is
            not installed, an operation that the format does not have, or values that are not those of the field.
        OSError: if the disk is full.

    >>> from keras_inr.models import Siren
    >>> export_field(Siren(units=(16, 16)), "cat.pt2", "torch")
    Traceback (most recent call last):
    keras_inr.errors.InputError: format must not be 'torch', which Keras writes from its PyTorch backend only
    """
    one_of("format", format, NAMES)
    if format == "torch":
        raise InputError("format must not be 'torch', which Keras writes from its PyTorch backend only")
    _check_field(field, format)
    if batch is not None:
        positive_int("batch", batch)
    chosen = FORMATS[format]
    target = _checked_path(path, chosen)
    _check_installed(format)
    try:
        if not chosen.file:
            with atomic_path(target) as temporary:
                _write(field, temporary, format, batch)
        else:
            with atomic_folder(target) as temporary:
                _write(field, temporary / chosen.file, format, batch)
                for file in temporary.iterdir():
                    flush(file)
    except BaseException as error:
        if problem := disk_error(error, target):
            raise problem from error
        raise
    return target


def _check_field(field: Field, format: str) -> None:
    """Raises an InputError for a field that no format holds."""
    check_exportable(field)
    if field.dtype_policy.name != "float32":
        raise InputError(f"field must have the policy float32 for {format}, received {field.dtype_policy.name!r}")
    if isinstance(field, BlockField):
        told = "which calls its networks in loops that the formats do not have"
        raise InputError(f"field must be one network for {format}, received a {type(field).__name__}, {told}")


def _checked_path(path: str | os.PathLike[str], chosen: Format) -> pathlib.Path:
    """The path, once it is known to be one that the format can be written to."""
    target = local_path("path", path)
    if not target.absolute().parent.is_dir():
        raise InputError(f"path must be in a folder that exists, received {str(target)!r}")
    if target.suffix != chosen.suffix and chosen.suffix:
        raise InputError(f"path must end in {chosen.suffix} for {chosen.title}, received {str(target)!r}")
    if chosen.suffix and target.is_dir():
        raise InputError(f"path must be a file for {chosen.title}, received the folder {str(target)!r}")
    if not chosen.suffix and target.exists() and (not target.is_dir() or any(target.iterdir())):
        told = f"path must be a folder that does not exist, or is empty, for {chosen.title}"
        raise InputError(f"{told}, received {str(target)!r}")
    return target


def _check_installed(format: str) -> None:
    """Raises an InputError, with what to type, where packages are missing that the format needs."""
    missing = [name for name in FORMATS[format].packages if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"format {format!r} needs {' and '.join(missing)}: pip install 'keras_inr[{format}]'")


def _write(field: Field, path: pathlib.Path, format: str, batch: int | None) -> None:
    """Writes the file, and raises unless it gives the field's values."""
    chosen = FORMATS[format]
    points = keras.InputSpec(shape=(batch, field.num_dims), dtype="float32", name="coords")
    try:
        with portable(format), _quiet():
            field.export(str(path), format=format, verbose=False, input_signature=[points], **chosen.options())
            evaluate = chosen.runner(str(path))
        coords = check_points(field)
        values = _in_batches(evaluate, coords, batch)
    except Exception as error:  # whatever a converter or a runtime raises for an operation that it does not have
        if disk_error(error, path):
            raise
        raise InputError(f"{chosen.title} cannot hold this {type(field).__name__}: {_reason(error)}") from error
    expected = np.asarray(field(coords))
    if not np.all(np.isfinite(expected)):
        raise InputError("field must give finite values to be exported, received NaN or infinity")
    difference = float(np.abs(values - expected).max()) if values.shape == expected.shape else math.inf
    if not difference <= TOLERANCE:
        step = float(np.abs(np.asarray(field(np.nextafter(coords, np.float32(2)))) - expected).max())
        told = f"{chosen.title} must give the values of the field within {TOLERANCE:.0e}, received {difference:.1e}"
        raise InputError(f"{told}; a step of float32 in the coordinates moves the field's own by {step:.1e}")


def check_points(field: Field) -> np.ndarray:
    """The points that exports are compared at, float32 (300, 2): in the field's picture, and a little beyond.

    >>> from keras_inr.models import Siren
    >>> points = check_points(Siren(units=(8,), picture_size=(20, 40)))
    >>> points.shape, bool(np.abs(points)[:, 1].max() < 0.55)
    ((300, 2), True)
    """
    x0, y0, x1, y1 = picture_box(*field.picture_size) if field.picture_size else (-1.0, -1.0, 1.0, 1.0)
    outer = [MARGIN * max(abs(x0), abs(x1)), MARGIN * max(abs(y0), abs(y1))]
    return (np.random.default_rng(0).uniform(-1, 1, (POINTS, 2)) * outer).astype("float32")


def _in_batches(evaluate: Evaluate, coords: np.ndarray, batch: int | None) -> np.ndarray:
    """Values at points, so many at a time; of any number, a first one alone and then the rest."""
    if batch is None:
        return np.concatenate([evaluate(coords[:1]), evaluate(coords[1:])])
    filled = np.resize(coords, (math.ceil(len(coords) / batch) * batch, coords.shape[1]))
    return np.concatenate([evaluate(part) for part in np.split(filled, len(filled) // batch)])[: len(coords)]


def _reason(error: Exception) -> str:
    """Why a converter or a runtime has failed: the operations that the format lacks, or the start of its own words."""
    told = " ".join(without_temporary_names(error).split())
    for sentence, names in LACKING.items():
        if sentence in told:
            found = [name for group in re.findall(names, told) for name in group.split(", ")]
            return f"it has no operation for {', '.join(sorted(set(found)))}"
    return told if len(told) <= LONGEST else f"{told[:LONGEST]}..."


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps converters from telling how they get on, also over the network."""
    logger, told = logging.getLogger("tf2onnx"), os.environ.get("CI")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    os.environ["CI"] = "true"  # there OpenVINO's telemetry is silent
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
        if told is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = told
