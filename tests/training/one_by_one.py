"""The small pictures and fields of the tests of many fits, and the comparison with fits one by one."""

import numpy as np
import pytest

from keras_inr.models import Siren
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.many.many_fits import fit_many

NAMES = ("chelsea", "coffee", "astronaut")


def pictures(size=(12, 12), names=NAMES):
    return [load_image(f"sample:{name}", size=size) for name in names]


def sirens(seeds=(0, 1, 2), **arguments):
    return [Siren(**{"units": (16, 16), "dtype": "float64", **arguments, "seed": seed}) for seed in seeds]


def compare(make, signals, rtol=1e-7, compared=("loss", "psnr_db", "learning_rate"), **recipe):
    """Results of both ways, after comparing weights, steps, reasons, figures and histories.

    Fields are float64: sums of stacked products are rounded otherwise, and every step carries that on.
    """
    goal = recipe.pop("goal_psnr_db", None)
    apart, together = make(), make()
    one_by_one = [
        fit(field, signal, goal_psnr_db=goal, progress=False, **recipe)
        for field, signal in zip(apart, signals, strict=True)
    ]
    at_once = fit_many(together, signals, goal_psnr_db=goal, progress=False, **recipe)
    for single, many, field, other in zip(one_by_one, at_once, apart, together, strict=True):
        assert (many.stopped_by, many.steps) == (single.stopped_by, single.steps)
        assert other.picture_size == field.picture_size
        for expected, received in zip(field.weights, other.weights, strict=True):
            np.testing.assert_allclose(received, expected, rtol=rtol, atol=rtol / 10)
        assert many.psnr_db == pytest.approx(single.psnr_db, abs=100 * rtol)
        assert [row["step"] for row in many.rows] == [row["step"] for row in single.rows]
        for name in compared:
            np.testing.assert_allclose(
                *([row[name] for row in rows] for rows in (many.rows, single.rows)), rtol=100 * rtol, err_msg=name
            )
    return one_by_one, at_once
