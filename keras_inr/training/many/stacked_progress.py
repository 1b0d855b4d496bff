"""The progress bar of a fit of many pictures."""

import sys
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tqdm

from keras_inr._bars import is_live, progress_bar
from keras_inr.training.many.stacked_fit import StackedFit
from keras_inr.training.result import FitResult


class StackedProgress:
    """Fields that are done, and the mean PSNR of those that are being fitted, on standard error.

    In a terminal one line is kept up to date; elsewhere a line is written for every batch that ends.

    Args:
        total: number of fields.
        shown: False shows nothing.
    """

    def __init__(self, total: int, shown: bool = True) -> None:
        self.shown = shown
        self.live = shown and is_live()
        self.started = time.perf_counter()
        self.done, self.total = 0, total
        self.bar = progress_bar(self.live, desc="fitting", total=total, unit=" pictures")

    def watch(self, fit: StackedFit) -> keras.callbacks.Callback:
        """A Keras callback for the next batch, a `StackedFit`."""
        return _Watch(self, fit)

    def show(self, fit: StackedFit, psnr_db: float) -> None:
        """Tells how far a batch is; its fields count by the part of the steps that they have made."""
        part = fit.clock.step / fit.clock.total_steps
        through = self.done + sum(part if result is None else 1.0 for result in fit.results)
        self.bar.set_postfix_str(f"{len(fit.live)} at a time, PSNR {psnr_db:.2f} dB", refresh=False)
        self.bar.update(round(through, 2) - self.bar.n)

    def finish(self, results: Sequence[FitResult]) -> None:
        """Tells how a batch ended."""
        self.done += len(results)
        if self.live:
            self.bar.update(self.done - self.bar.n)
        elif self.shown:
            left = (time.perf_counter() - self.started) * (self.total / self.done - 1)
            known = [result.psnr_db for result in results if result.psnr_db is not None]
            figures = f"PSNR {np.mean(known):.2f} dB, " if known else ""
            line = f"{self.done}/{self.total} pictures: {figures}about {left:.0f} s left"
            tqdm.tqdm.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leaves the bar as it stands, on a line of its own."""
        self.bar.close()


class _Watch(keras.callbacks.Callback):
    def __init__(self, progress: StackedProgress, fit: StackedFit) -> None:
        super().__init__()
        self.progress = progress
        self.fit = fit

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if self.progress.live:
            psnrs = np.reshape(logs["psnr_db"], -1)
            finite = psnrs[np.isfinite(psnrs)]
            self.progress.show(self.fit, float(np.mean(finite)) if finite.size else float("nan"))
