"""Flags that tell which network is fitted and how; shared by the commands that fit."""

import copy
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from absl import app, flags

from keras_inr.cli import messages, own_modules
from keras_inr.cli.help import NETWORK_GROUP, asked_for, group
from keras_inr.cli.preset_arguments import as_text, model_arguments, parse_overrides, preset_arguments, recipe_arguments
from keras_inr.errors import InputError
from keras_inr.initializers.published import list_schemes
from keras_inr.models.initial_weights import list_starts
from keras_inr.presets import get_preset, list_presets
from keras_inr.runs.plan import AUTO, DEFAULT_STEPS, PRECISIONS, Plan
from keras_inr.training.recipe import recipe_names

FLAGS = flags.FLAGS
COMMON = ("batch_size", "learning_rate", "optimizer", "schedule", "sampling", "seed", "supervise", "freeze")
AUTO_HELP = "Or auto, for the rate of the steepest fall in a range test of 100 steps from 1e-6 to 1e-2."


def define(more_presets: Sequence[str] = (), automatic_rate: bool = False) -> None:
    """Defines --preset, the arguments of all models, --steps, --epochs, those of `Recipe`, and --precision.

    All other flags of a script must be there by then, see `define_network`.

    Args:
        more_presets: allowed beside the zoo's.
        automatic_rate: whether --learning_rate takes "auto".
    """
    with group("Training"):
        _define_length()
        _define_recipe(COMMON, automatic_rate)
    with group("More of training"):
        _define_recipe([name for name in recipe_arguments() if name not in COMMON], automatic_rate)
    with group("Network"):
        flags.DEFINE_enum("precision", "float32", PRECISIONS, "dtype of weights and arithmetic, a Keras policy")
    define_network(more_presets)


def _define_recipe(names, automatic_rate):
    define = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}
    of_presets = {name for info in list_presets() for name in recipe_names(get_preset(info.name).own_recipes)}
    for name in names:
        kind, default, allowed, text = recipe_arguments()[name]
        if name == "learning_rate" and automatic_rate:
            text = f"{text} {AUTO_HELP}"
        if name in of_presets:
            default, text = None, f"{text} (default: the preset's own, or {default})"
        if name == "learning_rate":
            flags.DEFINE(RateParser(automatic_rate), name, default, text, serializer=flags.ArgumentSerializer())
        elif allowed is None:
            define[kind](name, default, text)
        else:
            flags.DEFINE_enum(name, default, allowed, text)


def define_network(more_presets: Sequence[str] = ()) -> None:
    """Defines --preset, --weights, --module, and the arguments of all models.

    Ends the command where a model's argument cannot be a flag, also because there is one of its name already.
    """
    with group("Network"):
        presets = [*more_presets, *(info.name for info in list_presets())]
        automatic = "; auto chooses one, its size too" if more_presets else ""
        flags.DEFINE_enum("preset", "siren", presets, f"architecture, see keras-inr list-presets{automatic}")
        flags.DEFINE_string("weights", None, weights_help())
    own_modules.define()
    app.define_help_flags()  # which it would do later
    try:
        arguments = model_arguments(taken=set(FLAGS))
    except InputError as error:
        messages.tell(error)
        sys.exit(2)
    with group(NETWORK_GROUP):
        for name, text in arguments.items():
            choices = f" Schemes: {', '.join(list_schemes())}." if name == "scheme" else ""
            flags.DEFINE_string(name, None, f"{text}{choices}")


def preset_flags(arguments: Sequence[str]) -> tuple[str, ...]:
    """Names of the arguments of the network that a command line names, for its help."""
    given = copy.deepcopy(FLAGS)
    try:
        given(["", *(argument for argument in arguments if asked_for([argument]) is None)], known_only=True)
    except (flags.Error, ValueError):  # help is shown all the same
        return ()
    return tuple(preset_arguments(given.preset)) if given.preset in {info.name for info in list_presets()} else ()


def weights_help() -> str:
    """What --weights may be, with the names of what is shipped."""
    presets = [info.name for info in list_presets()]
    shipped = {
        name: ", ".join(preset for preset in presets if name in list_starts(preset)) for name in list_starts("*")
    }
    choices = "".join(f"{name}, learnt and shipped for {those}; or " for name, those in shipped.items())
    return (
        f"what to start from: {choices}a .keras file with a field of the same network, such as a run's model.keras; "
        "drawn by the preset's rule by default"
    )


class RateParser(flags.FloatParser):
    """A number, or "auto".

    Args:
        automatic: whether "auto" is allowed.
    """

    def __init__(self, automatic: bool) -> None:
        super().__init__()
        self.automatic = automatic

    def parse(self, argument: Any) -> Any:
        """The number, or "auto"; ValueError for anything else."""
        try:
            return argument if self.automatic and argument == AUTO else super().parse(argument)
        except ValueError:
            allowed = "a number or auto" if self.automatic else "a number (keras-inr fit alone takes auto)"
            raise ValueError(f"learning_rate must be {allowed}, received {argument!r}") from None


class LengthFlag(flags.Flag):
    """--steps or --epochs: giving one takes the other back, so that the last one given wins."""

    other: str

    def parse(self, argument: Any) -> None:
        """Takes the value, and the other flag's back."""
        super().parse(argument)
        FLAGS[self.other].value = None


_LENGTHS = (
    ("steps", "epochs", flags.IntegerParser(lower_bound=1), f"length in optimizer updates; {DEFAULT_STEPS} by default"),
    ("epochs", "steps", flags.FloatParser(lower_bound=0), "length in epochs of max(1, pixels // batch_size) steps"),
)


def _define_length():
    for name, other, parser, text in _LENGTHS:
        flag = LengthFlag(parser, flags.ArgumentSerializer(), name, None, f"{text}; of the two the last one given wins")
        flag.other = other
        flags.DEFINE_flag(flag)


def recipe() -> dict[str, Any]:
    """The arguments of `Recipe` that are given."""
    names = (*recipe_arguments(), "steps", "epochs")
    found = {name: FLAGS[name].value for name in names if FLAGS[name].present}
    if found.get("freeze") == "none":  # which takes back a flagfile's
        del found["freeze"]
    return {name: value for name, value in found.items() if value is not None}


def arguments(resumed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The overridden arguments of the preset, typed; InputError for what it does not take.

    Args:
        resumed: None, or the identity of the run that is resumed, which knows what "auto" has chosen.
    """
    given = given_arguments()
    preset = (resumed or {}).get("preset", AUTO) if FLAGS.preset == AUTO else FLAGS.preset
    return given if preset == AUTO else parse_overrides(preset, given)


def given_arguments() -> dict[str, Any]:
    """The arguments of networks that the command line names, as text."""
    return {name: FLAGS[name].value for name in model_arguments() if FLAGS[name].value is not None}


def values_of(plan: Plan) -> dict[str, Any]:
    """The flags that repeat a plan, name -> value: what was open in those that were given is settled."""
    arguments = {name: as_text(value) for name, value in plan.arguments.items()}
    goals = {"goal": None, "goal_psnr_db": plan.goal_psnr_db, "max_seconds": plan.max_seconds}
    goals |= {"grow": plan.grow or None, "max_parameters": plan.max_parameters}
    return {"preset": plan.preset, **arguments, **goals, **dataclasses.asdict(plan.recipe)}
