"""One run: fit a field as it is planned, measure, draw, export, and write the run folder."""

import dataclasses
import functools
import os
import pathlib
import warnings
from collections.abc import Callable
from typing import Any, cast

from keras_inr._arguments import one_of
from keras_inr._files import atomic_path
from keras_inr.alignment import best_offset
from keras_inr.errors import DivergedError, InputError, InterruptedRunError, RecipeWarning
from keras_inr.models.field import to_uint8
from keras_inr.models.field_files import bare_copy
from keras_inr.runs.folder import check_run_folder, claim_run_folder, keep_flags
from keras_inr.runs.interrupts import Interrupts
from keras_inr.runs.layout import FLAGFILE, is_complete, missing_results
from keras_inr.runs.plan import IDENTITY_DEFAULTS, Plan, PlannedFit
from keras_inr.runs.previews import SUFFIXES, Previews, TensorBoardLog
from keras_inr.runs.results import finished_metrics, write_history_and_curves, write_results
from keras_inr.signals._mask import num_counting
from keras_inr.training.checkpoints import load_checkpoint
from keras_inr.training.fitting import fit, rounds_of
from keras_inr.training.growing import fit_growing
from keras_inr.training.objectives import kind_weights
from keras_inr.training.recipe import LENGTHS
from keras_inr.training.strategies import make_strategy


@dataclasses.dataclass(frozen=True)
class Display:
    """What a run shows meanwhile, which changes nothing of what it learns.

    Args:
        preview_every: steps between two pictures in previews/; 0 for none.
        tensorboard: whether to write logs for TensorBoard.
        progress: whether to show a progress bar.
        tell: called with lines about what the run decides.
        preview_format: "png", or "jpeg" of quality 90, which is white where the picture is transparent.
    """

    preview_every: int = 0
    tensorboard: bool = True
    progress: bool = True
    tell: Callable[[str], None] = dataclasses.field(default_factory=lambda: lambda line: None)
    preview_format: str = "png"

    def __post_init__(self) -> None:
        if self.preview_every < 0:
            raise InputError(f"preview_every must not be negative, received {self.preview_every!r}")
        one_of("preview_format", self.preview_format, tuple(SUFFIXES))


def check_image_fit(
    plan: Plan, out: str | os.PathLike[str] | None = None, resume: bool = False, overwrite: bool = False
) -> None:
    """Raises the InputError that `run_image_fit` would raise for the folder as it is now; writes nothing."""
    check_run_folder(out, plan.identity, resume, overwrite, plan.may_grow, IDENTITY_DEFAULTS)


def run_image_fit(
    planned: PlannedFit,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    flags_text: str = "",
    display: Display | None = None,
) -> tuple[pathlib.Path, dict[str, Any]]:
    """Fits and writes the run folder.

    Args:
        planned: what `plan_fit` returned; it may be run again.
        out, resume, overwrite: see `claim_run_folder`.
        flags_text: a flagfile that repeats the run, kept as flags.cfg.
        display: what is shown meanwhile.

    Returns:
        (folder, metrics), the dict of metrics.json. A finished run that is resumed is only read, unless results are
        missing, which are then made again from its checkpoint, or more steps or epochs are asked for. Those it takes
        under any schedule but "cosine", whose learning rates depend on the length; the shorter run's results stay
        until the longer one's are there.

    Raises:
        InputError: for a folder that cannot be used, or checkpoints none of which can be read.
        NotExportedError: for a field that cannot be served, such as one without finite derivatives; model.keras stays.
        DivergedError: when the loss is no longer finite; the last good checkpoint stays.
        InterruptedRunError: after Ctrl-C or SIGTERM; the state is saved.
    """
    plan, display = planned.plan, display or Display()
    claim = claim_run_folder(out, plan.identity, resume, overwrite, plan.may_grow, flags_text, IDENTITY_DEFAULTS)
    with Interrupts() as interrupts, claim as folder:
        metrics = finished_metrics(folder, is_shorter=functools.partial(_is_shorter, planned))
        missing = missing_results(folder)
        if metrics is not None and is_complete(folder, missing):
            return folder, metrics
        keep_flags(folder, flags_text)
        with atomic_path(folder / FLAGFILE) as temporary:
            temporary.write_text(flags_text, encoding="utf-8")
        with make_strategy(plan.strategy).scope():
            planned = dataclasses.replace(planned, field=bare_copy(planned.field))
        try:
            planned, result = _fit(planned, folder, interrupts, display)
        except DivergedError as error:
            write_history_and_curves(folder, planned, error.rows)
            raise
        if result.stopped_by == "interrupt":
            write_history_and_curves(folder, planned, result.rows)
            raise InterruptedRunError(cast(int, interrupts.received), folder, f"at step {result.steps}")
        return folder, write_results(folder, planned, result, metrics, missing)


def _is_shorter(planned, metrics):
    """Whether metrics are those of a run of fewer steps or epochs, which the planned one goes on with."""
    recipe = metrics.get("recipe")
    if recipe is None:  # of an older version
        return metrics["steps"] < planned.total_steps and metrics.get("stopped_by", "steps") == "steps"
    return any(recipe.get(name) != getattr(planned.plan.recipe, name) for name in LENGTHS)


def _fit(planned, folder, interrupts, display):
    """(planned, result): checkpoints, previews and logs are in the folder; the field may have grown."""
    plan = planned.plan

    def stage(number):
        place = (folder / name for name in ("checkpoints", "previews", "tensorboard"))
        checkpoints, *shown = (path / f"grown-{number}" if number else path for path in place)
        return {
            "checkpoint_dir": checkpoints,
            "should_stop": lambda: interrupts.received is not None,
            "callbacks": _watchers(planned, display, load_checkpoint(checkpoints), *shown),
            "progress": display.progress,
        }

    goals = {"goal_psnr_db": plan.goal_psnr_db, "max_seconds": plan.max_seconds}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecipeWarning)  # the plan has warned
        if not (plan.grow or plan.is_open_ended):
            return planned, fit(planned.field, planned.signal, plan.recipe, **goals, **stage(0))
        more = {"stage": stage, "tell": display.tell}
        field, result = fit_growing(planned.field, planned.signal, plan.recipe, planned.larger, **goals, **more)
    arguments = plan.arguments if field is planned.field else {**plan.arguments, "layout": field.layout}
    return dataclasses.replace(planned, field=field, plan=dataclasses.replace(plan, arguments=arguments)), result


def _watchers(planned, display, checkpoint, previews, logs):
    """The callbacks that show a run."""
    shown = {
        "every": display.preview_every,
        "total_steps": planned.total_steps,
        "step": checkpoint[0] if checkpoint else 0,
        "most": rounds_of(planned.plan.recipe, num_counting(planned.signal)),
    }
    draw = {} if "value" in kind_weights(planned.plan.recipe) else {"draw": functools.partial(_preview, planned)}
    format = display.preview_format
    found = [Previews(previews, **shown, **draw, format=format)] if display.preview_every else []
    return [*found, TensorBoardLog(logs, **shown, **draw)] if display.tensorboard else found


def _preview(planned):
    """The picture as it is now, uint8, of a field that is not fitted to values: shifted to the original's mean."""
    values = planned.field.sample_grid()
    return to_uint8(values + best_offset(planned.signal.values, values))
