"""Fits every picture of a list and writes a model of each, and one manifest of all."""

import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from keras_inr.datasets.pictures import Picture, read_pictures
from keras_inr.errors import InputError, InterruptedRunError
from keras_inr.fleet.exports import export_picture
from keras_inr.fleet.plan import FleetPlan
from keras_inr.fleet.progress import FleetProgress
from keras_inr.fleet.store import OF_ONE_PLACE, FleetStore
from keras_inr.fleet.work import FAILED, FITTED, PENDING, Outcome, Task, failed, fit_parts, reason_of
from keras_inr.runs.facts import versions
from keras_inr.runs.folder import claim_run_folder
from keras_inr.runs.interrupts import Interrupts
from keras_inr.signals.image import ImageSignal
from keras_inr.training.many.many_fits import LastStacks

MOST_WAITING = 4
"""Tasks' worth of loaded pictures that may wait for others of their size."""

MOST_VALUES = 2**26
"""Numbers in the pictures of a task, a quarter of a gigabyte: large pictures go in fewer at a time."""

MANIFEST_SECONDS = 10.0
"""How old the manifest may become, which a picture's own files do not need."""

Execute = Callable[[Iterable[Task], FleetPlan, Callable[[], bool]], Iterable[list[Outcome]]]
"""A function of (tasks, plan, should_stop) that yields outcomes as they come."""

Kind = tuple[int, tuple[int, int] | None]
"""Channels, and size where it matters, of pictures that can be fitted together."""

Waiting = dict[Kind, list[tuple[str, ImageSignal]]]
"""Names and pictures that wait for others of their kind."""


def run_fleet(
    pictures: Sequence[Picture],
    plan: FleetPlan,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    execute: Execute | None = None,
    progress: bool = True,
    export: bool = False,
    history: bool = False,
) -> tuple[pathlib.Path, list[dict[str, Any]]]:
    """Fits pictures that have not been fitted yet.

    Every picture is on the disk, whole, as soon as those that it was fitted together with are done. A picture that
    cannot be read or fitted is a row of the manifest with its reason, and is tried again when the run is resumed.

    Args:
        pictures: what `list_pictures` returned. Those that lie in the run's own folder are its previews and are left
            out.
        plan: `FleetPlan`.
        out: the run's folder; a new numbered one under runs/ by default.
        resume: go on with the run in `out`, or start one there.
        execute: a function of (tasks, plan, should_stop) that yields `Outcome`s; `embedded` by default.
        progress: whether to tell how far it is.
        export: whether to export each fitted picture that has no export yet, by this process and after all are fitted.
            One that cannot be exported stays fitted, and its row tells the reason.
        history: whether to keep the curve of each fit, pictures/NAME/history.csv.

    Returns:
        (folder, rows), the rows of the manifest: one for every picture.

    Raises:
        InputError: for a folder that cannot be used, see `claim_run_folder`.
        InterruptedRunError: after Ctrl-C or SIGTERM; what was done is kept.
        OSError: where a disk is full or fails, also the one with temporary files; what was done is kept.
    """
    identity = {"kind": "fleet", **plan.identity}
    with Interrupts() as interrupts, claim_run_folder(out, identity, resume) as folder:
        pictures = [picture for picture in pictures if not lies_in(folder, picture.source)]
        if not pictures:
            raise InputError(f"images must not all lie in the run's own folder, {folder}")
        facts = {**plan.identity, "weights": plan.weights, "versions": versions()}
        store = FleetStore(folder, pictures, facts, history)
        store.write_manifest()

        def should_stop() -> bool:
            return interrupts.received is not None

        try:
            fit_all(store, plan, execute or embedded, should_stop, progress)
            if export:
                export_all(store, should_stop, progress)
        finally:
            store.write_manifest()
        if should_stop() and (store.names(PENDING) or (export and store.not_exported())):
            exported = f" and {len(store.names(FITTED)) - len(store.not_exported())} exported" if export else ""
            done = f"with {len(store.names(FITTED))} of {len(pictures)} pictures fitted{exported}"
            again = "those are saved, go on with the same flags and"
            raise InterruptedRunError(cast(int, interrupts.received), folder, done, again)
        return folder, list(store.rows.values())


