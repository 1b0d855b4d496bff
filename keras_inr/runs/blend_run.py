"""One run of `keras-inr blend`: load pictures, place the region, fit, compare with the direct solver, write."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from scipy.ndimage import distance_transform_edt

from keras_inr._files import atomic_path
from keras_inr.coordinates import pixel_pitch
from keras_inr.errors import InputError
from keras_inr.metrics import finite, psnr_text
from keras_inr.models.field import Field, to_uint8
from keras_inr.presets import from_preset
from keras_inr.rendering.png import save_png
from keras_inr.runs.blending import Edit, agreement_db, clone_edit, fit_edit, gradient_edit, laplacian_edit
from keras_inr.runs.facts import device_name
from keras_inr.runs.figures import save_comparison
from keras_inr.runs.folder import claim_run_folder, write_json
from keras_inr.runs.layout import METRICS, MODEL
from keras_inr.signals.derivatives import picture_jacobian
from keras_inr.signals.image import load_image
from keras_inr.training.recipe import Recipe

KINDS = ("clone", "gradient", "laplacian")
ALWAYS_RECORDED = ("steps", "batch_size", "learning_rate", "optimizer", "seed")
"""Settings of the recipe that run.json always has; it has others only where they differ from the default."""

CLONE_ONLY = ("source", "source_size", "region", "mask", "target_mask", "shape", "at", "mixed", "feather")
"""Settings that only a clone takes."""


@dataclasses.dataclass(frozen=True)
class BlendPlan:
    """What is edited and how a field is fitted to it.

    Args:
        target, source, mask: sources for `load_image`; source and mask only for kind "clone". The mask is as large as
            the source's file, and bright where the source is cloned.
        target_mask: None, or a picture as large as the target's file, bright where the target may be painted over.
        feather: pixels inside of the region over which blend.png goes from the target to the field; outside it is the
            target, to the bit.
        target_size, source_size: see `load_image`'s size.
        region: (top, left, height, width) of the source in pixels, None for all of it.
        shape: "rectangle" or "ellipse", the part of the region that is cloned; a mask takes its place.
        at: (top, left) in the target of the region's corner. What lies outside the target is left out.
        mixed: see `clone_edit`.
        kind: "clone", or "gradient" and "laplacian", which bring the target back from its derivatives.
        rule: how pictures are differentiated.
        preset, arguments: architecture and its overridden arguments.
        values_weight: of known values; not for kind "gradient", which knows none.
        recipe: how it is fitted; its seed also draws the initial weights.
        progress: whether to show a progress bar.
    """

    target: str
    recipe: Recipe
    source: str | None = None
    mask: str | None = None
    target_mask: str | None = None
    target_size: tuple[int, int] | int | None = None
    source_size: tuple[int, int] | int | None = None
    region: tuple[int, int, int, int] | None = None
    shape: str = "rectangle"
    at: tuple[int, int] = (0, 0)
    mixed: bool = False
    feather: float = 4.0
    kind: str = "clone"
    rule: str = "central"
    preset: str = "hash_large"
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    values_weight: float = 1.0
    progress: bool = True

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs share that are the same run, but for the pictures."""
        facts = dataclasses.asdict(self)
        del facts["progress"]
        return facts | {"recipe": _recorded(self.recipe)}


def _recorded(recipe):
    """A recipe as run.json has it."""
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    others = [name for name, default in defaults.items() if getattr(recipe, name) != default]
    return {name: getattr(recipe, name) for name in dict.fromkeys((*ALWAYS_RECORDED, *others))}


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedBlend:
    """A blend whose every input has been checked."""

    plan: BlendPlan
    edit: Edit
    target: np.ndarray
    paste: np.ndarray | None
    inside: np.ndarray | None
    field: Field
    identity: dict[str, Any]


def plan_blend(plan: BlendPlan) -> PlannedBlend:
    """Loads the pictures, solves directly, builds the field and checks every setting; writes nothing.

    Raises:
        InputError: naming what is wrong.
    """
    if plan.kind not in KINDS:
        raise InputError(f"kind must be one of {KINDS}, received {plan.kind!r}")
    if not 0 < plan.values_weight < 1e9:
        raise InputError(f"values_weight must be positive, received {plan.values_weight!r}")
    if not 0 <= plan.feather < 1e6:
        raise InputError(f"feather must be pixels, from 0 on, received {plan.feather!r}")
    target = load_image(plan.target, size=plan.target_size)
    edit, paste, inside, digests = _edit(plan, target)
    shared: dict[str, Any] = {"channels": target.channels, "picture_size": target.size, "seed": plan.recipe.seed}
    field = from_preset(plan.preset, **shared, **plan.arguments)
    edit.objective.model(field)  # raises for a Laplacian that the field has not
    return PlannedBlend(plan, edit, target.values, paste, inside, field, {**plan.identity, **digests})


