"""The info signature's text: strict JSON that says what a client must know."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_inr
from export.small_fields import CHUNK, MAX_PIXELS, MAX_POINTS, MAX_ROWS, small_field
from keras_inr.export.information import fingerprint, information
from keras_inr.export.requests import Limits


def refuse(token):
    raise ValueError(f"{token} is no JSON")


def test_served_text(served):
    field, signatures = served("siren", channels=4)
    first, second = signatures["info"](query=tf.constant(["", "anything"]))["info"].numpy()
    assert first == second
    information = json.loads(first.decode("ascii"), parse_constant=refuse)
    assert information.pop("fingerprint") == fingerprint(field)
    assert information.pop("coordinates").startswith("(x, y), x to the right and y down, at pixel centres")
    assert information == {
        "format_version": 1,
        "height": 20,
        "width": 30,
        "channels": 4,
        "box": [-1.0, -20 / 30, 1.0, 20 / 30],
        "reduced": [],
        "colour": "sRGB-coded, nominally [0, 1]",
        "num_parameters": field.count_params(),
        "model": "Siren",
        "dtype": "float32",
        "signatures": ["serving_default", "gradient", "laplacian", "render", "render_png", "info"],
        "batching": {
            "serving_default": True,
            "gradient": True,
            "laplacian": True,
            "render": False,
            "render_png": False,
            "info": True,
        },
        "limits": {
            "max_pixels": MAX_PIXELS,
            "chunk": CHUNK,
            "max_points": MAX_POINTS,
            "max_rows": MAX_ROWS,
            "max_side": 1_000_000,
            "max_coord": 1e6,
        },
        "versions": {"keras_inr": keras_inr.__version__, "tensorflow": tf.__version__, "keras": keras.__version__},
        "psnr_db": 31.5,
    }
    assert set(information["signatures"]) == set(signatures)


def test_a_field_without_a_picture_has_the_square():
    content = information(small_field(picture_size=None), Limits())
    assert (content["height"], content["width"], content["box"]) == (None, None, [-1.0, -1.0, 1.0, 1.0])


def test_the_field_knows_better_than_the_facts():
    facts = {"channels": 7, "versions": {"numpy": "1"}, "image_sha256": "ab", "picture": "Käse\u2028"}
    content = information(small_field(channels=1), Limits(), facts)
    assert content["channels"] == 1
    assert set(content["versions"]) == {"keras_inr", "tensorflow", "keras"}
    assert (content["image_sha256"], content["picture"]) == ("ab", "Käse\u2028")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"psnr_db": float("inf")}, "info must be strict JSON, received psnr_db=inf: "),
        ({"losses": [0.5, float("nan")]}, "info must be strict JSON, received losses=[0.5, nan]: "),
        ({"seed": np.float32(1)}, "info must be strict JSON, received seed=np.float32(1.0): "),
    ],
)
def test_facts_must_be_strict_json(facts, message):
    with pytest.raises(ValueError, match="received") as error:
        information(small_field(), Limits(), facts)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("facts", [["psnr_db"], {1: 2}, "text"])
def test_facts_must_be_a_dict(facts):
    with pytest.raises(TypeError, match="info must be a dict with strings as keys, received ") as error:
        information(small_field(), Limits(), facts)
    assert str(error.value).endswith(repr(facts))


def test_the_fingerprint_is_of_network_and_weights():
    field = small_field()
    same = type(field).from_config(field.get_config())
    same(np.zeros((1, 2), np.float32))
    same.set_weights(field.get_weights())
    assert fingerprint(same) == fingerprint(field)
    assert fingerprint(small_field(channels=1)) != fingerprint(field)
    same.set_weights([*field.get_weights()[:-1], field.get_weights()[-1] + np.float32(1e-6)])
    assert fingerprint(same) != fingerprint(field)
