"""One run of learning a start: load pictures, cut crops, learn, write the field that fits start from."""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

from keras_inr.datasets.crops import random_crops
from keras_inr.datasets.pictures import Picture, list_pictures
from keras_inr.errors import InputError, InterruptedRunError
from keras_inr.metrics import finite
from keras_inr.models.field import Field, to_uint8
from keras_inr.models.field_files import bare_copy, save_field
from keras_inr.presets import from_preset
from keras_inr.rendering.png import save_png
from keras_inr.runs.facts import device_name, versions, write_history
from keras_inr.runs.figures import save_curves
from keras_inr.runs.folder import claim_run_folder, write_json
from keras_inr.runs.interrupts import Interrupts
from keras_inr.runs.layout import METRICS, MODEL, is_complete, is_whole
from keras_inr.runs.results import NUMBER, finished_metrics
from keras_inr.signals.image import ImageSignal, load_image
from keras_inr.training.freezing import frozen_layers
from keras_inr.training.starts.pretraining import PretrainingRecipe, PretrainingResult, pretrain

CROPS = {"average": 32, "prefit": 1, "reptile": 200, "maml": 200, "shared_layers": 16}
"""How many crops a method takes: all of them in each step for shared_layers, a fit of each for average."""

SUMMARIZED = {"method": str, "num_crops": int, "pictures": list, "psnr_db": NUMBER, "seconds": float, "device": str}
"""Metrics that the summary of a run is made of, with their types."""

RESULTS = (MODEL, "reconstruction.png")
"""What a finished run has beside its metrics."""

COURSE = ("history.csv", "curves.png")
"""What it has besides, but for the method "average", whose fits have no course in common."""


@dataclasses.dataclass(frozen=True)
class PretrainingPlan:
    """What is learnt from what.

    Args:
        images: sources for `list_pictures`.
        preset, arguments: the network.
        recipe: how it is learnt; its seed also draws crops and the weights that learning starts from.
        num_crops: how many crops are cut out of the pictures, which take turns; None takes the method's, see `CROPS`.
        size: their side in pixels.
        smallest: see `random_crops`.
        data_dir: where TensorFlow Datasets looks.
        progress: whether to show a progress bar.
    """

    images: Sequence[str | os.PathLike[str]]
    preset: str
    recipe: PretrainingRecipe
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    num_crops: int | None = None
    size: int = 128
    smallest: float = 0.5
    data_dir: str | None = None
    progress: bool = True


@dataclasses.dataclass(frozen=True)
class PlannedPretraining:
    """A plan whose every input has been checked, with the crops and the network."""

    plan: PretrainingPlan
    crops: list[ImageSignal]
    field: Field
    identity: dict[str, Any]


class LoadedSignals(Sequence[ImageSignal]):
    """Signals of listed pictures, read when they are asked for and not kept: together they may not fit into memory.

    Args:
        pictures: what `list_pictures` returned.
        data_dir: see `load_image`.
    """

    def __init__(self, pictures: Sequence[Picture], data_dir: str | os.PathLike[str] | None) -> None:
        self.pictures = pictures
        self.data_dir = data_dir
        self.sha256: list[str] = []

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place):
        signal = load_image(self.pictures[place].source, data_dir=self.data_dir)
        self.sha256.append(signal.sha256)
        return signal


def plan_pretraining(plan: PretrainingPlan) -> PlannedPretraining:
    """Loads the pictures, cuts the crops, builds the field; writes nothing.

    Raises:
        InputError: naming what is wrong.
    """
    recipe = plan.recipe
    shared: dict[str, Any] = {"picture_size": (plan.size, plan.size), "seed": recipe.seed}
    field = from_preset(plan.preset, **shared, **plan.arguments)
    if recipe.method == "shared_layers":
        frozen_layers(field, recipe.own, "own")
    num_crops = CROPS[recipe.method] if plan.num_crops is None else plan.num_crops
    if recipe.method == "prefit" and num_crops != 1:
        raise InputError(f"num_crops must be 1 for prefit, which fits one, received {num_crops}")
    pictures = list_pictures(plan.images, plan.data_dir)[:num_crops]
    signals = LoadedSignals(pictures, plan.data_dir)
    crops = random_crops(signals, num_crops, plan.size, plan.smallest, recipe.seed)
    identity = {
        "kind": "pretraining",
        "preset": plan.preset,
        "arguments": plan.arguments,
        **dataclasses.asdict(recipe),
        "num_crops": num_crops,
        "size": plan.size,
        "smallest": plan.smallest,
        "pictures": [picture.name for picture in pictures],
        "pictures_sha256": hashlib.sha256("".join(signals.sha256).encode()).hexdigest(),
    }
    return PlannedPretraining(plan, crops, field, json.loads(json.dumps(identity)))


def run_pretraining(
    planned: PlannedPretraining,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> tuple[pathlib.Path, dict[str, Any]]:
    """Learns the start; writes model.keras, metrics.json, history.csv, curves.png, and its picture, reconstruction.png.

    Args:
        planned: what `plan_pretraining` returned.
        out, resume, overwrite: see `claim_run_folder`.

    Returns:
        (folder, metrics), the dict of metrics.json; a finished run that is resumed is only read, unless results are
        missing, which are then made again from its checkpoint.

    Raises:
        InputError: for a folder that cannot be used, or checkpoints none of which can be read.
        DivergedError: when the loss is no longer finite.
        InterruptedRunError: after Ctrl-C or SIGTERM; the state is saved, but for the method "average".
    """
    plan = planned.plan
    claim = claim_run_folder(out, planned.identity, resume, overwrite)
    with Interrupts() as interrupts, claim as folder:
        metrics = finished_metrics(folder, SUMMARIZED, {})
        averages = plan.recipe.method == "average"
        results = RESULTS if averages else (*RESULTS, *COURSE)
        missing = [name for name in results if not is_whole(folder / name)]
        if metrics is not None and is_complete(folder, missing):
            return folder, metrics
        field = type(planned.field).from_config(planned.field.get_config())
        result = pretrain(
            field,
            planned.crops,
            plan.recipe,
            checkpoint_dir=folder / "checkpoints",
            should_stop=lambda: interrupts.received is not None,
            progress=plan.progress,
        )
        if result.stopped_by == "interrupt":
            kept = "nothing is saved of this method, begin again" if averages else "the state is saved, go on"
            raise InterruptedRunError(
                cast(int, interrupts.received), folder, "while learning", f"{kept} with the same flags and"
            )
        for name in results if metrics is None else missing:
            _write(folder / name, plan, field, result.rows)
        if metrics is None:
            metrics = described(planned, field, result)
            write_json(folder / METRICS, metrics)  # last: it marks the run as finished
        return folder, metrics


def _write(path, plan, field, rows):
    """Writes one of the results, by its name."""
    if path.name == MODEL:
        save_field(field_for_any_picture(field), path)
    elif path.name == "reconstruction.png":
        save_png(path, to_uint8(field.sample_grid()))
    elif path.name == "history.csv":
        write_history(path, rows)
    else:
        save_curves(rows, path, f"{plan.recipe.method} of {plan.preset}")


def field_for_any_picture(field: Field) -> Field:
    """A field with the same weights that is of no picture."""
    return bare_copy(field, picture_size=None, name=None)


def described(planned: PlannedPretraining, field: Field, result: PretrainingResult) -> dict[str, Any]:
    """The content of metrics.json."""
    return {
        "format_version": 1,
        **planned.identity,
        "psnr_db": finite(result.psnr_db),
        "seconds": result.seconds,
        "num_parameters": field.count_params(),
        "device": device_name(),
        "versions": versions(),
    }
