"""A run that is trained on and on, with pauses that leave no trace."""

import dataclasses
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from typing import Any, cast

import keras

from keras_inr.errors import DivergedError, InputError
from keras_inr.models.field import Field
from keras_inr.signals.image import ImageSignal
from keras_inr.training.callbacks import batches_psnr, steps_done
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe
from keras_inr.training.result import FitResult


@dataclasses.dataclass(frozen=True)
class Progress:
    """Steps done and to be done by one training; loss and PSNR (dB) of its last batches."""

    step: int
    total_steps: int
    loss: float
    psnr_db: float


class GrowingRun:
    """Trainings of a field in a row, which end with the weights that one as long as all of them would have.

    Between them the state lies in a temporary folder. The field's weights must not be changed there.

    Args:
        field: a `Field`.
        signal: an `ImageSignal`.
        recipe: a `Recipe` whose schedule does not depend on its length, "constant" or "inverse".

    Attributes:
        step, seconds: of training so far.

    >>> from keras_inr.models import from_preset
    >>> from keras_inr.signals import load_image
    >>> from keras_inr.training.recipe import Recipe
    >>> signal = load_image("sample:camera", size=16)
    >>> run = GrowingRun(from_preset("relu", channels=1), signal, Recipe(steps=1, schedule="constant"))
    >>> run.train(2).steps, run.train(3).steps
    (2, 5)
    """

    def __init__(self, field: Field, signal: ImageSignal, recipe: Recipe) -> None:
        self.field = field
        self.signal = signal
        self.recipe = recipe
        self.folder = tempfile.mkdtemp(prefix="keras_inr-")
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.step = 0
        self.seconds = 0.0

    def train(
        self,
        steps: int,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> FitResult:
        """Trains so many steps more.

        Args:
            steps: 1 or more.
            on_progress: called with a `Progress` after every call of the training function.
            should_stop: called then too; True ends the training, which keeps what it has learnt.

        Returns:
            The `FitResult` of the run so far.

        Raises:
            InputError: if training diverged; the weights are those from before it.

        After any other error, Ctrl-C included, the weights are those of the last step, and the run cannot go on.
        """
        before, started = self.field.get_weights(), time.perf_counter()
        counter = ProgressCallback(self.step, self.step + steps, on_progress)
        try:
            result = fit(
                self.field,
                self.signal,
                self.recipe,
                steps=counter.last_step,
                checkpoint_dir=self.folder,
                should_stop=should_stop,
                callbacks=[counter],
                progress=False,
            )
        except DivergedError as error:
            self.field.set_weights(before)
            raise InputError(
                f"{str(error).partition(':')[0]}: the learning rate {self.recipe.learning_rate:g} is probably too "
                "high, try a third of it; the network is what it was before this training"
            ) from error
        except BaseException:
            self.step, self.seconds = counter.step, self.seconds + time.perf_counter() - started
            raise
        self.step, self.seconds = result.steps, result.train_seconds
        return result


class ProgressCallback(keras.callbacks.Callback):
    """Counts the steps of a training and reports them.

    Args:
        step: finished steps of the run that is continued.
        last_step: at which it ends.
        on_progress: called with a `Progress`, or None.
    """

    def __init__(self, step: int, last_step: int, on_progress: Callable[[Progress], None] | None) -> None:
        super().__init__()
        self.step = self.start = step
        self.last_step = last_step
        self.on_progress = on_progress

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.first_step = self.step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.step = self.first_step + steps_done(self, batch)
        if self.on_progress is not None:
            done, total = self.step - self.start, self.last_step - self.start
            logs = logs or {}
            self.on_progress(Progress(done, total, logs["loss"], cast(float, batches_psnr(logs))))
