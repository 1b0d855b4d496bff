"""Answers predict requests, whichever way they came, a bounded number at a time."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_inr.serving.models import Models
from keras_inr.serving.settings import Bounds
from keras_inr.serving.status import RequestError


class Predictor:
    """Runs signatures of models within bounds.

    Args:
        models: that answer.
        bounds: of a request's seconds, and of how many compute and wait at a time.
    """

    def __init__(self, models: Models, bounds: Bounds) -> None:
        self.models = models
        self.bounds = bounds
        self._slots = threading.Semaphore(bounds.concurrency)
        self._lock = threading.Lock()
        self._waiting = 0

    def predict(
        self,
        name: str,
        version: int | None,
        label: str | None,
        inputs_of: Callable[[Any], tuple[Any, Mapping[str, np.ndarray]]],
        output_filter: Sequence[str] = (),
        seconds: float | None = None,
    ) -> tuple[int, dict[str, np.ndarray]]:
        """Version and outputs of a model's answer.

        Args:
            name, version, label: see `Models.use`.
            inputs_of: called with the `Servable`; gives the `SignatureDef` that is asked, and its inputs.
            output_filter: outputs that are wanted; all by default.
            seconds: that the client waits.

        Raises:
            RequestError: UNAVAILABLE if too many wait, DEADLINE_EXCEEDED after the bound or the client's own, and as
                `Models.use` and `Servable.run`.
        """
        until = time.monotonic() + min(self.bounds.seconds, np.inf if seconds is None else seconds)
        with self.models.use(name, version, label) as (number, servable):
            signature, inputs = inputs_of(servable)
            with self._slot(until):
                left = until - time.monotonic()
                return number, servable.run(signature, inputs, output_filter, left)

    @contextlib.contextmanager
    def _slot(self, until: float) -> Iterator[None]:
        with self._lock:
            if self._waiting >= self.bounds.concurrency + self.bounds.waiting:
                raise RequestError("UNAVAILABLE", f"{self._waiting} requests wait already; try again later")
            self._waiting += 1
        try:
            if not self._slots.acquire(timeout=max(0.0, until - time.monotonic())):
                raise RequestError("DEADLINE_EXCEEDED", "the request waited too long for others")
            try:
                yield
            finally:
                self._slots.release()
        finally:
            with self._lock:
                self._waiting -= 1
