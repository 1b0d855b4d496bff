"""Gradient-domain editing: fields fitted to merged derivatives, checked against direct Poisson solvers."""

import dataclasses
from typing import Any

import numpy as np

from keras_inr.errors import InputError
from keras_inr.metrics import psnr
from keras_inr.models.field import Field
from keras_inr.poisson import solve_poisson, solve_poisson_laplacian
from keras_inr.signals.derivatives import picture_jacobian, picture_laplacian
from keras_inr.signals.image import ImageSignal
from keras_inr.training.fitting import fit
from keras_inr.training.objectives import Objective, weighted_objective
from keras_inr.training.recipe import Recipe
from keras_inr.training.result import FitResult


@dataclasses.dataclass(frozen=True, eq=False)
class Edit:
    """An edited picture as derivatives and known values, before anything is solved.

    Attributes:
        objective: what a field is fitted to.
        direct: the direct solver's picture (H, W, C) for the same right-hand side, not clamped.
    """

    objective: Objective
    direct: np.ndarray


def clone_edit(
    target: np.ndarray,
    jacobian: np.ndarray,
    mask: np.ndarray,
    mixed: bool = False,
    rule: str = "central",
    values_weight: float = 1.0,
) -> Edit:
    """The region of one picture cloned into another by its gradient (Pérez, Gangnet, Blake 2003).

    Inside the mask the gradient is the source's, or with mixed=True at each pixel whichever of source and target has
    the larger magnitude over all channels; outside of it gradient and values are the target's. The region's border is
    where known values end.

    Args:
        target: values (H, W, C) in [0, 1].
        jacobian: (H, W, C, 2) of the source where it goes, per coordinate unit of the target; read inside the mask.
        mask: bool (H, W), True where the source is cloned; neither all True nor all False.
        mixed: whether the target's stronger gradients stay.
        rule: how the target is differentiated, see `keras_inr.signals.derivatives`.
        values_weight: weight of the relative error of known values, beside 1 for the gradient's.

    Returns:
        An `Edit`; its direct solution minimises the same gradient error over differences of neighbouring pixels.

    Raises:
        InputError: for shapes that differ, or a mask without an inside or an outside.

    >>> target, mask = np.full((8, 8, 1), 0.25), np.zeros((8, 8), bool)
    >>> mask[2:6, 2:6] = True
    >>> flat = np.zeros((8, 8, 1, 2))
    >>> bool(np.allclose(clone_edit(target, flat, mask).direct, 0.25))  # a flat source brings no edges
    True
    """
    target, jacobian, mask = np.asarray(target), np.asarray(jacobian), np.asarray(mask)
    if jacobian.shape != (*target.shape, 2) or mask.shape != target.shape[:2] or mask.dtype != bool:
        raise InputError(
            "target, jacobian and mask must be (H, W, C), (H, W, C, 2) and bool (H, W), "
            f"received {target.shape}, {jacobian.shape} and {mask.dtype} {mask.shape}"
        )
    if mask.all() or not mask.any():
        raise InputError(f"mask must leave pixels inside and outside, received {int(mask.sum())} of {mask.size} inside")
    own = picture_jacobian(target, rule)
    taken = mask[..., None, None]
    if mixed:
        strength = [np.sum(np.square(slopes), axis=(2, 3), keepdims=True) for slopes in (own, jacobian)]
        taken = taken & (strength[1] >= strength[0])
    merged = np.where(taken, jacobian, own).astype("float32")
    known = np.where(mask[..., None], np.float32(np.nan), target.astype("float32"))
    objective = weighted_objective({"value": (known, values_weight), "gradient": (merged, 1.0)})
    return Edit(objective, solve_poisson(merged, mask, target))


def gradient_edit(values: np.ndarray, rule: str = "central") -> Edit:
    """A picture from its gradient alone; the free constant is the picture's mean.

    >>> ramp = np.linspace(0, 1, 6)[None, :, None] * np.ones((4, 6, 1))
    >>> bool(np.allclose(gradient_edit(ramp).direct, ramp, atol=1e-6))
    True
    """
    jacobian = picture_jacobian(values, rule)
    everywhere = np.ones(values.shape[:2], bool)
    return Edit(weighted_objective({"gradient": (jacobian, 1.0)}), solve_poisson(jacobian, everywhere, values))


def laplacian_edit(values: np.ndarray, rule: str = "central", values_weight: float = 1.0) -> Edit:
    """A picture from its Laplacian and the values of its border pixels.

    >>> ramp = np.linspace(0, 1, 6)[None, :, None] * np.ones((5, 6, 1))
    >>> bool(np.allclose(laplacian_edit(ramp).direct, ramp, atol=1e-6))
    True
    """
    laplacian = picture_laplacian(values, rule)
    border = np.array(values, "float32")
    border[1:-1, 1:-1] = np.nan
    objective = weighted_objective({"value": (border, values_weight), "laplacian": (laplacian, 1.0)})
    return Edit(objective, solve_poisson_laplacian(laplacian, values))


def fit_edit(field: Field, edit: Edit, recipe: Recipe | None = None, **arguments: Any) -> FitResult:
    """Fits a field to an edit.

    Args:
        field: a `Field` with the picture's channels.
        edit: an `Edit`.
        recipe, arguments: as in `fit`; recipe.supervise is not used.

    Returns:
        The `FitResult`, whose PSNR is the agreement with the direct solver: that of the field against the direct
        solution, both clamped to [0, 1].
    """
    reference = ImageSignal(np.clip(edit.direct, 0, 1).astype("float32"), "direct solution", "", 32)
    return fit(field, reference, recipe, objective=edit.objective, **arguments)


def agreement_db(edit: Edit, prediction: np.ndarray) -> float:
    """PSNR of a prediction (H, W, C) against the direct solution, both clamped to [0, 1]."""
    return psnr(np.clip(edit.direct, 0, 1), prediction)
