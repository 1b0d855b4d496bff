"""Fits every picture of a list and writes a model of each, and one manifest of all."""

import os
import pathlib

from keras_inr.fleet.progress import FleetProgress
from keras_inr.fleet.store import FleetStore
from keras_inr.fleet.work import FITTED, PENDING, Task, failed, fit_parts, told
from keras_inr.runs.errors import InputError, InterruptedRunError
from keras_inr.runs.interrupts import Interrupts
from keras_inr.runs.results import versions
from keras_inr.runs.run_folder import claim_run_folder
from keras_inr.signals.pictures import read_pictures
from keras_inr.training.fit_many import LastStacks

MOST_WAITING = 4
"""Tasks' worth of loaded pictures that may wait for others of their size."""

MOST_VALUES = 2**26
"""Numbers in the pictures of a task, a quarter of a gigabyte: large pictures go in fewer at a time."""

MANIFEST_SECONDS = 10.0
"""How old the manifest may become, which a picture's own files do not need."""


def run_fleet(pictures, settings, out=None, resume=False, execute=None, progress=True):
    """Fits pictures that have not been fitted yet.

    Every picture is on the disk, whole, as soon as those that it was fitted together with are done. A picture that
    cannot be read or fitted is a row of the manifest with its reason, and is tried again when the run is resumed.

    Args:
        pictures: what `list_pictures` returned. Those that lie in the run's own folder are its previews and are left
            out.
        settings: `FleetSettings`.
        out: the run's folder; a new numbered one under runs/ by default.
        resume: go on with the run in `out`, or start one there.
        execute: a function of (tasks, settings, should_stop) that yields `Outcome`s; `embedded` by default.
        progress: whether to tell how far it is.

    Returns:
        (folder, rows), the rows of the manifest: one for every picture.

    Raises:
        InputError: for a folder that cannot be used, see `claim_run_folder`.
        InterruptedRunError: after Ctrl-C or SIGTERM; what was done is kept.
    """
    execute = execute or embedded
    identity = {"kind": "fleet", **settings.identity}
    with Interrupts() as interrupts, claim_run_folder(out, identity, resume) as folder:
        pictures = [picture for picture in pictures if not lies_in(folder, picture.source)]
        if not pictures:
            raise InputError(f"images must not all lie in the run's own folder, {folder}")
        facts = {**settings.identity, "weights": settings.weights, "versions": versions()}
        store = FleetStore(folder, pictures, facts)
        store.write_manifest()
        bar = FleetProgress(store, progress)

        def keep_unread(outcome):
            store.keep(outcome)
            bar.show()

        def should_stop():
            return interrupts.received is not None

        try:
            tasks = loaded([store.pictures[name] for name in store.names(PENDING)], settings, keep_unread, should_stop)
            for outcomes in execute(tasks, settings, should_stop):
                for outcome in outcomes:
                    store.keep(outcome)
                bar.show()
                store.write_manifest(MANIFEST_SECONDS)
        finally:
            bar.close()
            store.write_manifest()
        if should_stop() and store.names(PENDING):
            done = f"with {len(store.names(FITTED))} of {len(pictures)} pictures fitted"
            again = "those are saved, go on with the same flags and"
            raise InterruptedRunError(interrupts.received, folder, done, again)
        return folder, list(store.rows.values())


def lies_in(folder, source):
    """Whether the source of a picture is a path inside of a folder."""
    return pathlib.Path(os.path.abspath(source)).is_relative_to(os.path.abspath(folder))


def embedded(tasks, settings, should_stop):
    """Fits tasks one after the other in this process; yields outcomes as they come."""
    stacks = LastStacks()
    for task in tasks:
        yield from fit_parts(task, settings, should_stop, stacks)


def loaded(pictures, settings, keep, should_stop):
    """Yields tasks of pictures as they are read; those that cannot be read are kept as failed."""
    waiting, by_size = {}, settings.needs_one_size
    for picture, signal in read_pictures(pictures, **settings.image_options):
        if should_stop():
            return
        if isinstance(signal, Exception):
            keep(failed(picture.name, told(signal)))
            continue
        kind = (signal.channels, signal.size if by_size else None)
        waiting.setdefault(kind, []).append((picture.name, signal))
        while (largest := ready(waiting, settings.pictures_per_task)) is not None:
            yield Task(*zip(*waiting.pop(largest), strict=True))
    for group in waiting.values():
        if should_stop():
            return
        yield Task(*zip(*group, strict=True))


def ready(waiting, pictures_per_task):
    """The kind of pictures that make a task, the largest where too many wait; None for none."""
    count = {kind: len(group) for kind, group in waiting.items()}
    values = {kind: sum(signal.values.size for _, signal in group) for kind, group in waiting.items()}
    full = [kind for kind in waiting if count[kind] == pictures_per_task or values[kind] >= MOST_VALUES]
    if full:
        return full[0]
    too_many = sum(count.values()) >= MOST_WAITING * pictures_per_task
    if too_many or sum(values.values()) >= MOST_WAITING * MOST_VALUES:
        return max(waiting, key=lambda kind: values[kind])
    return None
