"""The grey picture four times larger: by bicubic interpolation, by the study's fields, by others fitted for that."""

import math

import numpy as np

from experiments.tables import head, line
from experiments.upscaling.upscaling import RECIPES
from keras_inr.metrics import finite, psnr
from keras_inr.models.field import to_uint8
from keras_inr.models.field_files import read_field
from keras_inr.presets import from_preset
from keras_inr.rendering.between_pixels import between_pixels
from keras_inr.signals.resampling import resampled
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

FACTOR = 4
PART = (96, 150, 72)
"""First row, first column and side of the square that is shown, in pixels of the picture."""

SINES = {"steps": 2000, "batch_size": 4096, "learning_rate": 1e-3}

FITTED = {
    "a sine network, omega_0 = 16": ("siren_256", {"omega_0": 16.0}, SINES),
    "a pixel grid": ("pixel_grid", RECIPES["pixel_grid"].arguments(None), RECIPES["pixel_grid"].training),
}
"""What is fitted for enlarging: preset, arguments and recipe, the grid's those of experiments/upscaling."""


def run(signal, folder, names):
    """(rows of what each field is worth on the pixels and between them, panels of title and part of the enlargement).

    Args:
        signal: the picture.
        folder: of the study's runs.
        names: case -> what it is fitted to, of the cases whose fields are shown.
    """
    height, width = (FACTOR * side for side in signal.size)
    pixels = np.repeat(np.repeat(signal.values, FACTOR, axis=0), FACTOR, axis=1)
    bicubic = resampled(signal.values, height, width, "bicubic")
    panels = [("its pixels", part_of(to_uint8(pixels))), ("bicubic", part_of(to_uint8(bicubic)))]
    rows = []

    def add(name, field, between):
        rows.append(measured(name, field, signal))
        panels.append((name, part_of(field.render(height, width, between=between))))

    for case, name in names.items():
        field = read_field(folder / f"ours-{case}" / "model.keras")
        add(f"fitted to {name}", field, "field")
        if case == "value_grey":
            panels.append(("the same, as keras-inr shows it", part_of(field.render(height, width))))
    for name in FITTED:
        add(name, fitted(name, signal), "auto")
    return rows, panels


def fitted(name, signal):
    """A field for enlarging, on the grey picture."""
    preset, arguments, recipe = FITTED[name]
    field = from_preset(preset, channels=1, picture_size=signal.size, seed=0, **arguments)
    fit(field, signal, Recipe(**recipe), progress=False)
    return field


def measured(name, field, signal):
    """PSNR (dB) on the pixels, after the best offset, and halfway between them.

    There the field and bilinear interpolation are compared with the spline through the field's values.
    """
    prediction = field.sample_grid(*signal.size)
    prediction = prediction + np.mean(signal.values - prediction)
    found = between_pixels(field)
    return {
        "field": name,
        "psnr_db": finite(psnr(signal.values, prediction)),
        "between_db": finite(found.psnr_db),
        "bilinear_db": finite(found.bilinear_psnr_db),
        "is_smooth": found.is_smooth,
    }


def part_of(picture):
    """The part of an enlargement that is shown."""
    row, column, side = (FACTOR * number for number in PART)
    return picture[row : row + side, column : column + side]


def table(rows):
    """A row for each field."""
    heads = ["field", "on the pixels (dB)", "between them (dB)", "bilinear there (dB)"]
    lines = head([*heads, "smooth enough to be shown as it is"])
    for row in rows:
        found = [math.inf if row[key] is None else row[key] for key in ("psnr_db", "between_db", "bilinear_db")]
        lines.append(line([row["field"], *(f"{db:.1f}" for db in found), "yes" if row["is_smooth"] else "no"]))
    return "\n".join(lines) + "\n"
