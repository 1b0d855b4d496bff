"""Requests and answers of TensorFlow Serving's REST API: JSON to arrays and back."""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import tensorflow as tf

from keras_inr.serving.status import RequestError

UNSUPPORTED = {"float16", "bfloat16", "uint16", "complex64", "complex128"}
INTEGERS = ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64")
TYPES: dict[str, set[type]] = {
    "bool": {bool},
    "string": {str, dict},
    "float32": {float, int},
    "float64": {float, int},
    **{name: {int} for name in INTEGERS},
}
"""dtype -> the types of JSON's entries that it takes."""

MOST_NESTING = 64
SHOWN = 256


def parse_json(body: bytes) -> Any:
    """What a body says; NaN, Infinity and -Infinity are numbers, as TensorFlow Serving takes them.

    Raises:
        RequestError: INVALID_ARGUMENT for what is no JSON, nested too deep, or has a number that is too large.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        problem = str(error)
    try:
        return json.loads(body.decode("utf-8"), parse_float=_finite_float)
    except (ValueError, RecursionError):
        raise RequestError("INVALID_ARGUMENT", f"JSON Parse error: {problem}") from None


def _finite_float(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number too big: {text}")
    return value


def request_arrays(document: Any, signature_of: Any) -> tuple[Any, dict[str, np.ndarray], bool]:
    """Signature, inputs and form of a predict request.

    Args:
        document: as `parse_json` gives it.
        signature_of: name -> `SignatureDef`; raises for an unknown one.

    Returns:
        (the `SignatureDef`, input -> array, whether it is in rows).

    Raises:
        RequestError: INVALID_ARGUMENT for what TensorFlow Serving does not take.
    """
    if not isinstance(document, dict):
        raise _invalid("Request must be a JSON object (dictionary)", document)
    name = document.get("signature_name", "serving_default")
    if not isinstance(name, str):
        raise _invalid("'signature_name' key must be a string value.", name)
    if "instances" in document and "inputs" in document:
        raise _invalid("Request must have either 'instances' or 'inputs' key, not both", document)
    signature = signature_of(name or "serving_default")
    if "instances" in document:
        return signature, _from_rows(document["instances"], signature.inputs), True
    if "inputs" in document:
        return signature, _from_columns(document["inputs"], signature.inputs), False
    raise _invalid("Missing 'inputs' or 'instances' key", document)


def reply(outputs: Mapping[str, np.ndarray], in_rows: bool) -> bytes:
    """The body of an answer.

    In rows all outputs need a first axis of the same length; one output is given bare, several as objects. Strings are
    text, or base64 where the name ends in `_bytes`.

    Raises:
        RequestError: INVALID_ARGUMENT for outputs that cannot be given so.
    """
    for name, array in outputs.items():
        if array.dtype.name in UNSUPPORTED:
            raise RequestError("INVALID_ARGUMENT", f"JSON cannot hold {array.dtype.name} of output {name!r}")
        if in_rows and not array.ndim:
            raise RequestError("INVALID_ARGUMENT", f"Tensor name: {name} has no shape information")
    values = {name: _plain(name, array) for name, array in outputs.items()}
    if not in_rows:
        document = {"outputs": next(iter(values.values())) if len(values) == 1 else values}
        return _dumped(document, outputs)
    lengths = {len(array) for array in outputs.values()}
    if len(lengths) > 1:
        raise RequestError("INVALID_ARGUMENT", f"Tensors have inconsistent batch size: {sorted(lengths)}")
    if len(values) == 1:
        return _dumped({"predictions": next(iter(values.values()))}, outputs)
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return _dumped({"predictions": rows}, outputs)


def _from_rows(instances: Any, inputs: Any) -> dict[str, np.ndarray]:
    if not isinstance(instances, list) or not instances:
        raise _invalid("'instances' must be a non-empty list", instances)
    columns: dict[str, list[Any]] = {name: [] for name in inputs}
    for row in instances:
        if len(inputs) == 1 and (not isinstance(row, dict) or _is_base64(row)):
            next(iter(columns.values())).append(row)
            continue
        if not isinstance(row, dict) or set(row) != set(inputs):
            wanted = ", ".join(sorted(inputs))
            raise _invalid(f"each instance must be an object with the inputs {wanted}", row)
        for name, value in row.items():
            columns[name].append(value)
    return {name: _array(name, column, inputs[name]) for name, column in columns.items()}


def _from_columns(given, inputs):
    if isinstance(given, dict) and not _is_base64(given):
        missing = sorted(set(inputs) - set(given))
        if missing:
            raise _invalid(f"Missing named input: {missing[0]} in 'inputs' object.", given)
        return {name: _array(name, given[name], info) for name, info in inputs.items()}
    if len(inputs) != 1:
        names = ", ".join(sorted(inputs))
        raise _invalid(f"'inputs' must be an object with the inputs {names}", given)
    ((name, info),) = inputs.items()
    return {name: _array(name, given, info)}


def _array(name, value, info):
    """An array of an input's dtype; entries are looked at before anything as large as their shape is made."""
    dtype = tf.dtypes.as_dtype(info.dtype)
    if dtype.name in UNSUPPORTED or dtype.name not in TYPES:
        raise RequestError("UNIMPLEMENTED", f"JSON cannot hold {dtype.name} of input {name!r}")
    shape = _shape(name, value)
    leaves = _leaves(value, shape)
    if leaves is None:
        raise _invalid(f"Encountered list at unexpected size in input {name!r}", value)
    if dtype == tf.string:
        flat = np.empty(len(leaves), object)
        flat[:] = [_text(name, entry) for entry in leaves]
        return flat.reshape(shape)
    if not set(map(type, leaves)) <= TYPES[dtype.name]:
        raise _invalid(f"input {name!r} must hold {dtype.name}", value)
    if dtype.is_integer and leaves:
        least, most = dtype.min, dtype.max
        if min(leaves) < least or max(leaves) > most:
            raise _invalid(f"input {name!r} must hold {dtype.name}, from {least} to {most}", value)
    with np.errstate(over="ignore"):
        try:
            return (
                np.array(leaves, "float64" if dtype.is_floating else None).astype(dtype.as_numpy_dtype).reshape(shape)
            )
        except OverflowError:  # an integer beyond float64
            raise _invalid(f"input {name!r} must hold {dtype.name}", value) from None


