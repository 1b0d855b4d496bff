"""The weights that the package ships: what there is, what it weighs, and that it helps on pictures it has not seen."""

import json
import pathlib

import numpy as np
import pytest

from keras_inr.metrics import psnr
from keras_inr.models.initial_weights import SHIPPED, list_starts
from keras_inr.presets import from_preset
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit

MOST_BYTES = 2_000_000
ABOUT = json.loads((SHIPPED / "photos" / "about.json").read_text())
PRESETS = sorted(path.stem for path in SHIPPED.glob("photos/*.keras"))
STUDY = pathlib.Path(__file__).parents[2] / "experiments" / "starting_points"


def test_what_is_shipped_is_what_helped():
    assert PRESETS
    assert sorted(path.name for path in SHIPPED.iterdir()) == ["photos"]
    assert [name for name, told in sorted(ABOUT["starts"].items()) if told["shipped"]] == PRESETS
    assert all((told["gain_db_after_100_steps"] >= 1) == told["shipped"] for told in ABOUT["starts"].values())
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < MOST_BYTES


def test_names_are_found():
    assert all(list_starts(preset) == ["photos"] for preset in PRESETS)
    assert list_starts("*") == ["photos"]
    assert list_starts("relu") == []


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_a_few_steps_on_a_picture_that_was_held_out(preset):
    signal = load_image("sample:chelsea", size=48)
    assert "chelsea" in json.loads((STUDY / "starts.json").read_text())["held_out"]
    found = {}
    for weights in (None, "photos"):
        field = from_preset(preset, weights=weights, picture_size=signal.size, seed=1)
        fit(field, signal, steps=20, batch_size=512, schedule="constant", learning_rate=1e-3, seed=1, progress=False)
        found[weights] = psnr(signal.values, field.sample_grid(*signal.size))
    assert found["photos"] > found[None] + 1


@pytest.mark.parametrize("preset", PRESETS)
def test_other_channels_and_dtypes(preset):
    coords = np.random.default_rng(0).uniform(-1, 1, (9, 2))
    colour = np.asarray(from_preset(preset, weights="photos")(coords))
    grey = from_preset(preset, weights="photos", channels=1, dtype="float64")(coords)
    np.testing.assert_allclose(grey, colour @ [[0.299], [0.587], [0.114]], atol=1e-4)  # float32 sums of 256 terms
