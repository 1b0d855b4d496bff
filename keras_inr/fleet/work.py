"""What a machine does: fits a task's pictures together and hands back models, figures and previews as bytes."""

import contextlib
import dataclasses
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import tensorflow as tf

from keras_inr.datasets.pictures import printable
from keras_inr.errors import MachineError
from keras_inr.fleet.plan import FleetPlan
from keras_inr.metrics import SSIM_WINDOW, finite, ms_ssim
from keras_inr.models.field import Field, to_uint8
from keras_inr.models.field_files import bare_copy
from keras_inr.rendering.png import png_bytes
from keras_inr.runs.facts import device_name
from keras_inr.signals.image import ImageSignal
from keras_inr.training.fitting import fit
from keras_inr.training.many.many_fits import LastStacks, fit_in_batches
from keras_inr.training.result import FitResult

FITTED, FAILED, PENDING = "fitted", "failed", "pending"

SHARED_MEMORY = "/dev/shm"
"""Where Keras may work on a model when the system's temporary folder is of no use."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Pictures that are fitted together.

    Args:
        names: of the pictures.
        signals: their `ImageSignal`s, with as many channels each.
    """

    names: tuple[str, ...]
    signals: tuple[ImageSignal, ...]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What has become of a picture.

    Args:
        name: of the picture.
        row: its figures, with "status" "fitted" or "failed" and the "reason" of a failure.
        model: bytes of model.keras, None after a failure.
        preview: bytes of a PNG file, None after a failure.
        history: rows of the fit, see `FitResult`.
    """

    name: str
    row: dict[str, Any]
    model: bytes | None = None
    preview: bytes | None = None
    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def failed(name: str, reason: object) -> Outcome:
    """The outcome of a picture that could not be fitted."""
    return Outcome(name, {"status": FAILED, "reason": printable(" ".join(str(reason).split()))})


def fit_task(task: Task, plan: FleetPlan) -> list[Outcome]:
    """Fits the pictures of a task; all their `Outcome`s, when the last of them is done."""
    return [outcome for part in fit_parts(task, plan) for outcome in part]


def fit_each(task: Task, plan: FleetPlan, should_stop: Callable[[], bool] | None = None) -> list[Outcome]:
    """Fits the pictures of a task one by one, each as `fit` does; those that were stopped are left out."""
    return [outcome for part in fit_one_by_one(task, plan, should_stop) for outcome in part]


def fit_one_by_one(
    task: Task, plan: FleetPlan, should_stop: Callable[[], bool] | None = None
) -> Iterator[list[Outcome]]:
    """Does what `fit_each` does, and yields the `Outcome` of each picture as soon as it is fitted."""
    for name, signal in zip(task.names, task.signals, strict=True):
        if should_stop is not None and should_stop():
            return
        field = plan.field(signal.size, signal.channels)
        options: dict[str, Any] = {"goal_psnr_db": plan.goal_psnr_db, "progress": False, "should_stop": should_stop}
        try:
            result = fit(field, signal, plan.recipe, **options)
        except Exception as error:  # whatever a picture or a network of one's own makes Keras or TensorFlow raise
            yield [failed(name, reason_of(error))]
            continue
        if result.stopped_by != "interrupt":
            yield [outcome_or_failure(name, signal, field, result, 1)]


def fits_alone(tasks: Iterable[Task], plan: FleetPlan, should_stop: Callable[[], bool]) -> Iterator[list[Outcome]]:
    """Fits pictures one by one in this process; yields outcomes as they come, as `run_fleet` takes them."""
    for task in tasks:
        yield from fit_one_by_one(task, plan, should_stop)


def fit_parts(
    task: Task, plan: FleetPlan, should_stop: Callable[[], bool] | None = None, stacks: LastStacks | None = None
) -> Iterator[list[Outcome]]:
    """Fits the pictures of a task, and yields the `Outcome`s of those that were fitted together as soon as they are.

    Where they cannot be fitted together, for want of memory say, they are fitted in halves, so that one that cannot be
    fitted at all takes no other with it.

    Args:
        task: a `Task`.
        plan: `FleetPlan`.
        should_stop: callable without arguments; True ends the work, whose pictures are then left out.
        stacks: a `LastStacks` that is shared by tasks.

    Raises:
        MachineError: where no model can be packed up here.
    """
    recipe, left = plan.recipe, list(range(len(task.names)))
    try:
        fields = [plan.field(signal.size, signal.channels) for signal in task.signals]
        options: dict[str, Any] = {"should_stop": should_stop, "stacks": stacks, "goal_psnr_db": plan.goal_psnr_db}
        for places, results in fit_in_batches(fields, task.signals, recipe, **options):
            left = [place for place in left if place not in places]
            yield [
                outcome_or_failure(task.names[place], task.signals[place], fields[place], result, len(places))
                for place, result in zip(places, results, strict=True)
                if result.stopped_by != "interrupt"
            ]
    except MachineError:
        raise
    except Exception as error:  # whatever a picture or a network of one's own makes Keras or TensorFlow raise
        if len(left) > 1:
            for part in (left[: len(left) // 2], left[len(left) // 2 :]):
                yield from fit_parts(some_of(task, part), plan, should_stop, stacks)
        elif left:
            yield [failed(task.names[left[0]], reason_of(error))]


def some_of(task: Task, places: Sequence[int]) -> Task:
    """A task of some of its pictures."""
    return Task(tuple(task.names[place] for place in places), tuple(task.signals[place] for place in places))


def reason_of(error: BaseException) -> str:
    """An error as the reason of a failure."""
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return f"network and picture do not fit into memory: {error}"
    kind, text = type(error).__name__, str(error)
    if not text:
        return kind
    return text if isinstance(error, (ValueError, OSError, ImportError)) else f"{kind}: {text}"


def limit_threads(cores: int) -> None:
    """Keeps TensorFlow to so many threads, unless it has begun already: then an earlier task has done it."""
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(cores)
        tf.config.threading.set_inter_op_parallelism_threads(cores)


def outcome_or_failure(name: str, *fit: Any) -> Outcome:
    """The outcome of a fit, a failure where it cannot be packed up."""
    try:
        return outcome(name, *fit)
    except MachineError:
        raise
    except Exception as error:  # a network that cannot be saved, a picture that no PNG can hold
        return failed(name, reason_of(error))


def outcome(name: str, signal: ImageSignal, field: Field, result: FitResult, pictures_together: int) -> Outcome:
    """The outcome of a fit."""
    if result.stopped_by == "diverged":
        return failed(name, f"the fit diverged at step {result.steps}: a lower learning rate may help")
    model, prediction = keras_file(field), cast(np.ndarray, result.prediction)
    row = {
        "status": FITTED,
        "reason": None,
        "psnr_db": finite(result.psnr_db),
        "psnr_8bit_db": finite(result.psnr_8bit_db),
        "ssim": result.ssim,
        "ms_ssim": ms_ssim(signal.values, prediction) if min(signal.size) >= SSIM_WINDOW else None,
        "steps": result.steps,
        "stopped_by": result.stopped_by,
        "train_seconds": round(result.train_seconds, 3),
        "pictures_together": pictures_together,
        "num_parameters": field.count_params(),
        "model_bytes": len(model),
        "height": signal.height,
        "width": signal.width,
        "channels": signal.channels,
        "image_sha256": signal.sha256,
        "device": device_name(),
    }
    return Outcome(name, row, model, png_bytes(to_uint8(prediction)), result.rows)


class KerasBuffer(io.BytesIO):
    """Memory that Keras takes for a file, by the name's ending."""

    def __str__(self) -> str:
        return "model.keras"


def keras_file(field: Field) -> bytes:
    """The bytes of model.keras.

    They are made in memory; but Keras also makes a folder for files that a model might have, which none of ours has.

    Raises:
        MachineError: where a folder can be made neither in the system's temporary folder nor in shared memory.
    """
    bare = bare_copy(field)
    refusals: list[OSError] = []
    for folder in (tempfile.tempdir, SHARED_MEMORY):
        buffer = KerasBuffer()
        try:
            with temporary_folder(folder):
                bare.save(buffer)
            return buffer.getvalue()
        except OSError as error:
            if error.errno is None:  # a library's own, of the model
                raise
            refusals.append(error)
    message = f"no folder can be made in the temporary folder ({refusals[0].strerror})"
    place = tempfile.tempdir or os.environ.get("TMPDIR", "/tmp")
    raise MachineError(refusals[0].errno, f"{message}; make room there, or name another in TMPDIR", place)


@contextlib.contextmanager
def temporary_folder(folder: str | None) -> Iterator[None]:
    """Where `tempfile` puts its things while the context lasts; None where the system says."""
    before = tempfile.tempdir
    tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = before
