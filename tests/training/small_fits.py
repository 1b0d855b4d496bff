"""The small pictures and fields that the training tests share, and what two fits are compared by."""

import hashlib

import numpy as np

from keras_inr.models import MultiHash, Siren
from keras_inr.signals import load_image
from keras_inr.training.checkpoints import run_variables
from keras_inr.training.objectives import make_objective
from keras_inr.training.recipe import Recipe

# one dense and two hashed levels
SMALL = {
    "siren": (Siren, {"units": (16, 16), "scheme": "descent", "value_range": (0, 1)}),
    "multi_hash": (
        MultiHash,
        {"num_levels": 3, "table_size": 32, "base_resolution": 3, "finest_resolution": 12, "units": (16,)},
    ),
}


def small_field(kind, seed=0, **arguments):
    """A "siren" or a "multi_hash" of a few hundred weights."""
    model, small = SMALL[kind]
    return model(**{**small, "seed": seed, **arguments})


def small_picture(height=10, width=12):
    """A piece of the bundled photograph, around an eye of the cat."""
    return load_image("sample:chelsea", crop=(100, 150, height, width))


def grey_picture(values):
    """A signal of given values (height, width)."""
    return load_image(np.asarray(values, np.float32)[..., None])


def small_objective(field, **recipe):
    """What `fit` would make of a picture with as many channels as the field."""
    return make_objective(Recipe(steps=1, **recipe), load_image(np.zeros((2, 2, field.channels), np.float32)))


def fingerprint(field):
    """SHA-256 of all that a step changes, to the bit: weights and, where the field itself was fitted, the optimizer."""
    digest = hashlib.sha256()
    for variable in run_variables(field) if field.compiled else field.weights:
        digest.update(np.asarray(variable).tobytes())
    return digest.hexdigest()


class StopAfter:
    """A `should_stop` that says yes from its nth question on; None never does."""

    def __init__(self, questions):
        self.left = questions

    def __call__(self):
        if self.left is None:
            return False
        self.left -= 1
        return self.left <= 0
