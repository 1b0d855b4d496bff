"""One run: fit the blocks of a picture that are still to be fitted, and write what the whole comes to."""

import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np

from keras_inr._files import atomic_path
from keras_inr.blocks.plan import BlockPlan, block_window
from keras_inr.blocks.preview import SECONDS, Preview
from keras_inr.blocks.progress import BlockProgress, prices, rough_line
from keras_inr.blocks.pyramid import Pyramid, listed, pyramid_of
from keras_inr.blocks.results import missing_results, write_results
from keras_inr.blocks.store import BlockStore, Key
from keras_inr.blocks.work import BlockTask, fit_block, name_of, numbers_of
from keras_inr.errors import ImageError, InterruptedRunError
from keras_inr.fleet.work import Outcome
from keras_inr.runs.folder import claim_run_folder
from keras_inr.runs.interrupts import Interrupts
from keras_inr.runs.layout import FLAGFILE, PREVIEW
from keras_inr.runs.results import read_metrics
from keras_inr.signals.large import Windows

SUMMARIZED = {"num_parameters": int, "height": int, "width": int, "device": str, "blocks": list}

Execute = Callable[[Iterable[BlockTask], BlockPlan, Callable[[], bool]], Iterable[list[Outcome]]]
"""A function of (tasks, plan, should_stop) that yields outcomes as they come."""


def run_blocks(
    plan: BlockPlan,
    picture: Windows,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    flags_text: str = "",
    execute: Execute | None = None,
    progress: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[pathlib.Path, dict[str, Any]]:
    """Fits the blocks of a picture and writes the run folder.

    Each block is on the disk, whole, as soon as it is fitted, and is not fitted again when the run is resumed. The fit
    of a block depends on nothing but the plan and its part of the picture, so that a run that was killed ends with the
    same weights as one that was not, to the bit.

    Args:
        plan: `BlockPlan`.
        picture: the picture that it is of, as `open_image` opens it.
        out, resume, overwrite, flags_text: see `claim_run_folder`.
        execute: a function of (tasks, plan, should_stop) that yields `Outcome`s; `embedded` by default. One that fits
            in another process may have a method `held` for the most bytes of memory that it has taken there.
        progress: whether to tell how far it is.
        tell: called with lines about what it will cost: roughly at once, and from what the first block took.

    Returns:
        (folder, metrics), the dict of metrics.json.

    Raises:
        InputError: for a folder that cannot be used, or a block that cannot be fitted.
        ImageError: for a part of the picture that cannot be read, which names the blocks that it touches.
        InterruptedRunError: after Ctrl-C or SIGTERM; the blocks that are done are kept.
    """
    claim = claim_run_folder(out, plan.identity, resume, overwrite, (), flags_text)
    with Interrupts() as interrupts, claim as folder:
        store = BlockStore(folder, plan.lattices)
        metrics = read_metrics(folder, SUMMARIZED)
        if metrics is not None and not missing_results(folder, store):
            return folder, metrics
        with atomic_path(folder / FLAGFILE) as temporary:
            temporary.write_text(flags_text, encoding="utf-8")

        def should_stop() -> bool:
            return interrupts.received is not None

        def stop_if_asked() -> None:
            if should_stop():
                done = f"with {len(store.rows)} of {len(store.all)} blocks fitted"
                raise InterruptedRunError(cast(int, interrupts.received), folder, done)

        fit_all(store, plan, picture, execute or embedded, should_stop, stop_if_asked, progress, tell)
        stop_if_asked()
        return folder, write_results(folder, plan, picture, store, stop_if_asked)


def fit_all(
    store: BlockStore,
    plan: BlockPlan,
    picture: Windows,
    execute: Execute,
    should_stop: Callable[[], bool],
    stop_if_asked: Callable[[], None],
    progress: bool,
    tell: Callable[[str], None],
) -> None:
    """Fits the blocks that are left, and keeps preview.png up to date."""
    if not store.left:
        return
    source = pathlib.Path(picture.source)
    tell(rough_line(plan, source.stat().st_size if source.is_file() else None))
    pyramid = pyramid_of(picture, plan.lattices, stop_if_asked)
    if pyramid.damaged:
        blocks = listed([str(block) for block in pyramid.damaged], plan.lattice.num_blocks)
        tell(f"{blocks} cannot be read as a whole: what is damaged is black there, and counts in no figure")
    preview = Preview(store.folder.parent / PREVIEW, plan.lattices, plan.channels)
    for key in store.rows:
        preview.add(*key, store.shown(key))
    held = getattr(execute, "held", lambda: 0)
    bar = BlockProgress(plan, prices(plan, pyramid.detail), store.rows, progress, tell, held)
    try:
        left = set(store.left)
        tasks = tasks_of([key for key in order_of(plan, pyramid.detail) if key in left], plan, pyramid)
        for outcomes in execute(tasks, plan, should_stop):
            for outcome in outcomes:
                store.keep(outcome)
                preview.add(*(key := numbers_of(outcome.name)), store.shown(key))
                bar.show()
                preview.write(SECONDS)
    finally:
        bar.close()
        pyramid.close()
    preview.write()


def order_of(plan: BlockPlan, detail: np.ndarray) -> list[Key]:
    """Blocks as they are fitted: one of middling detail, which tells the price; reduced ones; then hard ones first."""
    hard_first = np.argsort(-detail, kind="stable").tolist()
    pilot = hard_first.pop(len(hard_first) // 2)
    smaller = [(level, block) for level, some in enumerate(plan.lattices) for block in range(some.num_blocks) if level]
    return [(0, pilot), *sorted(smaller, key=lambda key: -key[0]), *((0, block) for block in hard_first)]


def tasks_of(keys: Iterable[Key], plan: BlockPlan, pyramid: Pyramid) -> Iterator[BlockTask]:
    """Yields the tasks of blocks as they are read; an error of the picture's names the block."""
    for level, block in keys:
        name = name_of(level, block)
        try:
            signal = block_window(pyramid.pictures[level], plan.lattices[level], block)
        except ImageError as error:
            raise ImageError(f"block {name} cannot be read: {error}") from error
        yield BlockTask((name,), signal)


def embedded(tasks: Iterable[BlockTask], plan: BlockPlan, should_stop: Callable[[], bool]) -> Iterator[list[Outcome]]:
    """Fits one block after the other in this process."""
    for task in tasks:
        if should_stop():
            return
        yield fit_block(task, plan, should_stop)
