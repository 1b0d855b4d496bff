"""Lines that tell what a run of blocks will cost, and how far it is."""

import math
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tqdm

from keras_inr._bars import is_live, progress_bar
from keras_inr.blocks.plan import BlockPlan
from keras_inr.blocks.store import Key
from keras_inr.runs.plan import AUTO

SECONDS_BETWEEN_LINES = 10.0

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes, of what the system tells of a process's memory."""

BYTES = {"float32": 4, "float64": 8}
"""Of a weight."""

GROWTH, COPIES = 1.0, 3.2
"""Measured: what fits take in the end beside what the system says of the first, which counts shared pages twice; and
writing and loading a model beside its bytes."""

ROUGHLY = {"seconds": (10.4, 1.086), "megabytes": (9.1, 1.135)}
"""Measured on mosaics of photographs, `experiments/large`: of a megapixel at 40 dB on two cores, and the factor of each
further dB."""

FITS_GB = 2.0
"""Memory that fits take, in two processes, roughly."""


def prices(plan: BlockPlan, detail: np.ndarray) -> dict[Key, float]:
    """What each block is taken to cost, in no unit: its detail and half the mean detail; of reduced ones the mean."""
    mean = 1.5 * float(detail.mean()) + 1e-9
    found = {(0, block): float(own) + 0.5 * float(detail.mean()) + 1e-9 for block, own in enumerate(detail)}
    pixels = math.prod(plan.lattice.block_size)
    for level, lattice in enumerate(plan.lattices[1:], 1):
        for block in range(lattice.num_blocks):
            found[level, block] = mean * math.prod(lattice.block_size) / pixels
    return found


def rough_line(plan: BlockPlan, file_bytes: int | None = None) -> str:
    """What a run is, and where its networks are chosen, roughly what it will cost; known before it begins.

    The model is put beside the picture's file where that is one of file_bytes.
    """
    (height, width), (rows, columns) = plan.lattice.picture_size, plan.lattice.grid
    goal = "" if plan.goal_psnr_db is None else f" to {plan.goal_psnr_db:g} dB"
    smaller = sum(lattice.num_blocks for lattice in plan.lattices[1:])
    copies = f" and {smaller} of smaller copies" if smaller else ""
    megapixels = height * width / 1e6
    cell = " x ".join(map(str, plan.lattice.cell))
    line = (
        f"{height} x {width} ({megapixels:.1f} megapixels) as {rows} x {columns} blocks of {cell} pixels{copies}{goal}"
    )
    if plan.preset != AUTO or plan.goal_psnr_db is None:
        return line
    further = plan.goal_psnr_db - 40.0
    seconds, megabytes = (megapixels * amount * factor**further for amount, factor in ROUGHLY.values())
    memory = max(FITS_GB, 1e-3 * COPIES * megabytes + 0.6)
    cost = f"roughly {seconds:.0f} s on two cores, {memory:.1f} GB of memory, a model of {megabytes:.3g} MB"
    cost += "" if file_bytes is None else f" beside a file of {file_bytes / 1e6:.3g} MB"
    return f"{line}: {cost}; the first block tells more"


class BlockProgress:
    """Blocks that are done, at the goal, and left; seconds left and the megabytes that the model will have.

    Args:
        plan: `BlockPlan`.
        price: see `prices`.
        rows: (level, block) -> row of those that are fitted; it grows while the run goes on.
        shown: False shows nothing.
        tell: called with the line about the price of the whole, after the first block.
        held: the most bytes of memory that fits in another process have taken.
    """

    def __init__(
        self,
        plan: BlockPlan,
        price: Mapping[Key, float],
        rows: Mapping[Key, Mapping[str, Any]],
        shown: bool = True,
        tell: Callable[[str], None] = lambda line: None,
        held: Callable[[], int] = lambda: 0,
    ) -> None:
        self.plan, self.price, self.rows, self.tell, self.held = plan, price, rows, tell, held
        self.shown, self.live = shown, shown and is_live()
        self.before = set(rows)
        self.started = self.last_line_at = time.perf_counter()
        self.told = False
        self.bar = progress_bar(self.live, total=len(price), initial=len(rows), unit=" blocks")

    def seconds_left(self) -> float:
        """As far as what was done in this process tells."""
        new = sum(self.price[key] for key in self.rows if key not in self.before)
        left = sum(price for key, price in self.price.items() if key not in self.rows)
        return (time.perf_counter() - self.started) * left / new

    def megabytes(self) -> float:
        """Of the model when all is done."""
        known = 1e-6 * BYTES[self.plan.precision] * sum(row["num_parameters"] for row in self.rows.values())
        return known * sum(self.price.values()) / sum(self.price[key] for key in self.rows)

    def show(self) -> None:
        """Tells how far the run is; called after each block."""
        now = time.perf_counter()
        if not self.told:
            self.tell(self.first_line())
            self.told = True
        if self.live:
            self.bar.set_postfix_str(self.summary(), refresh=False)
            self.bar.update(len(self.rows) - self.bar.n)
        elif self.shown and (now - self.last_line_at > SECONDS_BETWEEN_LINES or len(self.rows) == len(self.price)):
            self.last_line_at = now
            tqdm.tqdm.write(f"{len(self.rows)}/{len(self.price)} blocks, {self.summary()}", file=sys.stderr)

    def summary(self) -> str:
        """Goal, seconds and megabytes."""
        at_goal = sum(row["stopped_by"] == "psnr" for row in self.rows.values())
        goal = "" if self.plan.goal_psnr_db is None else f"{at_goal} at {self.plan.goal_psnr_db:g} dB, "
        return f"{goal}about {self.seconds_left():.0f} s left, {self.megabytes():.3g} MB"

    def first_line(self) -> str:
        """What the whole will cost, once a block is done."""
        own = MAXRSS_UNIT * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fits, end = own + GROWTH * self.held(), own + COPIES * 1e6 * self.megabytes()
        memory = f"{max(fits, end) / 1e9:.1f} GB of memory"
        cost = f"about {self.seconds_left():.0f} s, {memory}, a model of {self.megabytes():.3g} MB"
        return f"after the first block: {cost}"

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self.bar.close()
