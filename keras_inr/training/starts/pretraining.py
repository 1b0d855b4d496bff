"""Learns weights from pictures for the fits of other pictures to start with."""

import dataclasses
import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, Unpack, cast

import keras
import numpy as np
import tensorflow as tf

from keras_inr._arguments import names_arguments, one_of, positive_float, positive_int
from keras_inr._variable_names import one_name
from keras_inr.coordinates import pixel_coords
from keras_inr.errors import DivergedError, InputError
from keras_inr.models.field import Field
from keras_inr.models.field_files import bare_copy
from keras_inr.models.stacking import network_of
from keras_inr.signals.image import ImageSignal
from keras_inr.training._preconditions import check_preconditions
from keras_inr.training._progress import ProgressBar
from keras_inr.training._shared_steps import share_steps
from keras_inr.training._state import TrainingState
from keras_inr.training.callbacks import Recorder, StopOnDivergence, StopWhen
from keras_inr.training.checkpoints import Checkpointer, restore
from keras_inr.training.fitting import check_pair, fit, run_rounds
from keras_inr.training.many.many_fits import fit_many
from keras_inr.training.recipe import Recipe
from keras_inr.training.sampling import batches, check_unmasked
from keras_inr.training.starts.outer_steps import Maml, OuterModel, Reptile, SharedLayers

METHODS = ("average", "prefit", "reptile", "maml", "shared_layers")
CHECKPOINT_SECONDS = 30.0

Learnt = tuple[list[dict[str, Any]], float, str]
"""Rows, PSNR and what ended it, as in a `PretrainingResult`."""


@names_arguments
@dataclasses.dataclass(frozen=True)
class PretrainingRecipe:
    """How a start is learnt.

    Args:
        method: "average", the mean of the weights of separate fits to all pictures from one start; "prefit", those of a
            fit to the first picture; "reptile", "maml", "shared_layers", see `keras_inr.training.starts.outer_steps`.
        steps: outer steps; of each fit for average and prefit.
        batch_size: points of each picture in a step, drawn with replacement.
        learning_rate: of the outer step, decayed by a cosine to 0; None takes the method's: 1 for reptile (SGD, the
            mean itself at first), 1e-3 (Adam) for average, prefit and shared_layers, 1e-4 (Adam) for maml.
        pictures_per_step: pictures in an outer step of reptile and maml, drawn with replacement.
        inner_steps: steps that reptile and maml take from the start for each picture.
        inner_learning_rate: of those; None takes the method's: 1e-3 for reptile (Adam), 1e-2 for maml (SGD).
        own: shared_layers: names of the layers that every picture has for itself, as in fit's freeze.
        seed: of pictures and points.

    Raises:
        InputError: for arguments out of range.

    >>> PretrainingRecipe("reptile", steps=100).learning_rate
    1.0
    """

    method: str
    steps: int = 1000
    batch_size: int = 4096
    learning_rate: float | None = None
    pictures_per_step: int = 4
    inner_steps: int = 8
    inner_learning_rate: float | None = None
    own: str = "head"
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("method", self.method, METHODS)
        for name in ("steps", "batch_size", "pictures_per_step", "inner_steps"):
            positive_int(name, getattr(self, name))
        defaults = {"learning_rate": {"reptile": 1.0, "maml": 1e-4}.get(self.method, 1e-3)}
        defaults["inner_learning_rate"] = 1e-2 if self.method == "maml" else 1e-3
        for name, default in defaults.items():
            given = getattr(self, name)
            object.__setattr__(self, name, positive_float(name, default if given is None else given))

    def of_fits(self) -> Recipe:
        """The `Recipe` of the fits of average and prefit."""
        shared = {name: getattr(self, name) for name in ("steps", "batch_size", "learning_rate", "seed")}
        return Recipe(**shared, schedule="cosine")


class PretrainingArguments(TypedDict, total=False):
    """The arguments of a `PretrainingRecipe` as keywords of `pretrain`."""

    method: str
    steps: int
    batch_size: int
    learning_rate: float | None
    pictures_per_step: int
    inner_steps: int
    inner_learning_rate: float | None
    own: str
    seed: int


