"""A command in a process of its own, watched from outside."""

import dataclasses
import pathlib
import time
from collections.abc import Sequence

import psutil

PAUSE_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Watched:
    """What a command took.

    Attributes:
        code: its exit code; negative where a signal ended it.
        seconds: from its start to its end.
        peak_mb: the most memory, in MB of 10^6 bytes, that it and the processes it had started held at one time, pages
            that several share counted once (Linux's PSS); looked at twice a second.
    """

    code: int
    seconds: float
    peak_mb: float


def run_watched(command: Sequence[str], folder: pathlib.Path) -> Watched:
    """Runs a command in a folder, and waits for its end."""
    before, peak = time.perf_counter(), 0
    process = psutil.Popen(command, cwd=folder)
    while True:
        try:
            code = process.wait(PAUSE_SECONDS)
        except psutil.TimeoutExpired:
            peak = max(peak, held_by(process))
        else:
            return Watched(code, time.perf_counter() - before, peak / 1e6)


def held_by(process: psutil.Process) -> int:
    """Bytes of a process and of those that it has started."""
    total = 0
    for each in family(process):
        try:
            total += each.memory_full_info().pss
        except psutil.Error:  # it has ended
            continue
    return total


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and those that it has started."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
