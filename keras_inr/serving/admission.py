"""Lets requests compute, whichever way they came, a bounded number at a time."""

import contextlib
import threading
import time
from collections.abc import Iterator

from keras_inr.serving.settings import Bounds
from keras_inr.serving.status import RequestError


class Admission:
    """The slots that requests compute in.

    Args:
        bounds: of a request's seconds, and of how many compute and wait at a time.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._slots = threading.Semaphore(bounds.concurrency)
        self._lock = threading.Lock()
        self._admitted = 0

    @property
    def most(self) -> int:
        """Requests that are in the server at a time, computing or waiting."""
        return self.bounds.concurrency + self.bounds.waiting

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """One of `most`, for a `with` block.

        Raises:
            RequestError: UNAVAILABLE if so many are there.
        """
        with self._lock:
            if self._admitted >= self.most:
                raise RequestError("UNAVAILABLE", f"{self._admitted} requests are waiting already; try again later")
            self._admitted += 1
        try:
            yield
        finally:
            with self._lock:
                self._admitted -= 1

    @contextlib.contextmanager
    def slot(self, until: float) -> Iterator[None]:
        """One of the slots, for a `with` block: reading a request, computing, and writing the answer.

        Args:
            until: by `time.monotonic`, how long it is waited for.

        Raises:
            RequestError: DEADLINE_EXCEEDED if none is free until then.
        """
        if not self._slots.acquire(timeout=max(0.0, until - time.monotonic())):
            raise RequestError("DEADLINE_EXCEEDED", "the request waited too long for others")
        try:
            yield
        finally:
            self._slots.release()
