"""One run: load a picture, fit a field, measure, draw, export, and write the run folder."""

import dataclasses
import functools
import json

import keras

from keras_inr._files import atomic_path
from keras_inr.alignment import best_offset
from keras_inr.errors import DivergedError, InputError, InterruptedRunError
from keras_inr.models.field import to_uint8
from keras_inr.models.initial_weights import read_start
from keras_inr.presets import from_preset
from keras_inr.runs.folder import check_run_folder, claim_run_folder
from keras_inr.runs.interrupts import Interrupts
from keras_inr.runs.layout import has_checkpoint, missing_results
from keras_inr.runs.model_files import bare_copy
from keras_inr.runs.previews import Previews, TensorBoardLog
from keras_inr.runs.results import finished_metrics, write_course, write_results
from keras_inr.signals.image import load_image
from keras_inr.training.callbacks import check_goals
from keras_inr.training.checkpoints import load_checkpoint
from keras_inr.training.fitting import fit
from keras_inr.training.freezing import frozen_layers
from keras_inr.training.objectives import check_supervision, weights_of
from keras_inr.training.recipe import Recipe
from keras_inr.training.strategies import check_share, make_strategy

PRECISIONS = ("float32", "float64", "mixed_float16", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class ImageFitSettings:
    """What a run does.

    Args:
        image: source for `load_image`.
        image_options: its further arguments.
        preset: name of the architecture.
        arguments: its overridden arguments.
        weights: None, or what to start from, see `from_preset`.
        recipe: dict of `Recipe` arguments; its seed also draws the initial weights.
        precision: "float32", "float64", "mixed_float16" or "mixed_bfloat16".
        goal_psnr_db, max_seconds: see `keras_inr.training.fit`.
        preview_every: steps between two pictures in previews/; 0 for none.
        tensorboard: whether to write logs for TensorBoard.
        progress: whether to show a progress bar.
        strategy: "none", or "mirrored" for all GPUs of the machine, see `keras_inr.training.strategies`.
    """

    image: str
    preset: str
    recipe: dict
    image_options: dict = dataclasses.field(default_factory=dict)
    arguments: dict = dataclasses.field(default_factory=dict)
    weights: str | None = None
    precision: str = "float32"
    goal_psnr_db: float | None = None
    max_seconds: float | None = None
    preview_every: int = 0
    tensorboard: bool = True
    progress: bool = True
    strategy: str = "none"


DEFAULTS = {field.name: field.default for kind in (ImageFitSettings, Recipe) for field in dataclasses.fields(kind)}
"""What a run was that does not name a setting, because the version that started it did not know it."""
DEFAULTS = {name: value for name, value in DEFAULTS.items() if value is not dataclasses.MISSING}


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A run whose every input has been checked: picture, recipe, field with fresh weights, and identity."""

    settings: ImageFitSettings
    signal: object
    recipe: Recipe
    field: keras.Model
    identity: dict


def prepare_image_fit(settings):
    """Loads the picture, builds the field and checks every setting; writes nothing.

    Raises:
        InputError: naming what is wrong.
    """
    recipe = Recipe(**settings.recipe)
    if settings.precision not in PRECISIONS:
        raise InputError(f"precision must be one of {PRECISIONS}, received {settings.precision!r}")
    check_goals(settings.goal_psnr_db, settings.max_seconds)
    if settings.preview_every < 0:
        raise InputError(f"preview_every must not be negative, received {settings.preview_every!r}")
    signal = load_image(settings.image, **settings.image_options)
    shared = {"channels": signal.channels, "picture_size": signal.size, "seed": recipe.seed}
    field = from_preset(settings.preset, **shared, dtype=settings.precision, **settings.arguments)
    start = None if settings.weights is None else read_start(settings.weights, settings.preset)
    if start is not None:
        start.assign_to(field)
    check_supervision(field, recipe)
    check_share(make_strategy(settings.strategy), recipe.points_per_step(signal.height * signal.width))
    frozen_layers(field, recipe.freeze)
    identity = _identity(settings, signal, recipe, start)
    return Prepared(settings, signal, recipe, field, identity)


def _identity(settings, signal, recipe, start):
    """All that makes two runs the same run."""
    identity = {
        "image_sha256": signal.sha256,
        "image_options": settings.image_options,
        "preset": settings.preset,
        "arguments": settings.arguments,
        "precision": settings.precision,
        "goal_psnr_db": settings.goal_psnr_db,
        "max_seconds": settings.max_seconds,
        **dataclasses.asdict(recipe),
    }
    if start is not None:
        identity |= {"weights_sha256": start.sha256}
    json.dumps(identity, allow_nan=False)  # raises for what run.json and metrics.json could not hold
    return identity


def check_image_fit(prepared, out=None, resume=False, overwrite=False):
    """Raises the InputError that `run_image_fit` would raise for the folder as it is now; writes nothing."""
    check_run_folder(out, prepared.identity, resume, overwrite, _may_grow(prepared.recipe), DEFAULTS)


def run_image_fit(prepared, out=None, resume=False, overwrite=False, flags_text=""):
    """Fits and writes the run folder.

    Args:
        prepared: what `prepare_image_fit` returned.
        out, resume, overwrite: see `claim_run_folder`.
        flags_text: a flagfile that repeats the run, kept as flags.cfg.

    Returns:
        (folder, metrics), the dict of metrics.json. A finished run that is resumed is only read, unless results are
        missing, which are then made again from its checkpoint, or more steps or epochs are asked for. Those it takes
        under any schedule but "cosine", whose learning rates depend on the length.

    Raises:
        InputError: for a folder that cannot be used, or checkpoints none of which can be read.
        NotExportedError: for a field that cannot be served, such as one without finite derivatives; model.keras stays.
        DivergedError: when the loss is no longer finite; the last good checkpoint stays.
        InterruptedRunError: after Ctrl-C or SIGTERM; the state is saved.
    """
    claim = claim_run_folder(
        out, prepared.identity, resume, overwrite, _may_grow(prepared.recipe), flags_text, DEFAULTS
    )
    with Interrupts() as interrupts, claim as folder:
        metrics, missing = finished_metrics(folder), missing_results(folder)
        if metrics is not None and not missing:
            return folder, metrics
        if metrics is not None and not has_checkpoint(folder):
            told = f"{folder} is finished but lacks {', '.join(missing)}, and has no checkpoint to make that again from"
            raise InputError(f"{told}; add --overwrite to fit again")
        with atomic_path(folder / "flags.cfg") as temporary:
            temporary.write_text(flags_text)
        with make_strategy(prepared.settings.strategy).scope():
            fresh = bare_copy(prepared.field)  # prepared may be run again
        prepared = dataclasses.replace(prepared, field=fresh)
        try:
            result = _fit(prepared, folder, interrupts)
        except DivergedError as error:
            write_course(folder, prepared, error.rows)
            raise
        if result.stopped_by == "interrupt":
            write_course(folder, prepared, result.rows)
            raise InterruptedRunError(interrupts.received, folder, f"at step {result.steps}")
        return folder, write_results(folder, prepared, result, metrics, missing)


def _may_grow(recipe):
    """What may be larger in a run that is resumed."""
    return () if recipe.schedule == "cosine" else ("steps", "epochs")


def _fit(prepared, folder, interrupts):
    """The `FitResult`, with checkpoints, previews and logs in the folder."""
    settings = prepared.settings
    total_steps = prepared.recipe.total_steps(prepared.signal.height * prepared.signal.width)
    checkpoint = load_checkpoint(folder / "checkpoints")
    when = (settings.preview_every, total_steps, checkpoint[0] if checkpoint else 0)
    draw = functools.partial(_preview, prepared)
    monitors = []
    if settings.preview_every:
        monitors.append(Previews(folder / "previews", *when, draw))
    if settings.tensorboard:
        monitors.append(TensorBoardLog(folder / "tensorboard", *when, draw))
    return fit(
        prepared.field,
        prepared.signal,
        prepared.recipe,
        goal_psnr_db=settings.goal_psnr_db,
        max_seconds=settings.max_seconds,
        checkpoint_dir=folder / "checkpoints",
        should_stop=lambda: interrupts.received is not None,
        callbacks=monitors,
        progress=settings.progress,
    )


def _preview(prepared):
    """The picture as it is now, uint8; shifted to the original's mean where values are not fitted."""
    if "value" in weights_of(prepared.recipe):
        return prepared.field.render()
    values = prepared.field.sample_grid()
    return to_uint8(values + best_offset(prepared.signal.values, values))
