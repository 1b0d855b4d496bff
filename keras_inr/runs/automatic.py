"""A run whose network is chosen for the picture and a goal: `fit.py --preset=auto --goal=40dB`."""

from keras_inr.models.choosing import Goal, choose
from keras_inr.runs.errors import InputError
from keras_inr.signals.errors import ImageError
from keras_inr.signals.image import load_image
from keras_inr.training.fit import fit

AUTO = "auto"
STEPS = 3000
BATCH_SIZE = 8192
PILOT_STEPS = 64
"""Steps of a fit that only tells how long one takes."""


def goal_flags(text):
    """What a goal means for a network that is given: flags of fit.py that stop it.

    Raises:
        InputError: for a goal that cannot be read, or a size, which only --preset=auto can meet.

    >>> goal_flags("40dB"), goal_flags("30s")
    ({'goal_psnr_db': 40.0}, {'max_seconds': 30.0})
    """
    goal = _parsed(text)
    if goal.unit == "kB":
        raise InputError(f"goal must be in dB or s for a preset that is given, or --preset=auto, received {text!r}")
    return {"goal_psnr_db": goal.amount} if goal.unit == "dB" else {"max_seconds": goal.amount}


def automatic_flags(image, image_options, goal, seed=0):
    """The flags of fit.py for a picture and a goal, and a line that explains them.

    With a goal in seconds a few steps are taken first, to see how many fit into it. Without a goal the run stops at
    the PSNR that the network was chosen for.

    Args:
        image, image_options: see `load_image`.
        goal: None or text such as "40dB", "50kB", "30s".
        seed: of the steps that are only timed.

    Returns:
        (dict of flag -> value: preset, its arguments as text, learning_rate, batch_size, steps, goal_psnr_db or
        max_seconds; the line).

    Raises:
        InputError: for a picture or a goal that cannot be had.
    """
    goal = None if goal is None else _parsed(goal)
    try:
        signal = load_image(image, **image_options)
        choice = choose(signal, goal)
    except (ImageError, ValueError) as error:
        raise InputError(str(error)) from error
    candidate = choice.candidate
    flags = {name: _text(value) for name, value in candidate.arguments.items()}
    flags |= {"preset": candidate.preset, "learning_rate": candidate.learning_rate, "batch_size": BATCH_SIZE}
    flags["steps"] = STEPS
    if goal is not None and goal.unit == "s":
        flags["max_seconds"] = goal.amount
        flags["steps"] = max(1, int(goal.amount / seconds_per_step(candidate, signal, seed)))
    elif goal is not None and goal.unit == "dB":
        flags["goal_psnr_db"] = goal.amount
    return flags, choice.reason


def seconds_per_step(candidate, signal, seed):
    """How long a step of a candidate takes on this machine, by a short fit."""
    field = candidate.field(signal, seed=seed)
    rate = candidate.learning_rate
    pilot = fit(field, signal, steps=PILOT_STEPS, batch_size=BATCH_SIZE, learning_rate=rate, progress=False)
    return max(pilot.train_seconds, 1e-6) / pilot.steps


def _parsed(text):
    try:
        return Goal.parse(text)
    except ValueError as error:
        raise InputError(str(error)) from error


def _text(value):
    """An argument as it is typed."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
