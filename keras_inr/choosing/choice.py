"""Which network, of which size and for how many steps, for a picture and a goal."""

import dataclasses
import math
import pathlib
import re
import tempfile
from collections.abc import Callable, Sequence
from typing import Self

from keras_inr.choosing.candidates import Candidate
from keras_inr.choosing.expectations import Option, Table, measured, options_for
from keras_inr.errors import InputError, InputTypeError
from keras_inr.models.field import Field
from keras_inr.signals.image import ImageSignal

MARGIN = 2.0
"""Standard deviations to pass a goal in dB by: what seems soonest is mostly what is expected too much of."""

UNITS = {"db": ("dB", 1), "kb": ("kB", 1), "mb": ("kB", 1000), "s": ("s", 1)}
MOST = {"dB": 150.0, "kB": 1e9, "s": 1e6}
"""The most that a goal may be: float32 has no more dB, and more would be no run of anyone's."""

PLENTY_DB = 50.0
"""What is aimed at where no quality is asked for: an error that 8 bits hardly show."""

LENGTHS = (100, 200, 400, 800, 1600, 3200)
"""Steps that a fit may have which no seconds are given for."""

HEADROOM = 0.8
"""Share of given seconds that steps are planned for, so that a slower machine still comes to the end of them."""

MOST_PILOTS = 4


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a fit is for: a PSNR in dB over all pixels, a size of model.keras in kB (1000 bytes), or seconds of it.

    >>> str(Goal.parse("40dB")), str(Goal.parse(" 30 s")), str(Goal.parse("5MB"))
    ('40 dB', '30 s', '5000 kB')
    """

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """A goal from text such as 40dB, 50kB, 5MB, 30s.

        Raises:
            InputError: for anything else, and for more than 150 dB.
        """
        pattern = r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)\s*([A-Za-z]+)\s*"
        match = re.fullmatch(pattern, text) if isinstance(text, str) else None
        unit, factor = UNITS.get(match[2].lower(), (None, 1)) if match else (None, 1)
        if match is None or unit is None:
            allowed = "a number with dB, kB, MB or s behind it, such as 40dB"
            raise InputError(f"goal must be {allowed}, received {text!r}")
        if not 0 < float(match[1]) * factor <= MOST[unit]:
            raise InputError(f"goal must be above 0 and at most {MOST[unit]:g} {unit}, received {text!r}")
        return cls(float(match[1]) * factor, unit)

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit}"


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was chosen for a picture, and why.

    Attributes:
        candidate: the `Candidate`, and num_parameters, how many weights it has for the picture.
        steps: the length of the fit.
        expected_db: the PSNR that measured fits make expect, spread_db its standard deviation.
        reason: one line that explains the choice.
    """

    candidate: Candidate
    num_parameters: int
    steps: int
    expected_db: float
    spread_db: float
    reason: str


def choose(
    signal: ImageSignal,
    goal: Goal | str | None = None,
    steps: int | None = None,
    pilot: Callable[[Candidate], float] | None = None,
    table: Table | None = None,
) -> Choice:
    """A network, its size and bandwidth, and the length of its fit, for a picture and a goal.

    A goal in dB takes the network and the length that come soonest to what is expected to reach it, two standard
    deviations included; no goal is taken for one of 50 dB. Where nothing is expected to reach it, and for a goal in kB
    among the networks whose fresh model.keras is no larger, it is what is expected to be best. A goal in seconds rates
    every network at the steps that it comes to in four fifths of them, and takes the best.

    What is expected was measured by `experiments/choosing`, see `keras_inr.choosing.expectations`, of two families with
    a cosine schedule: hash grids with a small ReLU network, and sine networks with init-33; for fits of values.

    Args:
        signal: an `ImageSignal`.
        goal: None, a `Goal`, or its text, such as "40dB", "50kB", "30s".
        steps: None, or the length that the fit is going to have; for seconds, its greatest.
        pilot: callable from a `Candidate` to the seconds that a step of it takes on this machine, for a goal in
            seconds, called a few times; None for the machine that the fits were measured on.
        table: a `keras_inr.choosing.expectations.Table`; None for the committed one.

    Returns:
        A `Choice`.

    Raises:
        InputTypeError: for a signal that is none.
        InputError: for a goal that cannot be read, or a size that no network fits into.

    >>> from keras_inr.signals.image import load_image
    >>> choose(load_image("sample:camera", size=64), "30dB").candidate.preset
    'multi_hash'
    """
    goal = goal if goal is None or isinstance(goal, Goal) else Goal.parse(goal)
    if not isinstance(signal, ImageSignal):
        raise InputTypeError(f"signal must be an ImageSignal from load_image, received {type(signal).__name__}")
    table = table or measured()
    options = options_for(signal, table)
    lengths = LENGTHS if steps is None else (steps,)
    if goal is None or goal.unit == "dB":
        option, steps = soonest(options, PLENTY_DB if goal is None else goal.amount, lengths)
    elif goal.unit == "kB":
        option, steps = best_within(options, goal, signal, lengths[-1]), lengths[-1]
    else:
        option, steps = best_in_time(options, HEADROOM * goal.amount, steps or math.inf, pilot, table.reference_seconds)
    reason = reason_for(option, steps, signal.size, goal)
    return Choice(option.candidate, option.num_parameters, steps, option.expected_db(steps), option.spread_db, reason)


