"""Lines that tell what a run of blocks will cost, and how far it is."""

import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tqdm

from keras_inr.blocks.plan import BlockPlan

SECONDS_BETWEEN_LINES = 10.0


class BlockProgress:
    """Blocks that are done, at the goal, and left; seconds left and the megabytes that the model will have.

    What is left is taken to cost in proportion to its detail, see `Survey`, and half the mean detail, as what is done.

    Args:
        plan: `BlockPlan`.
        detail: of each block.
        rows: block -> row of those that are fitted; it grows while the run goes on.
        shown: False shows nothing.
        tell: called with the line about the price of the whole, after the first block.
    """

    def __init__(
        self,
        plan: BlockPlan,
        detail: np.ndarray,
        rows: Mapping[int, Mapping[str, Any]],
        shown: bool = True,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.plan, self.rows, self.tell = plan, rows, tell
        self.price = detail + 0.5 * detail.mean() + 1e-9
        self.shown, self.live = shown, shown and sys.stderr.isatty()
        self.before = dict(rows)
        self.started = self.last_line_at = time.perf_counter()
        self.told = False
        total = plan.lattice.num_blocks
        self.bar = tqdm.tqdm(
            total=total, initial=len(rows), unit=" blocks", dynamic_ncols=self.live, disable=not self.live
        )

    def seconds_left(self) -> float:
        """As far as what was done in this process tells."""
        new = [block for block in self.rows if block not in self.before]
        left = self.price.sum() - self.price[list(self.rows)].sum()
        return (time.perf_counter() - self.started) * left / self.price[new].sum()

    def megabytes(self) -> float:
        """Of the model when all is done."""
        known = 4e-6 * sum(row["num_parameters"] for row in self.rows.values())
        return known * self.price.sum() / self.price[list(self.rows)].sum()

    def show(self) -> None:
        """Tells how far the run is; called after each block."""
        now = time.perf_counter()
        if not self.told:
            self.tell(self.first_line())
            self.told = True
        if self.live:
            self.bar.set_postfix_str(f"{self.summary()}", refresh=False)
            self.bar.update(len(self.rows) - self.bar.n)
        elif self.shown and (now - self.last_line_at > SECONDS_BETWEEN_LINES or len(self.rows) == self.bar.total):
            self.last_line_at = now
            tqdm.tqdm.write(f"{len(self.rows)}/{self.bar.total} blocks, {self.summary()}", file=sys.stderr)

    def summary(self) -> str:
        """Goal, seconds and megabytes."""
        at_goal = sum(row["stopped_by"] == "psnr" for row in self.rows.values())
        goal = "" if self.plan.goal_psnr_db is None else f"{at_goal} at {self.plan.goal_psnr_db:g} dB, "
        return f"{goal}about {self.seconds_left():.0f} s left, {self.megabytes():.3g} MB"

    def first_line(self) -> str:
        """What the whole will cost, once a block is done."""
        lattice = self.plan.lattice
        (height, width), (rows, columns) = lattice.picture_size, lattice.grid
        goal = "" if self.plan.goal_psnr_db is None else f" to {self.plan.goal_psnr_db:g} dB"
        blocks = f"{rows} x {columns} blocks of {lattice.cell[0]} x {lattice.cell[1]} pixels{goal}"
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 + 3e-3 * self.megabytes()
        cost = f"about {self.seconds_left():.0f} s, {memory:.1f} GB of memory, a model of {self.megabytes():.3g} MB"
        return f"{height} x {width} ({height * width / 1e6:.1f} megapixels) as {blocks}: {cost}"

    def close(self) -> None:
        """Leaves the bar as it stands."""
        self.bar.close()
