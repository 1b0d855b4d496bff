"""Files of earlier versions load for ever: fields in .keras files, and a SavedModel.

tests/golden holds one file of each kind and format version, written by small fields with fixed weights, and the values
that they had at 16 points.
"""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_inr

GOLDEN = pathlib.Path(__file__).parent / "golden"
VALUES = dict(np.load(GOLDEN / "values_v1.npz"))
# phases of up to 100 rad, rounded otherwise by another build of TensorFlow
TOLERANCE = {"rtol": 0, "atol": 1e-4}


@pytest.mark.parametrize(
    ("name", "cls", "size"),
    [
        ("siren", keras_inr.Siren, (20, 30)),
        ("relu_mlp", keras_inr.ReluMLP, (7, 5)),
        ("multi_hash", keras_inr.MultiHash, (9, 9)),
    ],
)
def test_fields_of_version_1(name, cls, size):
    field = keras.saving.load_model(GOLDEN / f"{name}_v1.keras")
    assert type(field) is cls
    assert field.picture_size == size
    np.testing.assert_allclose(field(VALUES["coords"]), VALUES[name], **TOLERANCE)


def test_saved_model_of_version_1():
    served = tf.saved_model.load(str(GOLDEN / "saved_model_v1")).signatures
    values = served["serving_default"](coords=tf.constant(VALUES["coords"]))["values"]
    np.testing.assert_allclose(values, VALUES["siren"], **TOLERANCE)
    told = json.loads(served["info"](query=tf.constant([""]))["info"][0].numpy())
    assert (told["format_version"], told["height"], told["width"], told["psnr_db"]) == (1, 20, 30, 31.5)
    assert served["render"](box=[[-1.0, -1.0, 1.0, 1.0]], size=[[2, 3]])["image"].shape == (1, 2, 3, 3)
    assert served["laplacian"](coords=tf.zeros((5, 2)))["laplacian"].shape == (5, 3)
