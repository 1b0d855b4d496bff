"""What a finished run leaves: figures, pictures, the Keras model and the SavedModel."""

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from keras_inr._files import atomic_path
from keras_inr._reading import read_json
from keras_inr.errors import DamagedFileError, InputError, NotExportedError
from keras_inr.export.publish import withdraw
from keras_inr.export.saved_model import export_saved_model
from keras_inr.metrics import finite, psnr_text
from keras_inr.models.field import Field, to_uint8
from keras_inr.models.field_files import bare_copy, save_field
from keras_inr.rendering.between_pixels import between_pixels
from keras_inr.rendering.derivative_pictures import DERIVATIVES
from keras_inr.rendering.png import save_png
from keras_inr.rendering.raster import FieldRaster
from keras_inr.runs.facts import device_name, versions, write_history
from keras_inr.runs.figures import save_comparison, save_curves
from keras_inr.runs.folder import write_json
from keras_inr.runs.layout import METRICS, MODEL, RESULTS, has_checkpoint, whole_versions
from keras_inr.runs.plan import Plan, PlannedFit
from keras_inr.signals._mask import counts_of, num_counting
from keras_inr.training.objectives import kind_weights
from keras_inr.training.result import FitResult

NUMBER, TEXT = (float, type(None)), (str, type(None))
SUMMARIZED = {
    **dict.fromkeys(("psnr_db", "psnr_8bit_db", "ssim"), NUMBER),
    **dict.fromkeys(("train_seconds", "setup_seconds"), float),
    **dict.fromkeys(("steps", "points_per_step", "num_parameters", "height", "width", "channels"), int),
    **dict.fromkeys(("image", "preset", "device"), str),
}
"""Metrics that the summary of a run is made of, with their types."""

NOT_EXPORTED = (
    *("image", "image_options", "mask", "device", "weights", "run"),  # of any run
    *("name", "source", "model", "saved_model", "status", "reason", "preview_bytes"),  # of a picture of many
)
"""Figures that an export does not tell: names of local files and machines, and the state of a picture of many."""

SUMMARIZED_IF_THERE = {
    "goal": TEXT,
    "goal_met": (bool, type(None)),
    "stopped_by": TEXT,
    "psnr_masked_db": NUMBER,
    "pixels_masked": int,
    "recipe": {"schedule": str, "steps": (int, type(None))},
}


def describe(planned: PlannedFit, result: FitResult) -> dict[str, Any]:
    """The content of metrics.json. Figures that are infinite (an exact picture) or undefined are null.

    psnr_db, psnr_8bit_db and ssim are over the pixels that count, psnr_masked_db over the pixels_masked that a mask
    leaves out, as in `FitResult`.
    """
    plan, signal = planned.plan, planned.signal
    per_epoch = plan.recipe.steps_per_epoch(num_counting(signal))
    return {
        "format_version": 1,
        "psnr_db": finite(result.psnr_db),
        "psnr_8bit_db": finite(result.psnr_8bit_db),
        "ssim": result.ssim,
        "psnr_masked_db": finite(result.psnr_masked_db),
        "pixels_masked": signal.height * signal.width - num_counting(signal),
        **aligned_figures(result.alignment),
        "between_pixels": found.figures if (found := between_pixels(planned.field)) else None,
        "steps": result.steps,
        "epochs": result.steps / per_epoch,
        "points_per_step": plan.recipe.points_per_step(num_counting(signal)),
        "train_seconds": result.train_seconds,
        "setup_seconds": result.setup_seconds,
        "stopped_by": result.stopped_by,
        **goal_figures(plan.goal_psnr_db, result),
        "num_parameters": planned.field.count_params(),
        "height": signal.height,
        "width": signal.width,
        "channels": signal.channels,
        "bit_depth": signal.bit_depth,
        "image": signal.source,
        "image_sha256": signal.sha256,
        "image_options": plan.reading,
        **mask_facts(plan),
        "preset": plan.preset,
        "arguments": dict(plan.arguments),
        "weights": plan.weights,
        "precision": plan.precision,
        "seed": plan.recipe.seed,
        "recipe": dataclasses.asdict(plan.recipe),
        "device": device_name(planned.field.distribute_strategy.num_replicas_in_sync),
        "versions": versions(),
    }


