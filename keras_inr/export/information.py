"""What an exported field says about itself."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr._version import __version__
from keras_inr.coordinates import picture_box
from keras_inr.errors import InputError, InputTypeError
from keras_inr.export.endpoints import NEVER_MERGED, signature_names
from keras_inr.export.requests import Limits
from keras_inr.models.field import Field
from keras_inr.rendering.raster import levels_of

FORMAT_VERSION = 1
COORDINATES = (
    "(x, y), x to the right and y down, at pixel centres; pixels are square, the longer side of the picture spans "
    "[-1, 1] and its centre is (0, 0); a box is its outer edges (x0, y0, x1, y1); a size is (height, width)"
)


def information(
    field: Field, limits: Limits, facts: dict[str, Any] | None = None, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """The answer of the `info` signature, a dict that is strict JSON.

    Keys: format_version, height and width of the picture in pixels (None without one), channels, box (the picture's,
    or [-1, 1]^2), reduced ((height, width) of the smaller pictures that small views are drawn from), coordinates and
    colour (the conventions in words), num_parameters, model (class name), dtype
    (policy), fingerprint (32 hex digits, of network and weights), signatures, batching (for each signature, whether a
    server may merge requests), limits (see `Limits`), versions (of keras_inr, tensorflow and keras), beside the facts.

    Args:
        field: the exported `Field`.
        limits: `Limits` of a request.
        facts: dict of further entries; one with a key above gives way to what the field itself says.
        names: of the signatures that are exported; all that the field has by default.

    Raises:
        InputTypeError: unless facts is a dict with strings as keys.
        InputError: for facts that are not strict JSON.

    >>> from keras_inr.export.requests import Limits
    >>> from keras_inr.models import Siren
    >>> information(Siren(units=(8,), picture_size=(300, 400)), Limits(), {"psnr_db": 31.5})["box"]
    [-1.0, -0.75, 1.0, 0.75]
    """
    facts = {} if facts is None else facts
    if not isinstance(facts, dict) or not all(isinstance(key, str) for key in facts):
        raise InputTypeError(f"info must be a dict with strings as keys, received {facts!r}")
    names = signature_names(field) if names is None else list(names)
    height, width = field.picture_size or (None, None)
    own = {
        "format_version": FORMAT_VERSION,
        "height": height,
        "width": width,
        "channels": field.channels,
        "box": list(picture_box(*field.picture_size) if field.picture_size else (-1.0, -1.0, 1.0, 1.0)),
        "reduced": [list(level.picture_size) for level in levels_of(field)[1:]],
        "coordinates": COORDINATES,
        "colour": "sRGB-coded, nominally [0, 1]",
        "num_parameters": field.count_params(),
        "model": type(field).__name__,
        "dtype": field.dtype_policy.name,
        "fingerprint": fingerprint(field),
        "signatures": names,
        "batching": {name: name not in NEVER_MERGED for name in names},
        "limits": dataclasses.asdict(limits),
        "versions": {"keras_inr": __version__, "tensorflow": tf.__version__, "keras": keras.__version__},
    }
    for key, value in facts.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"info must be strict JSON, received {key}={value!r}: {error}") from None
    return {**facts, **own}


def fingerprint(field: Field) -> str:
    """32 hex digits that differ where network or weights do: half of a SHA-256.

    >>> from keras_inr.models import Siren
    >>> fingerprint(Siren(units=(8,), seed=0)) == fingerprint(Siren(units=(8,), seed=1))
    False
    """
    config = {key: value for key, value in field.get_config().items() if key != "name"}
    digest = hashlib.sha256(json.dumps(keras.saving.serialize_keras_object(config), sort_keys=True).encode())
    digest.update(type(field).__name__.encode())
    for variable in field.weights:  # one at a time, and without a copy
        weight = variable.numpy()
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:32]