def _shape(name: str, value: Any) -> tuple[int, ...]:
    """Of nested lists, by the first entry of each."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > MOST_NESTING:
            raise _invalid(f"input {name!r} must have at most {MOST_NESTING} axes", None)
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _leaves(value, shape):
    """The entries of nested lists of a shape, None if some list has another length."""
    value = [value]
    for side in shape:
        if not all(isinstance(part, list) and len(part) == side for part in value):
            return None
        value = [entry for part in value for entry in part]
    return value if not any(isinstance(entry, list) for entry in value) else None


def _text(name, entry):
    if isinstance(entry, str):
        return entry.encode("utf-8", "surrogatepass")
    if _is_base64(entry):
        try:
            return base64.b64decode(entry["b64"] + "=" * (-len(entry["b64"]) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise _invalid(f"Unable to base64 decode input {name!r}", entry) from None
    raise _invalid(f"input {name!r} must hold strings", entry)


def _is_base64(value):
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


def _plain(name, array):
    """An output as lists, or an array that orjson writes."""
    if array.dtype.kind not in "OSU":
        return np.ascontiguousarray(array) if array.ndim else array.item()
    if name.endswith("_bytes"):
        encode = np.frompyfunc(lambda entry: {"b64": base64.b64encode(entry).decode("ascii")}, 1, 1)
    else:
        encode = np.frompyfunc(lambda entry: entry.decode("utf-8", "replace"), 1, 1)
    return np.asarray(encode(array), object).tolist()  # of a scalar: its text


def _dumped(document, outputs):
    """Compact JSON; NaN and infinity as bare words, as TensorFlow Serving writes them."""
    floats = [array for array in outputs.values() if array.dtype.kind == "f"]
    if any(np.isinf(array).any() for array in floats):
        return json.dumps(document, default=_listed, separators=(",", ":")).encode()
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if not any(np.isnan(array).any() for array in floats):
        return text
    if "null" in "".join(outputs) or any(array.dtype.kind in "OSU" for array in outputs.values()):
        return json.dumps(document, default=_listed, separators=(",", ":")).encode()
    return text.replace(b"null", b"NaN")  # nothing else is null: there are only numbers, truth values and their names


def _listed(value):
    """A NumPy array or scalar as lists of Python's numbers, float32 in as few digits as tell it."""
    if isinstance(value, np.ndarray) and value.ndim:
        return list(value)
    return float(str(value)) if value.dtype.kind == "f" else value.item()


def _invalid(problem, value):
    shown = "" if value is None else f". Received: {_shown(value)}"
    return RequestError("INVALID_ARGUMENT", f"JSON Value: {problem}{shown}")


def _shown(value):
    """The start of a value, as JSON."""
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
