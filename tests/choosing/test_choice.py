"""Choices are tested on pictures that the measured fits have not seen: coins, moon, hubble_deep_field, rocket."""

import re

import pytest
from choosing_table import TABLE

from keras_inr.choosing.choice import HEADROOM, LENGTHS, MARGIN, MOST_PILOTS, Goal, choose, file_kb
from keras_inr.choosing.expectations import POINTS_PER_STEP, options_for
from keras_inr.models import from_preset
from keras_inr.signals import load_image
from keras_inr.training import fit

COINS = load_image("sample:coins", size=64)
MOON = load_image("sample:moon", size=64)
LARGE = load_image("sample:rocket", size=400)


def option_of(choice, signal=COINS, table=TABLE):
    return next(o for o in options_for(signal, table) if o.candidate == choice.candidate)


class TestGoal:
    @pytest.mark.parametrize(
        ("text", "amount", "unit"),
        [
            *(("40dB", 40, "dB"), ("32.5 db", 32.5, "dB"), ("150dB", 150, "dB"), ("50kB", 50, "kB")),
            *((" 30s ", 30, "s"), (".5S", 0.5, "s"), ("5MB", 5000, "kB"), ("0.5mb", 500, "kB")),
        ],
    )
    def test_read(self, text, amount, unit):
        assert Goal.parse(text) == Goal(amount, unit)

    @pytest.mark.parametrize(
        "text", ["", "40", "dB", "40 minutes", "-3dB", "1e3dB", "40dB or so", "٤٠dB", "４０dB", None, 40]
    )
    def test_refused(self, text):
        message = f"goal must be a number with dB, kB, MB or s behind it, such as 40dB, received {text!r}"
        with pytest.raises(ValueError, match=re.escape(message)):
            Goal.parse(text)

    @pytest.mark.parametrize(
        ("text", "most"), [("400dB", "150 dB"), ("0dB", "150 dB"), ("0s", r"1e\+06 s"), ("5000000MB", r"1e\+09 kB")]
    )
    def test_out_of_range(self, text, most):
        with pytest.raises(ValueError, match=f"goal must be above 0 and at most {most}, received '{text}'"):
            Goal.parse(text)

    def test_of_no_picture(self):
        with pytest.raises(TypeError, match="signal must be an ImageSignal from load_image, received ndarray"):
            choose(COINS.values, "30dB")


class TestQuality:
    def test_more_takes_longer(self):
        found = [choose(COINS, goal, table=TABLE) for goal in ("20dB", "30dB", "40dB")]
        times = [option_of(choice).pace * choice.steps for choice in found]
        assert times[0] < times[1] < times[2]

    def test_a_smoother_picture_takes_less(self):
        smooth, rough = (choose(signal, "30dB", table=TABLE) for signal in (MOON, COINS))
        assert option_of(smooth, MOON).pace * smooth.steps < option_of(rough).pace * rough.steps

    def test_nothing_that_is_expected_to_reach_it_is_cheaper(self):
        choice = choose(COINS, "32dB", table=TABLE)
        assert choice.expected_db - MARGIN * choice.spread_db >= 32
        time = option_of(choice).pace * choice.steps
        for option in options_for(COINS, TABLE):
            for steps in LENGTHS:
                assert option.pace * steps >= time or option.expected_db(steps) - MARGIN * option.spread_db < 32

    def test_what_is_out_of_reach_is_told(self):
        choice = choose(COINS, "140dB", table=TABLE)
        most = max(option.expected_db(LENGTHS[-1]) for option in options_for(COINS, TABLE))
        assert choice.steps == LENGTHS[-1]
        assert choice.expected_db == pytest.approx(most, abs=0.1)
        assert ": not expected to be reached, " in choice.reason

    def test_a_length_that_is_given(self):
        choice = choose(COINS, "40dB", steps=20, table=TABLE)
        assert choice.steps == 20
        assert choice.expected_db == option_of(choice).expected_db(20) < 40
        assert ": not expected to be reached, " in choice.reason

    def test_no_goal_is_one_of_50_db(self):
        plain, aimed = (choose(MOON, goal, table=TABLE) for goal in (None, "50dB"))
        assert (plain.candidate, plain.steps) == (aimed.candidate, aimed.steps)
        assert "for as much as 8 bits show on 64 x 64" in plain.reason


