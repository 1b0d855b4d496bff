"""Fits what many pictures share, and the latents that tell them apart."""

import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import Any, Unpack

import keras
import numpy as np
import tensorflow as tf

from keras_inr._arguments import as_list, one_of
from keras_inr._variable_names import one_name
from keras_inr.errors import DivergedError, InputError, InputTypeError
from keras_inr.losses import StackedMeanSquaredError
from keras_inr.metrics import PSNR, psnr
from keras_inr.models.modulated_siren import ModulatedSiren
from keras_inr.signals.image import ImageSignal
from keras_inr.training._preconditions import check_preconditions
from keras_inr.training._progress import ProgressBar
from keras_inr.training._shared_steps import share_steps
from keras_inr.training._state import TrainingState
from keras_inr.training.callbacks import Plateau, Recorder, StopOnDivergence, diverged
from keras_inr.training.compilation import compilation_for
from keras_inr.training.fitting import run_rounds
from keras_inr.training.freezing import layers_frozen
from keras_inr.training.many.many_fits import MOST_POINTS, check_recipe
from keras_inr.training.optimizers import make_optimizer
from keras_inr.training.recipe import Recipe, RecipeArguments
from keras_inr.training.sampling import Sampler, check_unmasked

LEARNING_RATES = {"all": 1e-3, "latents": 3e-3}
POINTS_PER_STEP = 2**14


@dataclasses.dataclass(frozen=True)
class ModulatedFitResult:
    """How a fit of many pictures by one network ended.

    psnr_db is a tuple with the PSNR of each picture over all its pixels, clamped, inf where it is exact; predictions
    holds values (K, height, width, channels), not clamped. rows is the history, where loss is the mean squared error,
    the mean over pictures, and psnr_db the PSNR of that error, clamped. The rest is as in `TrainingState`.

    >>> result = ModulatedFitResult((20.0, 30.0), np.zeros((2, 8, 8, 3)), 1, 0.1, 0.1, "steps", [])
    >>> result.mean_psnr_db
    25.0
    """

    psnr_db: tuple[float, ...]
    predictions: np.ndarray = dataclasses.field(repr=False)
    steps: int
    train_seconds: float
    setup_seconds: float
    stopped_by: str
    rows: list[dict[str, Any]] = dataclasses.field(repr=False)

    @property
    def mean_psnr_db(self) -> float:
        """Mean over the pictures of their PSNRs."""
        return float(np.mean(self.psnr_db))


