"""What a machine does: fits a task's pictures together and hands back models, figures and previews as bytes."""

import dataclasses
import io
import math
import pathlib
import tempfile

import PIL.Image
import tensorflow as tf

from keras_inr.models.field import to_uint8
from keras_inr.runs.model_files import bare_copy
from keras_inr.runs.results import device_name
from keras_inr.training.fit_many import fit_many
from keras_inr.training.recipe import Recipe

FITTED, FAILED, PENDING = "fitted", "failed", "pending"


@dataclasses.dataclass(frozen=True)
class Task:
    """Pictures that are fitted together.

    Args:
        names: of the pictures.
        signals: their `ImageSignal`s, with as many channels each.
    """

    names: tuple
    signals: tuple


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What has become of a picture.

    Args:
        name: of the picture.
        row: its figures, with "status" "fitted" or "failed" and the "reason" of a failure.
        model: bytes of model.keras, None after a failure.
        preview: bytes of a PNG file, None after a failure.
    """

    name: str
    row: dict
    model: bytes | None = None
    preview: bytes | None = None


def failed(name, reason):
    """The outcome of a picture that could not be fitted."""
    return Outcome(name, {"status": FAILED, "reason": " ".join(str(reason).split())})


def fit_task(task, settings, should_stop=None):
    """Fits the pictures of a task.

    Where they cannot be fitted together, for want of memory say, they are fitted in halves, so that one that cannot be
    fitted at all takes no other with it.

    Args:
        task: a `Task`.
        settings: `FleetSettings`.
        should_stop: callable without arguments; True ends the work, whose pictures are then left out.

    Returns:
        A list of `Outcome`s.
    """
    recipe = Recipe(**settings.recipe)
    try:
        fields = [settings.field(signal.size, signal.channels) for signal in task.signals]
        results = fit_many(
            fields,
            task.signals,
            recipe,
            goal_psnr_db=settings.goal_psnr_db,
            should_stop=should_stop,
            progress=False,
        )
        done = zip(task.names, task.signals, fields, results, strict=True)
        return [outcome(*one, len(fields)) for one in done if one[-1].stopped_by != "interrupt"]
    except (MemoryError, ValueError, tf.errors.OpError) as error:
        if len(task.names) > 1:
            return [out for part in halves(task) for out in fit_task(part, settings, should_stop)]
        full = isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError))
        return [failed(task.names[0], f"network and picture do not fit into memory: {error}" if full else error)]


def halves(task):
    middle = len(task.names) // 2
    return [Task(task.names[part], task.signals[part]) for part in (slice(None, middle), slice(middle, None))]


def outcome(name, signal, field, result, pictures_together):
    """The outcome of a fit."""
    if result.stopped_by == "diverged":
        return failed(name, f"the fit diverged at step {result.steps}: a lower learning rate may help")
    model = keras_file(field)
    row = {
        "status": FITTED,
        "reason": None,
        "psnr_db": result.psnr_db if math.isfinite(result.psnr_db) else None,
        "psnr_8bit_db": result.psnr_8bit_db if math.isfinite(result.psnr_8bit_db) else None,
        "ssim": result.ssim,
        "steps": result.steps,
        "stopped_by": result.stopped_by,
        "train_seconds": round(result.train_seconds, 3),
        "pictures_together": pictures_together,
        "num_parameters": sum(math.prod(weight.shape) for weight in field.trainable_weights),
        "model_bytes": len(model),
        "height": signal.height,
        "width": signal.width,
        "channels": signal.channels,
        "image_sha256": signal.sha256,
        "device": device_name(),
    }
    return Outcome(name, row, model, png(result.prediction))


def keras_file(field):
    """The bytes of model.keras."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        bare_copy(field).save(path)
        return path.read_bytes()


def png(values):
    """The bytes of a PNG file of values (H, W, C)."""
    codes = to_uint8(values)
    buffer = io.BytesIO()
    PIL.Image.fromarray(codes[..., 0] if codes.shape[-1] == 1 else codes).save(buffer, "PNG")
    return buffer.getvalue()
