"""What a fit is asked to be becomes what it is: networks that are chosen, goals, rates that are found."""

import json
import re

import pytest
from small_runs import make_settings, plan, run_planned

from keras_inr.choosing.candidates import sine_candidate
from keras_inr.choosing.choice import HEADROOM, Goal, choose
from keras_inr.choosing.expectations import POINTS_PER_STEP
from keras_inr.errors import ImageError, InputError
from keras_inr.models.siren import Siren
from keras_inr.presets import get_preset
from keras_inr.runs import plan as planning
from keras_inr.runs.plan import Plan, check_size, plan_fit, recipe_with_length, seconds_per_step
from keras_inr.signals import load_image
from keras_inr.training.range_test import find_learning_rate
from keras_inr.training.recipe import Recipe

OPTIONS = {"image_options": {"size": 32}}


def automatic(goal=None, **arguments):
    """What preset="auto" is for 25 x 32 pixels, and what was told of it."""
    told = []
    return plan_fit("sample:coins", "auto", goal=goal, tell=told.append, **OPTIONS, **arguments), told


class TestChosenNetworks:
    @pytest.mark.parametrize("goal", [None, "30dB", "40kB"])
    def test_it_is_what_was_chosen(self, goal):
        planned, told = automatic(goal)
        choice = choose(load_image("sample:coins", size=32), goal)
        assert (planned.plan.preset, planned.plan.arguments) == (choice.candidate.preset, choice.candidate.arguments)
        recipe = Recipe(steps=choice.steps, batch_size=POINTS_PER_STEP, learning_rate=choice.candidate.learning_rate)
        assert planned.plan.recipe == recipe
        assert planned.plan.goal_psnr_db == (30.0 if goal == "30dB" else None)
        assert told == [
            "preset='auto' is choosing a network for sample:coins",
            f"preset='auto' is {choice.reason}",
        ]

    def test_seconds_become_steps_at_the_machine_s_pace(self, monkeypatch):
        seen = []
        monkeypatch.setattr(planning, "seconds_per_step", lambda *arguments: seen.append(arguments) or 0.01)
        planned, told = automatic("50s", recipe={"seed": 7, "batch_size": 300})
        assert (planned.plan.recipe.steps, planned.plan.max_seconds) == (round(HEADROOM * 50 / 0.01), 50.0)
        assert f"; {planned.plan.recipe.steps} steps) for 50 s on" in told[-1]
        assert seen[-1][2:] == (7, 300)
        assert planned.plan.arguments["units"] in [candidate.arguments["units"] for candidate, *_ in seen]

    def test_the_pace_of_a_candidate_is_timed(self):
        assert 0 < seconds_per_step(sine_candidate(8, 9.0, 40), load_image("sample:coins", size=32), 0, 300) < 10

    @pytest.mark.parametrize(("length", "steps"), [({"steps": 20}, 20), ({"epochs": 3}, 6)])
    def test_a_length_that_is_given_stays(self, length, steps):
        planned, told = automatic("60dB", recipe={**length, "batch_size": 300})
        assert (planned.total_steps, planned.plan.recipe.batch_size) == (steps, 300)
        assert f"; {steps} steps) for 60 dB" in told[-1]
        assert ": not expected to be reached, " in told[-1]

    def test_a_picture_is_decoded_once(self, monkeypatch):
        loaded = []
        monkeypatch.setattr(planning, "load_image", lambda *a, **k: loaded.append(a) or load_image(*a, **k))
        automatic("25dB", recipe={"learning_rate": "auto"})
        assert len(loaded) == 1


class TestGoals:
    def test_of_a_preset_that_is_given(self):
        for goal, name, value in (("41dB", "goal_psnr_db", 41.0), ("2s", "max_seconds", 2.0)):
            found = plan_fit("sample:coins", "relu", goal=goal, **OPTIONS).plan
            assert {"goal_psnr_db": None, "max_seconds": None, name: value} == {
                "goal_psnr_db": found.goal_psnr_db,
                "max_seconds": found.max_seconds,
            }

    def test_of_a_run_that_is_gone_on_with(self):
        """Whose goals are given too, since its flags.cfg has been read."""
        started = {"preset": "relu", "learning_rate": 0.01, "goal_psnr_db": 25.0, "max_seconds": None}

        def again(goal):
            return plan_fit("sample:coins", "auto", goal=goal, goal_psnr_db=25.0, resumed=started, **OPTIONS).plan

        for goal in (None, "25dB", "500kB"):
            assert again(goal).goal_psnr_db == 25.0
        told = "goal must be that of the run, whose {} is {}, received {}"
        for goal, name, value in (("30 dB", "goal_psnr_db", 25.0), ("3 s", "max_seconds", None)):
            with pytest.raises(InputError, match=re.escape(told.format(name, value, goal))):
                again(goal)

    def test_beside_a_limit_of_another_kind(self):
        found = plan_fit("sample:coins", "relu", goal="25dB", max_seconds=3.0, **OPTIONS).plan
        assert (found.goal_psnr_db, found.max_seconds) == (25.0, 3.0)

    def test_a_size_that_is_kept(self):
        field = Siren(units=(8,), channels=1)
        check_size(field, Goal(30.0, "kB"))
        check_size(field, Goal(1.0, "dB"))
        with pytest.raises(InputError, match="kB for this network, received 2 kB"):
            check_size(field, Goal(2.0, "kB"))