def fit_modulated(
    model: ModulatedSiren,
    signals: Iterable[ImageSignal],
    recipe: Recipe | None = None,
    *,
    train: str = "all",
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: bool = True,
    **arguments: Unpack[RecipeArguments],
) -> ModulatedFitResult:
    """Fits a `ModulatedSiren` to as many pictures as it has latents.

    train="all" learns the shared network and all latents together, by gradient descent on both (auto-decoding, as
    DeepSDF does). functa meta-learns the network instead, so that three gradient steps from zero find a latent. That
    differentiates through the steps and takes hundreds of thousands of updates; its gain is speed on new pictures,
    which here take as many steps as one gives them. train="latents" keeps to the bit what is shared:

        known = ModulatedSiren(num_pictures=len(pictures), latent_dim=64)
        fit_modulated(known, pictures, steps=2000)
        new = known.for_pictures(len(others), like=nearest(known, others))  # where their latents begin
        fit_modulated(new, others, steps=500, train="latents")

    Args:
        model: a `ModulatedSiren`. Its picture_size becomes the pictures'.
        signals: num_pictures `ImageSignal`s of one size, with as many channels as the model.
        recipe: a `Recipe`, or its arguments as keywords; it must supervise values and freeze nothing, and Muon is not
            for it. A step takes batch_size points of every picture, the same of all. Without a recipe, the default
            of batch_size makes 2^14 points or less of all pictures together, at most all their pixels, and that of
            learning_rate is 1e-3, or 3e-3 for latents alone.
        train: "all" or "latents".
        callbacks: more Keras callbacks, see `fit`.
        progress: whether to show a progress bar, with the loss summed over pictures.

    Returns:
        A `ModulatedFitResult`.

    Raises:
        InputTypeError: for a model that is no `ModulatedSiren` or a signal without values.
        InputError: for arguments out of range, another number of signals than latents, different sizes or channels.
        DivergedError: when the loss, or a prediction, is no longer finite.

    >>> from keras_inr.signals import load_image
    >>> signals = [load_image(f"sample:{name}", size=(16, 16)) for name in ("chelsea", "coffee", "rocket")]
    >>> model = ModulatedSiren(num_pictures=3, latent_dim=8, units=(32, 32), seed=0)
    >>> fit_modulated(model, signals, steps=200, sampling="full", progress=False).mean_psnr_db > 20
    True
    """
    started = time.perf_counter()
    pictures = as_list("signals", signals)
    check_pictures(model, pictures)
    check_preconditions(model)
    recipe = recipe_for(model, pictures, recipe, train, arguments)
    model.picture_size = pictures[0].size
    num_pixels = pictures[0].height * pictures[0].width
    state = TrainingState(recipe.total_steps(num_pixels))
    shared = [*model.network.stack, model.to_modulations]
    with layers_frozen(model, shared if train == "latents" else []):
        compile_model(model, recipe, num_pixels)
        recorder, bar = Recorder(state, started), ProgressBar(state)
        watchers = [recorder, StopOnDivergence(state)]
        if recipe.schedule == "plateau":
            watchers.append(Plateau(state, recipe.plateau_factor, recipe.plateau_patience))
        watchers += [*([bar] if progress else []), *callbacks]
        table = Table(pictures)
        try:
            run_rounds(model, Sampler(table, recipe, model.values_dtype, table), state, watchers)
            recorder.finish()
            return measure(model, pictures, state)
        except DivergedError as error:
            error.rows = history(state, len(pictures))
            raise
        finally:
            bar.close()


def check_pictures(model: ModulatedSiren, signals: Sequence[ImageSignal]) -> None:
    """Raises unless the model can be fitted to the signals."""
    if not isinstance(model, ModulatedSiren):
        raise InputTypeError(f"model must be a keras_inr.models.ModulatedSiren, received {type(model).__name__}")
    if len(signals) != model.num_pictures:
        raise InputError(
            f"signals must be as many as the model's latents, {model.num_pictures}, received {len(signals)}"
        )
    for signal in signals:
        if not hasattr(signal, "values") or not hasattr(signal, "channels"):
            raise InputTypeError(f"signals must be what load_image returns, received {type(signal).__name__}")
        if signal.size != signals[0].size:
            raise InputError(f"signals must be of one size, received {signals[0].size} and {signal.size}")
        if signal.channels != model.channels:
            told = f"{model.channels}, received {signal.channels}"
            raise InputError(f"signals must have as many channels as the model, {told}")
    check_unmasked(signals, "a modulated network")