def mask_facts(plan: Plan) -> dict[str, Any]:
    """Which mask there was, null for none: its file, or of what kind another source is, and its SHA-256 as weights."""
    mask = plan.image_options.get("mask")
    name = os.fsdecode(mask) if isinstance(mask, str | os.PathLike) else type(mask).__name__
    return {"mask": None if mask is None else name, "mask_sha256": plan.mask_sha256}


def goal_figures(goal_psnr_db: float | None, result: FitResult) -> dict[str, Any]:
    """The PSNR that the run was to reach, as text, and whether it did; null where there was none."""
    if goal_psnr_db is None:
        return {"goal": None, "goal_met": None}
    reached = result.psnr_db is not None and result.psnr_db >= goal_psnr_db
    return {"goal": f"{goal_psnr_db:g} dB", "goal_met": bool(result.stopped_by == "psnr" or reached)}


def write_results(
    folder: pathlib.Path,
    planned: PlannedFit,
    result: FitResult,
    finished: dict[str, Any] | None = None,
    missing: Collection[str] = (),
) -> dict[str, Any]:
    """Writes what a run leaves, the most expensive to lose first: model, SavedModel, pictures, at last metrics.json.

    Args:
        folder: of the run.
        planned, result: the run.
        finished: None, or the metrics of a run that is finished already, of whose results only those are made that are
            missing.
        missing: their names.

    Returns:
        The dict of metrics.json.

    Raises:
        NotExportedError: where the field cannot be served; model and pictures are written then, and no metrics.

    A picture that cannot be drawn ends the run with that error when all else is written.
    """
    metrics = finished or describe(planned, result)
    wanted = missing if finished else (*RESULTS, "saved_model")
    bare, refusal = bare_copy(planned.field), None
    if MODEL in wanted:
        with atomic_path(folder / MODEL) as temporary:
            save_field(bare, temporary)
            if not finished:
                (folder / METRICS).unlink(missing_ok=True)  # of a shorter run, whose model goes now
    if "saved_model" in wanted:
        refusal = _export(bare, folder, metrics, whatever_stands=bool(finished))
    failure = _draw(folder, _pictures(planned, result, metrics), wanted)
    if refusal is not None:
        raise refusal
    if not finished:
        write_json(folder / METRICS, metrics)  # last: it marks the run as finished
    if failure is not None:
        raise failure
    return metrics


def _export(bare, folder, metrics, whatever_stands):
    """Exports to saved_model/; the `NotExportedError` of a field that cannot be, or None.

    A whole version of these weights stays. A single torn one is removed first. A single whole one of other weights is
    the run's own from before, and is removed when the next one stands: clients and servers never find none. Where there
    are several, others were exported from the run, and all stay.
    """
    base = folder / "saved_model"
    whole = whole_versions(base)
    if whole and (whatever_stands or holds_weights(whole[0], bare)):
        return None
    before = [path for path in base.glob("*") if path.name.isascii() and path.name.isdigit()]
    if not whole and len(before) == 1:
        shutil.rmtree(before[0])
    try:
        export_saved_model(bare, base, info=served_facts(metrics))
    except InputError as error:
        refusal = NotExportedError(f"{folder / MODEL} is written but cannot be served: {error}")
        refusal.__cause__ = error
        return refusal
    if len(whole) == len(before) == 1:
        withdraw(whole[0])
    return None


def holds_weights(version: pathlib.Path, field: Field) -> bool:
    """Whether an export has the weights of a field, to the bit."""
    try:
        reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
        stored = [reader.get_tensor(name) for name in reader.get_variable_to_shape_map()]
    except (tf.errors.OpError, ValueError):  # it is damaged
        return False
    kept = {(array.shape, array.tobytes()) for array in stored if isinstance(array, np.ndarray)}
    return all((array.shape, array.tobytes()) in kept for array in field.get_weights())


def _pictures(planned, result, metrics):
    """File name -> the function that writes it, of what shows a run."""

    def comparison(path):
        figures = [f"PSNR {psnr_text(metrics['psnr_db'])}"]
        if metrics.get("pixels_masked"):
            figures.append(f"masked pixels {psnr_text(metrics['psnr_masked_db'])}")
        if metrics["ssim"] is not None:
            figures.append(f"SSIM {metrics['ssim']:.4f}")
        figures += [f"{metrics['num_parameters']:,} parameters", f"{result.steps} steps"]
        figures.append(f"{result.train_seconds:.0f} s")
        rows, values = derivative_rows(planned), planned.signal.values
        hidden = None if (counts := counts_of(planned.signal)) is None else ~counts
        save_comparison(values, result.prediction, path, title(planned), figures, rows=rows, hidden=hidden)

    return {
        "reconstruction.png": lambda path: save_png(path, to_uint8(result.prediction)),
        "comparison.png": comparison,
        **_history_and_curves(planned, result.rows),
    }


