"""What --preset=auto and --goal become."""

import json
import re

import pytest

from keras_inr.choosing.candidates import sine_candidate
from keras_inr.choosing.choice import HEADROOM, Goal, choose
from keras_inr.choosing.expectations import POINTS_PER_STEP
from keras_inr.cli.preset_arguments import parse_overrides
from keras_inr.errors import InputError
from keras_inr.models.siren import Siren
from keras_inr.runs import automatic
from keras_inr.runs.automatic import automatic_flags, check_goal, check_size, goal_flags, parsed_goal
from keras_inr.signals import load_image

PICTURE = ("sample:coins", {"size": 32})


@pytest.mark.parametrize("text", [None, "30dB", "40kB"])
def test_flags_give_the_network_that_was_chosen(text):
    goal = parsed_goal(text)
    flags, reason = automatic_flags(*PICTURE, goal)
    choice = choose(load_image("sample:coins", size=32), goal)
    texts = {name: flags[name] for name in choice.candidate.arguments}
    assert parse_overrides(flags["preset"], texts) == choice.candidate.arguments
    assert (flags["steps"], flags["batch_size"]) == (choice.steps, POINTS_PER_STEP)
    assert flags["learning_rate"] == choice.candidate.learning_rate
    assert flags.get("goal_psnr_db") == (30.0 if text == "30dB" else None)
    assert reason == choice.reason


def test_seconds_become_steps_at_the_machine_s_pace(monkeypatch):
    seen = []
    monkeypatch.setattr(automatic, "seconds_per_step", lambda *arguments: seen.append(arguments) or 0.01)
    flags, reason = automatic_flags(*PICTURE, Goal(50.0, "s"), seed=7, batch_size=300)
    assert (flags["steps"], flags["max_seconds"]) == (round(HEADROOM * 50 / 0.01), 50.0)
    assert f"; {flags['steps']} steps) for 50 s on" in reason
    assert seen[-1][2:] == (7, 300)
    tried = [candidate.arguments["units"] for candidate, *_ in seen]
    assert parse_overrides(flags["preset"], {"units": flags["units"]})["units"] in tried


def test_the_pace_of_a_candidate_is_timed():
    assert 0 < automatic.seconds_per_step(sine_candidate(8, 9.0, 40), load_image("sample:coins", size=32), 0, 300) < 10


@pytest.mark.parametrize(("length", "steps"), [({"steps": 20}, 20), ({"epochs": 3}, 6)])
def test_a_length_that_is_given_is_what_is_expected_of(length, steps):
    flags, reason = automatic_flags(*PICTURE, Goal(60.0, "dB"), length=length, batch_size=300)  # 25 x 32 pixels
    assert (flags["steps"], flags["batch_size"]) == (steps, 300)
    assert f"; {steps} steps) for 60 dB" in reason
    assert ": not expected to be reached, " in reason


def test_a_goal_for_a_preset_that_is_given():
    assert goal_flags(parsed_goal("41dB")) == {"goal_psnr_db": 41.0}
    assert goal_flags(parsed_goal("2s")) == {"max_seconds": 2.0}
    assert goal_flags(parsed_goal("2kB")) == goal_flags(parsed_goal(None)) == {}


def make_run(folder, **identity):
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"format_version": 1, "identity": identity}))
    return str(folder)


def test_the_goal_of_a_run_that_is_gone_on_with(tmp_path):
    """Whose flags are in `given`, since its flags.cfg has been read."""
    run = make_run(tmp_path / "run", goal_psnr_db=25.0, max_seconds=None)
    given = {"goal_psnr_db": 25.0, "max_seconds": None}
    for goal in (None, Goal(25.0, "dB"), Goal(50.0, "kB")):
        check_goal(goal, given, run)
    told = "goal must be that of the run in {}, whose {} is {}, received {}"
    for goal, name, value in ((Goal(30.0, "dB"), "goal_psnr_db", 25.0), (Goal(3.0, "s"), "max_seconds", None)):
        with pytest.raises(InputError, match=re.escape(told.format(run, name, value, goal))):
            check_goal(goal, given, run)


def test_a_goal_beside_a_flag_that_says_something_else():
    check_goal(Goal(25.0, "dB"), {"goal_psnr_db": None, "max_seconds": 3.0})


def test_a_size_that_is_kept():
    field = Siren(units=(8,), channels=1)
    check_size(field, Goal(30.0, "kB"))
    check_size(field, Goal(1.0, "dB"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: parsed_goal("soon"),
            "goal must be a number with dB, kB, MB or s behind it, such as 40dB, received 'soon'",
        ),
        (lambda: automatic_flags(*PICTURE, Goal(1.0, "kB")), "kB for this picture, received 1 kB"),
        (lambda: automatic_flags("sample:nobody", {}, None), "source 'sample:nobody' is unknown"),
        (lambda: automatic_flags(*PICTURE, None, length={"epochs": -1.0}), "epochs must be in (0, 1000000000]"),
        (
            lambda: check_goal(Goal(25.0, "dB"), {"goal_psnr_db": 30.0}),
            "give one of goal and goal_psnr_db, received 25 dB and 30.0",
        ),
        (
            lambda: check_goal(Goal(5.0, "s"), {"max_seconds": 7.0}),
            "give one of goal and max_seconds, received 5 s and 7.0",
        ),
        (lambda: check_size(Siren(units=(8,), channels=1), Goal(2.0, "kB")), "kB for this network, received 2 kB"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()
