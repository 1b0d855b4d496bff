"""Ctrl-C and SIGTERM as a wish that a run can honour."""

import signal
import threading
from typing import Any, Self


class SignalInterrupt(KeyboardInterrupt):
    """Raised by a signal.

    Args:
        signal_number: SIGINT's or SIGTERM's.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


class Interrupts:
    """While the context lasts, the first SIGINT or SIGTERM is only noted in `received`, its number; a second one raises
    `SignalInterrupt`, a KeyboardInterrupt, at once.

    Outside the main thread signals cannot be caught, and nothing happens.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if self.received is not None:
            raise SignalInterrupt(number)
        self.received = number