def soonest(options: Sequence[Option], aim_db: float, lengths: Sequence[int]) -> tuple[Option, int]:
    """(option, steps) that take the least time to an expected PSNR; the best that there is if none comes to it."""
    enough = [(o, n) for o in options for n in lengths if o.expected_db(n) - MARGIN * o.spread_db >= aim_db]
    if not enough:
        return best_of(options, lengths[-1]), lengths[-1]
    return min(enough, key=lambda pair: pair[0].pace * pair[1])


def best_of(options: Sequence[Option], steps: int) -> Option:
    """The option with the highest expected PSNR; of several that are within 0.1 dB of it the fastest."""
    most = max(option.expected_db(steps) for option in options)
    return min((o for o in options if o.expected_db(steps) >= most - 0.1), key=lambda option: option.pace)


def best_within(options: Sequence[Option], goal: Goal, signal: ImageSignal, steps: int) -> Option:
    """The option to take of those whose fresh model.keras is no larger than a goal in kB.

    Raises:
        InputError: where there is none.
    """
    smallest = min(options, key=lambda option: option.num_parameters)
    least = file_kb(smallest.candidate.field(signal))
    extra = least - 0.004 * smallest.num_parameters  # 4 bytes for each parameter, and much the same for any network
    small = [option for option in options if 0.004 * option.num_parameters + extra <= goal.amount + 1]
    while small:
        best = best_of(small, steps)
        if file_kb(best.candidate.field(signal)) <= goal.amount:
            return best
        small.remove(best)
    raise InputError(f"goal must be at least {math.ceil(least)} kB for this picture, received {goal}")


def file_kb(field: Field) -> float:
    """Size of the field's model.keras, in 1000 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        field.save(path)
        return path.stat().st_size / 1000


def best_in_time(
    options: Sequence[Option],
    seconds: float,
    most_steps: float,
    pilot: Callable[[Candidate], float] | None,
    reference_seconds: float,
) -> tuple[Option, int]:
    """(option, steps) with the highest expected PSNR after so many seconds.

    What seems best is tried by the pilot, and what that tells of the pace holds for its family; until the best one has
    been tried. A family that has not been tried keeps the pace of the machine that the fits were measured on.
    """
    paces = [option.pace * reference_seconds for option in options]
    families = [option.candidate.family for option in options]
    tried: dict[int, float] = {}
    while True:
        lengths = [max(1, int(min(most_steps, seconds / pace))) for pace in paces]
        open_to = range(len(options)) if len(tried) < MOST_PILOTS else tried
        best = max(open_to, key=lambda i: options[i].expected_db(lengths[i]))
        if pilot is None or best in tried:
            return options[best], lengths[best]
        tried[best] = pilot(options[best].candidate)
        scale = tried[best] / paces[best]
        alike = [families[i] == families[best] for i in range(len(options))]
        paces = [tried.get(i, pace * scale if alike[i] else pace) for i, pace in enumerate(paces)]


def reason_for(option: Option, steps: int, size: tuple[int, int], goal: Goal | None) -> str:
    """One line."""
    arguments, expected = option.candidate.arguments, option.expected_db(steps)
    if option.candidate.family == "hash":
        network = f"{arguments['num_levels']} levels of up to {arguments['table_size']} entries"
        network += f", finest {arguments['finest_resolution']}"
    else:
        network = f"{len(arguments['units'])} sine layers of {arguments['units'][0]}, omega_0 {arguments['omega_0']:g}"
    picture = f"{size[0]} x {size[1]} with {option.facts['sparse']:.0f} dB in a quarter of its wavelets"
    why = f"for {goal}" if goal is not None else "for as much as 8 bits show"
    told = f"{option.candidate.preset} ({network}; {option.num_parameters:,} parameters; {steps} steps) {why}"
    missed = goal is not None and goal.unit == "dB" and expected < goal.amount
    warning = "not expected to be reached, " if missed else ""
    return f"{told} on {picture}: {warning}{expected:.0f} ± {option.spread_db:.0f} dB expected"
