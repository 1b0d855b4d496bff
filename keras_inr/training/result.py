"""How a fit ended, measured on all pixels that count."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from keras_inr.alignment import aligned_psnr, best_offset
from keras_inr.metrics import SSIM_WINDOW, psnr, psnr_8bit, ssim
from keras_inr.models.field import Field
from keras_inr.signals._mask import counting, counts_of
from keras_inr.signals.image import ImageSignal
from keras_inr.training._state import TrainingState
from keras_inr.training.callbacks import diverged
from keras_inr.training.objectives import Objective, add_offset


@dataclasses.dataclass(frozen=True)
class FitResult:
    """How a fit ended.

    psnr_db, psnr_8bit_db and ssim are over all pixels, against the field's clamped values, and None after an interrupt;
    an exact picture has psnr_db = inf, a picture under 11 pixels in a direction has ssim = None. Of a picture with a
    mask they are over the pixels that count, those of a weight above 0, each of them alike, and over the windows of
    SSIM that hold no other; psnr_masked_db is over the others, against the values that the picture has there, and
    None where all pixels count. prediction holds the
    field's values (height, width, channels), not clamped. alignment is None where values were fitted; after a fit to
    derivatives alone it holds "offset", the constant (one number for each channel) that was added to the field so that
    its mean is the picture's, and "psnr_raw_db", "psnr_offset_db", "psnr_affine_db", "psnr_harmonic_db": of what was
    learnt without it, with it, and with more of what a derivative cannot know, see `keras_inr.alignment`. psnr_db
    and the other figures are those of the field as it is left, offset included. The rest is as in `TrainingState`.

    >>> from keras_inr.models import from_preset
    >>> from keras_inr.signals import load_image
    >>> from keras_inr.training.fitting import fit
    >>> signal = load_image("sample:camera", size=16)
    >>> result = fit(from_preset("relu", channels=1), signal, steps=2, progress=False)
    >>> result.stopped_by, result.steps, result.prediction.shape
    ('steps', 2, (16, 16, 1))
    """

    psnr_db: float | None
    psnr_8bit_db: float | None
    ssim: float | None
    steps: int
    train_seconds: float
    setup_seconds: float
    stopped_by: str
    rows: list[dict[str, Any]] = dataclasses.field(repr=False)
    prediction: np.ndarray | None = dataclasses.field(repr=False)
    alignment: dict[str, Any] | None = None
    psnr_masked_db: float | None = None


def measure(
    field: Field, signal: ImageSignal, state: TrainingState, objective: Objective, optimizer: keras.Optimizer
) -> FitResult:
    """The result of a run, on all pixels that count; a field that never saw values first gets the picture's mean."""
    prediction = alignment = None
    if state.stopped_by != "interrupt":
        prediction = field.sample_grid(signal.height, signal.width)
        if not np.all(np.isfinite(prediction)):  # the last step's doing, since its loss is that of the weights before
            raise diverged("the field became nan", state.step, optimizer)
        if not objective.knows_values:
            offset = best_offset(signal.values, prediction)
            alignment = {"offset": offset.tolist(), **aligned_psnr(signal.values, prediction)}
            add_offset(field, offset)
            prediction = field.sample_grid(signal.height, signal.width)
    return FitResult(
        **quality(signal, prediction),
        alignment=alignment,
        steps=state.step,
        train_seconds=state.train_seconds,
        setup_seconds=state.setup_seconds,
        stopped_by=state.reason,
        rows=state.rows,
    )


def quality(signal: ImageSignal, prediction: np.ndarray | None) -> dict[str, Any]:
    """The part of a `FitResult` that is about a prediction (H, W, C), which may be None."""
    if prediction is None:
        return dict.fromkeys(("psnr_db", "psnr_8bit_db", "ssim", "prediction"))
    pair, counts = (signal.values, prediction), counts_of(signal)
    pair_counting = [counting(signal, values) for values in pair]
    similarity = ssim(*pair, counts) if min(signal.size) >= SSIM_WINDOW else math.nan
    return {
        "psnr_db": psnr(*pair_counting),
        "psnr_8bit_db": psnr_8bit(*pair_counting),
        "ssim": None if math.isnan(similarity) else similarity,
        "prediction": prediction,
        **({} if counts is None else {"psnr_masked_db": psnr(*(values[~counts] for values in pair))}),
    }
