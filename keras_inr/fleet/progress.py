"""One line that tells how far a fleet run is."""

import sys
import time

import tqdm

from keras_inr.fleet.work import FAILED, FITTED

SECONDS_BETWEEN_LINES = 10.0


class FleetProgress:
    """Pictures per second, done, failed and the time left, on standard error.

    In a terminal one line is kept up to date; elsewhere a line is written every ten seconds at most.

    Args:
        store: the `FleetStore`.
        shown: False shows nothing.
    """

    def __init__(self, store, shown=True):
        self.store = store
        self.shown = shown
        self.before = self.done
        self.started = self.told = time.perf_counter()
        live = shown and sys.stderr.isatty()
        self.bar = tqdm.tqdm(
            total=len(store.rows), initial=self.before, unit=" pictures", dynamic_ncols=live, disable=not live
        )

    @property
    def done(self):
        """Pictures that are fitted or have failed."""
        return len(self.store.names(FITTED)) + len(self.store.names(FAILED))

    def show(self):
        """Tells how far the run is."""
        failed = len(self.store.names(FAILED))
        if not self.bar.disable:
            self.bar.set_postfix_str(f"{failed} failed", refresh=False)
            self.bar.update(self.done - self.bar.n)
        elif self.shown and (time.perf_counter() - self.told > SECONDS_BETWEEN_LINES or self.done == self.bar.total):
            self.told = time.perf_counter()
            tqdm.tqdm.write(self.line(self.told - self.started), file=sys.stderr)

    def line(self, seconds):
        """The line after so many seconds."""
        total, failed = len(self.store.rows), len(self.store.names(FAILED))
        rate = (self.done - self.before) / max(seconds, 1e-9)
        left = f"about {(total - self.done) / rate:.0f} s left" if rate else "time left unknown"
        return f"{self.done}/{total} pictures, {failed} failed, {rate:.2f} pictures/s, {left}"

    def close(self):
        """Leaves the bar as it stands, on a line of its own."""
        self.bar.close()
