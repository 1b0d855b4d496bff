"""What is done with each block: a fit of its own, whose weights come back as bytes."""

import dataclasses
import io
import json
import warnings
from collections.abc import Callable
from typing import Any, cast

import keras
import numpy as np

from keras_inr.blocks.plan import BlockPlan
from keras_inr.blocks.preview import thumbnail
from keras_inr.errors import DivergedError, RecipeWarning
from keras_inr.fleet.work import FITTED, Outcome, failed
from keras_inr.metrics import finite
from keras_inr.models.field import Field
from keras_inr.signals.image import ImageSignal
from keras_inr.training.fitting import fit
from keras_inr.training.growing import fit_growing

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class BlockTask:
    """A block and its part of the picture.

    Args:
        names: of the block alone, as `name_of` has it.
        signal: `ImageSignal` of it, as `block_window` makes it.
    """

    names: tuple[str]
    signal: ImageSignal


def name_of(level: int, block: int) -> str:
    """A block of a picture (level 0) or of one of its reduced ones, as text.

    >>> name_of(1, 12), numbers_of("1-000012")
    ('1-000012', (1, 12))
    """
    return f"{level}-{block:06d}"


def numbers_of(name: str) -> tuple[int, int]:
    """(level, block) of a name."""
    level, block = name.split("-")
    return int(level), int(block)


def fit_block(task: BlockTask, plan: BlockPlan, should_stop: Callable[[], bool] | None = None) -> list[Outcome]:
    """Fits a block; its `Outcome`, or none where it was stopped."""
    (name,) = task.names
    options: dict[str, Any] = {"progress": False, "should_stop": should_stop}
    try:
        field, larger = plan.start(task.signal)
        goals: dict[str, Any] = {"goal_psnr_db": plan.goal_psnr_db, "max_seconds": plan.seconds_per_block}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecipeWarning)
            if larger:
                field, result = fit_growing(field, task.signal, plan.recipe, larger, **goals, stage=lambda _: options)
            else:
                result = fit(field, task.signal, plan.recipe, **goals, **options)
    except DivergedError as error:
        return [failed(name, error)]
    if result.stopped_by == "interrupt":
        return []
    row = {
        "status": FITTED,
        "psnr_db": finite(result.psnr_db),
        "steps": result.steps,
        "stopped_by": result.stopped_by,
        "seconds": round(result.train_seconds + result.setup_seconds, 3),
        "num_parameters": field.count_params(),
    }
    level, block = numbers_of(name)
    factor = 4 ** (len(plan.lattices) - 1 - level)
    shown = thumbnail(cast(np.ndarray, result.prediction), plan.lattices[level], block, factor)
    return [Outcome(name, row, packed(field, row, shown))]


def packed(field: Field, row: dict[str, Any], shown: np.ndarray) -> bytes:
    """A fitted block as the bytes of an NPZ file: network and row as JSON, what is shown of it, and its weights."""
    network = type(field).from_config({**field.get_config(), "name": "block"})  # without an optimizer
    facts = {"format_version": FORMAT_VERSION, "network": keras.saving.serialize_keras_object(network), "row": row}
    arrays = {f"weight_{place}": weight for place, weight in enumerate(field.get_weights())}
    file = io.BytesIO()
    shown = np.clip(shown, 0, 1).astype(np.float16)
    np.savez(file, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), shown=shown, **arrays)
    return file.getvalue()
