"""What a finished run leaves: figures, pictures, the Keras model and the SavedModel."""

import csv
import dataclasses
import json
import math
import pathlib
import platform
import shutil

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from keras_inr.cores import usable_cores
from keras_inr.export.publish import existing_versions
from keras_inr.export.saved_model import export_saved_model
from keras_inr.files import atomic_path
from keras_inr.models.field import to_uint8
from keras_inr.models.raster import FieldRaster
from keras_inr.runs.derivative_pictures import gradient_picture, gradient_scale, laplacian_picture, laplacian_scale
from keras_inr.runs.errors import NotExportedError
from keras_inr.runs.figures import save_comparison, save_curves
from keras_inr.runs.model_files import bare_copy, save_field
from keras_inr.runs.run_files import METRICS
from keras_inr.signals.derivatives import picture_jacobian, picture_laplacian
from keras_inr.training.callbacks import PARTIAL_LOSSES
from keras_inr.training.objectives import weights_of
from keras_inr.version import __version__

DERIVATIVES = {
    "gradient": ("jacobian", picture_jacobian, gradient_picture, gradient_scale),
    "laplacian": ("laplacian", picture_laplacian, laplacian_picture, laplacian_scale),
}
HISTORY = ("step", "seconds", "loss", "psnr_db", "learning_rate", "picture_psnr_db", *PARTIAL_LOSSES)

SUMMARIZED = (
    *("psnr_db", "psnr_8bit_db", "ssim", "steps", "points_per_step", "train_seconds", "setup_seconds"),
    *("num_parameters", "height", "width", "channels", "image", "preset", "device"),
)
"""Metrics that the summary of a run is made of."""


def describe(prepared, result):
    """The content of metrics.json. Figures that are infinite (an exact picture) or undefined are null."""
    settings, signal = prepared.settings, prepared.signal
    per_epoch = prepared.recipe.steps_per_epoch(signal.height * signal.width)
    return {
        "format_version": 1,
        "psnr_db": finite(result.psnr_db),
        "psnr_8bit_db": finite(result.psnr_8bit_db),
        "ssim": result.ssim,
        **aligned_figures(result.alignment),
        "steps": result.steps,
        "epochs": result.steps / per_epoch,
        "points_per_step": prepared.recipe.points_per_step(signal.height * signal.width),
        "train_seconds": result.train_seconds,
        "setup_seconds": result.setup_seconds,
        "stopped_by": result.stopped_by,
        **goal_figures(settings.goal_psnr_db, result),
        "num_parameters": prepared.field.count_params(),
        "height": signal.height,
        "width": signal.width,
        "channels": signal.channels,
        "bit_depth": signal.bit_depth,
        "image": signal.source,
        "image_sha256": signal.sha256,
        "image_options": settings.image_options,
        "preset": settings.preset,
        "arguments": settings.arguments,
        "weights": settings.weights,
        "precision": settings.precision,
        "seed": prepared.recipe.seed,
        "recipe": dataclasses.asdict(prepared.recipe),
        "device": device_name(prepared.field.distribute_strategy.num_replicas_in_sync),
        "versions": versions(),
    }


def versions():
    """Of what computed the figures."""
    packages = {"keras_inr": __version__, "tensorflow": tf.__version__, "keras": keras.__version__}
    return {**packages, "numpy": np.__version__, "python": platform.python_version()}


def goal_figures(goal_psnr_db, result):
    """The PSNR that the run was to reach, as text, and whether it did; null where there was none."""
    if goal_psnr_db is None:
        return {"goal": None, "goal_met": None}
    return {
        "goal": f"{goal_psnr_db:g} dB",
        "goal_met": bool(result.stopped_by == "psnr" or result.psnr_db >= goal_psnr_db),
    }


def write_results(folder, prepared, result, metrics):
    """Pictures, the Keras model and the SavedModel; NotExportedError, with the rest written, where that cannot be."""
    signal, field = prepared.signal, prepared.field
    save_png(folder / "reconstruction.png", to_uint8(result.prediction))
    psnr = "exact" if metrics["psnr_db"] is None else f"{metrics['psnr_db']:.2f} dB"
    figures = [f"PSNR {psnr}"]
    if metrics["ssim"] is not None:
        figures.append(f"SSIM {metrics['ssim']:.4f}")
    figures += [f"{metrics['num_parameters']:,} parameters", f"{result.steps} steps", f"{result.train_seconds:.0f} s"]
    rows = derivative_rows(prepared)
    save_comparison(signal.values, result.prediction, folder / "comparison.png", title(prepared), figures, rows=rows)
    bare = bare_copy(field)
    save_field(bare, folder / "model.keras")
    versions = folder / "saved_model"
    if versions.exists() and existing_versions(versions) == [1]:  # the run's own; later ones were exported from it
        shutil.rmtree(versions / "1")
    try:
        export_saved_model(bare, versions, info=served_facts(metrics))
    except ValueError as error:
        raise NotExportedError(f"{folder / 'model.keras'} is written but cannot be served: {error}") from error


def write_course(folder, prepared, rows):
    """How the run went, finished or not: history.csv and curves.png."""
    write_history(folder / "history.csv", rows)
    if rows:
        save_curves(rows, folder / "curves.png", title(prepared))


def derivative_rows(prepared):
    """Rows for `save_comparison` of the derivatives that were fitted: the picture's, the field's and their difference.

    All three have the scale of the picture's, which the first caption states.
    """
    values, field, rows = prepared.signal.values, prepared.field, []
    rule, kinds = prepared.recipe.derivative_rule, weights_of(prepared.recipe)
    for kind, (output, differentiate, draw, scale_of) in DERIVATIVES.items():
        if kind in kinds:
            target = differentiate(values, rule)
            learnt = FieldRaster(field, *prepared.signal.size, output=output).array()
            scale = scale_of(target)
            captions = (f"{kind}, full scale {scale:.3g} per unit", f"{kind} of the field", "difference, same scale")
            rows.append((captions, [draw(part, scale) for part in (target, learnt, learnt - target)]))
    return rows


def aligned_figures(alignment):
    """Offset and PSNR after each alignment of a fit to derivatives, none for a fit to values."""
    if alignment is None:
        return {}
    return {name: value if name == "offset" else finite(value) for name, value in alignment.items()}


def title(prepared):
    """What the run's pictures are headed with."""
    return f"{prepared.settings.preset} on {prepared.signal.source}"


def served_facts(metrics):
    """What an export may tell the world: the metrics without names of local files and machines."""
    return {name: value for name, value in metrics.items() if name not in ("image", "image_options", "device")}


def save_png(path, picture):
    """A uint8 picture (height, width, channels) as PNG: grey, grey + alpha, RGB or RGBA."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(temporary, format="PNG")


def write_history(path, rows):
    """The run's rows as CSV."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, HISTORY, restval="")
        writer.writeheader()
        writer.writerows(rows)


def read_metrics(folder, needed=SUMMARIZED):
    """The metrics of a finished run; None where there are none, or what there is has been damaged or lacks a key."""
    try:
        metrics = json.loads((pathlib.Path(folder) / METRICS).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return metrics if isinstance(metrics, dict) and set(needed) <= set(metrics) else None


def finite(value):
    """The value, or None for what JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None


def device_name(num_devices=1):
    """What the run computed on, such as "CPU, 2 cores, AMD EPYC", or "2 x GPU, ..." for several devices."""
    if num_devices > 1:
        return f"{num_devices} x {device_name()}"
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        return f"GPU, {details.get('device_name', 'unknown')}"
    cores = usable_cores()
    return f"CPU, {cores} cores, {_cpu_model()}"


def _cpu_model():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
