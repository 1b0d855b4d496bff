"""Fits many fields to as many pictures, a batch of them at a time as one model."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, Unpack

from keras_inr._arguments import as_list, positive_int
from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.models.stacking import check_alike, network_of
from keras_inr.signals.image import ImageSignal
from keras_inr.training._preconditions import check_preconditions
from keras_inr.training.callbacks import check_goals
from keras_inr.training.fitting import check_pair
from keras_inr.training.many.stacked_fit import StackedFit, Stacks
from keras_inr.training.many.stacked_progress import StackedProgress
from keras_inr.training.recipe import OtherRecipeArguments, Recipe, recipe_of
from keras_inr.training.result import FitResult, quality
from keras_inr.training.sampling import check_unmasked

MOST_FIELDS, MOST_POINTS, MOST_WEIGHTS = 64, 2**17, 2**25
"""Fields, points in a step and weights, of all fields together, beyond which a larger batch is no faster and only takes
memory: 2^25 weights are 0.5 GB with their gradients and Adam's moments."""

Item = TypeVar("Item")


def fit_many(
    fields: Iterable[Field],
    signals: Iterable[ImageSignal],
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
    progress: bool = True,
    seeds: Iterable[int] | None = None,
    fields_per_batch: int | None = None,
    should_stop: Callable[[], bool] | None = None,
    **others: Unpack[OtherRecipeArguments],
) -> list[FitResult]:
    """Fits each field to its picture: what as many calls of `fit` do, but together, which is much faster.

    Up to 64 fields are trained as one model with stacked weights. Each has its own initial weights,
    batches, history, learning rate (under the plateau schedule) and end: one that reaches the goal or diverges is taken
    out, and the others go on in a smaller model. Weights and figures are those of separate runs up to the rounding of
    float32.

    Args:
        fields: single `Field`s of one network; each gets its picture's size and its weights.
        signals: as many `ImageSignal`s. Pictures of different sizes are grouped by size where a step takes all pixels
            or the length of an epoch matters, and else trained together.
        recipe: a `Recipe`, which must supervise values, or its arguments as keywords, see `fit`. What is not given is
            as the first field's network has it.
        steps, epochs, batch_size, learning_rate, optimizer, schedule, sampling: as in `fit`.
        seed: of the batches of every picture.
        goal_psnr_db: a field ends when its picture has this PSNR.
        max_seconds: seconds of training of a batch of fields.
        progress: whether to show a progress bar.

    Other arguments:
        seeds: of the batches of each picture; the recipe's seed for all by default.
        fields_per_batch: the most fields that are trained at a time; by default 64, or less where these have more than
            2^17 points in a step or 2^25 weights in all.
        should_stop: callable without arguments; True ends all fits at the next call of the training function, which is
            of 16 steps at most, and begins no other.
        **others: what else a `Recipe` has, as in `fit`.

    Returns:
        A list with a `FitResult` for each field. Its seconds are those of the batch up to the field's end. A field that
        has diverged has stopped_by "diverged" and no figures, an interrupted one "interrupt" and no figures.

    Raises:
        InputError: as `fit`; also for a picture with a mask, fields of different networks, or not as many signals or
            seeds.

    >>> from keras_inr.models import Siren
    >>> from keras_inr.signals import load_image
    >>> signals = [load_image(f"sample:{name}", size=(16, 16)) for name in ("chelsea", "coffee")]
    >>> fields = [Siren(units=(32, 32), seed=seed) for seed in (0, 1)]
    >>> results = fit_many(fields, signals, steps=100, sampling="full", progress=False)
    >>> all(result.psnr_db > 15 for result in results)
    True
    """
    singles, pictures = as_list("fields", fields), as_list("signals", signals)
    recipe = recipe_of(fit_many, locals(), getattr(singles[0], "recipes", None) if singles else None)
    results: dict[int, FitResult] = {}
    bar = StackedProgress(len(singles), progress)
    options: dict[str, Any] = {"goal_psnr_db": goal_psnr_db, "max_seconds": max_seconds, "should_stop": should_stop}
    try:
        for indices, found in fit_in_batches(
            singles, pictures, recipe, seeds=seeds, fields_per_batch=fields_per_batch, bar=bar, **options
        ):
            results.update(zip(indices, found, strict=True))
    finally:
        bar.close()
    return [results[index] for index in range(len(singles))]


