"""What a table of measured fits makes expect."""

import json
import re

import numpy as np
import pytest
from choosing_table import LAW, TABLE
from hypothesis import given
from hypothesis import strategies as st

from keras_inr.choosing.expectations import (
    FORMAT_VERSION,
    MEASURED,
    REFERENCE,
    Table,
    costs,
    expected_db,
    measured,
    options_for,
    pace,
)
from keras_inr.signals import load_image

COINS = load_image("sample:coins", size=64)
FACTS = {"ratio": 0.5, "sparse": 30.0, "plain": 14.0, "band_db": 40.0, "steps": 400}


def test_the_law_by_hand():
    limit = 26 + 3 * -1 + 3 * (-1 + 1.5) + 0.4 * 30
    learnt = 14 + (limit - 14) * (1 - (20 / 400) ** 0.4)
    by_hand = -10 * np.log10(10 ** (-learnt / 10) + 10 ** (-(40 + 5) / 10))
    assert expected_db(LAW, **FACTS) == pytest.approx(by_hand, rel=1e-12)


@given(
    name=st.sampled_from(["ratio", "band_db", "steps", "sparse"]),
    factor=st.floats(1.0, 1000.0),
    ratio=st.floats(1e-5, 4.0),
    steps=st.integers(1, 10**6),
    family=st.sampled_from([LAW, *(family["law"] for family in measured().families.values())]),
)
def test_more_is_never_expected_to_be_worse(name, factor, ratio, steps, family):
    """Of parameters, bandwidth, steps and smoothness; by the committed table as well."""
    facts = {**FACTS, "ratio": ratio, "steps": steps}
    more = expected_db(family, **{**facts, name: facts[name] * factor})
    assert more >= expected_db(family, **facts) - 1e-9  # rounding of sums of exponentials


def test_a_fit_of_no_length_has_learnt_nothing():
    assert expected_db(LAW, **{**FACTS, "steps": 1, "band_db": 150}) == pytest.approx(FACTS["plain"])


def test_the_pace_by_hand():
    assert costs(REFERENCE, channels=3) == (1.0, 6, 5.187, 8.288)
    assert pace([0.3, 0.02, 0.08, 0.02], *costs(REFERENCE, 3)) == pytest.approx(0.3 + 0.12 + 0.41496 + 0.16576)


def test_options_know_their_picture():
    option = next(o for o in options_for(COINS, TABLE) if o.candidate.family == "sine")
    assert option.num_parameters == option.candidate.field(COINS).count_params()
    assert option.facts["ratio"] == option.num_parameters / (51 * 64)
    assert option.spread_db == 1.2
    assert option.expected_db(100) < option.expected_db(1000)


def test_what_was_measured_is_there():
    table = measured()
    assert table.reference_seconds > 0
    for name in ("hash", "sine"):
        family = table.families[name]
        assert set(family["law"]) == set(LAW)
        assert all(value >= 0 for key, value in family["law"].items() if key not in ("size_db", "beyond_band_db"))
        assert 0 < family["spread_db"] < 6
        assert all(value >= 0 for value in family["pace"])
    assert min(option.pace for option in options_for(COINS)) > 0


def test_a_table_of_another_version(tmp_path):
    path = tmp_path / "choices.json"
    path.write_text(json.dumps({**json.loads(MEASURED.read_text()), "format_version": 1}))
    with pytest.raises(ValueError, match=re.escape(f"{path} must have format_version {FORMAT_VERSION}, received 1")):
        Table.read(path)
