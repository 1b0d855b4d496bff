"""What is read off a fit's curve, and paired differences of it."""

import math
import statistics

import numpy as np
import scipy.stats

CAP_DB = 60.0
"""No PSNR counts for more: pictures of 8 bits are exact after rounding from about 54 to 59 dB on."""

MOST_DB = 150.0
"""Stands for an exact picture in what is kept; float32 has no more."""

GOALS = (30, 40)
DIGITS = 4


def outcome(start_psnr_db, result):
    """What is kept of a fit.

    Args:
        start_psnr_db: of the field before the first step.
        result: its `FitResult`, or one that has diverged.

    Returns:
        dict of start_psnr_db; curve, a list of [step, PSNR (dB) of the mean clamped error over the round that ends
        there]; final_psnr_db; stopped_by. PSNRs are of clamped values, at most 150; None where weights were not finite.
    """
    diverged = result.stopped_by == "diverged"
    return {
        "start_psnr_db": kept(start_psnr_db),
        # a row without a PSNR, but with a loss, is of a picture that was exact
        "curve": [
            [row["step"], kept(math.inf if row["psnr_db"] is None else row["psnr_db"])]
            for row in result.rows
            if row["loss"] is not None
        ],
        "final_psnr_db": None if diverged else kept(result.psnr_db),
        "stopped_by": result.stopped_by,
    }


def kept(psnr_db):
    """A PSNR as it is written to files."""
    return None if math.isnan(psnr_db) else round(min(psnr_db, MOST_DB), DIGITS)


def capped(psnr_db):
    """At most 60 dB; 0 for weights that were not finite.

    >>> [capped(value) for value in (43.5, 81.0, None)]
    [43.5, 60.0, 0.0]
    """
    return 0.0 if psnr_db is None else min(psnr_db, CAP_DB)


def auc_db(curve, steps):
    """Area under the capped curve divided by the steps of the whole run: its mean in dB, each round by its length.

    >>> auc_db([[10, 20.0], [30, 80.0]], 40)  # 10 steps of 20 dB, 20 of 60 dB, and 10 after the fit had diverged
    35.0
    """
    ends = [0, *(step for step, _ in curve)]
    return sum((end - start) * capped(db) for start, (end, db) in zip(ends[:-1], curve, strict=True)) / steps


def steps_to(goal_db, fit, steps):
    """Steps until a fit has this PSNR: 0, the end of the first round that has it, or all; None if it never has.

    >>> steps_to(30, {"start_psnr_db": 9.0, "curve": [[10, 20.0], [20, 31.0]], "final_psnr_db": 33.0}, 20)
    20
    """
    points = [(0, fit["start_psnr_db"]), *fit["curve"], (steps, fit["final_psnr_db"])]
    return next((step for step, db in points if capped(db) >= goal_db), None)


def figures(fit, steps):
    """The figures of a fit that tables are made of, PSNRs capped."""
    reached = {f"steps_to_{goal}_db": steps_to(goal, fit, steps) for goal in GOALS}
    psnrs = {name: capped(fit[name]) for name in ("start_psnr_db", "final_psnr_db")}
    return {**psnrs, "auc_db": round(auc_db(fit["curve"], steps), DIGITS), **reached}


def paired(after, before, confidence=0.95):
    """(mean, low, high) of after - before over the pairs that have both, by Student's t for pairs.

    low and high are None for fewer than two pairs, all three for none.

    >>> [round(value, 2) for value in paired([3.0, 5.0, 4.0, None], [1.0, 2.0, 3.0, 4.0])]
    [2.0, -0.48, 4.48]
    """
    pairs = [pair for pair in zip(after, before, strict=True) if None not in pair]
    if not pairs:
        return None, None, None
    differences = np.array([ours - theirs for ours, theirs in pairs], "float64")
    mean = float(differences.mean())
    if len(pairs) < 2:
        return mean, None, None
    if np.ptp(differences) == 0:  # such as 60 dB in all pairs, of which the test makes 0 / 0
        return mean, mean, mean
    interval = scipy.stats.ttest_rel(*zip(*pairs, strict=True)).confidence_interval(confidence)
    return mean, float(interval.low), float(interval.high)


def spread(values, digits):
    """Mean ± standard deviation of the values that there are, and their number if not all; "-" for none.

    >>> spread([10, 14, None], 1)
    '12.0 ± 2.8 (2 of 3)'
    """
    found = [value for value in values if value is not None]
    if not found:
        return "-"
    deviation = f" ± {statistics.stdev(found):.{digits}f}" if len(found) > 1 else ""
    missing = "" if len(found) == len(values) else f" ({len(found)} of {len(values)})"
    return f"{statistics.mean(found):.{digits}f}{deviation}{missing}"
