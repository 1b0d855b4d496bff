"""The manifest of a fleet run: a row for every picture, with all that is needed to compare it with other runs' rows."""

import csv
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow
import pyarrow.parquet

from keras_inr._files import atomic_path
from keras_inr.datasets.pictures import printable
from keras_inr.training.recipe import Recipe

FIGURES = {
    "name": pyarrow.string(),
    "status": pyarrow.string(),
    "reason": pyarrow.string(),
    "source": pyarrow.string(),
    "label": pyarrow.string(),
    "model": pyarrow.string(),
    "psnr_db": pyarrow.float64(),
    "psnr_8bit_db": pyarrow.float64(),
    "ssim": pyarrow.float64(),
    "ms_ssim": pyarrow.float64(),
    "steps": pyarrow.int64(),
    "stopped_by": pyarrow.string(),
    "train_seconds": pyarrow.float64(),
    "pictures_together": pyarrow.int64(),
    "num_parameters": pyarrow.int64(),
    "model_bytes": pyarrow.int64(),
    "height": pyarrow.int64(),
    "width": pyarrow.int64(),
    "channels": pyarrow.int64(),
    "image_sha256": pyarrow.string(),
    "device": pyarrow.string(),
    "saved_model": pyarrow.string(),
    "fitted_at": pyarrow.string(),
}
"""Columns that are each picture's own; all but the name, the status and the source may be null."""

VERSIONS = {"keras_inr": pyarrow.string(), "tensorflow": pyarrow.string()}

SETTINGS = {
    "run": pyarrow.string(),
    "preset": pyarrow.string(),
    "arguments": pyarrow.string(),
    "precision": pyarrow.string(),
    "weights": pyarrow.string(),
    "weights_sha256": pyarrow.string(),
    "image_options": pyarrow.string(),
    "max_steps": pyarrow.int64(),
    "max_epochs": pyarrow.float64(),
    "goal_psnr_db": pyarrow.float64(),
    "optimizer": pyarrow.string(),
    "learning_rate": pyarrow.float64(),
    "schedule": pyarrow.string(),
    "batch_size": pyarrow.int64(),
    "sampling": pyarrow.string(),
    "seed": pyarrow.int64(),
    "recipe": pyarrow.string(),
    **VERSIONS,
}
"""Columns that tell how the run was set up, in rows of failed pictures too; dicts are JSON with sorted keys."""

COLUMNS = {**FIGURES, **SETTINGS}


def setup_of(facts: Mapping[str, Any], row: Mapping[str, Any], run: str) -> dict[str, Any]:
    """The columns of how a picture was, or is to be, fitted.

    Args:
        facts: the identity of `FleetPlan` with its weights and versions.
        row: the picture's figures; its versions are those that it was fitted with, the recipe's epochs are steps where
            its size is known.
        run: the run's folder.
    """
    recipe = facts["recipe"]
    num_pixels = (row.get("height") or 0) * (row.get("width") or 0)
    known = recipe["steps"] is not None or num_pixels > 0
    versions = row.get("versions") or facts["versions"]
    return {
        **{name: facts.get(name) for name in ("preset", "precision", "weights_sha256", "goal_psnr_db")},
        **{name: recipe[name] for name in SETTINGS if name in recipe},
        **{name: json.dumps(facts[name], sort_keys=True) for name in ("arguments", "image_options", "recipe")},
        **{name: versions.get(name) for name in VERSIONS},
        "run": printable(run),
        "weights": facts["weights"] and printable(facts["weights"]),
        "max_steps": Recipe(**recipe).total_steps(num_pixels) if known else None,
        "max_epochs": recipe["epochs"],
    }


def are_figures(row: Mapping[str, Any]) -> bool:
    """Whether every figure of a picture, and the versions that it was fitted with, are of their columns' types."""
    try:
        versions = {name: row.get("versions", {}).get(name) for name in VERSIONS}
        pyarrow.Table.from_pylist([{**row, **versions}], schema=pyarrow.schema({**FIGURES, **VERSIONS}.items()))
    except (pyarrow.ArrowException, AttributeError, TypeError, OverflowError):
        return False
    return True


def write_manifest(folder: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes manifest.csv and manifest.parquet."""
    with atomic_path(folder / "manifest.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(COLUMNS.items()))
    with atomic_path(folder / "manifest.parquet") as temporary:
        pyarrow.parquet.write_table(table, temporary)
