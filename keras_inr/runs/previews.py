"""Keras callbacks that show a run while it goes on: preview pictures and TensorBoard logs."""

import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr.rendering._jpeg import save_jpeg
from keras_inr.rendering.png import save_png
from keras_inr.training.callbacks import batches_psnr, steps_done
from keras_inr.training.fitting import round_length

SUFFIXES = {"png": "png", "jpeg": "jpg"}
"""Format of a preview -> how its file's name ends."""


class Previews(keras.callbacks.Callback):
    """Writes `<folder>/step-<step>.png`, or `.jpg`, at the end of the first round after every so many steps.

    What is shown depends on nothing but the step, so that a resumed run shows what an undisturbed one does; a round
    that was cut short is not shown.

    Args:
        folder: where pictures go.
        every: steps between two; 0 for none.
        total_steps: length of the run, of which a round is a part.
        step: finished steps of the run that is resumed.
        draw: callable that gives the picture, uint8 (height, width, channels); None renders the model.
        most: steps that a round has at most, see `rounds_of`.
        format: "png", or "jpeg" of quality 90, which is white where a picture is transparent.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        every: int,
        total_steps: int,
        step: int = 0,
        draw: Callable[[], np.ndarray] | None = None,
        most: float = math.inf,
        format: str = "png",
    ) -> None:
        super().__init__()
        self.format = format
        self.draw = draw
        self.folder = folder
        self.every = every
        self.total_steps = total_steps
        self.most = most
        self.step = step  # counted here, since an optimizer that scales the loss leaves steps out

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.batches = steps_done(self, batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.step += self.batches
        length = round_length(self.total_steps, self.model.steps_per_execution, self.most)
        if self.step % length == 0 or self.step == self.total_steps:
            self.on_round_end(self.step, (self.step - 1) // length * length, logs or {})

    def on_round_end(self, step: int, first_step: int, logs: Mapping[str, Any]) -> None:
        """Called with the finished steps, those before the round, and the round's loss and PSNR."""
        if self.every and step // self.every > first_step // self.every:
            self.show(step, self.model.render() if self.draw is None else self.draw())

    def show(self, step: int, picture: np.ndarray) -> None:
        """Keeps a picture (height, width, channels), uint8."""
        self.folder.mkdir(parents=True, exist_ok=True)
        save = save_jpeg if self.format == "jpeg" else save_png
        save(self.folder / f"step-{step:07d}.{SUFFIXES[self.format]}", picture)


class TensorBoardLog(Previews):
    """Loss and PSNR of each round, by step, and preview pictures, for `tensorboard --logdir`.

    Args:
        folder: where event files go.
        every, total_steps, step, draw, most: as in `Previews`.
    """

    writer: Any = None

    def on_round_end(self, step: int, first_step: int, logs: Mapping[str, Any]) -> None:
        if self.writer is None:
            self.writer = tf.summary.create_file_writer(str(self.folder))
        with self.writer.as_default(step=step):
            for name, value in (("loss", logs["loss"]), ("psnr_db", batches_psnr(logs))):
                if value is not None:
                    tf.summary.scalar(name, value)
        super().on_round_end(step, first_step, logs)
        self.writer.flush()

    def show(self, step: int, picture: np.ndarray) -> None:
        with self.writer.as_default(step=step):
            tf.summary.image("preview", picture[None])
