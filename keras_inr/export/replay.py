"""A last look at an export: one small request per signature, compared with the field."""

import json
import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_inr.coordinates import box_coords, pixel_pitch
from keras_inr.derivatives import differentiate
from keras_inr.errors import InputError
from keras_inr.models.field import Field

# a wrong graph is off by more; a right one by the order of its float32 sums, see the tests for the bound of 1e-5
TOLERANCE = 1e-4
EPSILON = {"float16": 2**-10, "bfloat16": 2**-7}


def replay(folder: str | os.PathLike[str], field: Field) -> Any:
    """Loads a SavedModel and asks every signature something small.

    Args:
        folder: the SavedModel.
        field: the `Field` that it was written from.

    Returns:
        The loaded SavedModel.

    Raises:
        InputError: if a value is not finite or an answer differs from the field's.
    """
    loaded = tf.saved_model.load(str(folder))  # it holds the variables; its signatures do not
    served = loaded.signatures
    size, box = (4, 8), np.asarray([[-0.75, -0.5, 1.25, 0.5]], "float32")  # pixel centres that float32 holds exactly
    values = field.sample_grid(*size, box[0], supersampling=1)
    if not np.all(np.isfinite(values)):
        raise InputError("field must give finite values to be exported, received NaN or infinity")
    coords = box_coords(box[0], *size)
    flat = values.reshape(-1, field.channels)
    if "coords" in served["serving_default"].structured_input_signature[1]:  # else it is another name of a picture's
        _compare("serving_default", served["serving_default"](coords=coords)["values"], flat, field)
    for name, outputs in (("gradient", ("values", "jacobian")), ("laplacian", ("laplacian",))):
        if name in served:
            answers, expected = served[name](coords=coords), differentiate(field, coords, outputs)
            for output in outputs:
                _compare(name, answers[output], expected[output], field)
    size, box = (2, 4), _filtered_pitch(field.picture_size) * np.asarray([[-1.5, -1, 2.5, 1]], "float32")
    frame = {"box": tf.constant(box), "size": tf.constant([size])}
    if "render" in served:
        picture = np.clip(field.sample_grid(*size, box[0]), 0, 1)
        _compare("render", served["render"](**frame)["image"][0], picture, field)
    if "render_png" in served:
        png = tf.io.decode_png(served["render_png"](**frame)["png_bytes"][0])
        _compare("render_png", png / 255, field.render(*size, box[0], between="field") / 255, field, rounding=1 / 255)
    json.loads(served["info"](query=tf.constant([""]))["info"][0].numpy())
    return loaded


def _filtered_pitch(picture_size: tuple[int, int] | None) -> np.float32:
    """Side of a pixel, a power of two, that takes 2 x 2 points where there is a picture: 32 points in a request."""
    return np.float32(2.0 ** np.floor(np.log2(2 * pixel_pitch(*picture_size))) if picture_size else 0.25)


def _compare(name: str, answer: npt.ArrayLike, expected: npt.ArrayLike, field: Field, rounding: float = 0.0) -> None:
    """Raises if an answer is further from the field's than its compute dtype explains."""
    answer, expected = np.asarray(answer, "float64"), np.asarray(expected, "float64")
    tolerance = max(TOLERANCE, 8 * EPSILON.get(field.compute_dtype, 0.0))
    tolerance = tolerance * max(1.0, np.abs(expected).max()) + rounding
    error = np.abs(answer - expected).max() if answer.shape == expected.shape else math.inf
    if not error <= tolerance:
        raise InputError(f"the export's {name!r} must equal the field within {tolerance:.1e}, received {error:.1e}")
