"""The numbers of a training run: how long, on which points, with which optimizer and schedule."""

import dataclasses
import inspect
import numbers
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from keras_inr._arguments import did_you_mean, names_arguments, one_of
from keras_inr.errors import InputError, InputTypeError
from keras_inr.signals.derivatives import RULES

SAMPLINGS = ("random", "shuffled", "full", "continuous")
OPTIMIZERS = ("adam", "adamw", "sgd", "muon")
SCHEDULES = ("constant", "cosine", "inverse", "warmup_exponential", "plateau")
COLOURS = ("rgb", "mixed")
SUPERVISED = ("value", "gradient", "laplacian", "combined")
CHOICES = {
    "sampling": SAMPLINGS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "supervise": SUPERVISED,
    "derivative_rule": RULES,
    "derivative_colours": COLOURS,
}


@names_arguments
@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a field is fitted to a picture.

    Args:
        steps, epochs: length of the run; give one. A step is one optimizer update, an epoch is
            max(1, pixels // batch_size) steps.
        batch_size: points in a step; 0 takes all pixels in every step.
        sampling: "random" pixels with replacement; "shuffled", each pixel at most once an epoch; "full", all pixels in
            every step; "continuous", points anywhere in the picture with bilinearly interpolated targets.
        optimizer: "adam", "adamw" (decoupled weight decay), "sgd" (momentum beta_1) or "muon": orthogonalised momentum
            of 0.95 for the kernels of hidden layers, and Adam at a tenth of the learning rate for the rest. Its steps
            are 0.2 sqrt(max(rows, columns)) times the learning rate, whatever the gradient's size: sine layers with an
            omega_0 of 30, whose kernels are small, take a rate some 20 times lower than those with 1.
        learning_rate: what the schedule decays from, or warms up to.
        beta_1: Adam's decay rate of the first moment; the momentum of sgd (not of muon).
        beta_2: Adam's decay rate of the second moment; does nothing under sgd.
        epsilon: Adam's; does nothing under sgd. Keras adds it to the root of the second moment before its bias is
            corrected, PyTorch after.
        weight_decay: per step and unit of learning rate; not for adam.
        table_learning_rate, table_beta_1, table_beta_2, table_epsilon, table_weight_decay: for the tables of hash
            encodings what the name without table_ is for the network; by default the network's.
        schedule: "constant"; "cosine" from learning_rate to final_fraction of it; "inverse", learning_rate for
            hold_epochs, then as 1 / step, which needs no length to be known; "warmup_exponential", descent's
            min(t / warmup_epochs, 1) * 0.5^(t / half_life_epochs) with t = epoch + 1/2; "plateau", times
            plateau_factor whenever the loss has not fallen by 0.01 % for plateau_patience steps.
        warmup_epochs: length of the linear warm-up of cosine and warmup_exponential, in epochs.
        half_life_epochs: of warmup_exponential, in epochs.
        hold_epochs: how long inverse keeps the rate, in epochs.
        final_fraction: what cosine ends at, as a fraction of learning_rate, in [0, 1].
        plateau_factor: what plateau multiplies the learning rate by, in (0, 1).
        plateau_patience: steps without improvement before plateau acts.
        clip_norm: longest gradient over all weights of an optimizer; 0 clips nothing.
        averaging: 0 for none. Otherwise the field that is measured, and left at the end, has the average of the weights
            of all steps, in which step t counts in proportion to t^averaging; beside "inverse" it is worth what
            the fall of the rate is worth under "cosine".
        seed: of the batches (and, from a script, of the initial weights).
        supervise: what the field is fitted to: "value"; "gradient" or "laplacian" of the picture per coordinate unit,
            which leave a constant (a harmonic function) undetermined; "combined", all three by their weights.
        value_weight, gradient_weight, laplacian_weight: of "combined": factors of the mean squared errors, each
            relative to its target's mean square over the picture; 0 leaves one out.
        derivative_rule: how the picture is differentiated: cubic "spline", "sobel" or "central" differences, see
            `keras_inr.signals.derivatives`. A field's gradient is one at a point, which the spline's is nearest to, by
            3 to 4 dB of what is learnt, see experiments/siren_jax/README.md.
        derivative_colours: of fits to derivatives alone: "rgb" weighs errors of red, green and blue alike, "mixed"
            weighs differences of colours more, see `keras_inr.training.objectives.colour_mixing`. Hash grids keep
            colours by it that they lose otherwise; the sine networks that were tried lost more in grey than they won.
        freeze: names of layers that stay as they are, with commas between them, such as sine_0,sine_1 or sine_*; None
            for none.

    Raises:
        InputError: naming the first argument that is out of range.

    >>> Recipe(epochs=200).total_steps(num_pixels=512 * 512)
    3200
    """

    steps: int | None = None
    epochs: float | None = None
    batch_size: int = 16384
    sampling: str = "random"
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    table_learning_rate: float | None = None
    table_beta_1: float | None = None
    table_beta_2: float | None = None
    table_epsilon: float | None = None
    table_weight_decay: float | None = None
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    half_life_epochs: float = 40.0
    hold_epochs: float = 8.0
    final_fraction: float = 0.0
    plateau_factor: float = 0.5
    plateau_patience: int = 500
    clip_norm: float = 0.0
    averaging: float = 0.0
    seed: int = 0
    supervise: str = "value"
    value_weight: float = 1.0
    gradient_weight: float = 1.0
    laplacian_weight: float = 1.0
    derivative_rule: str = "spline"
    derivative_colours: str = "rgb"
    freeze: str | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise InputError(f"give one of steps and epochs, received steps={self.steps!r} and epochs={self.epochs!r}")
        for name, allowed in CHOICES.items():
            one_of(name, getattr(self, name), allowed)
        for name, (low, high, low_allowed) in _RANGES.items():
            value, optional = getattr(self, name), getattr(type(self), name) is None
            kind, whole = (numbers.Integral, "an integer ") if name in _INTEGERS else (numbers.Real, "")
            right_kind = isinstance(value, kind) and not isinstance(value, bool)
            if right_kind and low <= value <= high and (low_allowed or value > low):
                object.__setattr__(self, name, int(value) if name in _INTEGERS else float(value))  # JSON has no NumPy
            elif not (optional and value is None):
                start = "[" if low_allowed else "("
                raise InputError(f"{name} must be {whole}in {start}{low:.10g}, {high:.10g}], received {value!r}")
        if not isinstance(self.freeze, str | None) or self.freeze == "":
            raise InputError(
                f"freeze must be names of layers with commas between them, or None, received {self.freeze!r}"
            )
        decays = (self.weight_decay, self.table_weight_decay or 0.0)
        if self.optimizer == "adam" and any(decays):
            raise InputError(f"optimizer 'adam' takes no weight_decay, received {max(decays)!r}: use 'adamw'")
        if self.supervise == "combined" and not (self.value_weight or self.gradient_weight or self.laplacian_weight):
            raise InputError("supervise='combined' needs one weight above 0, received 0 for all three")
        values = self.supervise == "value" or (self.supervise == "combined" and self.value_weight > 0)
        if values and self.derivative_colours == "mixed":
            told = "is for fits to derivatives alone, received supervise"
            raise InputError(f"derivative_colours 'mixed' {told}={self.supervise!r}")

    def points_per_step(self, num_pixels: int) -> int:
        """How many points a step sees."""
        if self.sampling == "full" or self.batch_size == 0:
            return num_pixels
        return min(self.batch_size, num_pixels) if self.sampling == "shuffled" else self.batch_size

    def steps_per_epoch(self, num_pixels: int) -> int:
        """max(1, pixels // points in a step)."""
        return max(1, num_pixels // self.points_per_step(num_pixels))

    def total_steps(self, num_pixels: int) -> int:
        """Length of the run in steps."""
        if self.steps is not None:
            return self.steps
        return max(1, round((self.epochs or 0.0) * self.steps_per_epoch(num_pixels)))

    def for_tables(self) -> "Recipe":
        """The recipe with its table_ arguments in the place of the network's."""
        names = ("learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay")
        given = {name: getattr(self, f"table_{name}") for name in names}
        return dataclasses.replace(self, **{name: value for name, value in given.items() if value is not None})


class OtherRecipeArguments(TypedDict, total=False):
    """The arguments of a `Recipe` that `fit` takes as keywords beside those that its signature names."""

    beta_1: float
    beta_2: float
    epsilon: float
    weight_decay: float
    table_learning_rate: float | None
    table_beta_1: float | None
    table_beta_2: float | None
    table_epsilon: float | None
    table_weight_decay: float | None
    warmup_epochs: float
    half_life_epochs: float
    hold_epochs: float
    final_fraction: float
    plateau_factor: float
    plateau_patience: int
    clip_norm: float
    averaging: float
    supervise: str
    value_weight: float
    gradient_weight: float
    laplacian_weight: float
    derivative_rule: str
    derivative_colours: str
    freeze: str | None


class RecipeArguments(OtherRecipeArguments, total=False):
    """All arguments of a `Recipe` as keywords."""

    steps: int | None
    epochs: float | None
    batch_size: int
    sampling: str
    optimizer: str
    learning_rate: float
    schedule: str
    seed: int


def own_recipe(recipes: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `Recipe` that a network is fitted with best; those that are given take their place.

    Args:
        recipes: optimizer -> arguments of a `Recipe` that were measured best with it, the best optimizer first, as
            `Field.recipes` and `Preset.recipes` have them.
        given: arguments that are given; an optimizer among them chooses the recipe.

    >>> own_recipe({"muon": {"learning_rate": 0.02}, "adam": {"learning_rate": 0.001}}, {"optimizer": "adam"})
    {'optimizer': 'adam', 'learning_rate': 0.001}
    >>> own_recipe({}, {"optimizer": "sgd"})
    {}
    """
    optimizer = given.get("optimizer", next(iter(recipes), None))
    if optimizer not in recipes:
        return {}
    return {"optimizer": optimizer, **recipes[optimizer]}


def recipe_names(recipes: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The arguments of a `Recipe` that a network's recipes have something to say about.

    >>> sorted(recipe_names({"muon": {"learning_rate": 0.02}}))
    ['learning_rate', 'optimizer']
    """
    return {name for optimizer in recipes for name in ("optimizer", *recipes[optimizer])}


def recipe_of(
    function: Callable[..., Any], arguments: Mapping[str, Any], recipes: Mapping[str, Mapping[str, Any]] | None = None
) -> Recipe:
    """The `Recipe` that a function was called with, where keywords that were given take the place of its own.

    Args:
        function: what was called. It has the arguments recipe (None, or a `Recipe`), some of the recipe's, None by
            default, and **others for the rest.
        arguments: its `locals()` when it begins.
        recipes: of the network, see `own_recipe`, for what is not given where there is no recipe.

    Raises:
        InputTypeError: for an argument that the function does not take, naming the nearest that it takes.

    >>> def train(recipe=None, *, steps=None, seed=None, **others):
    ...     return recipe_of(train, locals())
    >>> train(Recipe(steps=5, seed=1), seed=0, clip_norm=2.0) == Recipe(steps=5, seed=0, clip_norm=2.0)
    True
    >>> train(stps=5)
    Traceback (most recent call last):
    keras_inr.errors.InputTypeError: train takes no argument 'stps'; did you mean 'steps'?
    """
    fields = [field.name for field in dataclasses.fields(Recipe)]
    parameters = inspect.signature(function).parameters.values()
    names = {*fields, *(parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD)}
    for name in arguments["others"]:
        if name not in names:
            raise InputTypeError(f"{function.__name__} takes no argument {name!r}{did_you_mean(name, sorted(names))}")
    given = {name: arguments[name] for name in fields if arguments.get(name) is not None} | arguments["others"]
    recipe = arguments["recipe"]
    if recipe is None:
        return Recipe(**{**own_recipe(recipes or {}, given), **given})
    length = {} if given.keys().isdisjoint(LENGTHS) else dict.fromkeys(LENGTHS)
    return dataclasses.replace(recipe, **{**length, **given})


LENGTHS = ("steps", "epochs")
_INTEGERS = ("steps", "batch_size", "plateau_patience", "seed")
_RANGES = {
    "steps": (1, 2**31 - 1, True),
    "epochs": (0, 1e9, False),
    "batch_size": (0, 2**27, True),
    "learning_rate": (0, 1e3, False),
    "beta_1": (0, 0.9999999, True),
    "beta_2": (0, 0.9999999, True),
    "epsilon": (0, 1, False),
    "weight_decay": (0, 1e3, True),
    "table_learning_rate": (0, 1e3, False),
    "table_beta_1": (0, 0.9999999, True),
    "table_beta_2": (0, 0.9999999, True),
    "table_epsilon": (0, 1, False),
    "table_weight_decay": (0, 1e3, True),
    "warmup_epochs": (0, 1e9, True),
    "half_life_epochs": (0, 1e9, False),
    "hold_epochs": (0, 1e9, False),
    "final_fraction": (0, 1, True),
    "plateau_factor": (0, 0.9999999, False),
    "plateau_patience": (1, 2**31 - 1, True),
    "clip_norm": (0, 1e9, True),
    "averaging": (0, 100, True),
    "seed": (0, 2**31 - 1, True),
    "value_weight": (0, 1e9, True),
    "gradient_weight": (0, 1e9, True),
    "laplacian_weight": (0, 1e9, True),
}
