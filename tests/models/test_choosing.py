"""Choices are tested on pictures that the measured fits have not seen: coins, moon, hubble_deep_field."""

import re

import numpy as np
import pytest

from keras_inr.models import from_preset
from keras_inr.models.choosing import Goal, candidates_for, choose, expected_db, file_kb, measured
from keras_inr.signals import load_image
from keras_inr.signals.spectrum import detail_db
from keras_inr.training import fit

COINS = load_image("sample:coins", size=64)
MOON = load_image("sample:moon", size=64)


class TestGoal:
    @pytest.mark.parametrize(
        ("text", "amount", "unit"),
        [("40dB", 40, "dB"), ("32.5 db", 32.5, "dB"), ("50kB", 50, "kB"), (" 30s ", 30, "s"), (".5S", 0.5, "s")],
    )
    def test_read(self, text, amount, unit):
        assert Goal.parse(text) == Goal(amount, unit)

    @pytest.mark.parametrize("text", ["", "40", "dB", "40 minutes", "-3dB", "0s", "1e3dB", "40dB or so", None, 40])
    def test_refused(self, text):
        message = f"goal must be a number with dB, kB or s behind it, such as 40dB, received {text!r}"
        with pytest.raises(ValueError, match=re.escape(message)):
            Goal.parse(text)


def test_more_quality_takes_more_parameters():
    counts = [choose(COINS, goal).num_parameters for goal in ("20dB", "30dB", "40dB")]
    assert counts[0] < counts[1] < counts[2]


def test_a_smoother_picture_takes_fewer_parameters():
    smooth, rough = (choose(signal, "30dB").num_parameters for signal in (MOON, COINS))
    assert smooth < rough


def test_the_bandwidth_follows_the_spectrum():
    finest = [candidates_for(signal, 30.0)[0].arguments["finest_resolution"] for signal in (MOON, COINS)]
    assert finest[0] < finest[1] <= 64


@pytest.mark.parametrize("kb", [30, 60, 200])
def test_a_size_is_kept_and_used(kb):
    choice = choose(COINS, f"{kb}kB")
    assert file_kb(choice.candidate, COINS) <= kb
    others = [c for c in candidates_for(COINS, 50.0) if file_kb(c, COINS) <= kb]
    ratios = [(c.family, c.field(COINS).count_params() / COINS.values.size) for c in others]
    detail = detail_db(COINS.values)
    best = max(expected_db(family, ratio, detail)[0] for family, ratio in ratios)
    assert choice.expected_db == pytest.approx(best)


def test_a_size_that_nothing_fits_into():
    with pytest.raises(ValueError, match=r"goal must be at least \d+ kB for this picture, received 1 kB"):
        choose(COINS, "1kB")


def test_the_reason_is_one_line_with_the_goal():
    reason = choose(COINS, "30dB").reason
    assert len(reason.splitlines()) == 1
    assert "for 30 dB on 51 x 64" in reason


@pytest.mark.parametrize("name", ["coins", "moon", "hubble_deep_field"])
def test_a_goal_in_db_is_met(name):
    signal = load_image(f"sample:{name}", size=64)
    choice = choose(signal, "32dB")
    field = choice.candidate.field(signal, seed=0)
    rate = choice.candidate.learning_rate
    result = fit(field, signal, steps=1500, batch_size=2048, learning_rate=rate, goal_psnr_db=32, progress=False)
    assert result.psnr_db >= 32
    assert result.stopped_by == "psnr"


def test_from_preset():
    field = from_preset("auto", signal=COINS, goal="30dB", seed=3)
    assert field.channels == 1
    assert field.picture_size == COINS.size
    assert field.count_params() == choose(COINS, "30dB").num_parameters
    with pytest.raises(ValueError, match=r"preset 'auto' needs signal=\.\.\., what load_image returns, received None"):
        from_preset("auto")


def test_what_was_measured_is_there():
    for family in measured().values():
        assert len(family["coefficients"]) == 4
        assert np.all(np.isfinite(family["coefficients"]))
        assert 0 < family["spread_db"] < 6
