"""From measured fits to the table that `choose` reads."""

import statistics

import numpy as np
from scipy.optimize import least_squares, nnls

from keras_inr.choosing.expectations import FORMAT_VERSION, REFERENCE, expected_db

FAMILIES = ("hash", "sine")
FACTS = {"ratio": "ratio", "sparse": "sparse_db", "plain": "plain_db", "band_db": "band_db", "steps": "steps"}
LAW = {  # name -> start, least, most
    "size_db": (25.0, -200.0, 200.0),
    "per_octave": (3.0, 0.0, 30.0),
    "per_octave_crowded": (1.0, 0.0, 30.0),
    "per_sparse_db": (0.5, 0.0, 5.0),
    "beyond_band_db": (5.0, -10.0, 20.0),
    "first_step": (10.0, 1.0, 100.0),
    "decay": (0.3, 0.01, 2.0),
}
SEEN_DB = 55.0
"""More than that is hardly seen in 8 bits, and a few weights more make ten decibels there: it counts as that much."""

LEAST_FITS = len(LAW) + 1


def judged(rows, family):
    """The fits of a family whose PSNR counts: those with a picture's own bandwidth that did not diverge."""
    return [row for row in rows if row["family"] == family and row["part"] == "psnr" and row["psnr_db"] is not None]


def table_of(rows, about):
    """The content of choices.json.

    Args:
        rows: one for each fit, see study.py; at least `LEAST_FITS` of each family that are `judged`.
        about: what was measured where.
    """
    units = {place(row): row["seconds_per_step"] for row in rows if is_reference(row)}
    families = {}
    for name in FAMILIES:
        fits = judged(rows, name)
        timed = [row for row in fits if row["steps"] == max(row["steps"] for row in fits)]
        timed += [row for row in rows if row["family"] == name and row["part"] == "pace"]
        paces = [row["seconds_per_step"] / units[place(row)] for row in timed]
        law, spread_db = solved_law(fits)
        pace = solved_pace([row["costs"] for row in timed], paces)
        families[name] = {"law": law, "spread_db": spread_db, "pace": pace, "count": len(fits)}
    seconds = round(statistics.median(units.values()), 6)
    return {"format_version": FORMAT_VERSION, "about": about, "reference_seconds": seconds, "families": families}


def place(row):
    """Fits of one place were made one after the other, on one picture."""
    return row["image"], tuple(row["size"])


def is_reference(row):
    return row["part"] == "pace" and row["arguments"]["table_size"] == REFERENCE.arguments["table_size"]


def solved_law(rows):
    """The numbers of `expected_db` with the least squares, and the standard deviation of what they leave."""
    facts = {name: np.array([row[key] for row in rows], float) for name, key in FACTS.items()}
    psnr_db = np.minimum([row["psnr_db"] for row in rows], SEEN_DB)

    def left(numbers):
        return np.minimum(expected_db(dict(zip(LAW, numbers, strict=True)), **facts), SEEN_DB) - psnr_db

    start, *bounds = zip(*LAW.values(), strict=True)
    solved = least_squares(left, start, bounds=bounds, x_scale=np.maximum(np.abs(start), 0.1))
    law = dict(zip(LAW, solved.x.round(5).tolist(), strict=True))
    return law, round(float(np.std(solved.fun, ddof=len(LAW))), 3)


def solved_pace(costs, paces):
    """Coefficients, none negative, of `pace` with the least squares of relative errors."""
    paces = np.array(paces)
    return nnls(np.array(costs, float) / paces[:, None], np.ones(len(paces)))[0].round(6).tolist()