def recipe_for(
    model: ModulatedSiren, signals: Sequence[ImageSignal], recipe: Recipe | None, train: str, arguments: RecipeArguments
) -> Recipe:
    """The recipe with the defaults that depend on what is trained and how many pictures there are."""
    one_of("train", train, tuple(LEARNING_RATES))
    if recipe is None:
        num_pixels = signals[0].height * signals[0].width
        points = max(1, min(num_pixels, POINTS_PER_STEP // model.num_pictures))
        defaults: dict[str, Any] = {"batch_size": points, "learning_rate": LEARNING_RATES[train]}
        recipe = Recipe(**{**defaults, **arguments})
    else:
        recipe = dataclasses.replace(recipe, **arguments)
    check_recipe(recipe)
    if recipe.optimizer == "muon":
        raise InputError("optimizer must be one of adam, adamw, sgd for a modulated field, received 'muon'")
    if recipe.freeze is not None:
        raise InputError(
            f"freeze must be None where layers are shared, received {recipe.freeze!r}: see train='latents'"
        )
    return recipe


@one_name()
def compile_model(model: ModulatedSiren, recipe: Recipe, num_pixels: int) -> None:
    """Compiles as the recipe and the table of compilation say.

    The loss is summed over pictures, so that the gradient of a latent does not shrink as they become more.
    """
    compilation = compilation_for(model.network)
    model.compile(
        optimizer=make_optimizer(recipe, model.network, num_pixels),
        loss=StackedMeanSquaredError(dtype=model.values_dtype),
        metrics=[PSNR(name="psnr_db")],
        jit_compile=compilation.jit_compile,
        steps_per_execution=compilation.steps_per_execution,
    )
    model.optimizer.build(model.trainable_variables)
    share_steps(model)


class Table:
    """K pictures as one with K * C channels, which a `Sampler` draws points from for all of them at once.

    >>> from keras_inr.signals import load_image
    >>> table = Table([load_image(np.full((4, 5, 3), value)) for value in (0.25, 0.75)])
    >>> rows = tf.constant(table.table()[:7])
    >>> rows.shape, table.split(rows).shape, table.split(rows)[1, 0].numpy().tolist()
    (TensorShape([7, 6]), TensorShape([2, 7, 3]), [0.75, 0.75, 0.75])
    """

    def __init__(self, signals: Sequence[ImageSignal]) -> None:
        self.num_pictures = len(signals)
        self.values = np.concatenate([signal.values for signal in signals], axis=-1)

    def table(self) -> np.ndarray:
        """(height * width, K * C)."""
        return self.values.reshape(-1, self.values.shape[-1])

    def split(self, rows: tf.Tensor) -> tf.Tensor:
        """Targets (K, N, C) from rows (N, K * C)."""
        return tf.transpose(tf.reshape(rows, (rows.shape[0], self.num_pictures, -1)), (1, 0, 2))


def measure(model: ModulatedSiren, signals: Sequence[ImageSignal], state: TrainingState) -> ModulatedFitResult:
    """The result, on all pixels."""
    predictions = predict(model, signals[0].coords).reshape(len(signals), *signals[0].size, -1)
    if not np.all(np.isfinite(predictions)):  # the last step's doing, since its loss is that of the weights before
        raise diverged("a prediction became nan", state.step, model.optimizer)
    return ModulatedFitResult(
        psnr_db=tuple(psnr(signal.values, values) for signal, values in zip(signals, predictions, strict=True)),
        predictions=predictions,
        steps=state.step,
        train_seconds=state.train_seconds,
        setup_seconds=state.setup_seconds,
        stopped_by=state.reason,
        rows=history(state, len(signals)),
    )


def predict(model: ModulatedSiren, coords: np.ndarray) -> np.ndarray:
    """Values (K, N, C) at coords (N, 2), in chunks."""
    points = tf.TensorSpec((None, coords.shape[-1]), model.values_dtype)
    evaluate = tf.function(lambda coords: model(coords), autograph=False).get_concrete_function(points)
    length = max(1, MOST_POINTS // model.num_pictures)
    chunks = (coords[first : first + length] for first in range(0, len(coords), length))
    return np.concatenate([evaluate(tf.cast(chunk, model.values_dtype)) for chunk in chunks], axis=1)


def nearest(model: ModulatedSiren, signals: Sequence[ImageSignal]) -> list[int]:
    """For each of some other pictures, the place of the model's picture that it has the least squared error to.

    Where latents of new pictures begin matters if they are short.

    Args:
        model: a `ModulatedSiren` that knows pictures.
        signals: pictures of one size.

    Returns:
        A list of ints.

    >>> from keras_inr.signals import load_image
    >>> model = ModulatedSiren(num_pictures=4, latent_dim=8, units=(32, 32), picture_size=(8, 8), seed=0)
    >>> nearest(model, [load_image(model.field(place).render()) for place in (2, 0)])
    [2, 0]
    """
    known = predict(model, signals[0].coords).reshape(model.num_pictures, -1)
    return [int(np.argmin(np.mean((known - signal.values.reshape(-1)) ** 2, axis=1))) for signal in signals]


def history(state: TrainingState, num_pictures: int) -> list[dict[str, Any]]:
    """The rows of a run, their loss a mean over pictures instead of the sum."""
    return [{**row, "loss": row["loss"] / num_pictures} for row in state.rows]
