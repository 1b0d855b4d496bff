"""Which network, of which size, for a picture and a goal."""

import dataclasses
import functools
import json
import math
import pathlib
import re
import tempfile

import numpy as np

from keras_inr.models.multi_hash import MultiHash
from keras_inr.models.siren import Siren
from keras_inr.signals.spectrum import cutoff, detail_db

UNITS = {"db": "dB", "kb": "kB", "s": "s"}
MODELS = {"multi_hash": MultiHash, "siren_256": Siren}
PLENTY_DB = 50.0
"""What is aimed at where no quality is asked for: an error that 8 bits hardly show."""

LOG_ENTRIES = tuple(range(5, 19))
WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128)
MEASURED = pathlib.Path(__file__).with_name("choices.json")


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a fit is for: a PSNR in dB over all pixels, a size of model.keras in kB (1000 bytes), or seconds of it.

    >>> str(Goal.parse("40dB")), str(Goal.parse(" 30 s"))
    ('40 dB', '30 s')
    """

    amount: float
    unit: str

    @classmethod
    def parse(cls, text):
        """A goal from text such as 40dB, 50kB, 30s.

        Raises:
            ValueError: for anything else.
        """
        match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([A-Za-z]+)\s*", text) if isinstance(text, str) else None
        unit = UNITS.get(match[2].lower()) if match else None
        if unit is None or not 0 < float(match[1]) < 1e9:
            raise ValueError(f"goal must be a number with dB, kB or s behind it, such as 40dB, received {text!r}")
        return cls(float(match[1]), unit)

    def __str__(self):
        return f"{self.amount:g} {self.unit}"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A network that may be chosen.

    Attributes:
        family: "hash" or "sine", whose measured fits tell what to expect.
        preset, arguments: for `from_preset`.
        learning_rate: for `fit`.
    """

    family: str
    preset: str
    arguments: dict
    learning_rate: float

    def field(self, signal, **arguments):
        """The field with fresh weights."""
        shared = {"channels": signal.channels, "picture_size": signal.size}
        return MODELS[self.preset](**{**self.arguments, **shared, **arguments})


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was chosen for a picture, and why.

    Attributes:
        candidate: the `Candidate`, and num_parameters, how many weights it has for the picture.
        expected_db: the PSNR that measured fits make expect, spread_db its standard deviation.
        reason: one line that explains the choice.
    """

    candidate: Candidate
    num_parameters: int
    expected_db: float
    spread_db: float
    reason: str


def choose(signal, goal=None):
    """A network, its size and its bandwidth for a picture and a goal.

    A goal in dB takes the hash grid with the fewest parameters that is expected to reach it, one standard deviation
    included: hash grids train several times as fast as sine networks. A goal in kB takes the network of either kind
    that is expected to be best among those whose fresh model.keras is no larger; a goal in seconds, or none, is taken
    for one of 50 dB. Where nothing is expected to reach that, it is what comes closest.

    What is expected was measured by `experiments/choosing` and fitted by least squares to the logarithm of parameters
    per value of the picture and to the picture's detail. The finest cells of a grid, or omega_0 of a sine network,
    follow the frequency up to which the picture must be known for the PSNR that is aimed at.

    Args:
        signal: an `ImageSignal`.
        goal: None, a `Goal`, or its text, such as "40dB", "50kB", "30s".

    Returns:
        A `Choice`.

    Raises:
        ValueError: for a goal that cannot be read, or a size that no network fits into.

    >>> from keras_inr.signals.image import load_image
    >>> choose(load_image("sample:camera", size=64), "30dB").candidate.preset
    'multi_hash'
    """
    goal = Goal.parse(goal) if isinstance(goal, str) else goal
    aim = goal.amount if goal is not None and goal.unit == "dB" else PLENTY_DB
    detail = detail_db(signal.values)
    rated = []
    for candidate in candidates_for(signal, aim):
        count = candidate.field(signal).count_params()
        rated.append((candidate, count, *expected_db(candidate.family, count / signal.values.size, detail)))
    if goal is not None and goal.unit == "kB":
        sizes = [file_kb(candidate, signal) for candidate, *_ in rated]
        small = [item for item, size in zip(rated, sizes, strict=True) if size <= goal.amount]
        if not small:
            raise ValueError(f"goal must be at least {math.ceil(min(sizes))} kB for this picture, received {goal}")
        chosen = max(small, key=_expected)
    else:
        enough = [item for item in rated if item[0].family == "hash" and item[2] - item[3] >= aim]
        chosen = min(enough, key=lambda item: item[1]) if enough else max(rated, key=_expected)
    return Choice(*chosen, reason_for(*chosen, signal.size, detail, goal))


def _expected(rated):
    """The PSNR of a rated candidate."""
    return rated[2]


def candidates_for(signal, aim_db):
    """Networks of every size whose bandwidth is right for a PSNR."""
    reach = cutoff(signal.values, 10 ** (-aim_db / 10)) * max(signal.size)
    found = [hash_candidate(log_entries, reach) for log_entries in LOG_ENTRIES]
    cells = found[0].arguments["finest_resolution"] + 1
    # a table with more entries than the finest level has vertices is no other network
    found = [c for c in found if c.arguments["table_size"] <= 2 * cells**2]
    return found + [sine_candidate(width, reach) for width in WIDTHS]


def hash_candidate(log_entries, reach):
    """A hash grid whose finest level has a cell for each half period of the highest frequency, `reach` of them."""
    finest = max(16, math.ceil(reach))
    width = 16 if log_entries < 8 else 32 if log_entries < 11 else 64
    arguments = {"num_levels": max(2, round(math.log2(finest / 4)) + 2), "table_size": 2**log_entries}
    arguments |= {"base_resolution": 4, "finest_resolution": finest, "units": (width, width)}
    return Candidate("hash", "multi_hash", arguments, 0.01)


def sine_candidate(width, reach):
    """A sine network of three layers whose omega_0 grows with the frequencies that it has to reach."""
    arguments = {"units": (width,) * 3, "scheme": "init-33", "omega_0": round(min(max(0.2 * reach, 5.0), 60.0), 1)}
    return Candidate("sine", "siren_256", arguments, min(0.01, 0.1 / width))  # wider layers take smaller steps


def expected_db(family, ratio, detail):
    """(PSNR, its standard deviation) that a family's measured fits make expect; see `features_of`."""
    found = measured()[family]
    return float(np.dot(found["coefficients"], features_of(ratio, detail))), found["spread_db"]


