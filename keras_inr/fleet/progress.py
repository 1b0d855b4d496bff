"""One line that tells how far a fleet run is."""

import sys
import time
from collections.abc import Callable

import tqdm

from keras_inr._bars import is_live, progress_bar

SECONDS_BETWEEN_LINES = 10.0


class FleetProgress:
    """Pictures per second, done, failed and the time left, on standard error.

    In a terminal one line is kept up to date; elsewhere a line is written every ten seconds at most.

    Args:
        count: function without arguments that tells how many are done, and how many of those have failed.
        total: how many there are.
        shown: False shows nothing.
        unit: what is counted.
    """

    def __init__(
        self, count: Callable[[], tuple[int, int]], total: int, shown: bool = True, unit: str = "pictures"
    ) -> None:
        self.count, self.unit = count, unit
        self.shown = shown
        self.before, _ = count()
        self.started = self.last_line_at = time.perf_counter()
        self.bar = progress_bar(shown and is_live(), total=total, initial=self.before, unit=f" {unit}")

    def show(self) -> None:
        """Tells how far the run is."""
        done, failed = self.count()
        if not self.bar.disable:
            self.bar.set_postfix_str(f"{failed} failed", refresh=False)
            self.bar.update(done - self.bar.n)
        elif self.shown and (time.perf_counter() - self.last_line_at > SECONDS_BETWEEN_LINES or done == self.bar.total):
            self.last_line_at = time.perf_counter()
            tqdm.tqdm.write(self.line(self.last_line_at - self.started), file=sys.stderr)

    def line(self, seconds: float) -> str:
        """The line after so many seconds."""
        (done, failed), total = self.count(), self.bar.total
        rate = (done - self.before) / max(seconds, 1e-9)
        left = f"about {(total - done) / rate:.0f} s left" if rate else "time left unknown"
        return f"{done}/{total} {self.unit}, {failed} failed, {rate:.2f} {self.unit}/s, {left}"

    def close(self) -> None:
        """Leaves the bar as it stands, on a line of its own."""
        self.bar.close()