class TestSize:
    @pytest.mark.parametrize("kb", [30, 60, 200])
    def test_is_kept_and_used(self, kb):
        choice = choose(COINS, f"{kb}kB", table=TABLE)
        assert file_kb(choice.candidate.field(COINS)) <= kb
        best = max(
            (option for option in options_for(COINS, TABLE) if 0.004 * option.num_parameters < kb - 22),
            key=lambda option: option.expected_db(LENGTHS[-1]),
        )
        assert file_kb(best.candidate.field(COINS)) <= kb  # files have less than 22 kB beside their weights
        assert choice.expected_db >= best.expected_db(LENGTHS[-1]) - 0.1

    def test_that_nothing_fits_into(self):
        with pytest.raises(ValueError, match=r"goal must be at least \d+ kB for this picture, received 1 kB"):
            choose(COINS, "1kB")


class TestSeconds:
    @pytest.mark.parametrize("table", [TABLE, None], ids=["invented", "committed"])
    @pytest.mark.parametrize("signal", [COINS, LARGE], ids=["small", "large"])
    def test_more_are_never_expected_to_be_worse(self, signal, table):
        found = [choose(signal, f"{seconds}s", table=table) for seconds in (1, 3, 10, 100, 3000)]
        expected = [choice.expected_db for choice in found]
        assert expected == sorted(expected)

    def test_few_take_another_network_than_many(self):
        few, many = (choose(LARGE, goal, table=TABLE) for goal in ("3s", "3000s"))
        assert few.num_parameters < many.num_parameters
        assert option_of(few, LARGE).pace < option_of(many, LARGE).pace
        assert few.steps * option_of(few, LARGE).pace * TABLE.reference_seconds <= 3 * HEADROOM

    def test_nothing_is_expected_to_be_better_in_the_same_time(self):
        choice = choose(LARGE, "5s", table=TABLE)
        for option in options_for(LARGE, TABLE):
            steps = int(5 * HEADROOM / (option.pace * TABLE.reference_seconds))
            assert option.expected_db(max(1, steps)) <= choice.expected_db

    def test_the_pace_is_the_machine_s(self):
        """Of one that is ten times slower, and whose grids are two thousand times slower."""
        own = {str(option.candidate): option.pace * TABLE.reference_seconds for option in options_for(LARGE, TABLE)}
        seen = []

        def pilot(candidate):
            seen.append(candidate)
            return own[str(candidate)] * (2000 if candidate.family == "hash" else 10)

        choice = choose(LARGE, "30s", pilot=pilot, table=TABLE)
        assert choice.candidate in seen
        assert len(seen) <= MOST_PILOTS
        assert choice.candidate.family == "sine"
        assert choice.steps == int(30 * HEADROOM / (10 * own[str(choice.candidate)]))

    def test_pilots_come_to_an_end(self):
        """Though each tells that its network is slower than any other."""
        seen = []

        def pilot(candidate):
            seen.append(candidate)
            return 10.0 ** len(seen)

        choice = choose(LARGE, "30s", pilot=pilot, table=TABLE)
        assert len(seen) <= MOST_PILOTS
        assert choice.candidate in seen
        assert choice.steps >= 1

    def test_a_length_that_is_given_is_the_greatest(self):
        assert choose(COINS, "1000s", steps=70, table=TABLE).steps == 70
        assert choose(COINS, "0.1s", steps=7000, table=TABLE).steps < 7000


def test_the_reason_is_one_line_with_the_goal():
    choice = choose(COINS, "30dB", table=TABLE)
    assert len(choice.reason.splitlines()) == 1
    assert f"; {choice.num_parameters:,} parameters; {choice.steps} steps) for 30 dB on 51 x 64" in choice.reason
    assert re.search(r"wavelets: \d+ ± \d+ dB expected$", choice.reason)


@pytest.mark.parametrize("name", ["coins", "moon", "hubble_deep_field"])
def test_a_goal_in_db_is_met(name):
    signal = load_image(f"sample:{name}", size=64)
    choice = choose(signal, "30dB")
    field = choice.candidate.field(signal, seed=0)
    rate = choice.candidate.learning_rate
    result = fit(field, signal, steps=choice.steps, batch_size=POINTS_PER_STEP, learning_rate=rate, progress=False)
    assert result.psnr_db >= 30


def test_from_preset():
    field = from_preset("auto", signal=COINS, goal="30dB", seed=3)
    assert field.channels == 1
    assert field.picture_size == COINS.size
    assert field.count_params() == choose(COINS, "30dB").num_parameters
    with pytest.raises(ValueError, match="'omega_0' is not an argument of preset 'auto', which takes signal, goal"):
        from_preset("auto", signal=COINS, omega_0=20)
    with pytest.raises(ValueError, match=r"preset 'auto' needs signal=\.\.\., what load_image returns, received None"):
        from_preset("auto")
