"""What a finished run of blocks leaves: the field, its export, pictures and figures."""

import contextlib
import csv
import ctypes
import dataclasses
import gc
import math
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from keras_inr._files import atomic_path
from keras_inr.blocks.measure import Measurement
from keras_inr.blocks.plan import BlockPlan
from keras_inr.blocks.store import BlockStore
from keras_inr.errors import InputError, NotExportedError
from keras_inr.export.saved_model import export_once
from keras_inr.metrics import finite, psnr_text
from keras_inr.models.field import Field
from keras_inr.models.field_files import save_field
from keras_inr.rendering._strip_writers import write_png_strips
from keras_inr.runs.facts import device_name, versions
from keras_inr.runs.figures import save_comparison
from keras_inr.runs.folder import write_json
from keras_inr.runs.layout import BLOCK_RESULTS, METRICS, MODEL, is_whole, whole_versions
from keras_inr.runs.results import served_facts
from keras_inr.signals.large import Windows

ROW = ("level", "block", "row", "column", "psnr_db", "steps", "seconds", "num_parameters", "stopped_by")


def write_results(
    folder: pathlib.Path,
    plan: BlockPlan,
    picture: Windows,
    store: BlockStore,
    between: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Writes what a run leaves, at last metrics.json; the dict of that.

    All blocks are in memory once only, where the model and then the export are written. `between` is called after each
    strip that was measured, and before the model and the export; what it raises ends the run, which can be resumed.
    """
    metrics = measured(folder, plan, picture, store, between)
    give_back_memory()
    between()
    if not is_whole(folder / MODEL):
        save_field(store.field(), folder / MODEL)
        give_back_memory()
    between()
    if not whole_versions(folder / "saved_model"):
        try:
            export_once(store.field, store.stored_field(), folder / "saved_model", served_facts(metrics))
        except InputError as error:
            raise NotExportedError(f"{folder / MODEL} is written but cannot be served: {error}") from error
    write_json(folder / METRICS, metrics)
    return metrics


def give_back_memory() -> None:
    """Lets go what nothing needs any more: fields are cycles, and the C library keeps what NumPy has freed."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # of a system without glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def measured(
    folder: pathlib.Path, plan: BlockPlan, picture: Windows, store: BlockStore, between: Callable[[], None]
) -> dict[str, Any]:
    """Writes pictures and blocks.csv; the content of metrics.json. The weights stay in their files."""

    def strips() -> Iterator[np.ndarray]:
        for strip in measurement.strips():
            yield strip
            between()

    stored = store.stored_field()
    with stored.errors_of_files():
        measurement = Measurement(picture, stored)
        with atomic_path(folder / "reconstruction.png") as temporary:
            write_png_strips(temporary, strips(), (*picture.size, picture.channels), np.uint8)
        metrics = describe(plan, picture, store, stored, measurement)
        write_rows(folder / "blocks.csv", store)
        title = f"blocks on {pathlib.Path(plan.image).name}"
        figures = [f"PSNR {psnr_text(metrics['psnr_db'])}", f"{metrics['num_parameters']:,} parameters"]
        figures.append(f"{metrics['train_seconds']:.0f} s")
        save_comparison(*measurement.reduced(), folder / "comparison.png", title, figures)
    return metrics


def describe(
    plan: BlockPlan, picture: Windows, store: BlockStore, field: Field, measurement: Measurement
) -> dict[str, Any]:
    """The content of metrics.json."""
    rows, own = store.rows.values(), [row for (level, _), row in store.rows.items() if level == 0]
    quality = measurement.quality()
    psnr_db = quality["psnr_db"]
    met = None if plan.goal_psnr_db is None or psnr_db is None else psnr_db >= plan.goal_psnr_db
    return {
        "format_version": 1,
        **{name: finite(value) for name, value in quality.items()},
        "goal": None if plan.goal_psnr_db is None else f"{plan.goal_psnr_db:g} dB",
        "goal_met": met,
        "blocks": list(plan.lattice.grid),
        "blocks_at_goal": sum(row["stopped_by"] == "psnr" for row in own),
        "cell": list(plan.lattice.cell),
        "margin": plan.lattice.margin,
        "steps": sum(row["steps"] for row in rows),
        "train_seconds": round(math.fsum(row["seconds"] for row in rows), 3),
        "num_parameters": field.count_params(),
        "height": picture.size[0],
        "width": picture.size[1],
        "channels": picture.channels,
        "bit_depth": picture.bit_depth,
        "image": plan.image,
        "image_sha256": picture.sha256,
        "image_options": dict(plan.image_options),
        "pixels_lost": measurement.lost,
        "preset": plan.preset,
        "arguments": {
            name: list(value) if isinstance(value, tuple) else value for name, value in plan.arguments.items()
        },
        "precision": plan.precision,
        "seed": plan.recipe.seed,
        "recipe": dataclasses.asdict(plan.recipe),
        "device": device_name(),
        "versions": versions(),
    }


def write_rows(path: pathlib.Path, store: BlockStore) -> None:
    """A line for each block as CSV."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ROW, extrasaction="ignore")
        writer.writeheader()
        for level, block in store.all:
            row, column = divmod(block, store.lattices[level].grid[1])
            place = {"level": level, "block": block, "row": row, "column": column}
            writer.writerow({**place, **store.rows[level, block]})


def missing_results(folder: pathlib.Path, store: BlockStore) -> list[str]:
    """Names of what a finished run should have and has not; its blocks may be removed, all or none."""
    missing = [name for name in BLOCK_RESULTS if not is_whole(folder / name)]
    if store.folder.is_dir():
        missing += [store.path(key).name for key in store.left]
    return missing if whole_versions(folder / "saved_model") else [*missing, "saved_model"]
