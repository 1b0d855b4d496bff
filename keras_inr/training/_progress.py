"""The progress bar of a run."""

import sys
from typing import Any

import keras
import tqdm

from keras_inr.training._state import TrainingState
from keras_inr.training.callbacks import batches_psnr


class ProgressBar(keras.callbacks.Callback):
    """Steps, loss, PSNR of the batches, and an estimate of the time left, on standard error.

    In a terminal one line is kept up to date; elsewhere a line is written for every tenth of the run.

    Args:
        state: the `TrainingState`.
    """

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state
        self.bar: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.bar is not None:  # Model.fit is called once for each kind of round
            return
        live = sys.stderr.isatty()
        self.bar = tqdm.tqdm(
            desc="fitting",
            total=self.state.total_steps,
            initial=self.state.step,
            unit=" steps",
            dynamic_ncols=live,
            disable=not live,
        )
        self.tenths = 10 * self.state.step // self.state.total_steps

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        psnr_db = batches_psnr(logs)
        if psnr_db is None:  # values are not fitted: the last measurement of the whole picture tells more
            measured = [row["picture_psnr_db"] for row in self.state.rows if "picture_psnr_db" in row]
            psnr_db = measured[-1] if measured else None
        figures = f"loss {logs['loss']:.3e}" + ("" if psnr_db is None else f", PSNR {psnr_db:.2f} dB")
        if not self.bar.disable:
            self.bar.set_postfix_str(figures, refresh=False)
            self.bar.update(self.state.step - self.bar.n)
        elif (tenths := 10 * self.state.step // self.state.total_steps) > self.tenths:
            self.tenths = tenths
            left = self.state.train_seconds * (self.state.total_steps / self.state.step - 1)
            line = f"step {self.state.step}/{self.state.total_steps}: {figures}, about {left:.0f} s left"
            tqdm.tqdm.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leaves the bar as it stands, on a line of its own."""
        if self.bar is not None:
            self.bar.close()