def _edit(plan, target):
    """The edit, what copying pixels would give and where (None without a source), and the pictures' SHA-256."""
    digests = {"target_sha256": target.sha256}
    if plan.kind == "gradient":
        _check_left_out(plan, (*CLONE_ONLY, "values_weight"))
        return gradient_edit(target.values, plan.rule), None, None, digests
    if plan.kind == "laplacian":
        _check_left_out(plan, CLONE_ONLY)
        return laplacian_edit(target.values, plan.rule, plan.values_weight), None, None, digests
    if plan.source is None:
        raise InputError("give source, or bring the target back from its gradient or its Laplacian")
    source = load_image(plan.source, size=plan.source_size)
    mask = _mask("mask", plan.mask, plan.source, source.size, digests)
    allowed = _mask("target_mask", plan.target_mask, plan.target, target.size, digests)
    digests["source_sha256"] = source.sha256
    if source.channels not in (1, target.channels):
        raise InputError(
            f"source must have the target's {target.channels} channels, or one, received {source.channels}"
        )
    slopes = picture_jacobian(source.values, plan.rule) * (pixel_pitch(*source.size) / pixel_pitch(*target.size))
    slopes = np.broadcast_to(slopes, (*source.size, target.channels, 2))
    nowhere = np.zeros((*target.values.shape, 2), "float32")
    jacobian, inside = placed(nowhere, slopes, mask, plan.region, plan.shape, plan.at)
    inside = inside if allowed is None else inside & allowed
    edit = clone_edit(target.values, jacobian, inside, plan.mixed, plan.rule, plan.values_weight)
    pixels, _ = placed(target.values, source.values, mask, plan.region, plan.shape, plan.at)
    return edit, np.where(inside[..., None], pixels, target.values), inside, digests


def _mask(name, source, of, size, digests):
    """Bool (H, W) of a mask that is as large as a picture's file, reduced or enlarged with it; None for none."""
    if source is None:
        return None
    mask = load_image(source, grayscale=True)
    if mask.size != size:
        file_size = load_image(of).size
        if mask.size != file_size:
            told = f"as large as the picture that it is of, {file_size}, or as that is resized, {size}"
            raise InputError(f"{name} must be {told}, received {mask.size}")
        mask = load_image(source, grayscale=True, size=size)
    digests[f"{name}_sha256"] = mask.sha256
    return mask.values[..., 0] > 0.5


def composed(target: np.ndarray, prediction: np.ndarray, inside: np.ndarray | None, feather: float) -> np.ndarray:
    """The target, and inside of a region what was made for it: t + w (p - t), w from 0 at its edge to 1.

    Args:
        target, prediction: (H, W, C).
        inside: bool (H, W); None takes the prediction everywhere.
        feather: pixels from the region's edge to where w is 1; 0 for a hard edge.

    >>> inside = np.array([[False, True, True, True]])
    >>> composed(np.zeros((1, 4, 1)), np.ones((1, 4, 1)), inside, 2.0)[0, :, 0].tolist()
    [0.0, 0.5, 1.0, 1.0]
    """
    if inside is None:
        return prediction
    depth = distance_transform_edt(inside)
    weight = np.clip(depth / feather, 0, 1) if feather else inside.astype(float)
    mixed = target + weight[..., None] * (prediction - target)
    return np.where(inside[..., None], mixed, target)


def _check_left_out(plan, names):
    for name in names:
        if getattr(plan, name) != getattr(BlendPlan, name):  # the default
            message = f"{name} must be left out to bring a picture back from its {plan.kind}"
            raise InputError(f"{message}, received {getattr(plan, name)!r}")