class TestFoundRates:
    def test_it_is_that_of_the_run_s_own_field_picture_and_recipe(self):
        found = plan(make_settings(recipe={"learning_rate": "auto", "steps": 5, "optimizer": "adam"})).plan
        planned = plan(make_settings(recipe={"steps": 5, "optimizer": "adam"}))
        expected = find_learning_rate(planned.field, planned.signal, planned.plan.recipe).learning_rate
        assert found.recipe == Recipe(steps=5, batch_size=256, learning_rate=expected)

    @pytest.fixture
    def no_test(self, monkeypatch):
        def refuse(*given):
            raise AssertionError("a range test")

        monkeypatch.setattr(planning, "find_learning_rate", refuse)

    @pytest.mark.parametrize("recipe", [{}, {"learning_rate": 0.003}])
    def test_a_number_stays(self, no_test, recipe):
        own = get_preset("siren").own_recipes["adam"]["learning_rate"]
        settings = make_settings(recipe={"optimizer": "adam", **recipe})
        assert plan(settings).plan.recipe.learning_rate == recipe.get("learning_rate", own)

    def test_a_run_that_is_gone_on_with_keeps_its_rate(self, no_test, tmp_path):
        run_planned(make_settings(recipe={"steps": 5, "learning_rate": 0.25}), tmp_path / "run")
        started = json.loads((tmp_path / "run" / "run.json").read_text())["identity"]
        settings = make_settings(recipe={"steps": 5, "learning_rate": "auto"}, resumed=started)
        assert plan(settings).plan.recipe.learning_rate == 0.25

    def test_a_folder_is_looked_at_before_the_test(self, no_test):
        def refuse(plan):
            raise InputError("no such folder")

        with pytest.raises(InputError, match="no such folder"):
            plan(make_settings(recipe={"learning_rate": "auto"}, check=refuse))


def test_identity_has_neither_paths_nor_devices():
    plan = Plan("here/cat.png", "siren", recipe_with_length({}), weights="there/start.keras", weights_sha256="12")
    assert "cat" not in json.dumps(plan.identity)
    assert "start" not in json.dumps(plan.identity)
    assert plan.identity["weights_sha256"] == "12"
    assert plan.identity["steps"] == 2000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"goal": "soon"}, "goal must be a number with dB, kB, MB or s behind it, such as 40dB, received 'soon'"),
        ({"preset": "auto", "goal": "1kB"}, "kB for this picture, received 1 kB"),
        ({"image": "sample:nobody"}, "source 'sample:nobody' is unknown"),
        ({"preset": "auto", "recipe": {"epochs": -1.0}}, "epochs must be in (0, 1000000000]"),
        ({"goal": "25dB", "goal_psnr_db": 30.0}, "give one of goal and goal_psnr_db, received 25 dB and 30.0"),
        ({"goal": "5s", "max_seconds": 7.0}, "give one of goal and max_seconds, received 5 s and 7.0"),
        ({"goal": "50kB"}, "goal must be in dB or s for a preset that is given, or preset='auto', received 50 kB"),
        ({"preset": "auto", "arguments": {"units": (8,)}}, "one of list_presets() to take units, received 'auto'"),
        ({"preset": "auto", "recipe": {"supervise": "gradient"}}, "one of list_presets() for supervise='gradient'"),
        ({"preset": "auto", "resumed": {}}, "the run to resume is damaged: identity.preset is missing"),
        ({"image_options": {"sizes": 3}}, "received 'sizes'; did you mean 'size'?"),
        ({"recipe": {"learning_rate": "auto", "freeze": "tanh"}}, "freeze must name some of the layers sine_0"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        plan_fit(**{"image": "sample:coins", **OPTIONS, **arguments})


def test_a_bad_picture_is_an_image_error():
    with pytest.raises(ImageError):
        plan_fit("nowhere.png")
