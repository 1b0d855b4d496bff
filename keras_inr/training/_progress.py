"""The progress bar of a run."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tqdm

from keras_inr._bars import is_live, progress_bar
from keras_inr.training._state import TrainingState
from keras_inr.training.callbacks import batches_psnr


class ProgressBar(keras.callbacks.Callback):
    """Steps, loss, PSNR of the batches or of the averaged weights, and an estimate of the time left, on standard error.

    In a terminal one line is kept up to date, in a notebook a bar; elsewhere there is a line for each tenth.

    Args:
        state: the `TrainingState`.
        goal_psnr_db, max_seconds: where the run ends, if it comes to that; see `fit`.
    """

    def __init__(
        self, state: TrainingState, goal_psnr_db: float | None = None, max_seconds: float | None = None
    ) -> None:
        super().__init__()
        self.state = state
        self.goal_psnr_db = goal_psnr_db
        self.max_seconds = max_seconds
        self.bar: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.bar is not None:  # Model.fit is called once for each kind of round
            return
        steps = {"total": self.state.total_steps, "initial": self.state.step}
        self.bar = progress_bar(is_live(), desc="fitting", unit=" steps", **steps)
        self.tenths = int(10 * self.done())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        figures, done = self.figures(logs), self.done()
        if not self.bar.disable:
            self.bar.total = max(self.state.step, round(self.state.step / done))
            self.bar.set_postfix_str(figures, refresh=False)
            self.bar.update(self.state.step - self.bar.n)
        elif (tenths := int(10 * done)) > self.tenths:
            self.tenths = tenths
            left = self.state.train_seconds * (1 / done - 1)
            of = "" if done > self.state.step / self.state.total_steps else f"/{self.state.total_steps}"
            tqdm.tqdm.write(f"step {self.state.step}{of}: {figures}, about {left:.0f} s left", file=sys.stderr)

    def figures(self, logs: dict[str, Any]) -> str:
        """Loss, and the PSNR that tells most."""
        row = self.state.rows[-1] if self.state.rows else {}
        psnr_db = batches_psnr(logs)
        if psnr_db is None:  # values are not fitted: the last measurement of the whole picture tells more
            measured = [row["picture_psnr_db"] for row in self.state.rows if "picture_psnr_db" in row]
            psnr_db = measured[-1] if measured else None
        psnr_db = row.get("average_psnr_db", psnr_db)
        return f"loss {logs['loss']:.3e}" + ("" if psnr_db is None else f", PSNR {psnr_db:.2f} dB")

    def done(self) -> float:
        """The share of the run that is done: by its steps, its time, or the PSNR that it has come to."""
        state = self.state
        shares = [state.step / state.total_steps]
        if self.max_seconds is not None:
            shares.append(state.train_seconds / self.max_seconds)
        if self.goal_psnr_db is not None:
            shares.append(share_of_curve(state.rows, self.goal_psnr_db))
        return min(max(shares), 1.0)

    def close(self) -> None:
        """Leaves the bar as it stands, on a line of its own."""
        if self.bar is not None:
            self.bar.close()


def share_of_curve(rows: Sequence[Mapping[str, Any]], goal_psnr_db: float) -> float:
    """How many of the steps to a PSNR are taken, if each doubling of them gains what the last one did; 0 if unknown.

    >>> rows = [{"step": step, "average_psnr_db": 30 + gain} for step, gain in ((10, 0), (20, 2), (40, 4))]
    >>> share_of_curve(rows, 36.0)
    0.5
    """
    known = [(row["step"], row["average_psnr_db"]) for row in rows if row.get("average_psnr_db") is not None]
    gained = gain_of_doubling(known) if known else None
    if gained is None or gained <= 0:
        return 0.0
    return 0.5 ** min(max(goal_psnr_db - known[-1][1], 0.0) / gained, 30.0)


def gain_of_doubling(known: Sequence[tuple[int, float]]) -> float | None:
    """What the second half of the steps has gained, of a curve of (step, PSNR); None where it begins later.

    >>> gain_of_doubling([(10, 30.0), (20, 31.0), (40, 31.5)])
    0.5
    """
    last, psnr_db = known[-1]
    before = [value for step, value in known if step <= last / 2]
    return psnr_db - before[-1] if before else None