@dataclasses.dataclass(frozen=True)
class PretrainingResult:
    """How the learning of a start went.

    Attributes:
        seconds: of learning, set-up included.
        rows: a dict for each round of steps: step, seconds, and the loss and psnr_db of its batches, after the inner
            steps where there are any; empty for average.
        psnr_db: PSNR over the last round's batches; of the fits for average and prefit, their mean.
        stopped_by: "steps" or "interrupt".
    """

    seconds: float
    rows: list[dict[str, Any]]
    psnr_db: float
    stopped_by: str


def pretrain(
    field: Field,
    signals: Sequence[ImageSignal],
    recipe: PretrainingRecipe | None = None,
    *,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: bool = True,
    **arguments: Unpack[PretrainingArguments],
) -> PretrainingResult:
    """Learns a start for fits of a network; the field ends with its weights.

    Args:
        field: a single `Field`; its weights are what learning starts from.
        signals: `ImageSignal`s with the field's channels; of one size for reptile, maml and shared_layers.
        recipe: a `PretrainingRecipe`, or its arguments as keywords: method="reptile", steps=1000.
        checkpoint_dir: None, or a folder for checkpoints from which learning goes on; "average" has none.
        should_stop: callable without arguments; True ends learning at the next step.
        progress: whether to show a progress bar.

    Returns:
        A `PretrainingResult`.

    Raises:
        InputError: as `fit`; also for no signal, or pictures of different sizes.
        DivergedError: when the loss is no longer finite.
        CheckpointError: as `fit`.

    >>> from keras_inr.models import Siren
    >>> from keras_inr.signals import load_image
    >>> signals = [load_image("sample:coffee", crop=(0, left, 200, 200), size=(16, 16)) for left in (0, 200, 400)]
    >>> field = Siren(units=(32, 32), seed=0)
    >>> result = pretrain(field, signals, method="reptile", steps=40, batch_size=256, progress=False)
    >>> result.psnr_db > 12
    True
    """
    started = time.perf_counter()
    recipe = PretrainingRecipe(**arguments) if recipe is None else dataclasses.replace(recipe, **arguments)
    if not signals:
        raise InputError("signals must be one at least, received none")
    check_unmasked(signals, "a start")
    for signal in signals:
        check_pair(field, signal)
    check_preconditions(field)
    learn = {"average": by_average, "prefit": by_one_fit}.get(recipe.method, by_steps)
    rows, psnr_db, stopped_by = learn(field, signals, recipe, Options(checkpoint_dir, should_stop, progress))
    return PretrainingResult(time.perf_counter() - started, rows, psnr_db, stopped_by)


@dataclasses.dataclass(frozen=True)
class Options:
    """Where checkpoints go, what asks to stop, and whether to show progress, as in `pretrain`."""

    checkpoint_dir: str | os.PathLike[str] | None
    should_stop: Callable[[], bool] | None
    progress: bool


def by_one_fit(field: Field, signals: Sequence[ImageSignal], recipe: PretrainingRecipe, options: Options) -> Learnt:
    """The weights of a fit to the first picture."""
    result = fit(field, signals[0], recipe.of_fits(), **vars(options))
    return result.rows, math.nan if result.psnr_db is None else result.psnr_db, result.stopped_by


def by_average(field: Field, signals: Sequence[ImageSignal], recipe: PretrainingRecipe, options: Options) -> Learnt:
    """The mean of the weights of separate fits that start alike."""
    fields = [bare_copy(field) for _ in signals]
    results = fit_many(fields, signals, recipe.of_fits(), should_stop=options.should_stop, progress=options.progress)
    reasons = {result.stopped_by for result in results}
    if "diverged" in reasons:
        raise DivergedError(f"fits have diverged at a learning rate of {recipe.learning_rate:g}: try a third of it")
    for variable, parts in zip(field.weights, zip(*(each.weights for each in fields), strict=True), strict=True):
        variable.assign(np.mean([part.numpy() for part in parts], axis=0))
    if "interrupt" in reasons:
        return [], math.nan, "interrupt"
    return [], float(np.mean([result.psnr_db for result in results])), "steps"


