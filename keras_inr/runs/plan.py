"""What a run is, all of it, in one value: picture, network, recipe, start, precision, goal and devices."""

import dataclasses
import inspect
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_inr._arguments import one_of, positive_int
from keras_inr.choosing.choice import choose, file_kb
from keras_inr.choosing.goal import Goal
from keras_inr.choosing.sizes import check_may_grow, larger_layouts
from keras_inr.errors import InputError
from keras_inr.models.cell_grid import Layout
from keras_inr.models.initial_weights import Start, read_start
from keras_inr.presets import from_preset, get_preset
from keras_inr.signals._mask import num_counting
from keras_inr.signals.image import ImageSignal, load_image
from keras_inr.training.advice import advise
from keras_inr.training.callbacks import check_goals
from keras_inr.training.freezing import frozen_layers
from keras_inr.training.objectives import check_supervision
from keras_inr.training.range_test import find_learning_rate
from keras_inr.training.recipe import LENGTHS, Recipe, own_recipe
from keras_inr.training.sampling import check_mask
from keras_inr.training.strategies import check_share, make_strategy

AUTO = "auto"
PRECISIONS = ("float32", "float64", "mixed_float16", "mixed_bfloat16")
DEFAULT_STEPS = 2000
EPOCHS = 100
"""Length of a fit whose network is chosen, where no goal ends it."""

MOST_EPOCHS = 100_000
"""Of a fit that its goal ends."""

