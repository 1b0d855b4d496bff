"""Runs that take a second or two: a corner of a photograph, a few narrow layers."""

import hashlib
import json

import keras
import numpy as np

from keras_inr.runs.image_fit import ImageFitSettings

CROP = {"crop": (100, 150, 24, 32)}


def make_settings(image="sample:chelsea", recipe=None, **settings):
    """Settings of a run of 60 steps on 24 x 32 pixels, quiet, without TensorBoard."""
    options = {
        "preset": "siren",
        "arguments": {"units": (16, 16)},
        "image_options": CROP if isinstance(image, str) else {},
        "tensorboard": False,
        "progress": False,
    }
    recipe = {"steps": 60, "batch_size": 256, **(recipe or {})}
    return ImageFitSettings(image=image, recipe=recipe, **{**options, **settings})


def read_strict(path):
    """The content of a JSON file, which must be strict."""

    def refuse(name):
        raise ValueError(f"{path} holds {name}")

    return json.loads(path.read_text(), parse_constant=refuse)


def load_field(folder):
    return keras.saving.load_model(folder / "model.keras")


def weights_sha(folder):
    """SHA-256 of the weights in a finished run's model.keras, the names and times in that file left out."""
    digest = hashlib.sha256()
    for weight in load_field(folder).weights:
        digest.update(np.asarray(weight).tobytes())
    return digest.hexdigest()


def names(folder):
    """Every file below a folder, relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