def _draw(folder, pictures, wanted):
    """Writes the wanted ones; returns the first error of one that cannot be drawn, which leaves none of that name."""
    failure = None
    for name, write in pictures.items():
        try:
            if name in wanted:
                write(folder / name)
        except OSError:  # the disk's doing, as for all that is written
            raise
        except Exception as error:  # whatever fonts and styles make Matplotlib raise; it must not cost the figures
            (folder / name).unlink(missing_ok=True)
            error.add_note(f"{folder / name} could not be drawn; everything else is written, resume=True draws it")
            failure = failure or error
    return failure


def write_history_and_curves(folder: pathlib.Path, planned: PlannedFit, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes history.csv and curves.png of a run, finished or not."""
    for name, write in _history_and_curves(planned, rows).items():
        write(folder / name)


def _history_and_curves(planned, rows):
    files = {"history.csv": lambda path: write_history(path, rows)}
    return files | ({"curves.png": lambda path: save_curves(rows, path, title(planned))} if rows else {})


def derivative_rows(planned: PlannedFit) -> list[tuple[tuple[str, str, str], list[np.ndarray]]]:
    """Rows for `save_comparison` of the derivatives that were fitted: the picture's, the field's and their difference.

    All three have the scale of the picture's, which the first caption states.
    """
    values, field, rows = planned.signal.values, planned.field, []
    rule, kinds = planned.plan.recipe.derivative_rule, kind_weights(planned.plan.recipe)
    for kind, derivative in DERIVATIVES.items():
        if kind in kinds:
            target = derivative.of_picture(values, rule)
            learnt = FieldRaster(field, *planned.signal.size, output=derivative.output).array()
            scale = derivative.scale_of(target)
            captions = (f"{kind}, full scale {scale:.3g} per unit", f"{kind} of the field", "difference, same scale")
            rows.append((captions, [derivative.draw(part, scale) for part in (target, learnt, learnt - target)]))
    return rows


def aligned_figures(alignment: Mapping[str, Any] | None) -> dict[str, Any]:
    """Offset and PSNR after each alignment of a fit to derivatives, none for a fit to values."""
    if alignment is None:
        return {}
    return {name: value if name == "offset" else finite(value) for name, value in alignment.items()}


def title(planned: PlannedFit) -> str:
    """What the run's pictures are headed with."""
    return f"{planned.plan.preset} on {planned.signal.source}"


def served_facts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What an export may tell the world: the metrics without names of local files and machines."""
    return {name: value for name, value in metrics.items() if name not in NOT_EXPORTED}


def read_metrics(
    folder: str | os.PathLike[str],
    needed: dict[str, Any] = SUMMARIZED,
    optional: dict[str, Any] = SUMMARIZED_IF_THERE,
) -> dict[str, Any] | None:
    """The metrics of a finished run; None where there are none, or what there is has been damaged or lacks a name.

    Args:
        folder: of the run.
        needed, optional: see `read_json`; what the summary of a fit is made of by default.
    """
    try:
        return read_json(pathlib.Path(folder) / METRICS, needed, optional)
    except (FileNotFoundError, DamagedFileError):
        return None


def finished_metrics(
    folder: str | os.PathLike[str],
    needed: dict[str, Any] = SUMMARIZED,
    optional: dict[str, Any] = SUMMARIZED_IF_THERE,
    is_shorter: Callable[[dict[str, Any]], bool] = lambda metrics: False,
) -> dict[str, Any] | None:
    """As `read_metrics`, for a run that is to be resumed.

    Args:
        folder, needed, optional: see `read_metrics`.
        is_shorter: function of the metrics that tells whether they are of a shorter run, which is to be gone on with.
            Such ones are None.

    Raises:
        InputError: for damaged metrics, or a shorter run's, without a checkpoint: the run would begin anew and lose
            what is there.
    """
    path, metrics = pathlib.Path(folder) / METRICS, read_metrics(folder, needed, optional)
    problem = "is damaged" if metrics is None else "is of a shorter run" if is_shorter(metrics) else None
    if problem and path.exists() and not has_checkpoint(pathlib.Path(folder)):
        raise InputError(f"{path} {problem}, and there is no checkpoint to make it again from; add overwrite=True")
    return None if problem else metrics
