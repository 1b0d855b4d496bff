"""Fits a field to a picture with `compile` and `fit`."""

import dataclasses
import inspect
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import keras
import numpy as np

from keras_inr._variable_names import one_name
from keras_inr.errors import DivergedError, InputError, InputTypeError
from keras_inr.metrics import PSNR
from keras_inr.models.block_field import BlockField
from keras_inr.models.field import Field
from keras_inr.models.stacking import network_of
from keras_inr.signals._mask import num_counting, weights_of
from keras_inr.signals.image import ImageSignal
from keras_inr.training._preconditions import check_callbacks, check_preconditions
from keras_inr.training._progress import ProgressBar
from keras_inr.training._shared_steps import share_steps
from keras_inr.training._state import TrainingState
from keras_inr.training.advice import advise
from keras_inr.training.averaging import Averager
from keras_inr.training.callbacks import Plateau, Recorder, StopAtGoal, StopOnDivergence
from keras_inr.training.checkpoints import Checkpointer, restore
from keras_inr.training.compilation import Compilation, compilation_for
from keras_inr.training.freezing import frozen
from keras_inr.training.objectives import Objective, check_offset, check_supervision, make_objective
from keras_inr.training.optimizers import make_optimizer
from keras_inr.training.recipe import OtherRecipeArguments, Recipe, recipe_of
from keras_inr.training.result import FitResult, measure
from keras_inr.training.sampling import BatchSource, Sampler, check_mask
from keras_inr.training.strategies import check_share

ROUNDS = 200
"""Rounds that a run is cut into, each a row of its history."""

SHA256_OF = {"image": "sha256", "mask": "mask_sha256"}
"""Attributes of a signal that tell which picture it is, and what of it counts."""


