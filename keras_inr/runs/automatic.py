"""A run whose network is chosen for the picture and a goal: `fit.py --preset=auto --goal=40dB`."""

import math

from keras_inr.choosing.choice import Goal, choose, file_kb
from keras_inr.choosing.expectations import POINTS_PER_STEP
from keras_inr.errors import InputError
from keras_inr.runs.folder import run_identity
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.recipe import Recipe

AUTO = "auto"
PILOT_STEPS = 64
PILOT_SECONDS = 2.0
"""At which a fit ends, after two calls of its training function, that only tells how long a step takes."""


def parsed_goal(text):
    """The `Goal` of --goal; None for None.

    Raises:
        InputError: for one that cannot be read.

    >>> parsed_goal("40dB")
    Goal(amount=40.0, unit='dB')
    """
    return None if text is None else Goal.parse(text)


def goal_flags(goal):
    """The flags of fit.py that stop a run at a goal; none for a size, which is kept by the choice of the network.

    >>> goal_flags(Goal.parse("40dB")), goal_flags(Goal.parse("30s"))
    ({'goal_psnr_db': 40.0}, {'max_seconds': 30.0})
    """
    names = {"dB": "goal_psnr_db", "s": "max_seconds"}
    return {names[goal.unit]: goal.amount} if goal is not None and goal.unit in names else {}


def check_goal(goal, given, resumed=None):
    """Raises an InputError for a goal beside a flag that says the same, or for another one than that of a run.

    Args:
        goal: a `Goal` or None.
        given: flag -> value, where it has one.
        resumed: None, or the folder of a run that is gone on with, whose values `given` may hold as well.
    """
    for name, value in goal_flags(goal).items():
        if resumed is None and given.get(name) is not None:
            raise InputError(f"give one of goal and {name}, received {goal} and {given[name]!r}")
        if resumed is not None and run_identity(resumed).get(name) != value:
            before = run_identity(resumed).get(name)
            raise InputError(f"goal must be that of the run in {resumed}, whose {name} is {before!r}, received {goal}")


def check_size(field, goal):
    """Raises an InputError if the model.keras of a field is larger than a goal in kB."""
    if goal is not None and goal.unit == "kB" and file_kb(field) > goal.amount:
        raise InputError(f"goal must be at least {math.ceil(file_kb(field))} kB for this network, received {goal}")


def automatic_flags(image, image_options, goal, seed=0, length=None, batch_size=POINTS_PER_STEP):
    """The flags of fit.py for a picture and a goal, and a line that explains them.

    With a goal in seconds a few steps of what may be chosen are taken first, to see how many fit into it.

    Args:
        image, image_options: see `load_image`.
        goal: a `Goal` or None.
        seed: of the steps that are only timed.
        length: None, or what the run's length is to be: {"steps": 100} or {"epochs": 3}.
        batch_size: points in a step.

    Returns:
        (dict of flag -> value: preset, its arguments as text, learning_rate, batch_size, steps, goal_psnr_db or
        max_seconds; the line).

    Raises:
        InputError: for a picture, a length or a goal that cannot be had.
    """
    signal = load_image(image, **image_options)
    recipe = Recipe(**(length or {"steps": 1}), batch_size=batch_size)
    steps = recipe.total_steps(signal.height * signal.width) if length else None
    choice = choose(signal, goal, steps, lambda candidate: seconds_per_step(candidate, signal, seed, batch_size))
    candidate = choice.candidate
    flags = {name: _text(value) for name, value in candidate.arguments.items()}
    flags |= {"preset": candidate.preset, "learning_rate": candidate.learning_rate, "batch_size": batch_size}
    return flags | {"steps": choice.steps} | goal_flags(goal), choice.reason


def seconds_per_step(candidate, signal, seed, batch_size=POINTS_PER_STEP):
    """How long a step of a candidate takes on this machine, by a short fit."""
    pilot = fit(
        candidate.field(signal, seed=seed),
        signal,
        steps=PILOT_STEPS,
        batch_size=batch_size,
        learning_rate=candidate.learning_rate,
        max_seconds=PILOT_SECONDS,
        progress=False,
    )
    return max(pilot.train_seconds, 1e-6) / pilot.steps


def _text(value):
    """An argument as it is typed."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
