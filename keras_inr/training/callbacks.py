"""Keras callbacks that record, watch and stop a run."""

import contextlib
import math
import numbers
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_inr.alignment import best_offset
from keras_inr.coordinates import pixel_coords
from keras_inr.errors import DivergedError, InputError
from keras_inr.metrics import finite, psnr
from keras_inr.models.field import Field
from keras_inr.signals._mask import counting, counts_of
from keras_inr.signals.image import ImageSignal
from keras_inr.training._state import TrainingState
from keras_inr.training.averaging import Averager
from keras_inr.training.objectives import Objective
from keras_inr.training.optimizers import inner_optimizers

MEASUREMENTS_PER_RUN = 20
"""How often the whole picture is measured in a run that does not fit values."""

PROBED = 8192
"""The most pixels that tell about the average's PSNR, each round."""

PLATEAU_THRESHOLD = 1e-4
"""Least relative fall of the loss that counts as improvement."""

PARTIAL_LOSSES = ("values_loss", "jacobian_loss", "laplacian_loss")


class Recorder(keras.callbacks.Callback):
    """Keeps the state's step, clock and rows; the first callback of a run, since the others read what it writes.

    Args:
        state: the `TrainingState`.
        started: `time.perf_counter()` when set-up began. It ends within the first call of the training function, which
            traces and compiles: set-up is what that one takes beyond the length of the second.
    """

    def __init__(self, state: TrainingState, started: float) -> None:
        super().__init__()
        self.state = state
        self.started = started
        self.marks: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.first_step = self.state.step
        for variable, value in zip(self.model.metrics_variables, self.state.open_round, strict=False):
            variable.assign(value)
        self.state.open_round = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.state.step = self.first_step + steps_done(self, batch)
        now = time.perf_counter()
        if len(self.marks) < 2:
            self.marks.append(now)
            if len(self.marks) == 2:
                first_call = 2 * self.marks[0] - self.marks[1]
                self.state.setup_seconds += max(first_call - self.started, 0.0)
                self.started = max(first_call, self.started)
        if len(self.marks) == 2:
            self.state.train_seconds += now - self.started
            self.started = now

    def restart(self) -> None:
        """Lets set-up begin again, of another model that goes on with the run."""
        self.started = time.perf_counter()
        self.marks = []

    def finish(self) -> None:
        """Closes the clock of a run that had only one call, which is then all training."""
        if len(self.marks) == 1:
            self.state.train_seconds += self.marks[0] - self.started

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        psnr_db = batches_psnr(logs)
        cut_short = self.state.step - self.first_step < self.params["steps"]
        if cut_short and self.state.stopped_by == "interrupt":
            self.state.open_round = [float(variable) for variable in self.model.metrics_variables]
        else:
            self.state.rows.append(
                {
                    "step": self.state.step,
                    "seconds": round(self.state.train_seconds, 3),
                    "loss": logs["loss"],
                    "psnr_db": finite(psnr_db),
                    "learning_rate": learning_rate(self.model.optimizer),
                    **{name: logs[name] for name in PARTIAL_LOSSES if name in logs},
                }
            )


def steps_done(callback: keras.callbacks.Callback, batch: int) -> int:
    """Steps of the round at the end of a batch, whose number says too much after a call that is shorter than others."""
    return min(batch + 1, callback.params["steps"])


def batches_psnr(logs: Mapping[str, Any]) -> float | None:
    """PSNR of the round's batches, None where values are not fitted."""
    return logs.get("psnr_db", logs.get("values_psnr_db"))


class StopOnDivergence(keras.callbacks.Callback):
    """Raises `DivergedError` as soon as the loss is not finite.

    Args:
        state: the `TrainingState`.
    """

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if not math.isfinite(logs["loss"]):
            raise diverged(f"the loss became {logs['loss']}", self.state.step, self.model.optimizer)