ARGUMENT_OF_UNIT = {"dB": "goal_psnr_db", "s": "max_seconds"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """All that makes a fit this fit; nothing in it is open any more.

    Args:
        image: source for `load_image`, and image_options, its further arguments.
        image_sha256: of the picture; and mask_sha256, of the weights that its mask gives to pixels, None without.
        preset, arguments: the network and its overridden arguments.
        recipe: how it is trained; its seed also draws the initial weights.
        weights: None, or what to start from, see `from_preset`; and weights_sha256, of their file.
        precision: "float32", "float64", "mixed_float16" or "mixed_bfloat16".
        goal_psnr_db, max_seconds: see `keras_inr.fit`.
        grow: whether a pixel grid becomes a larger one where its curve says that it will not reach goal_psnr_db.
        max_parameters: None, or the most weights that it may grow to.
        strategy: "none", or "mirrored" for all GPUs of the machine, see `keras_inr.training.strategies`.
    """

    image: Any
    preset: str
    recipe: Recipe
    image_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    image_sha256: str | None = None
    mask_sha256: str | None = None
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weights: str | None = None
    weights_sha256: str | None = None
    precision: str = "float32"
    goal_psnr_db: float | None = None
    max_seconds: float | None = None
    grow: bool = False
    max_parameters: int | None = None
    strategy: str = "none"

    @property
    def identity(self) -> dict[str, Any]:
        """What two runs share that are the same run, as run.json has it: neither paths nor devices."""
        facts = {name: getattr(self, name) for name in _IDENTITY}
        facts |= {"image_options": self.reading, "arguments": dict(self.arguments)}
        if self.weights_sha256 is not None:
            facts["weights_sha256"] = self.weights_sha256
        return facts | dataclasses.asdict(self.recipe)

    @property
    def reading(self) -> dict[str, Any]:
        """How the picture is read, without its mask, of which mask_sha256 tells."""
        return {name: option for name, option in self.image_options.items() if name != "mask"}

    @property
    def is_open_ended(self) -> bool:
        """Whether only a goal, or a curve that says that it is out of reach, ends the run."""
        return self.recipe.epochs == MOST_EPOCHS

    @property
    def may_grow(self) -> tuple[str, ...]:
        """What may be larger when the run is resumed."""
        return () if self.recipe.schedule == "cosine" else ("steps", "epochs")


_IMAGE_OPTIONS = tuple(inspect.signature(load_image).parameters)[1:]
_RECIPE_SETTINGS = tuple(field.name for field in dataclasses.fields(Recipe) if field.name not in LENGTHS)
_IDENTITY = (
    "image_sha256",
    "mask_sha256",
    "preset",
    "precision",
    "goal_psnr_db",
    "max_seconds",
    "grow",
    "max_parameters",
)

IDENTITY_DEFAULTS = {
    field.name: field.default
    for kind in (Plan, Recipe)
    for field in dataclasses.fields(kind)
    if field.default is not dataclasses.MISSING
}
"""Values of settings that run.json of an older version does not name."""


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedFit:
    """A plan with its picture, decoded, and its field with fresh weights: every input has been checked."""

    plan: Plan
    signal: ImageSignal
    field: keras.Model

    @property
    def total_steps(self) -> int:
        """Length of the fit."""
        return self.plan.recipe.total_steps(num_counting(self.signal))

    @property
    def larger(self) -> list[Layout]:
        """The layouts that the field may grow to."""
        return larger_layouts(self.field, self.signal.size, self.plan.max_parameters) if self.plan.grow else []


def plan_fit(
    image: Any,
    preset: str = "siren",
    *,
    image_options: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    weights: str | None = None,
    recipe: Mapping[str, Any] | None = None,
    precision: str = "float32",
    goal: str | None = None,
    goal_psnr_db: float | None = None,
    max_seconds: float | None = None,
    grow: bool | None = None,
    max_parameters: int | None = None,
    strategy: str = "none",
    resumed: Mapping[str, Any] | None = None,
    check: Callable[[Plan], None] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> PlannedFit:
    """Decides and checks all of a run; writes nothing.

    Args:
        image, image_options: see `load_image`.
        preset: name of a network; or "auto", which chooses network, size, rate and length for picture and goal, except
            what is given.
        arguments: of the network, which replace the preset's.
        weights: see `from_preset`.
        recipe: those arguments of `Recipe` that are given. Without steps and epochs there are 2000 steps. A
            learning_rate of "auto" is found by a range test, see `keras_inr.training.range_test`.
        precision, goal_psnr_db, max_seconds, strategy: see `Plan`.
        goal: text such as "40dB" or "30s", which stands for goal_psnr_db or max_seconds; with preset="auto" also a size
            of model.keras, such as "50kB".
        grow, max_parameters: see `Plan`; by default preset="auto" grows for a goal in dB, and no other preset does.
        resumed: None, or the identity of the run that is resumed: what was automatic is what it was there.
        check: called with the plan before anything that takes long, with a learning rate that may not be final.
        tell: called with lines about what is chosen.

    Raises:
        InputError: naming what is wrong.

    >>> planned = plan_fit("sample:camera", "relu", image_options={"size": 16}, recipe={"steps": 5})
    >>> planned.plan.recipe.steps, planned.field.channels
    (5, 1)
    """
    given, aim = dict(recipe or {}), Goal.parse(goal) if goal is not None else None
    options, arguments = dict(image_options or {}), dict(arguments or {})
    for name in options:
        one_of("image_options", name, _IMAGE_OPTIONS)
    goals = _goals(aim, preset, goal_psnr_db, max_seconds, resumed)
    one_of("precision", precision, PRECISIONS)
    choosing = preset == AUTO and resumed is None
    if choosing:
        _check_auto_may_choose(arguments, weights, given)
        tell(f"preset='auto' is choosing a network for {image}")
    elif preset == AUTO:
        preset = _of_resumed(resumed, "preset")
    signal = load_image(image, **options)
    if choosing:
        arguments, given, growing, reason = _chosen(signal, _goal_of(goals, aim), given, max_parameters)
        preset, grow = "pixel_grid", growing if grow is None else grow
        tell(f"preset='auto' is {reason}")
    given, searching = _with_rate(_with_own(given, preset, resumed), resumed)
    initial_weights = None if weights is None else read_start(weights, preset)
    plan = Plan(
        image=image,
        preset=preset,
        recipe=recipe_with_length(given),
        image_options=options,
        arguments=arguments,
        weights=weights,
        precision=precision,
        strategy=strategy,
        grow=bool((resumed or {}).get("grow") if grow is None else grow),
        max_parameters=None if max_parameters is None else positive_int("max_parameters", max_parameters),
        **goals,
        **_digests(signal, initial_weights),
    )
    planned = PlannedFit(plan, signal, _field(plan, signal, initial_weights, aim))
    if check is not None:
        check(plan)
    if not choosing and not searching:
        advise(planned.field, signal, plan.recipe)
    return _with_found_rate(planned, tell) if searching else planned


def _digests(signal, initial_weights):
    """SHA-256 of what a plan names by paths."""
    found = {"image_sha256": signal.sha256, "mask_sha256": signal.mask_sha256}
    return found | {"weights_sha256": None if initial_weights is None else initial_weights.sha256}


def _goal_of(goals, aim):
    """What a network is chosen for: a quality before a time, however they were given."""
    if goals["goal_psnr_db"] is not None:
        return Goal(goals["goal_psnr_db"], "dB")
    return Goal(goals["max_seconds"], "s") if aim is None and goals["max_seconds"] is not None else aim


def _timed(given):
    """Whether a length is among what is given of a recipe."""
    return any(given.get(name) is not None for name in LENGTHS)


def _with_own(given, preset, resumed):
    """What is given of a recipe, before what the run that is resumed had, or else what the preset has."""
    if resumed is not None:
        return {**{name: resumed[name] for name in _RECIPE_SETTINGS if name in resumed}, **given}
    return {**own_recipe(get_preset(preset).own_recipes, given), **given}


def recipe_for(preset: str, given: Mapping[str, Any], resumed: Mapping[str, Any] | None = None) -> Recipe:
    """The `Recipe` of a fit of a preset.

    Args:
        preset: its name.
        given: those arguments that are given; the preset's own recipe and the defaults tell the others.
        resumed: None, or the recipe of the run that is resumed, which tells them then, but for its length.

    >>> recipe_for("siren", {"optimizer": "sgd", "steps": 5}).learning_rate
    0.001
    """
    return recipe_with_length(_with_own(given, preset, resumed))


def recipe_with_length(given: Mapping[str, Any]) -> Recipe:
    """A `Recipe` of the arguments that are given; of 2000 steps where neither steps nor epochs are."""
    return Recipe(**given) if _timed(given) else Recipe(**{**given, "steps": DEFAULT_STEPS})


def _goals(aim, preset, goal_psnr_db, max_seconds, resumed):
    """goal_psnr_db and max_seconds, checked, of which a goal may stand for one."""
    check_goals(goal_psnr_db, max_seconds)
    if preset != AUTO and aim is not None and aim.unit == "kB":
        raise InputError(f"goal must be in dB or s for a preset that is given, or preset='auto', received {aim}")
    goals = {"goal_psnr_db": goal_psnr_db, "max_seconds": max_seconds}
    name = None if aim is None else ARGUMENT_OF_UNIT.get(aim.unit)
    if name is None:
        return goals
    if resumed is None and goals[name] is not None:
        raise InputError(f"give one of goal and {name}, received {aim} and {goals[name]!r}")
    if resumed is not None and resumed.get(name) != aim.amount:
        raise InputError(f"goal must be that of the run, whose {name} is {resumed.get(name)!r}, received {aim}")
    return {**goals, name: aim.amount}


def _check_auto_may_choose(arguments, weights, recipe):
    """Raises unless preset="auto" is free to choose."""
    given = [*arguments, *(["weights"] if weights is not None else [])]
    if given:
        raise InputError(f"preset must be one of list_presets() to take {', '.join(given)}, received 'auto'")
    supervise = recipe.get("supervise", Recipe.supervise)
    if supervise != "value":
        raise InputError(f"preset must be one of list_presets() for supervise={supervise!r}, received 'auto'")


def _chosen(signal, aim, given, max_parameters):
    """(arguments, recipe, whether it may grow, reason): what is given of the recipe stays.

    Another optimizer than the chosen one leaves the rate to the recipe's default, another schedule is not averaged.
    """
    choice = choose(signal, aim, max_parameters)
    chosen = dict(choice.recipe)
    if given.get("optimizer", chosen["optimizer"]) != chosen["optimizer"]:
        del chosen["learning_rate"], chosen["beta_2"]
    if given.get("schedule", chosen["schedule"]) != chosen["schedule"]:
        del chosen["averaging"]
    if not _timed(given):
        chosen["epochs"] = MOST_EPOCHS if aim is not None and aim.unit in ARGUMENT_OF_UNIT else EPOCHS
    return choice.arguments, {**chosen, **given}, aim is not None and aim.unit == "dB", choice.reason


def _with_rate(given, resumed):
    """The arguments of a recipe with a number in the place of "auto", and whether another one is to be found."""
    if given.get("learning_rate") != AUTO:
        return given, False
    rate = Recipe.learning_rate if resumed is None else _of_resumed(resumed, "learning_rate")
    return {**given, "learning_rate": rate}, resumed is None


def _of_resumed(resumed, name):
    """What was automatic in the run that is resumed."""
    if name not in resumed:
        raise InputError(f"the run to resume is damaged: identity.{name} is missing")
    return resumed[name]


def _field(plan, signal, initial_weights: Start | None, aim: Goal | None):
    """The field with its initial weights, after a look at all that depends on it."""
    shared = {"channels": signal.channels, "picture_size": signal.size, "seed": plan.recipe.seed}
    field = from_preset(plan.preset, **shared, dtype=plan.precision, **plan.arguments)
    if initial_weights is not None:
        initial_weights.assign_to(field)
    check_supervision(field, plan.recipe)
    check_mask(signal, plan.recipe)
    check_share(make_strategy(plan.strategy), plan.recipe.points_per_step(num_counting(signal)))
    frozen_layers(field, plan.recipe.freeze)
    if plan.grow:
        check_may_grow(field, plan.goal_psnr_db)
    try:
        json.dumps(plan.identity, allow_nan=False)
    except (ValueError, TypeError) as error:
        raise InputError(f"arguments must be numbers that JSON can hold, received {plan.arguments!r}") from error
    check_size(field, aim)
    return field


def check_size(field: keras.Model, goal: Goal | None) -> None:
    """Raises an InputError if the model.keras of a field is larger than a goal in kB."""
    if goal is not None and goal.unit == "kB" and file_kb(field) > goal.amount:
        raise InputError(f"goal must be at least {math.ceil(file_kb(field))} kB for this network, received {goal}")


def _with_found_rate(planned, tell):
    """The same with the rate of a range test in its recipe."""
    found = find_learning_rate(planned.field, planned.signal, planned.plan.recipe).learning_rate
    tell(f"learning_rate='auto' is {found:g} in this run")
    recipe = dataclasses.replace(planned.plan.recipe, learning_rate=found)
    return dataclasses.replace(planned, plan=dataclasses.replace(planned.plan, recipe=recipe))
