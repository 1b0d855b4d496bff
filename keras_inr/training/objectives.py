"""What a field is fitted to: values, derivatives, or all of them, with targets in true units."""

import dataclasses
from collections.abc import Mapping

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_inr.errors import InputError
from keras_inr.layers.affine import Affine
from keras_inr.layers.value_range import ValueRange
from keras_inr.losses import ColourMeanSquaredError, KnownMeanSquaredError
from keras_inr.models.differentiated import Differentiated
from keras_inr.models.field import Field
from keras_inr.signals.derivatives import picture_jacobian, picture_laplacian
from keras_inr.signals.image import ImageSignal
from keras_inr.training.freezing import frozen_layers
from keras_inr.training.recipe import Recipe

CHUNKS = {"jacobian": 8192, "laplacian": 2048}
"""Points that are differentiated at a time, by the highest derivative: the fastest from 2048 to all on CPUs."""

MIXING_POWER = 0.25
LEAST_SHARE = 1e-3
"""Of the strongest colour's power: one with less, as in grey pictures, is not there and is not weighed more."""

OUTPUT_OF = {"value": "values", "gradient": "jacobian", "laplacian": "laplacian"}


@dataclasses.dataclass(frozen=True, eq=False)
class Objective:
    """Targets at the pixels of a picture, and how much each kind of them counts.

    Attributes:
        targets: dict of arrays (H, W, ...), some of "values" (H, W, C), "jacobian" (H, W, C, 2) and "laplacian"
            (H, W, C).
        loss_weights: dict with the same keys: what each mean squared error is multiplied with.
        mixing: None, or the matrix (C, C) that errors of colours are multiplied with before they are squared.

    A target may be NaN where it is unknown and colours are not mixed.
    """

    targets: dict[str, np.ndarray]
    loss_weights: dict[str, float]
    mixing: np.ndarray | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """What there are targets of."""
        return tuple(self.targets)

    @property
    def knows_values(self) -> bool:
        """Whether values are fitted; otherwise the picture is known up to a constant at best."""
        return "values" in self.targets

    @property
    def measures_psnr(self) -> bool:
        """Whether values are fitted everywhere, so that batches have a PSNR."""
        return self.knows_values and bool(np.all(np.isfinite(self.targets["values"])))

    def model(self, field: Field) -> keras.Model:
        """What to compile and fit: the field itself for values alone, else a `Differentiated` around it."""
        if self.outputs == ("values",):
            return field
        return Differentiated(field, self.outputs, chunk=min(CHUNKS[name] for name in self.outputs if name in CHUNKS))

    @property
    def table_width(self) -> int:
        """T, how many numbers there are for a pixel."""
        return sum(int(np.prod(target.shape[2:])) for target in self.targets.values())

    def losses(self, dtype: str) -> dict[str, keras.Loss]:
        """A mean squared error for each output."""
        if self.mixing is not None:
            return {name: ColourMeanSquaredError(self.mixing, dtype=dtype) for name in self.targets}
        return {
            name: (keras.losses.MeanSquaredError if np.all(np.isfinite(target)) else KnownMeanSquaredError)(dtype=dtype)
            for name, target in self.targets.items()
        }

    def table(self) -> np.ndarray:
        """All targets as one array (H * W, T), a row for each pixel."""
        height, width = next(iter(self.targets.values())).shape[:2]
        return np.concatenate([np.reshape(t, (height * width, -1)) for t in self.targets.values()], axis=1)

    def split(self, rows: tf.Tensor) -> tf.Tensor | dict[str, tf.Tensor]:
        """Rows (N, T) of the table, or interpolated between them, as the model's targets."""
        if self.outputs == ("values",):
            return rows
        shapes = {name: target.shape[2:] for name, target in self.targets.items()}
        parts = tf.split(rows, [int(np.prod(shape)) for shape in shapes.values()], axis=1)
        return {name: tf.reshape(p, (-1, *shapes[name])) for name, p in zip(shapes, parts, strict=True)}


def make_objective(recipe: Recipe, signal: ImageSignal) -> Objective:
    """The objective that a recipe describes, for a picture.

    "value" is plain MSE. Every other kind minimises relative errors, sum_k w_k MSE_k / power_k, where power_k is the
    target's mean square over the picture (for values its variance): a loss of w_k is as bad as a flat picture, and no
    factor depends on the resolution. A power of zero counts as 1. Of derivatives alone, errors and targets are first
    multiplied with `colour_mixing` if the recipe's derivative_colours are "mixed".

    >>> from keras_inr.signals import load_image
    >>> from keras_inr.training.recipe import Recipe
    >>> signal = load_image("sample:camera", size=32)
    >>> make_objective(Recipe(steps=1, supervise="gradient"), signal).targets["jacobian"].shape
    (32, 32, 1, 2)
    """
    if recipe.supervise == "value":
        return Objective({"values": signal.values}, {"values": 1.0})
    weights = kind_weights(recipe)
    make = {
        "value": lambda: signal.values,
        "gradient": lambda: picture_jacobian(signal.values, recipe.derivative_rule),
        "laplacian": lambda: picture_laplacian(signal.values, recipe.derivative_rule),
    }
    parts = {kind: (make[kind](), weight) for kind, weight in weights.items()}
    mixes = signal.channels > 1 and recipe.derivative_colours == "mixed"
    return weighted_objective(parts, colour_mixing(next(iter(parts.values()))[0]) if mixes else None)


