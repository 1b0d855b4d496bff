"""The average of a field's weights over the steps of a run."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_inr.training._state import TrainingState


class Averager(keras.callbacks.Callback):
    """Keeps the average of weights over all steps so far, in which step t counts in proportion to t^power.

        average_t = average_s + (1 - (s / t)^(power + 1)) (weights_t - average_s)

    with s the step of the average before: it is brought up to date after each call of the training function. Late
    steps count for more, whatever the length of the run turns out to be.

    Args:
        state: the `TrainingState`, whose step the `Recorder` before this callback counts.
        weights: what is averaged.
        power: at least 0, which counts all steps alike.

    Source: Shamir and Zhang, Stochastic Gradient Descent for Non-smooth Optimization, 2013, polynomial-decay averaging.
    """

    def __init__(self, state: TrainingState, weights: Sequence[keras.Variable], power: float) -> None:
        super().__init__()
        self.state = state
        self.weights = list(weights)
        self.power = power
        self.averages = [tf.Variable(tf.convert_to_tensor(w), trainable=False) for w in self.weights]
        self.last = state.step

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.last = self.state.step  # of a checkpoint, perhaps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        step = self.state.step
        share = 1.0 - (self.last / step) ** (self.power + 1.0)
        for average, weight in zip(self.averages, self.weights, strict=True):
            value = tf.convert_to_tensor(weight)
            average.assign_add(share * (value - average))
        self.last = step

    def apply(self) -> None:
        """Leaves the averages in the place of the weights."""
        for average, weight in zip(self.averages, self.weights, strict=True):
            weight.assign(average)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """A context in which the averages stand in the place of the weights."""
        kept = [tf.identity(tf.convert_to_tensor(weight)) for weight in self.weights]
        self.apply()
        try:
            yield
        finally:
            for weight, value in zip(self.weights, kept, strict=True):
                weight.assign(value)