def placed(
    target: np.ndarray,
    source: np.ndarray,
    mask: np.ndarray | None = None,
    region: tuple[int, int, int, int] | None = None,
    shape: str = "rectangle",
    at: tuple[int, int] = (0, 0),
) -> tuple[np.ndarray, np.ndarray]:
    """An array over the source's pixels where its region goes in the target's frame.

    Args:
        target, source: arrays (H, W, ...) whose further axes broadcast.
        mask: None, or bool (H, W) as large as the source.
        region, shape, at: see `BlendPlan`.

    Returns:
        (the target with the source's rectangle laid over it; bool (H, W), True where the source is cloned).

    Raises:
        InputError: for a region outside of the source, or one of which nothing falls into the target.

    >>> target, source = np.zeros((4, 6, 1)), np.ones((3, 3, 1))
    >>> values, inside = placed(target, source, at=(2, 4))
    >>> int(inside.sum()), float(values.sum())
    (4, 4.0)
    """
    top, left, height, width = region or (0, 0, *source.shape[:2])
    if min(top, left) < 0 or min(height, width) < 1 or top + height > source.shape[0] or left + width > source.shape[1]:
        raise InputError(f"region must lie inside the source, {source.shape[:2]}, received {region!r}")
    taken = np.ones((height, width), bool) if mask is None else mask[top : top + height, left : left + width]
    if mask is None and shape == "ellipse":
        y, x = np.mgrid[:height, :width]
        taken = np.square((2 * y + 1 - height) / height) + np.square((2 * x + 1 - width) / width) <= 1
    values, inside = np.array(target), np.zeros(target.shape[:2], bool)
    rows = slice(max(0, at[0]), min(target.shape[0], at[0] + height))
    columns = slice(max(0, at[1]), min(target.shape[1], at[1] + width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise InputError(f"at must place the region inside the target, {target.shape[:2]}, received {at!r}")
    part = (slice(rows.start - at[0], rows.stop - at[0]), slice(columns.start - at[1], columns.stop - at[1]))
    values[rows, columns] = source[top : top + height, left : left + width][part]
    inside[rows, columns] = taken[part]
    return values, inside


def run_blend(
    planned: PlannedBlend, out: str | os.PathLike[str] | None = None, overwrite: bool = False
) -> tuple[pathlib.Path, dict[str, Any]]:
    """Fits and writes the run folder: blend.png, field.png, direct.png, comparison.png, model.keras; paste.png, too.

    blend.png is the field inside of the region that is cloned, feathered, and the target outside, to the bit.

    Returns:
        (folder, metrics), the dict of metrics.json.

    Raises:
        InputError: for a folder that cannot be used.
        DivergedError: when the loss is no longer finite.
    """
    plan, edit = planned.plan, planned.edit
    with claim_run_folder(out, json.loads(json.dumps(planned.identity)), overwrite=overwrite) as folder:
        result = fit_edit(planned.field, edit, plan.recipe, progress=plan.progress)
        prediction = cast(np.ndarray, result.prediction)
        metrics = {
            "format_version": 1,
            "kind": plan.kind,
            "agreement_db": finite(agreement_db(edit, prediction)),
            "alignment": result.alignment,
            "steps": result.steps,
            "train_seconds": result.train_seconds,
            "num_parameters": planned.field.count_params(),
            "device": device_name(),
            **planned.identity,
        }
        with atomic_path(folder / MODEL) as temporary:
            planned.field.save(temporary)
        save_pictures(folder, planned, prediction, metrics)
        write_json(folder / METRICS, metrics)
    return folder, metrics


def save_pictures(
    folder: pathlib.Path, planned: PlannedBlend, prediction: np.ndarray, metrics: Mapping[str, Any]
) -> None:
    """Writes blend.png, field.png, direct.png, comparison.png, and of a clone paste.png."""
    edit, target, inside, feather = planned.edit, planned.target, planned.inside, planned.plan.feather
    blend = composed(target, prediction, inside, feather)
    pictures = {"blend": blend, "field": prediction, "direct": composed(target, edit.direct, inside, 0.0)}
    rows = []
    if planned.paste is not None:
        pictures["paste"] = planned.paste
        more = (target, planned.paste, blend)
        rows = [(("target", "pixels copied", "blend"), [_shown(values) for values in more])]
    for name, values in pictures.items():
        save_png(folder / f"{name}.png", to_uint8(values))
    figures = [f"agreement {psnr_text(metrics['agreement_db'])}", f"{metrics['steps']} steps"]
    figures.append(f"{metrics['train_seconds']:.0f} s")
    title, captions = f"{planned.plan.kind} on {planned.plan.target}", ("direct Poisson solver", "field")
    save_comparison(edit.direct, prediction, folder / "comparison.png", title, figures, captions, rows)


def _shown(values):
    """A picture as uint8 (H, W, 3), without transparency."""
    return to_uint8(np.broadcast_to(values[..., : 3 if values.shape[2] > 2 else 1], (*values.shape[:2], 3)))
