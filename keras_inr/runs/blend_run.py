"""One run of `scripts/blend.py`: load pictures, place the region, fit, compare with the direct solver, write."""

import dataclasses
import json

import keras
import numpy as np

from keras_inr._files import atomic_path
from keras_inr.coordinates import pixel_pitch
from keras_inr.errors import InputError
from keras_inr.models.field import to_uint8
from keras_inr.presets import from_preset
from keras_inr.rendering.png import save_png
from keras_inr.runs.blending import Edit, agreement_db, clone_edit, fit_edit, gradient_edit, laplacian_edit
from keras_inr.runs.figures import save_comparison
from keras_inr.runs.folder import claim_run_folder, write_json
from keras_inr.runs.layout import METRICS
from keras_inr.runs.results import device_name, finite
from keras_inr.signals.derivatives import picture_jacobian
from keras_inr.signals.image import load_image
from keras_inr.training.recipe import Recipe

KINDS = ("clone", "gradient", "laplacian")


@dataclasses.dataclass(frozen=True)
class BlendSettings:
    """What is edited and how a field is fitted to it.

    Args:
        target, source, mask: sources for `load_image`; source and mask only for kind "clone".
        target_size, source_size: see `load_image`'s size.
        region: (top, left, height, width) of the source in pixels, None for all of it.
        shape: "rectangle" or "ellipse", the part of the region that is cloned; a mask takes its place.
        at: (top, left) in the target of the region's corner. What lies outside the target is left out.
        mixed: see `clone_edit`.
        kind: "clone", or "gradient" and "laplacian", which bring the target back from its derivatives.
        rule: how pictures are differentiated.
        preset, arguments: architecture and its overridden arguments.
        values_weight: of known values.
        recipe: dict of `Recipe` arguments.
        progress: whether to show a progress bar.
    """

    target: str
    recipe: dict
    source: str | None = None
    mask: str | None = None
    target_size: tuple | int | None = None
    source_size: tuple | int | None = None
    region: tuple | None = None
    shape: str = "rectangle"
    at: tuple = (0, 0)
    mixed: bool = False
    kind: str = "clone"
    rule: str = "central"
    preset: str = "hash_large"
    arguments: dict = dataclasses.field(default_factory=dict)
    values_weight: float = 1.0
    progress: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedBlend:
    """A blend whose every input has been checked."""

    settings: BlendSettings
    edit: Edit
    paste: np.ndarray | None
    field: keras.Model
    recipe: Recipe
    identity: dict


def prepare_blend(settings):
    """Loads the pictures, solves directly, builds the field and checks every setting; writes nothing.

    Raises:
        InputError: naming what is wrong.
    """
    if settings.kind not in KINDS:
        raise InputError(f"kind must be one of {KINDS}, received {settings.kind!r}")
    if not 0 < settings.values_weight < 1e9:
        raise InputError(f"values_weight must be positive, received {settings.values_weight!r}")
    recipe = Recipe(**settings.recipe)
    target = load_image(settings.target, size=settings.target_size)
    edit, paste, digests = _edit(settings, target)
    shared = {"channels": target.channels, "picture_size": target.size, "seed": recipe.seed}
    field = from_preset(settings.preset, **shared, **settings.arguments)
    edit.objective.model(field)  # raises for a Laplacian that the field has not
    identity = {**dataclasses.asdict(settings), **digests}
    del identity["progress"]
    return PreparedBlend(settings, edit, paste, field, recipe, identity)


def _edit(settings, target):
    """The edit, what copying pixels would give (None without a source), and the pictures' SHA-256."""
    digests = {"target_sha256": target.sha256}
    if settings.kind != "clone":
        for name in ("source", "source_size", "region", "mask", "mixed"):
            if getattr(settings, name):
                told = "must be left out to bring a picture back"
                raise InputError(f"{name} {told}, received {getattr(settings, name)!r}")
        make = {"gradient": gradient_edit, "laplacian": laplacian_edit}[settings.kind]
        return make(target.values, settings.rule), None, digests
    if settings.source is None:
        raise InputError("give source, or bring the target back from its gradient or its Laplacian")
    source = load_image(settings.source, size=settings.source_size)
    mask = None
    if settings.mask is not None:
        mask = load_image(settings.mask, grayscale=True)
        if mask.size != source.size:
            raise InputError(f"mask must be as large as the source, {source.size}, received {mask.size}")
        digests["mask_sha256"] = mask.sha256
        mask = mask.values[..., 0] > 0.5
    digests["source_sha256"] = source.sha256
    if source.channels not in (1, target.channels):
        raise InputError(
            f"source must have the target's {target.channels} channels, or one, received {source.channels}"
        )
    slopes = picture_jacobian(source.values, settings.rule) * (pixel_pitch(*source.size) / pixel_pitch(*target.size))
    slopes = np.broadcast_to(slopes, (*source.size, target.channels, 2))
    nowhere = np.zeros((*target.values.shape, 2), "float32")
    jacobian, inside = placed(nowhere, slopes, mask, settings.region, settings.shape, settings.at)
    edit = clone_edit(target.values, jacobian, inside, settings.mixed, settings.rule, settings.values_weight)
    pixels, _ = placed(target.values, source.values, mask, settings.region, settings.shape, settings.at)
    return edit, np.where(inside[..., None], pixels, target.values), digests


def placed(target, source, mask=None, region=None, shape="rectangle", at=(0, 0)):
    """An array over the source's pixels where its region goes in the target's frame.

    Args:
        target, source: arrays (H, W, ...) whose further axes broadcast.
        mask: None, or bool (H, W) as large as the source.
        region, shape, at: see `BlendSettings`.

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


def run_blend(prepared, out=None, overwrite=False):
    """Fits and writes the run folder: blend.png, direct.png, comparison.png, paste.png for a clone, model.keras.

    Returns:
        (folder, metrics), the dict of metrics.json.

    Raises:
        InputError: for a folder that cannot be used.
        DivergedError: when the loss is no longer finite.
    """
    settings, edit = prepared.settings, prepared.edit
    with claim_run_folder(out, json.loads(json.dumps(prepared.identity)), overwrite=overwrite) as folder:
        result = fit_edit(prepared.field, edit, prepared.recipe, progress=settings.progress)
        metrics = {
            "format_version": 1,
            "kind": settings.kind,
            "agreement_db": finite(agreement_db(edit, result.prediction)),
            "alignment": result.alignment,
            "steps": result.steps,
            "train_seconds": result.train_seconds,
            "num_parameters": prepared.field.count_params(),
            "device": device_name(),
            **prepared.identity,
        }
        with atomic_path(folder / "model.keras") as temporary:
            prepared.field.save(temporary)
        save_png(folder / "blend.png", to_uint8(result.prediction))
        save_png(folder / "direct.png", to_uint8(edit.direct))
        if prepared.paste is not None:
            save_png(folder / "paste.png", to_uint8(prepared.paste))
        figures = [f"agreement {agreement_text(metrics)}", f"{result.steps} steps", f"{result.train_seconds:.0f} s"]
        captions = ("direct Poisson solver", "field")
        title = f"{settings.kind} on {settings.target}"
        save_comparison(edit.direct, result.prediction, folder / "comparison.png", title, figures, captions)
        write_json(folder / METRICS, metrics)
    return folder, metrics


def agreement_text(metrics):
    """The agreement as it is told; it is null where field and direct solution are equal.

    >>> agreement_text({"agreement_db": 30.123}), agreement_text({"agreement_db": None})
    ('30.12 dB', 'exact')
    """
    return "exact" if metrics["agreement_db"] is None else f"{metrics['agreement_db']:.2f} dB"
