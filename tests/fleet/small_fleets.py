"""Small fleet runs that several tests share."""

import json

import numpy as np
import PIL.Image

from keras_inr.fleet.plan import FleetPlan
from keras_inr.training.recipe import Recipe

RECIPE = {"steps": 12, "sampling": "full", "learning_rate": 1e-3}


def small_settings(**changes):
    recipe = Recipe(**changes.pop("recipe", RECIPE))
    return FleetPlan(**{"preset": "siren_256", "arguments": {"units": (8, 8)}, "recipe": recipe, **changes})


def write_pictures(folder, count=5, side=6, suffix=".png"):
    """Pictures of noise, 000.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype="uint8")
        PIL.Image.fromarray(pixels).save(folder / f"{number:03d}{suffix}")
    return folder


def figures(rows):
    """The rows without what depends on the clock, the run's folder and on which pictures were together."""
    changing = ("train_seconds", "pictures_together", "fitted_at", "run")
    return [{k: v for k, v in row.items() if k not in changing} for row in rows]


def metrics(folder, place):
    """What is told in a picture's folder, which is its name without a suffix."""
    return json.loads((folder / "pictures" / place / "metrics.json").read_text())