def features_of(ratio, detail):
    """What the expected PSNR is linear in: 1, log2 of parameters per value, its square, and the picture's detail."""
    return [1.0, math.log2(ratio), math.log2(ratio) ** 2, detail]


@functools.cache
def measured():
    """Family -> {"coefficients", "spread_db"}, as `experiments/choosing/study.py` left them."""
    return json.loads(MEASURED.read_text())["families"]


def file_kb(candidate, signal):
    """Size of the candidate's fresh model.keras, in 1000 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        candidate.field(signal).save(path)
        return path.stat().st_size / 1000


def reason_for(candidate, count, expected, spread, size, detail, goal):
    """One line."""
    arguments = candidate.arguments
    if candidate.family == "hash":
        network = f"{arguments['num_levels']} levels of up to {arguments['table_size']} entries"
        network += f", finest {arguments['finest_resolution']}"
    else:
        network = f"{len(arguments['units'])} sine layers of {arguments['units'][0]}, omega_0 {arguments['omega_0']:g}"
    picture = f"{size[0]} x {size[1]} with {detail:.0f} dB below its upper octave"
    why = f"for {goal}" if goal is not None else "for as much as 8 bits show"
    return (
        f"{candidate.preset} ({network}; {count:,} parameters) {why} on {picture}: "
        f"{expected:.0f} ± {spread:.0f} dB expected"
    )
