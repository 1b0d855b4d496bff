"""Runs that take a second or two: a corner of a photograph, a few narrow layers."""

import hashlib
import json
from typing import NamedTuple

import keras
import numpy as np

from keras_inr.runs.fit_run import Display, run_image_fit
from keras_inr.runs.plan import plan_fit

CROP = {"crop": (100, 150, 24, 32)}


class Settings(NamedTuple):
    """Arguments of `plan_fit` and of `Display`."""

    of_plan: dict
    shown: dict


def make_settings(image="sample:chelsea", recipe=None, **settings):
    """Settings of a run of 60 steps on 24 x 32 pixels, quiet, without TensorBoard."""
    shown = {"tensorboard": False, "progress": False}
    shown |= {
        name: settings.pop(name)
        for name in ("preview_every", "preview_format", "tensorboard", "progress")
        if name in settings
    }
    of_plan = {
        "preset": "siren",
        "arguments": {"units": (16, 16)},
        "image_options": CROP if isinstance(image, str) else {},
        "recipe": {"steps": 60, "batch_size": 256, **(recipe or {})},
        **settings,
    }
    return Settings({"image": image, **of_plan}, shown)


def plan(settings):
    """The planned fit of settings."""
    return plan_fit(**settings.of_plan)


def run_planned(settings, out, **options):
    """(folder, metrics) of a run."""
    return run_image_fit(plan(settings), out, display=Display(**settings.shown), **options)


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