def by_steps(field: Field, signals: Sequence[ImageSignal], recipe: PretrainingRecipe, options: Options) -> Learnt:
    """Outer steps of an `OuterModel`."""
    started = time.perf_counter()
    sizes = sorted({signal.size for signal in signals})
    if len(sizes) > 1:
        raise InputError(f"signals must be of one size for {recipe.method}, received {sizes}")
    model = make_model(field, recipe, len(signals))
    rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, recipe.steps)
    with one_name():
        optimizer = keras.optimizers.SGD(rate) if recipe.method == "reptile" else keras.optimizers.Adam(rate)
        optimizer.build(model.trained_variables)
    model.compile(optimizer=optimizer, jit_compile=False)  # XLA takes longer for the unrolled steps than it saves
    share_steps(model)
    state = TrainingState(recipe.steps, identity=identity_of(field, signals, recipe))
    bar = ProgressBar(state)
    watchers = [Recorder(state, started), StopOnDivergence(state), StopWhen(state, options.should_stop)]
    watchers += [bar] if options.progress else []
    if options.checkpoint_dir is not None:
        restore(model, state, options.checkpoint_dir)
        watchers.append(Checkpointer(state, options.checkpoint_dir, CHECKPOINT_SECONDS))
    try:
        run_rounds(model, PictureSampler(signals, model, recipe), state, watchers)
    finally:
        bar.close()
    if recipe.method == "shared_layers":
        model.finish()
    return state.rows, state.rows[-1]["psnr_db"] if state.rows else math.nan, state.reason


def identity_of(field: Field, signals: Sequence[ImageSignal], recipe: PretrainingRecipe) -> dict[str, Any]:
    """Network, pictures and recipe, as JSON has them."""
    pictures = hashlib.sha256("".join(signal.sha256 for signal in signals).encode()).hexdigest()
    return {**network_of(field), **dataclasses.asdict(recipe), "pictures_sha256": pictures}


def make_model(field: Field, recipe: PretrainingRecipe, num_signals: int) -> OuterModel:
    """The model whose steps learn the start."""
    if recipe.method == "shared_layers":
        return SharedLayers(field, num_signals, recipe.own)
    kind = {"reptile": Reptile, "maml": Maml}[recipe.method]
    return kind(field, recipe.pictures_per_step, cast(float, recipe.inner_learning_rate))


class PictureSampler:
    """Batches for an `OuterModel`: random pixels of random pictures, or of all of them for shared_layers.

    Args:
        signals: `ImageSignal`s of one size.
        model: the `OuterModel`.
        recipe: a `PretrainingRecipe`.
    """

    def __init__(self, signals: Sequence[ImageSignal], model: OuterModel, recipe: PretrainingRecipe) -> None:
        self.height, self.width = signals[0].size
        self.table = tf.stack([tf.convert_to_tensor(signal.values, model.field.values_dtype) for signal in signals])
        self.table = tf.reshape(self.table, (len(signals), self.height * self.width, -1))
        self.all_pictures = recipe.method == "shared_layers"
        self.num_sets = {"maml": recipe.inner_steps + 1, "reptile": recipe.inner_steps}.get(recipe.method, 1)
        self.shape = (self.num_sets, model.num_pictures, recipe.batch_size)
        self.seed = recipe.seed

    def dataset(self, first: int, last: int) -> tf.data.Dataset:
        """A `tf.data.Dataset` of the batches of the steps first ... last - 1."""
        return batches(self.batch, first, last)

    def batch(self, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Coords (S, K, N, 2) and targets (S, K, N, channels) of a step."""
        number, num_pixels = self.table.shape[:2]
        seeds = tf.random.split([self.seed, tf.cast(step, "int32")], 2)
        pictures = tf.random.stateless_uniform([self.shape[1]], seeds[0], 0, number, dtype="int32")
        if self.all_pictures:
            pictures = tf.range(number)
        pixels = tf.random.stateless_uniform(self.shape, seeds[1], 0, num_pixels, dtype="int32")
        coords = pixel_coords(pixels // self.width, pixels % self.width, self.height, self.width, self.table.dtype.name)
        index = tf.broadcast_to(pictures[None, :, None], self.shape)
        return coords, tf.gather_nd(self.table, tf.stack([index, pixels], axis=-1))