def fit(
    field: Field,
    signal: ImageSignal,
    recipe: Recipe | None = None,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    optimizer: str | None = None,
    schedule: str | None = None,
    sampling: str | None = None,
    seed: int | None = None,
    goal_psnr_db: float | None = None,
    max_seconds: float | None = None,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = True,
    checkpoint_seconds: float = 30.0,
    should_stop: Callable[[], bool] | None = None,
    objective: Objective | None = None,
    compilation: Compilation | None = None,
    hopeless: Callable[[Sequence[Mapping[str, Any]]], bool] | None = None,
    **others: Unpack[OtherRecipeArguments],
) -> FitResult:
    """Fits a field to a picture.

    Args:
        field: a single `Field`. Its picture_size becomes the picture's. One made in the scope of a `tf.distribute`
            strategy is trained by it, see `keras_inr.training.strategies`.
        signal: an `ImageSignal` with as many channels as the field. Where it has weights (`load_image(mask=...)`),
            pixels of weight 0 take no part, and the loss is the weighted mean of the others; epochs and PSNR are of
            these.
        recipe: a `Recipe`. Its arguments may be given as keywords, too, here and below; they take the place of its own.
            What is not given without a recipe is as was measured best for the network, see `Field.recipes`, or else
            the recipe's default.
        steps, epochs: length of the run; give one.
        batch_size: points in a step; 0 takes all pixels in every step.
        learning_rate: what the schedule decays from, or warms up to.
        optimizer: "adam", "adamw", "sgd" or "muon".
        schedule: "constant", "cosine", "inverse", "warmup_exponential" or "plateau".
        sampling: "random", "shuffled", "full" or "continuous".
        seed: of the batches.
        goal_psnr_db, max_seconds: stop at this PSNR over all pixels that count, or after so many seconds of training.
        checkpoint_dir: None, or a folder for checkpoints. If it holds one, the run goes on from there; weights then end
            bit-identical to an undisturbed run's on the same machine (on CPUs).
        callbacks: more Keras callbacks. An epoch of theirs is a round, about 1/200 of the run; `on_train_begin` may
            come up to three times, for a begun round, the whole rounds, and a shorter last one.
        progress: whether to show a progress bar.

    Other arguments:
        checkpoint_seconds: least time between two checkpoints; one more is written at the end.
        should_stop: callable without arguments; True saves a checkpoint and stops at the next step.
        objective: an `Objective` that takes the place of what recipe.supervise asks for; PSNR is still against signal.
        compilation: a `Compilation` that takes the place of the measured table's; one step in a call lets callbacks see
            every step of a hash grid, whose steps are called eight at a time.
        hopeless: callable from the rows of the history to whether the goal is out of reach, which ends the run as
            "stalled"; asked after each round.
        **others: what else a `Recipe` has, where each is explained:
            of the optimizer: beta_1, beta_2, epsilon, weight_decay, clip_norm;
            of the tables of hash encodings: table_learning_rate, table_beta_1, table_beta_2, table_epsilon,
                table_weight_decay;
            of the schedule: warmup_epochs, half_life_epochs, hold_epochs, final_fraction, plateau_factor,
                plateau_patience, averaging;
            of what is fitted: supervise, value_weight, gradient_weight, laplacian_weight, derivative_rule,
                derivative_colours, freeze.

    Returns:
        A `FitResult`.

    Raises:
        InputTypeError: for a field that is no `Field`, a signal without values, or an argument that there is not.
        InputError: for arguments out of range, a picture with weights under sampling="continuous" or whose derivatives
            are to be fitted, a stacked field, a field with other channels than the picture, one that
            has not the derivatives asked for, or without layers of the names to freeze; for points that devices
            cannot share equally; for weights in float16 or none that are trained, or in the scope of another
            `tf.distribute` strategy than the field's.
        RuntimeError: within `tf.function` or a `tf.Graph`.
        DivergedError: when the loss is no longer finite; checkpoints are from before it rose to 100 times its best.
        CheckpointError: if checkpoints exist and none can be read, or they are of another picture, network or recipe,
            or of more steps.

    >>> from keras_inr.models import from_preset
    >>> from keras_inr.signals import load_image
    >>> signal = load_image("sample:chelsea", size=64)
    >>> result = fit(from_preset("multi_hash", seed=0), signal, steps=200, learning_rate=0.01, progress=False)
    >>> result.psnr_db > 25
    True
    """
    started = time.perf_counter()
    recipe = recipe_of(fit, locals(), getattr(field, "recipes", None))
    check_callbacks(callbacks, should_stop, checkpoint_dir)
    objective = _checked_objective(objective, field, signal, recipe)
    num_pixels = num_counting(signal)
    strategy = field.distribute_strategy
    check_share(strategy, recipe.points_per_step(num_pixels))
    with strategy.scope():
        model = objective.model(field)
    with frozen(field, recipe.freeze):
        field.picture_size = signal.size
        state = TrainingState(recipe.total_steps(num_pixels), identity=identity_of(field, signal, recipe))
        with strategy.scope():
            compile_model(model, objective, recipe, num_pixels, compilation)
        averager = Averager(state, model.trainable_variables, recipe.averaging) if recipe.averaging else None
        averages = averager.averages if averager else ()
        if checkpoint_dir is not None:
            restore(model, state, checkpoint_dir, identity_defaults(model), averages)
        recorder = Recorder(state, started)
        watchers = [recorder, StopOnDivergence(state), *([averager] if averager else [])]
        goals = (goal_psnr_db, max_seconds, should_stop, hopeless)
        watchers.append(StopAtGoal(state, field, signal, objective, *goals, averager))
        if recipe.schedule == "plateau":
            watchers.append(Plateau(state, recipe.plateau_factor, recipe.plateau_patience))
        bar = ProgressBar(state, goal_psnr_db, max_seconds)
        sampler = Sampler(signal, recipe, field.values_dtype, objective)
        watchers += [*([bar] if progress else []), *callbacks]
        if checkpoint_dir is not None:
            watchers.append(Checkpointer(state, checkpoint_dir, checkpoint_seconds, averages))
        try:
            run_rounds(model, sampler, state, watchers, rounds_of(recipe, num_pixels))
            recorder.finish()
            if averager is not None:
                averager.apply()
            return measure(field, signal, state, objective, model.optimizer)
        except DivergedError as error:
            error.rows = state.rows
            raise
        finally:
            bar.close()


def _checked_objective(objective, field, signal, recipe):
    """The objective, or what the recipe asks for, after a look at whether the field can be fitted."""
    check_pair(field, signal)
    check_preconditions(field, several_devices=True)
    check_supervision(field, recipe)
    check_mask(signal, recipe)
    objective = objective or make_objective(recipe, signal)
    if weights_of(signal) is not None and objective.outputs != ("values",):
        told = "for a picture with a mask, whose derivatives are not known"
        raise InputError(f"objective must be of values alone {told}, received one of {', '.join(objective.outputs)}")
    if not objective.knows_values:
        check_offset(field, recipe.freeze)
    advise(field, signal, recipe)
    return objective


