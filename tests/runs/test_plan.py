"""What a fit is asked to be becomes what it is: networks that are chosen, goals, rates that are found."""

import dataclasses
import json
import re

import pytest
from small_runs import make_settings, plan, run_planned

from keras_inr.choosing.choice import choose
from keras_inr.choosing.goal import Goal
from keras_inr.choosing.sizes import ladder, num_parameters
from keras_inr.cli.preset_arguments import parse_overrides
from keras_inr.cli.training_flags import values_of
from keras_inr.errors import ImageError, InputError
from keras_inr.models.siren import Siren
from keras_inr.presets import get_preset
from keras_inr.runs import plan as planning
from keras_inr.runs.plan import EPOCHS, MOST_EPOCHS, Plan, check_size, plan_fit, recipe_with_length
from keras_inr.signals import load_image
from keras_inr.training.range_test import find_learning_rate
from keras_inr.training.recipe import Recipe

OPTIONS = {"image_options": {"size": 32}}


def automatic(goal=None, **arguments):
    """What preset="auto" is for 25 x 32 pixels, and what was told of it."""
    told = []
    return plan_fit("sample:coins", "auto", goal=goal, tell=told.append, **OPTIONS, **arguments), told


class TestChosenNetworks:
    @pytest.mark.parametrize(
        ("goal", "goals", "epochs"),
        [
            (None, {}, EPOCHS),
            ("30dB", {"goal_psnr_db": 30.0, "grow": True}, MOST_EPOCHS),
            ("2s", {"max_seconds": 2.0}, MOST_EPOCHS),
            ("50kB", {}, EPOCHS),
        ],
    )
    def test_it_is_what_was_chosen(self, goal, goals, epochs):
        planned, told = automatic(goal)
        choice = choose(load_image("sample:coins", size=32), goal)
        assert (planned.plan.preset, planned.plan.arguments) == ("pixel_grid", choice.arguments)
        assert planned.field.count_params() == choice.num_parameters
        assert planned.plan.recipe == Recipe(**choice.recipe, epochs=epochs)
        expected = {"goal_psnr_db": None, "max_seconds": None, "grow": False, "max_parameters": None, **goals}
        assert {name: planned.plan.identity[name] for name in expected} == expected
        assert planned.larger == list(choice.larger)
        assert told == [
            "preset='auto' is choosing a network for sample:coins",
            f"preset='auto' is {choice.reason}",
        ]

    def test_a_goal_that_is_a_number(self):
        for given, goal in (({"goal_psnr_db": 30.0}, "30dB"), ({"max_seconds": 2.0}, "2s")):
            assert automatic(**given)[0].plan == automatic(goal)[0].plan

    def test_a_quality_is_chosen_for_before_a_time(self):
        found = automatic("30dB", max_seconds=9.0)[0].plan
        assert (found.goal_psnr_db, found.max_seconds, found.grow) == (30.0, 9.0, True)
        assert found.arguments == automatic("30dB")[0].plan.arguments
        assert automatic("9s", goal_psnr_db=30.0)[0].plan == found

    def test_it_need_not_grow(self):
        planned, _ = automatic("30dB", grow=False)
        assert (planned.plan.grow, planned.larger) == (False, [])

    def test_most_weights(self):
        layouts = ladder((25, 32))
        most = [num_parameters(layout, (25, 32), 1) for layout in layouts]
        for place in (0, 3):
            planned, _ = automatic("30dB", max_parameters=most[place])
            assert planned.plan.max_parameters == most[place]
            assert planned.field.count_params() <= most[place]
            assert [planned.field.layout, *planned.larger][-1] == layouts[place]
        assert automatic("30dB", max_parameters=most[0])[0].larger == []
        assert automatic("500kB", max_parameters=5000)[0].field.count_params() <= 5000

    @pytest.mark.parametrize(("length", "steps"), [({"steps": 20}, 20), ({"epochs": 3}, 6)])
    def test_a_length_that_is_given_stays(self, length, steps):
        planned, _ = automatic("60dB", recipe={**length, "batch_size": 300})
        assert (planned.total_steps, planned.plan.recipe.batch_size) == (steps, 300)

    def test_what_is_given_of_the_recipe_stays(self):
        recipe = automatic(recipe={"learning_rate": 0.03, "averaging": 2.0, "seed": 4})[0].plan.recipe
        assert (recipe.learning_rate, recipe.averaging, recipe.seed) == (0.03, 2.0, 4)
        assert (recipe.optimizer, recipe.schedule, recipe.beta_2) == ("muon", "inverse", 0.99)
        recipe = automatic(recipe={"schedule": "cosine"})[0].plan.recipe
        assert (recipe.schedule, recipe.averaging, recipe.learning_rate) == ("cosine", 0.0, 0.1)
        recipe = automatic(recipe={"optimizer": "adam"})[0].plan.recipe
        assert (recipe.averaging, recipe.learning_rate, recipe.beta_2) == (4.0, 0.01, Recipe.beta_2)  # its own

    @pytest.mark.parametrize("goal", ["30dB", "2s", "50kB"])
    def test_its_flags_repeat_it(self, goal):
        """As flags.cfg and run.json have them."""
        planned, _ = automatic(goal, max_parameters=5000, recipe={"seed": 3})
        values = json.loads(json.dumps(values_of(planned.plan)))
        given = {name: value for name, value in values.items() if value is not None}
        assert "goal" not in given
        recipe = {name: given[name] for name in dataclasses.asdict(planned.plan.recipe) if name in given}
        limits = {name: given.get(name) for name in ("goal_psnr_db", "max_seconds", "grow", "max_parameters")}
        told = {name: given[name] for name in ("layout", "units", "activation") if name in given}
        arguments = parse_overrides(given["preset"], told)
        for resumed in (None, json.loads(json.dumps(planned.plan.identity))):
            again = plan_fit(
                "sample:coins",
                given["preset"],
                arguments=arguments,
                recipe=recipe,
                resumed=resumed,
                **limits,
                **OPTIONS,
            )
            assert again.plan == planned.plan
            assert again.larger == planned.larger

    def test_a_run_that_is_gone_on_with_keeps_growing(self):
        planned, _ = automatic("30dB")
        started = json.loads(json.dumps(planned.plan.identity))
        recipe = {"epochs": MOST_EPOCHS}
        again = plan_fit(
            "sample:coins",
            "auto",
            goal="30dB",
            arguments=planned.plan.arguments,
            recipe=recipe,
            resumed=started,
            **OPTIONS,
        )
        assert again.plan == planned.plan

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

    @pytest.mark.slow
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
        ({"grow": True, "goal": "30dB"}, "grow needs a pixel grid, such as preset='pixel_grid', received a Siren"),
        ({"preset": "pixel_grid", "grow": True}, "grow needs a goal in dB, such as goal='40dB', received none"),
        ({"preset": "auto", "grow": True, "goal": "9s"}, "grow needs a goal in dB, such as goal='40dB', received none"),
        ({"preset": "auto", "max_parameters": 20}, "max_parameters must be at least 385 for this picture, received 20"),
        ({"max_parameters": 0}, "max_parameters must be a positive integer, received 0"),
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
