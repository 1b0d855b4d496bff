"""Fits every picture of a list and writes a model of each, and one manifest of all."""

from keras_inr.fleet.progress import FleetProgress
from keras_inr.fleet.store import FleetStore
from keras_inr.fleet.work import FITTED, PENDING, Task, failed, fit_task
from keras_inr.runs.errors import InterruptedRunError
from keras_inr.runs.interrupts import Interrupts
from keras_inr.runs.run_folder import claim_run_folder
from keras_inr.signals.errors import ImageError
from keras_inr.signals.image import load_image
from keras_inr.training.fit_many import needs_one_size
from keras_inr.training.recipe import Recipe

MOST_WAITING = 4
"""Tasks' worth of loaded pictures that may wait for others of their size."""


def run_fleet(pictures, settings, out=None, resume=False, execute=None, progress=True):
    """Fits pictures that have not been fitted yet.

    Every picture that is done is on the disk at once, whole. A picture that cannot be read or fitted is a row of the
    manifest with its reason, and is tried again when the run is resumed.

    Args:
        pictures: what `list_pictures` returned.
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
        store = FleetStore(folder, pictures)
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
                store.write_manifest()
        finally:
            bar.close()
            store.write_manifest()
        if should_stop():
            done = f"with {len(store.names(FITTED))} of {len(pictures)} pictures fitted"
            raise InterruptedRunError(interrupts.received, folder, done)
        return folder, list(store.rows.values())


def embedded(tasks, settings, should_stop):
    """Fits tasks one after the other in this process; yields the outcomes of each."""
    for task in tasks:
        yield fit_task(task, settings, should_stop)


def loaded(pictures, settings, keep, should_stop):
    """Yields tasks of pictures as they are read; those that cannot be read are kept as failed."""
    waiting = {}
    by_size = needs_one_size(Recipe(**settings.recipe))
    for picture in pictures:
        if should_stop():
            return
        try:
            signal = load_image(picture.source, **settings.image_options)
        except ImageError as error:
            keep(failed(picture.name, error))
            continue
        kind = (signal.channels, signal.size if by_size else None)
        waiting.setdefault(kind, []).append((picture.name, signal))
        full = len(waiting[kind]) == settings.pictures_per_task
        if full or sum(map(len, waiting.values())) >= MOST_WAITING * settings.pictures_per_task:
            largest = kind if full else max(waiting, key=lambda one: len(waiting[one]))
            yield Task(*zip(*waiting.pop(largest), strict=True))
    for group in waiting.values():
        if should_stop():
            return
        yield Task(*zip(*group, strict=True))
