"""What --preset=auto and --goal become."""

import re

import pytest

from keras_inr.models.choosing import choose
from keras_inr.runs.automatic import BATCH_SIZE, STEPS, automatic_flags, goal_flags
from keras_inr.runs.errors import InputError
from keras_inr.runs.overrides import parse_overrides
from keras_inr.signals import load_image

PICTURE = ("sample:coins", {"size": 32})


@pytest.mark.parametrize("goal", [None, "30dB", "40kB"])
def test_flags_give_the_network_that_was_chosen(goal):
    flags, reason = automatic_flags(*PICTURE, goal)
    choice = choose(load_image("sample:coins", size=32), goal)
    texts = {name: flags[name] for name in choice.candidate.arguments}
    assert parse_overrides(flags["preset"], texts) == choice.candidate.arguments
    assert (flags["steps"], flags["batch_size"]) == (STEPS, BATCH_SIZE)
    assert flags["learning_rate"] == choice.candidate.learning_rate
    assert flags.get("goal_psnr_db") == (30.0 if goal == "30dB" else None)
    assert reason == choice.reason


def test_seconds_become_steps_at_the_machine_s_pace():
    flags, _ = automatic_flags(*PICTURE, "0.5s")
    more, _ = automatic_flags(*PICTURE, "50s")
    assert flags["max_seconds"] == 0.5
    assert 1 <= flags["steps"] < more["steps"]


def test_a_goal_for_a_preset_that_is_given():
    assert goal_flags("41dB") == {"goal_psnr_db": 41.0}
    assert goal_flags("2s") == {"max_seconds": 2.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: goal_flags("50kB"), "goal must be in dB or s for a preset that is given, or --preset=auto, received"),
        (lambda: goal_flags("soon"), "goal must be a number with dB, kB or s behind it, such as 40dB, received 'soon'"),
        (lambda: automatic_flags(*PICTURE, "1kB"), "kB for this picture, received 1 kB"),
        (lambda: automatic_flags("sample:nobody", {}, None), "source 'sample:nobody' is unknown"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()
