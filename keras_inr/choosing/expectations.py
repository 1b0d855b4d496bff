"""What measured fits make expect of a network: the PSNR that it reaches in so many steps, and how long they take."""

import dataclasses
import functools
import json
import math
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from keras_inr.choosing.candidates import Candidate, candidates_for, hash_candidate
from keras_inr.errors import InputError
from keras_inr.signals._spectrum import plain_db, sparse_db
from keras_inr.signals.image import ImageSignal

MEASURED = pathlib.Path(__file__).with_name("choices.json")
FORMAT_VERSION = 3
POINTS_PER_STEP = 4096
"""Points in a step of every measured fit."""

REFERENCE = hash_candidate(11, 64, 50)
"""The network whose step is the unit of `pace`."""

CROWDED, FULL = -1.5, 1.5
"""log2 of parameters per pixel from which on more parameters count for more, and for nothing."""


@dataclasses.dataclass(frozen=True)
class Table:
    """The measured table.

    Attributes:
        about: what was measured where.
        reference_seconds: what a step of `REFERENCE` took there.
        families: family -> {"law": see `expected_db`, "spread_db": the standard deviation around it, "pace": see
            `pace`, "count": the number of fits}.
    """

    about: str
    reference_seconds: float
    families: dict[str, Any]

    @classmethod
    def read(cls, path: str | os.PathLike[str] = MEASURED) -> Self:
        """The table of a JSON file.

        Raises:
            InputError: for a file of another version.
        """
        content = json.loads(pathlib.Path(path).read_text())
        version = content.pop("format_version")
        if version != FORMAT_VERSION:
            raise InputError(f"{path} must have format_version {FORMAT_VERSION}, received {version!r}")
        return cls(**content)


@functools.cache
def measured() -> Table:
    """The committed `Table`, as `experiments/choosing/study.py` left it."""
    return Table.read()


@dataclasses.dataclass(frozen=True)
class Option:
    """A candidate on one picture.

    Attributes:
        candidate: the `Candidate`, and num_parameters, how many weights it has.
        pace: how long a step takes, in steps of `REFERENCE`.
        law, spread_db: of its family.
        facts: the arguments of `expected_db` that do not depend on the length of the fit.
    """

    candidate: Candidate
    num_parameters: int
    pace: float
    law: dict[str, Any]
    spread_db: float
    facts: dict[str, Any]

    def expected_db(self, steps: int) -> float:
        """The PSNR to expect of a fit of so many steps, whose learning rate falls to nothing over them."""
        return float(expected_db(self.law, steps=steps, **self.facts))


def options_for(signal: ImageSignal, table: Table | None = None) -> list[Option]:
    """An `Option` for every candidate; table=None is the committed one."""
    table = table or measured()
    picture = {"sparse": sparse_db(signal.values), "plain": plain_db(signal.values)}
    found = []
    for candidate in candidates_for(signal):
        family = table.families[candidate.family]
        count = sum(candidate.weights(signal.channels))
        facts = {**picture, "ratio": count / (signal.height * signal.width), "band_db": candidate.band_db}
        own = pace(family["pace"], *costs(candidate, signal.channels))
        found.append(Option(candidate, count, own, family["law"], family["spread_db"], facts))
    return found


def expected_db(
    law: Mapping[str, float],
    *,
    ratio: float | np.ndarray,
    sparse: float | np.ndarray,
    plain: float | np.ndarray,
    band_db: float | np.ndarray,
    steps: float | np.ndarray,
) -> float | np.ndarray:
    """The PSNR that a family's fits make expect, in dB; never less for more parameters, bandwidth or steps.

    A network's size sets a limit. Of the way there from the picture's mean colour, steps go a share. What its bandwidth
    leaves out is an error of its own, which is added:

        limit = size_db + per_octave r + per_octave_crowded max(r + 1.5, 0) + per_sparse_db sparse
        learnt = plain + (limit - plain) (1 - (first_step / steps)^decay)
        -10 log10(10^(-learnt / 10) + 10^(-(band_db + beyond_band_db) / 10))

    with r = log2(ratio), or 1.5 for more parameters than that.

    Args:
        law: the names above -> numbers, those per octave and per dB, first_step and decay not negative.
        ratio: parameters per pixel.
        sparse, plain: see `sparse_db` and `plain_db`.
        band_db: what the bandwidth is made for.
        steps: length of the fit.

    Scalars or arrays that broadcast.
    """
    octaves = np.minimum(np.log2(ratio), FULL)
    limit = law["size_db"] + law["per_octave"] * octaves + law["per_sparse_db"] * sparse
    limit = limit + law["per_octave_crowded"] * np.maximum(octaves - CROWDED, 0)
    share = np.maximum(1 - (law["first_step"] / np.asarray(steps, float)) ** law["decay"], 0)
    learnt = plain + np.maximum(limit - plain, 0) * share
    return -10 * np.log10(10 ** (-learnt / 10) + 10 ** (-(band_db + law["beyond_band_db"]) / 10))


def costs(candidate: Candidate, channels: int) -> tuple[float, int, float, float]:
    """What the time of a step is linear in: 1, levels of a grid, weights of layers and numbers in tables in thousands.

    >>> costs(REFERENCE, channels=3)
    (1.0, 6, 5.187, 8.288)
    """
    table, dense = candidate.weights(channels)
    return 1.0, candidate.arguments.get("num_levels", 0), dense / 1000, table / 1000


def pace(coefficients: Iterable[float], *costs: float) -> float:
    """How long a step takes, in steps of `REFERENCE`.

    >>> pace((0.5, 0.0, 0.1, 0.0), 1.0, 6, 5.0, 13.0)
    1.0
    """
    return math.fsum(coefficient * cost for coefficient, cost in zip(coefficients, costs, strict=True))