def fit_in_batches(
    fields: Sequence[Field],
    signals: Sequence[ImageSignal],
    recipe: Recipe,
    *,
    seeds: Iterable[int] | None = None,
    fields_per_batch: int | None = None,
    should_stop: Callable[[], bool] | None = None,
    bar: StackedProgress | None = None,
    stacks: "LastStacks | None" = None,
    goal_psnr_db: float | None = None,
    max_seconds: float | None = None,
) -> Iterator[tuple[list[int], list[FitResult]]]:
    """Does what `fit_many` does, and yields (indices, results) of each batch of fields as soon as it has ended.

    Args:
        bar: a `StackedProgress` to tell.
        stacks: a `LastStacks`, so that what one call has compiled is there for the next.

    The rest is as in `fit_many`.
    """
    seeds = [recipe.seed] * len(fields) if seeds is None else as_list("seeds", seeds)
    check_fields(fields, signals, seeds, recipe)
    check_goals(goal_psnr_db, max_seconds)
    if fields_per_batch is not None:
        positive_int("fields_per_batch", fields_per_batch)
    bar, stacks = bar or StackedProgress(len(fields), False), stacks or LastStacks()
    for group in groups(signals, recipe):
        num_pixels = signals[group[0]].height * signals[group[0]].width
        at_a_time = fields_per_batch or fields_at_a_time(recipe, num_pixels, fields[group[0]].count_params())
        for indices in chunks(group, at_a_time):
            batch_fields, batch_signals = [fields[index] for index in indices], [signals[index] for index in indices]
            if should_stop is not None and should_stop():
                yield indices, [not_begun(signal) for signal in batch_signals]
                continue
            batch_seeds = [seeds[index] for index in indices]
            models = stacks.of(batch_fields[0], recipe, num_pixels)
            fit = StackedFit(batch_fields, batch_signals, batch_seeds, models, goal_psnr_db, max_seconds, should_stop)
            found = fit.run([bar.watch(fit)])
            bar.finish(found)
            yield indices, found


def not_begun(signal: ImageSignal) -> FitResult:
    """The result of a fit that was interrupted before its first step."""
    return FitResult(
        **quality(signal, None), steps=0, train_seconds=0.0, setup_seconds=0.0, stopped_by="interrupt", rows=[]
    )


class LastStacks:
    """Keeps the `Stacks` that were asked for last, so that a network is compiled once for many calls."""

    def __init__(self) -> None:
        self.key: tuple[Any, ...] | None = None
        self.stacks: Stacks | None = None

    def of(self, field: Field, recipe: Recipe, num_pixels: int) -> Stacks:
        """The `Stacks` of a field's network."""
        frozen = [layer.trainable for layer in field.named_layers]
        key = network_of(field), frozen, recipe, num_pixels if needs_one_size(recipe) else None
        if self.stacks is None or key != self.key:
            self.key, self.stacks = key, Stacks(field, recipe, num_pixels)
        return self.stacks


def check_fields(fields: Sequence[Field], signals: Sequence[ImageSignal], seeds: Sequence[int], recipe: Recipe) -> None:
    """Raises unless these can be fitted together."""
    for name, items in (("signals", signals), ("seeds", seeds)):
        if len(items) != len(fields):
            raise InputError(f"{name} must be as many as fields, {len(fields)}, received {len(items)}")
    check_recipe(recipe)
    check_unmasked(signals, "many fields")
    for field, signal in zip(fields, signals, strict=True):
        check_pair(field, signal)
        check_preconditions(field, copied=True)
    if len({id(field) for field in fields}) < len(fields):
        raise InputError("fields must be different objects, received one of them twice")
    if fields:
        check_alike(fields)
        if fields[0].dtype_policy.name == "mixed_float16":
            raise InputError("fields must not be of the policy mixed_float16, whose loss scale they would share")


def check_recipe(recipe: Recipe) -> None:
    """Raises an InputError for a recipe that many fields cannot follow together."""
    if recipe.supervise != "value":
        raise InputError(f"supervise must be 'value' for many fields, received {recipe.supervise!r}")


def groups(signals: Sequence[ImageSignal], recipe: Recipe) -> list[list[int]]:
    """Indices of the signals that can be in one batch: lists in the order of their first ones."""
    found: dict[tuple[int, int] | None, list[int]] = {}
    for index, signal in enumerate(signals):
        found.setdefault(signal.size if needs_one_size(recipe) else None, []).append(index)
    return list(found.values())


def needs_one_size(recipe: Recipe) -> bool:
    """Whether only pictures of one size can be in a batch: a step takes all pixels, or an epoch's length matters."""
    whole = recipe.sampling in ("full", "shuffled") or recipe.batch_size == 0
    return whole or recipe.steps is None or recipe.schedule == "warmup_exponential" or recipe.warmup_epochs > 0


def fields_at_a_time(recipe: Recipe, num_pixels: int, num_weights: int) -> int:
    """The most fields of so many weights each that are trained at a time.

    >>> [fields_at_a_time(Recipe(steps=1, sampling="full"), 32 * 32, weights) for weights in (10**4, 8 * 10**6, 10**9)]
    [64, 4, 1]
    >>> fields_at_a_time(Recipe(steps=1), 10**6, 10**4)
    8
    """
    most = min(MOST_POINTS // recipe.points_per_step(num_pixels), MOST_WEIGHTS // num_weights)
    return max(1, min(MOST_FIELDS, most))


def chunks(items: list[Item], length: int) -> list[list[Item]]:
    """Consecutive parts of about equal length, none longer than `length`.

    >>> chunks([1, 2, 3, 4, 5], 4)
    [[1, 2, 3], [4, 5]]
    """
    number = -(-len(items) // length)
    sizes = [len(items) // number + (place < len(items) % number) for place in range(number)]
    starts = [sum(sizes[:place]) for place in range(number)]
    return [items[start : start + size] for start, size in zip(starts, sizes, strict=True)]
