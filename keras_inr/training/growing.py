"""Fits a pixel grid until a goal is reached, in larger and larger ones where the curve says that one will not do."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_inr.models.cell_grid import CellGrid, Layout
from keras_inr.models.growth import grown
from keras_inr.signals._mask import num_counting
from keras_inr.signals.image import ImageSignal
from keras_inr.training._progress import gain_of_doubling
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe
from keras_inr.training.result import FitResult

FIRST_EPOCHS = 10
FIRST_STEPS = 240
"""After which, whichever come later, a curve is first judged: an epoch of a small picture has few steps."""

REACH = 2.5
"""How many times what the last doubling of the steps has gained is still to be hoped for: gains shrink by 0.7."""


def fit_growing(
    field: CellGrid,
    signal: ImageSignal,
    recipe: Recipe,
    larger: Sequence[Layout],
    goal_psnr_db: float | None,
    max_seconds: float | None = None,
    stage: Callable[[int], Mapping[str, Any]] = lambda number: {},
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[CellGrid, FitResult]:
    """Fits a field; where its curve says that it will not reach the goal, what it has learnt goes on in a larger one.

    Args:
        field: a `CellGrid` of the form "plain".
        signal, recipe, goal_psnr_db, max_seconds: see `fit`; seconds of all stages together.
        larger: layouts to grow to, each no smaller than the one before at any level.
        stage: from the number of a stage, 0 for the first, to more arguments of its `fit`, such as a checkpoint_dir of
            its own. Where that holds a checkpoint, the stage goes on from there.
        tell: called with a line about each growth.

    Returns:
        (field, result): the field that was fitted last, and a `FitResult` of all stages, stopped_by "stalled" where the
        largest field will not reach the goal either.
    """
    done: list[FitResult] = []
    first_step = max(FIRST_EPOCHS * recipe.steps_per_epoch(num_counting(signal)), FIRST_STEPS)
    while True:
        spent = sum(result.train_seconds for result in done)
        result = fit(
            field,
            signal,
            recipe,
            goal_psnr_db=goal_psnr_db,
            max_seconds=None if max_seconds is None else max(max_seconds - spent, 1e-3),
            hopeless=lambda rows: out_of_reach(rows, goal_psnr_db, first_step),
            **stage(len(done)),
        )
        done.append(result)
        if result.stopped_by != "stalled" or len(done) > len(larger):
            return field, together(done)
        with field.distribute_strategy.scope():
            field = grown(field, larger[len(done) - 1])
        told = f"{result.psnr_db:.2f} dB after {result.steps} steps will not come to {goal_psnr_db:g} dB"
        tell(f"{told}: growing to {field.count_params():,} parameters ({4e-6 * field.count_params():.2g} MB)")


def out_of_reach(rows: Sequence[Mapping[str, Any]], goal_psnr_db: float | None, first_step: int = 0) -> bool:
    """Whether a curve says that a PSNR will not be reached by going on.

    Args:
        rows: of a history, with the average_psnr_db of the steps.
        goal_psnr_db: the PSNR, None for none.
        first_step: before which nothing is said.

    >>> rows = [{"step": step, "average_psnr_db": 30 + gain} for step, gain in ((10, 0), (20, 1), (40, 1.5))]
    >>> out_of_reach(rows, 32.0), out_of_reach(rows, 35.0), out_of_reach(rows, 35.0, first_step=50)
    (False, True, False)
    """
    known = [(row["step"], row["average_psnr_db"]) for row in rows if row.get("average_psnr_db") is not None]
    if goal_psnr_db is None or not known or known[-1][0] < first_step:
        return False
    gained = gain_of_doubling(known)
    return gained is not None and goal_psnr_db - known[-1][1] > REACH * max(gained, 0.0)


def together(stages: Sequence[FitResult]) -> FitResult:
    """One result of several stages: steps, seconds and rows follow each other."""
    rows, steps, seconds = [], 0, 0.0
    for result in stages:
        for row in result.rows:
            rows.append({**row, "step": row["step"] + steps, "seconds": round(row["seconds"] + seconds, 3)})
        steps, seconds = steps + result.steps, seconds + result.train_seconds
    setup = math.fsum(result.setup_seconds for result in stages)
    return dataclasses.replace(stages[-1], steps=steps, train_seconds=seconds, setup_seconds=setup, rows=rows)
