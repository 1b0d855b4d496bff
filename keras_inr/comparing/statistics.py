"""Means, spreads and paired differences of a comparison's rows."""

import collections
import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from keras_inr.fleet.work import FITTED

MOST_DB = 60.0
"""What a PSNR counts at most in a mean: beyond it a picture of 8 bits is exact after rounding."""

LEVEL = 0.95
"""Of intervals."""

Row = Mapping[str, Any]


def psnr_of(row: Row) -> float:
    """A fit's PSNR up to 60 dB; 0 where it failed, so that a network that diverges is not the better for it."""
    if row["status"] != FITTED:
        return 0.0
    return MOST_DB if row["psnr_db"] is None else min(row["psnr_db"], MOST_DB)


def by_picture(rows: Iterable[Row], variant: str) -> dict[str, list[float]]:
    """Picture -> PSNR of a variant's fits of it, seed by seed."""
    found: dict[str, list[float]] = collections.defaultdict(list)
    for row in rows:
        if row["variant"] == variant:
            found[row["name"]].append(psnr_of(row))
    return dict(found)


def spread_between_seeds(values: Iterable[Sequence[float]]) -> float | None:
    """Standard deviation between seeds of one picture, pooled over pictures; None of one seed.

    >>> spread_between_seeds([[1.0, 3.0], [5.0, 5.0]])
    1.0
    """
    variances = [statistics.variance(some) for some in values if len(some) > 1]
    return math.sqrt(statistics.mean(variances)) if variances else None


@dataclasses.dataclass(frozen=True)
class Difference:
    """How a variant is ahead of another one on the same pictures.

    Attributes:
        mean: of the differences, dB.
        low, high: the interval of 95 % of the mean, by Student's t; None of one pair.
        wins, pairs: in how many of the pairs it is ahead.
        of_pictures: whether pairs are pictures, their seeds averaged; seeds, where there is one picture.
    """

    mean: float
    low: float | None
    high: float | None
    wins: int
    pairs: int
    of_pictures: bool


def difference(rows: Sequence[Row], variant: str, other: str) -> Difference:
    """How a variant is ahead of another one, picture by picture; seed by seed where there is one picture.

    >>> made = [("a", "x", 30.0), ("a", "y", 31.0), ("b", "x", 29.0), ("b", "y", 28.0)]
    >>> rows = [{"variant": v, "name": n, "psnr_db": p, "status": "fitted"} for v, n, p in made]
    >>> found = difference(rows, "a", "b")
    >>> found.mean, round(found.low, 1), found.wins
    (2.0, -10.7, 2)
    """
    own, others = by_picture(rows, variant), by_picture(rows, other)
    of_pictures = len(own) > 1
    if of_pictures:
        values = [statistics.mean(own[name]) - statistics.mean(others[name]) for name in own]
    else:
        (mine,), (theirs,) = own.values(), others.values()
        values = [a - b for a, b in zip(mine, theirs, strict=True)]
    mean, low, high = statistics.mean(values), None, None
    if len(values) > 1:
        half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
        low, high = mean - float(half), mean + float(half)
    return Difference(mean, low, high, sum(value > 0 for value in values), len(values), of_pictures)


@dataclasses.dataclass(frozen=True)
class Summary:
    """A variant's figures.

    Attributes:
        variant: its name.
        psnr_db: mean over pictures of the mean over seeds.
        seeds_db: see `spread_between_seeds`.
        pictures_db: standard deviation between pictures; None of one.
        means: column -> mean over its finished fits, of ssim, ms_ssim, lpips, steps, train_seconds, num_parameters,
            model_bytes; None where no fit has one.
        failed: fits that came to nothing.
        by: optimizer and learning rate.
        behind: how it is ahead of the best variant, a `Difference`; None for the best.
    """

    variant: str
    psnr_db: float
    seeds_db: float | None
    pictures_db: float | None
    means: Mapping[str, float | None]
    failed: int
    by: str = ""
    behind: Difference | None = None


AVERAGED = ("ssim", "ms_ssim", "lpips", "steps", "train_seconds", "num_parameters", "model_bytes")


def summaries(rows: Sequence[Row], variants: Iterable[str]) -> list[Summary]:
    """A `Summary` of each variant, the best PSNR first."""
    found = sorted((_summary(rows, variant) for variant in variants), key=lambda each: -each.psnr_db)
    best = found[0].variant
    return [found[0], *(_against(rows, each, best) for each in found[1:])]


def _against(rows: Sequence[Row], summary: Summary, best: str) -> Summary:
    return dataclasses.replace(summary, behind=difference(rows, summary.variant, best))


def _summary(rows: Sequence[Row], variant: str) -> Summary:
    values = by_picture(rows, variant)
    own = [row for row in rows if row["variant"] == variant and row["status"] == FITTED]
    of_pictures = [statistics.mean(some) for some in values.values()]
    means = {}
    for column in AVERAGED:
        known = [row[column] for row in own if row.get(column) is not None]
        means[column] = statistics.mean(known) if known else None
    return Summary(
        variant,
        statistics.mean(of_pictures),
        spread_between_seeds(values.values()),
        statistics.stdev(of_pictures) if len(of_pictures) > 1 else None,
        means,
        sum(row["variant"] == variant and row["status"] != FITTED for row in rows),
        ", ".join({f"{row['optimizer']} {row['learning_rate']:g}": None for row in own if row.get("optimizer")}),
    )
