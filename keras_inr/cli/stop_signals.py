"""What Ctrl-C and SIGTERM do to a command: end it at once, or let it remove first what is half written."""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Iterator

from keras_inr.cli import messages

# nothing that takes long to import may stand above: a signal that comes before gets Python's own treatment
SIGNALS = (signal.SIGINT, signal.SIGTERM)

_standard_error = None  # a duplicate, since TensorFlow is imported with the descriptor itself turned elsewhere


def leave_on_signals() -> None:
    """Ends the process at the next signal, whatever it is doing; to raise in an import of TensorFlow may crash it."""
    global _standard_error
    if _standard_error is not None:
        os.close(_standard_error)
    try:
        _standard_error = os.dup(2)
    except OSError:
        _standard_error = None
    _on_signals(_leave)


@contextlib.contextmanager
def raised_as_interrupts() -> Iterator[None]:
    """While the context lasts, a signal raises a `SignalInterrupt`, and a second one ends the process; afterwards the
    outcome is known, and signals while Python ends must not change the exit code.
    """
    from keras_inr.runs.interrupts import SignalInterrupt

    def interrupt(number, frame):
        _on_signals(_leave)  # the next one ends the process at once; this one lets what is half written be removed
        raise SignalInterrupt(number)

    ordinary = sys.unraisablehook
    try:
        _on_signals(interrupt)
        sys.unraisablehook = functools.partial(_raise_again_later, interrupt, ordinary)
        yield
    finally:
        sys.unraisablehook = ordinary
        leave_on_signals()
        messages.drop_what_cannot_be_written()
        _on_signals(signal.SIG_IGN)


def _raise_again_later(interrupt, ordinary, unraisable):
    """Python drops what is raised in a destructor or a weak reference's callback: an interrupt is then made again."""
    number = getattr(unraisable.exc_value, "signal_number", None)
    if number is None:
        ordinary(unraisable)
        return
    _on_signals(interrupt)
    threading.Timer(0.01, os.kill, (os.getpid(), number)).start()


def _on_signals(handler):
    if threading.current_thread() is threading.main_thread():  # no other can
        for number in SIGNALS:
            signal.signal(number, handler)


def _leave(number, frame):
    if _standard_error is not None:
        os.write(_standard_error, f"{messages.program[0]}: interrupted\n".encode())
    os._exit(128 + number)