def fit_all(
    store: FleetStore, plan: FleetPlan, execute: Execute, should_stop: Callable[[], bool], progress: bool
) -> None:
    """Fits the pictures that are pending."""

    def count() -> tuple[int, int]:
        failures = len(store.names(FAILED))
        return len(store.names(FITTED)) + failures, failures

    bar = FleetProgress(count, len(store.rows), progress)

    def keep_unread(outcome: Outcome) -> None:
        store.keep(outcome)
        bar.show()

    try:
        tasks = loaded([store.pictures[name] for name in store.names(PENDING)], plan, keep_unread, should_stop)
        for outcomes in execute(tasks, plan, should_stop):
            for outcome in outcomes:
                store.keep(outcome)
            bar.show()
            store.write_manifest(MANIFEST_SECONDS)
    finally:
        bar.close()


def export_all(store: FleetStore, should_stop: Callable[[], bool], progress: bool) -> None:
    """Exports the pictures that are fitted and have no export."""
    names = store.not_exported()
    tried: list[str] = []

    def count() -> tuple[int, int]:
        return len(tried), sum(store.rows[name]["saved_model"] is None for name in tried)

    bar = FleetProgress(count, len(names), progress, unit="exports")
    try:
        for name in names:
            if should_stop():
                break
            store.keep_export(name, *exported(store.place(name), store.metrics(name)))
            tried.append(name)
            bar.show()
            store.write_manifest(MANIFEST_SECONDS)
    finally:
        bar.close()


def exported(place: pathlib.Path, metrics: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Exports the picture in a folder; the version and None, or None and why that cannot be."""
    try:
        return export_picture(place, metrics), None
    except Exception as error:  # whatever a network of one's own makes Keras or TensorFlow raise
        system = error if isinstance(error, OSError) else error.__cause__
        mine = isinstance(system, FileExistsError) or getattr(system, "errno", None) in OF_ONE_PLACE
        if isinstance(system, OSError) and not mine:  # a full disk, which TensorFlow tells without a number
            raise system from None
        return None, reason_of(error)


def lies_in(folder: pathlib.Path, source: str) -> bool:
    """Whether the source of a picture is a path inside of a folder."""
    return pathlib.Path(os.path.abspath(source)).is_relative_to(os.path.abspath(folder))


def embedded(tasks: Iterable[Task], plan: FleetPlan, should_stop: Callable[[], bool]) -> Iterator[list[Outcome]]:
    """Fits tasks one after the other in this process; yields outcomes as they come."""
    stacks = LastStacks()
    for task in tasks:
        yield from fit_parts(task, plan, should_stop, stacks)


def loaded(
    pictures: Sequence[Picture], plan: FleetPlan, keep: Callable[[Outcome], None], should_stop: Callable[[], bool]
) -> Iterator[Task]:
    """Yields tasks of pictures as they are read; those that cannot be read are kept as failed."""
    waiting: Waiting = {}
    by_size = plan.needs_one_size
    for picture, signal in read_all(pictures, plan.image_options):
        if should_stop():
            return
        if isinstance(signal, Exception):
            keep(failed(picture.name, reason_of(signal)))
            continue
        kind = (signal.channels, signal.size if by_size else None)
        waiting.setdefault(kind, []).append((picture.name, signal))
        while (largest := ready(waiting, plan.pictures_per_task)) is not None:
            yield Task(*zip(*waiting.pop(largest), strict=True))
    for group in waiting.values():
        if should_stop():
            return
        yield Task(*zip(*group, strict=True))


def read_all(
    pictures: Sequence[Picture], options: Mapping[str, Any]
) -> Iterator[tuple[Picture, ImageSignal | Exception]]:
    """Yields what `read_pictures` does, and goes on behind a picture at which that ends with an error, or too early."""
    place = 0
    while place < len(pictures):
        error: Exception = RuntimeError("nothing was read of it")
        try:
            for picture, signal in read_pictures(pictures[place:], **options):
                place += 1
                yield picture, signal
        except Exception as raised:  # whatever a decoder or a data set's own code raises
            error = raised
        if place < len(pictures):
            yield pictures[place], error
            place += 1


def ready(waiting: Waiting, pictures_per_task: int) -> Kind | None:
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