class StopWhen(keras.callbacks.Callback):
    """Ends the run when asked to, or after a time budget.

    Args:
        state: the `TrainingState`.
        should_stop: None, or a callable without arguments, asked after every call of the training function.
        max_seconds: None, or seconds of training.
    """

    def __init__(
        self, state: TrainingState, should_stop: Callable[[], bool] | None, max_seconds: float | None = None
    ) -> None:
        super().__init__()
        self.state = state
        self.should_stop = should_stop
        self.max_seconds = max_seconds

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.should_stop is not None and self.should_stop():
            self.stop("interrupt")
        elif self.max_seconds is not None and self.state.train_seconds >= self.max_seconds:
            self.stop("time")

    def stop(self, reason: str) -> None:
        """Ends the run."""
        self.state.stopped_by = reason
        self.model.stop_training = True


class StopAtGoal(StopWhen):
    """Ends the run at a PSNR over all pixels that count, or as `StopWhen`.

    Where values are not fitted everywhere, rounds have no PSNR of their own: it is measured on all pixels, after the
    best offset if values are not fitted at all, about 20 times a run.

    Args:
        state: the `TrainingState`.
        field: what is fitted.
        signal: the picture.
        objective: the `Objective`.
        goal_psnr_db: None, or the PSNR over all pixels that count to stop at. The whole picture is evaluated at the end
            of a round whose batches come within 1 dB of it, and where batches have no PSNR of every round.
        max_seconds, should_stop: as in `StopWhen`.
        hopeless: None, or a callable from the history's rows to whether the goal is out of reach; asked each round.
        averager: None, or the `Averager` whose averages are measured in the place of the weights.

    Raises:
        InputError: for a goal or a budget that is not finite and positive.
    """

    def __init__(
        self,
        state: TrainingState,
        field: Field,
        signal: ImageSignal,
        objective: Objective,
        goal_psnr_db: float | None = None,
        max_seconds: float | None = None,
        should_stop: Callable[[], bool] | None = None,
        hopeless: Callable[[Sequence[Mapping[str, Any]]], bool] | None = None,
        averager: Averager | None = None,
    ) -> None:
        super().__init__(state, should_stop, max_seconds)
        check_goals(goal_psnr_db, max_seconds)
        self.field = field
        self.signal = signal
        self.objective = objective
        self.goal_psnr_db = goal_psnr_db
        self.hopeless = hopeless
        self.averager = averager
        self.probed = None if averager is None else probe_pixels(signal)
        self.look_seconds = 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.state.open_round:
            return
        with contextlib.nullcontext() if self.averager is None else self.averager.applied():
            self.measure(logs or {})
        if self.state.stopped_by is None and self.hopeless is not None and self.hopeless(self.state.rows):
            self.stop("stalled")

    def measure(self, logs: Mapping[str, Any]) -> None:
        """Measures the whole picture where that is due, and ends the run at the goal."""
        if not self.should_measure(logs) or not self.has_time_to_look():
            return
        start = time.perf_counter()
        prediction = self.field.sample_grid(self.signal.height, self.signal.width)
        if not self.objective.knows_values:
            prediction = prediction + best_offset(self.signal.values, prediction)
        psnr_db = psnr(*(counting(self.signal, values) for values in (self.signal.values, prediction)))
        self.state.rows[-1]["picture_psnr_db"] = finite(psnr_db)
        self.look_seconds = time.perf_counter() - start
        if self.goal_psnr_db is not None and psnr_db >= self.goal_psnr_db:
            self.stop("psnr")

    def has_time_to_look(self) -> bool:
        """Whether another look at the whole picture ends within the run's seconds, as far as the last one tells."""
        return self.max_seconds is None or self.state.train_seconds + self.look_seconds <= self.max_seconds

    def should_measure(self, logs: Mapping[str, Any]) -> bool:
        """Whether the whole picture is measured at the end of this round."""
        if self.objective.measures_psnr:
            psnr_db = batches_psnr(logs) if self.averager is None else self.probe()
            return self.goal_psnr_db is not None and psnr_db is not None and psnr_db >= self.goal_psnr_db - 1
        before = self.state.rows[-2]["step"] if len(self.state.rows) > 1 else 0
        due = [MEASUREMENTS_PER_RUN * step // self.state.total_steps for step in (before, self.state.step)]
        return self.goal_psnr_db is not None or due[0] < due[1]

    def probe(self) -> float:
        """PSNR of the average at some pixels, which its row keeps."""
        assert self.probed is not None
        coords, values = self.probed
        psnr_db = psnr(values, keras.ops.convert_to_numpy(self.field(coords))[None])
        self.state.rows[-1]["average_psnr_db"] = finite(psnr_db)
        return psnr_db


def probe_pixels(signal: ImageSignal) -> tuple[tf.Tensor, np.ndarray]:
    """Coordinates (N, 2) and values (1, N, C) of some pixels that count, drawn without replacement, always the same.

    An eighth of them, but at least 512 and at most 8192, where there are as many.
    """
    height, width = signal.values.shape[:2]
    counts = counts_of(signal)
    places = height * width if counts is None else np.flatnonzero(counts)
    total = places if counts is None else places.size
    number = min(total, max(PROBED // 16, min(PROBED, total // 8)))
    drawn = np.random.default_rng(0).choice(places, number, replace=False, shuffle=False)
    rows, columns = np.divmod(np.sort(drawn), width)
    return pixel_coords(rows, columns, height, width), signal.values[rows, columns][None]


def check_goals(goal_psnr_db: float | None, max_seconds: float | None) -> None:
    """Raises an InputError for a goal that is neither None nor finite and positive."""
    for name, value in (("goal_psnr_db", goal_psnr_db), ("max_seconds", max_seconds)):
        if value is None:
            continue
        if not isinstance(value, numbers.Real) or not 0 < value < math.inf:
            raise InputError(f"{name} must be positive, received {value!r}")


class Plateau(keras.callbacks.Callback):
    """Multiplies every learning rate by a factor when the loss has not fallen by 0.01 % for so many steps.

    Args:
        state: the `TrainingState`; what is remembered lives there, so that a resumed run goes on alike.
        factor: in (0, 1).
        patience: steps.
    """

    def __init__(self, state: TrainingState, factor: float, patience: int) -> None:
        super().__init__()
        self.state = state
        self.factor = factor
        self.patience = patience

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if not self.state.open_round and plateau_reached(self.state, logs["loss"], self.patience):
            for optimizer in inner_optimizers(self.model.optimizer):
                optimizer.learning_rate = rate_of(optimizer) * self.factor


def plateau_reached(state: TrainingState, loss: float, patience: int) -> bool:
    """Notes a loss in a `TrainingState`; whether the last improvement or plateau is so many steps ago."""
    plateau = state.plateau
    if loss < plateau.get("loss", math.inf) * (1 - PLATEAU_THRESHOLD):
        plateau.update(loss=loss, step=state.step)
        return False
    if state.step - plateau.get("step", 0) < patience:
        return False
    plateau["step"] = state.step
    return True


def diverged(what: str, step: int, optimizer: keras.Optimizer) -> DivergedError:
    """The error that tells what happened and what to do about it."""
    return DivergedError(
        f"{what} at step {step}: the learning rate (now {learning_rate(optimizer):.3g}) is probably too high for this "
        "network; try a third of it, a warm-up, or clip_norm=1"
    )


def learning_rate(optimizer: keras.Optimizer) -> float:
    """The network's learning rate, where tables have another (the last of the optimizers)."""
    return rate_of(inner_optimizers(optimizer)[-1])


def rate_of(optimizer: keras.Optimizer) -> float:
    """The learning rate of one optimizer, which may hold it on several devices."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))