def check_pair(field: Field, signal: ImageSignal) -> None:
    """Raises unless the field can be fitted to the signal."""
    if not isinstance(field, Field):
        raise InputTypeError(f"field must be a keras_inr.models.Field, received {type(field).__name__}")
    if not hasattr(signal, "values") or not hasattr(signal, "channels"):
        raise InputTypeError(f"signal must be what load_image returns, received {type(signal).__name__}")
    if field.num_fields is not None:
        raise InputError(f"field must be a single field, received num_fields={field.num_fields}")
    if isinstance(field, BlockField):
        raise InputError(f"field must be one network, received {field.name!r} of blocks, which keras_inr.blocks fits")
    if field.channels != signal.channels:
        raise InputError(f"the picture has {signal.channels} channels, the field must have as many: {field.channels}")


def identity_of(field: Field, signal: ImageSignal, recipe: Recipe) -> dict[str, Any]:
    """Picture, network, and recipe without its length, as JSON has them."""
    numbers = dataclasses.asdict(recipe)
    del numbers["steps"], numbers["epochs"]
    network = network_of(field)
    network = {"field": network.pop("class"), **{f"field_{name}": value for name, value in network.items()}}
    picture = {f"{name}_sha256": getattr(signal, attribute, None) for name, attribute in SHA256_OF.items()}
    return {**picture, **network, **numbers}


def identity_defaults(model: keras.Model) -> dict[str, Any]:
    """What `identity_of` says of a run that gave no arguments: how a version ran that did not know them yet."""
    arguments = inspect.signature(type(getattr(model, "field", model)).__init__).parameters.values()
    network = {f"field_{argument.name}": argument.default for argument in arguments}
    numbers = {field.name: field.default for field in dataclasses.fields(Recipe)}
    return json.loads(json.dumps({**network, **numbers}, default=repr))


@one_name()
def compile_model(
    model: keras.Model, objective: Objective, recipe: Recipe, num_pixels: int, compilation: Compilation | None = None
) -> None:
    """Compiles what is fitted as the recipe and the table of compilation say, and builds optimizer and metrics."""
    field = getattr(model, "field", model)
    compilation = compilation or compilation_for(field, derivatives=model is not field)
    losses = objective.losses(field.values_dtype)
    metrics = [PSNR(name="psnr_db")] if objective.measures_psnr else None
    if model is field:
        compiled = {"loss": losses["values"], "metrics": metrics}
    else:
        compiled = {"loss": losses, "metrics": metrics and {"values": metrics}, "loss_weights": objective.loss_weights}
    model.compile(
        optimizer=make_optimizer(recipe, field, num_pixels),
        jit_compile=compilation.jit_compile,
        steps_per_execution=compilation.steps_per_execution,
        **compiled,
    )
    model.optimizer.build(model.trainable_variables)
    # builds the metrics, so that a checkpoint's sums find their place
    nothing = objective.split(np.zeros((1, objective.table_width), field.values_dtype))
    if model is not field:
        model.compute_loss(None, nothing, nothing)
    model.compute_metrics(None, nothing, nothing)
    share_steps(model)


def run_rounds(
    model: keras.Model,
    sampler: BatchSource,
    state: TrainingState,
    watchers: Sequence[keras.callbacks.Callback],
    round_steps: float = math.inf,
) -> None:
    """Calls `Model.fit` for the rest of a begun round, for all whole rounds, and for what is left at the end.

    A run of 35 steps in rounds of 10 that goes on after 4 calls it three times: for one round of the steps 4 to 9, for
    two rounds of 10 to 29, and for one of 30 to 34.
    """
    length = round_length(state.total_steps, model.steps_per_execution, round_steps)
    while state.step < state.total_steps and state.stopped_by is None:
        to_boundary = min(length - state.step % length, state.total_steps - state.step)
        rounds = max(1, (state.total_steps - state.step) // length) if to_boundary == length else 1
        last = state.step + rounds * to_boundary
        model.fit(
            sampler.dataset(state.step, last),
            initial_epoch=state.step // length,
            epochs=state.step // length + rounds,
            steps_per_epoch=to_boundary,
            callbacks=list(watchers),
            shuffle=False,
            verbose=0,
        )
        if model.stop_training and state.stopped_by is None:
            state.stopped_by = "callback"
    if state.stopped_by is None:
        state.stopped_by = "steps"


def rounds_of(recipe: Recipe, num_pixels: int) -> float:
    """The most steps that a round may have: an epoch where a run may be as long as it takes."""
    return recipe.steps_per_epoch(num_pixels) if recipe.schedule == "inverse" else math.inf


def round_length(total_steps: int, steps_per_execution: int, most: float = math.inf) -> int:
    """Steps in a round: about 1/200 of the run, but no more than so many, whole executions."""
    return steps_per_execution * max(1, round(min(most, total_steps / ROUNDS) / steps_per_execution))
