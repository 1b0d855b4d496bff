"""Keras callbacks that show a run while it goes on: preview pictures and TensorBoard logs."""

import keras
import tensorflow as tf

from keras_inr.runs.results import save_png


class Previews(keras.callbacks.Callback):
    """Writes `<folder>/step-<step>.png` at the end of the first round after every so many steps.

    Args:
        folder: where pictures go.
        every: steps between two.
    """

    def __init__(self, folder, every):
        super().__init__()
        self.folder = folder
        self.every = every
        self.shown = None

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.optimizer.iterations)
        if self.shown is None:
            self.shown = (step - self.params["steps"]) // self.every
        if step // self.every == self.shown:
            return
        self.shown = step // self.every
        self.show(step, self.model.render())

    def show(self, step, picture):
        """Keeps a picture (height, width, channels), uint8."""
        self.folder.mkdir(parents=True, exist_ok=True)
        save_png(self.folder / f"step-{step:07d}.png", picture)


class TensorBoardLog(Previews):
    """Loss and PSNR of each round, by step, and preview pictures, for `tensorboard --logdir`.

    Args:
        folder: where event files go.
        every: steps between two pictures; 0 for none.
    """

    def __init__(self, folder, every):
        super().__init__(folder, every)
        self.writer = None

    def on_epoch_end(self, epoch, logs=None):
        if self.writer is None:
            self.writer = tf.summary.create_file_writer(str(self.folder))
        with self.writer.as_default(step=int(self.model.optimizer.iterations)):
            for name in ("loss", "psnr_db"):
                tf.summary.scalar(name, logs[name])
        if self.every:
            super().on_epoch_end(epoch, logs)
        self.writer.flush()

    def show(self, step, picture):
        with self.writer.as_default(step=step):
            tf.summary.image("preview", picture[None])
