"""A learning-rate range test: the rate rises from step to step, and where the loss falls fastest it is right."""

import dataclasses
import math

import numpy as np

from keras_inr._arguments import positive_int
from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.models.field_files import bare_copy
from keras_inr.signals._mask import num_counting
from keras_inr.signals.image import ImageSignal
from keras_inr.training._preconditions import check_preconditions
from keras_inr.training.compilation import compilation_for
from keras_inr.training.fitting import check_pair, compile_model
from keras_inr.training.freezing import frozen
from keras_inr.training.objectives import check_supervision, make_objective
from keras_inr.training.optimizers import inner_optimizers
from keras_inr.training.recipe import Recipe
from keras_inr.training.sampling import Sampler, check_mask

SMOOTHING = 0.98
"""Decay rate of the moving average of the loss."""

STOP_FACTOR = 4.0
"""How far above its best the smoothed loss may rise before the test ends."""

SKIPPED = 10
"""Steps at the start whose fall says more about the initial weights than about the rate."""

LARGEST_RATE = 1e3


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Attributes:
        learning_rate: where the smoothed loss falls fastest, to three digits.
        rates, losses: arrays (N,), the rate of each step and the smoothed loss after it.
    """

    learning_rate: float
    rates: np.ndarray = dataclasses.field(repr=False)
    losses: np.ndarray = dataclasses.field(repr=False)


def find_learning_rate(
    field: Field, signal: ImageSignal, recipe: Recipe, *, lowest: float = 1e-6, highest: float = 1e-2, steps: int = 100
) -> RangeTest:
    """A learning rate for a fit, from a few steps on a copy of the field.

    Step i of N has the rate lowest * (highest / lowest)^(i / (N - 1)), on the batches of the run's first steps. The
    losses are averaged with weights 0.98^(age), and the rate is that of the steepest fall per step, the first 10 steps
    and the last one left out. The test ends early once the average is 4 times its best. It repeats for a seed, and
    leaves field and signal as they are.

    Args:
        field, signal: as in `fit`.
        recipe: the fit's `Recipe`; its schedule, length and learning_rate are not used. A table_learning_rate is kept.
        lowest, highest: the rates of the first and the last step.
        steps: N, at least 20.

    Returns:
        A `RangeTest`.

    Raises:
        InputError: as `fit`.
        InputError: for rates or steps out of range, or if the loss falls nowhere, for which there is no fallback.

    Source: Smith 2017, and PyTorch Lightning's `lr_find`. Different from it: it suggests a rate where the loss rises,
    too, and its first rate is one step above the lowest.

    >>> from keras_inr.models import from_preset
    >>> from keras_inr.signals import load_image
    >>> from keras_inr.training.recipe import Recipe
    >>> found = find_learning_rate(
    ...     from_preset("relu", seed=0), load_image("sample:chelsea", size=32), Recipe(steps=1), highest=0.1, steps=50
    ... )
    >>> 1e-6 < found.learning_rate < 0.1
    True
    """
    if not 0 < lowest < highest <= LARGEST_RATE:
        told = f"lowest and highest must be rates with 0 < lowest < highest <= {LARGEST_RATE:g}"
        raise InputError(f"{told}, received {lowest!r} and {highest!r}")
    if positive_int("steps", steps) < 2 * SKIPPED:
        raise InputError(f"steps must be at least {2 * SKIPPED}, received {steps!r}")
    check_pair(field, signal)
    check_preconditions(field, several_devices=True, copied=True)
    check_supervision(field, recipe)
    check_mask(signal, recipe)
    rates = lowest * (highest / lowest) ** (np.arange(steps) / (steps - 1))
    losses = smoothed_losses(bare_copy(field), signal, recipe, rates)
    falls = np.gradient(losses)[SKIPPED:-1] if len(losses) > SKIPPED + 1 else np.zeros(0)
    if not np.any(falls < 0):
        told = f"the loss of this network falls nowhere between {lowest:g} and {highest:g} in {len(losses)} steps"
        raise InputError(f"learning_rate cannot be found: {told}; give a number")
    return RangeTest(float(f"{rates[SKIPPED + np.argmin(falls)]:.3g}"), rates[: len(losses)], losses)


def smoothed_losses(field: Field, signal: ImageSignal, recipe: Recipe, rates: np.ndarray) -> np.ndarray:
    """Array of the smoothed losses of one step with each rate, as far as they are finite and the test goes on."""
    objective = make_objective(recipe, signal)
    recipe = dataclasses.replace(recipe, learning_rate=rates[0], schedule="constant")
    sampler = Sampler(signal, recipe, field.values_dtype, objective)
    with frozen(field, recipe.freeze):
        model = objective.model(field)
        # each step has a rate and a loss of its own
        compilation = dataclasses.replace(compilation_for(field, derivatives=model is not field), steps_per_execution=1)
        compile_model(model, objective, recipe, num_counting(signal), compilation)
        optimizers = inner_optimizers(model.optimizer)
        if recipe.table_learning_rate is not None:
            optimizers = optimizers[-1:]
        smoothed: list[float] = []
        average = 0.0
        model.make_train_function()
        batches = iter(sampler.dataset(0, len(rates)))
        for step, rate in enumerate(rates):
            for optimizer in optimizers:
                optimizer.learning_rate = rate
            model.reset_metrics()
            loss = float(model.train_function(batches)["loss"])
            average = SMOOTHING * average + (1 - SMOOTHING) * loss
            now = average / (1 - SMOOTHING ** (step + 1))
            if not math.isfinite(now) or (step > 1 and now > STOP_FACTOR * min(smoothed)):
                break
            smoothed.append(now)
    return np.asarray(smoothed)