def colour_mixing(derivative: npt.ArrayLike) -> np.ndarray:
    """The matrix W (C, C) that brings the colours of a derivative nearer to equal power.

    Its rows are (l_1 / l_i)^(1/4) v_i, with eigenvalues l_i, from the largest, and eigenvectors v_i of the second
    moments E[g g^T] over pixels and directions; v_i alone where l_i is below l_1 / 1000. In photographs red, green and
    blue change together, so that grey has 90 % or more of the gradient's power. A loss in red, green and blue hardly
    sees the rest, and what a hash grid learns from it lacks colour.

    Args:
        derivative: array (H, W, C) or (H, W, C, 2).

    >>> jacobian = np.array([[[[3.0, 1.0], [3.0, -1.0]]]])  # 1 x 1 pixels, of grey 9 times the power of the difference
    >>> np.abs(colour_mixing(jacobian)).round(3).tolist()
    [[0.707, 0.707], [1.225, 1.225]]
    """
    derivative = np.asarray(derivative, np.float64)
    colours = np.moveaxis(derivative, 2, -1).reshape(-1, derivative.shape[2])
    powers, axes = np.linalg.eigh(colours.T @ colours / len(colours))
    shares = powers / (powers[-1] or 1.0)
    shares = np.where(shares < LEAST_SHARE, 1.0, shares)
    return (axes / shares**MIXING_POWER).T[::-1]


def weighted_objective(parts: Mapping[str, tuple[np.ndarray, float]], mixing: np.ndarray | None = None) -> Objective:
    """The objective with relative errors of targets, a dict of kind ("value", "gradient", "laplacian") -> (target, w).

    Errors are relative after mixing, where there is any.

    >>> weighted_objective({"gradient": (np.full((2, 2, 1, 2), 4.0), 1.0)}).loss_weights
    {'jacobian': 0.0625}
    """
    targets = {OUTPUT_OF[kind]: target for kind, (target, _) in parts.items()}
    loss_weights = {}
    for kind, (target, weight) in parts.items():
        mixed = target if mixing is None else np.einsum("ec,hwc...->hwe...", mixing, target)
        loss_weights[OUTPUT_OF[kind]] = weight / mean_square(kind, mixed)
    return Objective(targets, loss_weights, mixing)


def kind_weights(recipe: Recipe) -> dict[str, float]:
    """kind -> weight in the loss of what the recipe supervises.

    >>> from keras_inr.training.recipe import Recipe
    >>> kind_weights(Recipe(steps=1, supervise="combined", value_weight=0.0, gradient_weight=2.0))
    {'gradient': 2.0, 'laplacian': 1.0}
    """
    if recipe.supervise != "combined":
        return {recipe.supervise: 1.0}
    weights = {kind: getattr(recipe, f"{kind}_weight") for kind in OUTPUT_OF}
    return {kind: weight for kind, weight in weights.items() if weight}


def check_supervision(field: Field, recipe: Recipe) -> None:
    """Raises the InputError that fitting the field to the recipe's objective would raise."""
    kinds = kind_weights(recipe)
    if "laplacian" in kinds:
        Differentiated(field, ("laplacian",))
    if "value" not in kinds:
        check_offset(field, recipe.freeze)


def mean_square(kind: str, target: npt.ArrayLike) -> float:
    """Mean square of a target where it is known, of values about their mean; 1 where that is zero."""
    target = np.asarray(target, "float64")
    centred = target - np.nanmean(target, axis=(0, 1)) if kind == "value" else target
    return float(np.nanmean(np.square(centred))) or 1.0


def check_offset(field: Field, freeze: str | None) -> None:
    """Raises now the InputError that `add_offset` would raise after the fit, and one where the bias is to be frozen."""
    bias, _ = offset_bias(field)
    for layer in frozen_layers(field, freeze):
        if any(weight is bias for weight in layer.weights):
            told = f"the bias of {layer.name!r} takes the picture's mean"
            raise InputError(
                f"freeze must leave the head free in a fit to derivatives alone: {told}, received {freeze!r}"
            )


def add_offset(field: Field, offset: npt.ArrayLike) -> None:
    """Adds a constant (C,) to a field's values, in the bias of its head.

    Raises:
        InputError: as `offset_bias`.
    """
    bias, factor = offset_bias(field)
    bias.assign_add((np.asarray(offset, "float64") * factor).astype(bias.dtype))


def offset_bias(field: Field) -> tuple[keras.Variable, float]:
    """The bias variable that shifts a field's values, and by how much it moves for a shift of 1.

    Raises:
        InputError: if the stack does not end in an `Affine` with a bias and any number of `ValueRange`s.
    """
    factor = 1.0
    for layer in reversed(field.stack):
        if isinstance(layer, ValueRange):
            factor *= layer.high - layer.low
        elif type(layer) is Affine and layer.bias is not None:
            return layer.bias, factor
        else:
            break
    raise InputError(
        f"a field fitted to derivatives alone needs a linear head with a bias, received {field.stack[-2:]!r}"
    )
