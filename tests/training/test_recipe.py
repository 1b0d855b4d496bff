"""Recipe: what is allowed, and how many steps and points follow from it."""

import dataclasses
import inspect
import json
import math
import re
import typing

import numpy as np
import pytest

from keras_inr.training import PretrainingRecipe, Recipe, fit, fit_many
from keras_inr.training.recipe import OtherRecipeArguments, RecipeArguments, recipe_of
from keras_inr.training.starts.pretraining import PretrainingArguments

SQUARE = 512 * 512


@pytest.mark.parametrize("given", [{}, {"steps": 10, "epochs": 2}, {"steps": None, "epochs": None}])
def test_exactly_one_of_steps_and_epochs(given):
    received = f"received steps={given.get('steps')!r} and epochs={given.get('epochs')!r}"
    with pytest.raises(ValueError, match=re.escape(f"give one of steps and epochs, {received}")):
        Recipe(**given)


def test_arguments_that_were_meant():
    with pytest.raises(TypeError, match=r"Recipe takes no argument 'learning_rat'; did you mean 'learning_rate'\?"):
        Recipe(steps=1, learning_rat=0.1)
    with pytest.raises(ValueError, match=r"received 'cosin'; did you mean 'cosine'\?"):
        Recipe(steps=1, schedule="cosin")


@pytest.mark.parametrize("name", ["sampling", "optimizer", "schedule", "supervise", "derivative_rule"])
@pytest.mark.parametrize("value", ["Random", "", None, 3])
def test_choices(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be one of \(.*\), received {value!r}"):
        Recipe(steps=1, **{name: value})


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("steps", [1, 2**31 - 1, np.int64(7)], [0, -1, 2**31, 2.5, "10", math.nan]),
        ("epochs", [0.01, 3, 1e9], [0, -1, math.inf, math.nan, "3"]),
        ("batch_size", [0, 1, 2**27], [-1, 2**27 + 1, 10.5, None]),
        ("learning_rate", [1e-12, 1e3], [0, -1e-3, 1001, math.nan, math.inf, None, "1e-3"]),
        ("beta_1", [0, 0.9], [-0.1, 1, math.nan, None]),
        ("beta_2", [0, 0.999], [-0.1, 1, math.nan, None]),
        ("epsilon", [1e-15, 1], [0, 1.1, math.nan, None]),
        ("table_learning_rate", [None, 1e-12, 1e3], [0, -1, math.inf]),
        ("table_beta_1", [None, 0], [-0.1, 1]),
        ("table_beta_2", [None, 0], [-0.1, 1]),
        ("table_epsilon", [None, 1e-15], [0, 2]),
        ("warmup_epochs", [0, 0.5, 10], [-1, math.inf, None]),
        ("half_life_epochs", [0.1, 40], [0, -1, math.nan, None]),
        ("final_fraction", [0, 0.5, 1], [-0.1, 1.1, None]),
        ("plateau_factor", [0.1, 0.99], [0, 1, math.nan, None]),
        ("plateau_patience", [1, 500], [0, 1.5, None]),
        ("clip_norm", [0, 1, 1e9], [-1, math.inf, None]),
        ("seed", [0, 2**31 - 1], [-1, 2**31, 0.5, None, True]),
        ("value_weight", [0, 0.5], [-1, math.inf, None]),
        ("gradient_weight", [0, 1e9], [-1, math.nan]),
        ("laplacian_weight", [0, 1], [-0.1, "1"]),
    ],
)
def test_ranges(name, allowed, refused):
    length = {} if name in ("steps", "epochs") else {"steps": 1}
    for value in allowed:
        assert getattr(Recipe(**length, **{name: value}), name) == value
    for value in refused:
        with pytest.raises(ValueError, match=rf"^{name} must be .*in [\[(].*\], received {re.escape(repr(value))}$"):
            Recipe(**length, **{name: value})


def test_a_limit_below_1_is_not_rounded_up_to_it():
    with pytest.raises(ValueError, match=r"beta_1 must be in \[0, 0\.9999999\], received 1\.0"):
        Recipe(steps=1, beta_1=1.0)


def test_numbers_of_numpy_become_those_of_json():
    recipe = Recipe(steps=np.int64(3), batch_size=np.int32(8), learning_rate=np.float32(0.5))
    assert json.loads(json.dumps(dataclasses.asdict(recipe)))["learning_rate"] == 0.5


def test_something_must_be_supervised():
    weights = {"value_weight": 0, "gradient_weight": 0, "laplacian_weight": 0}
    with pytest.raises(ValueError, match="supervise='combined' needs one weight above 0, received 0 for all three"):
        Recipe(steps=1, supervise="combined", **weights)


@pytest.mark.parametrize("name", ["weight_decay", "table_weight_decay"])
def test_weight_decay_needs_an_optimizer_that_decouples_it(name):
    for optimizer in ("adamw", "sgd", "muon"):
        assert getattr(Recipe(steps=1, optimizer=optimizer, **{name: 0.25}), name) == 0.25
    with pytest.raises(ValueError, match=r"'adam' takes no weight_decay, received 0\.25: use 'adamw'"):
        Recipe(steps=1, optimizer="adam", **{name: 0.25})
    with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1000\], received -1"):
        Recipe(steps=1, optimizer="adamw", **{name: -1})


def test_a_recipe_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe(steps=1).steps = 2


@pytest.mark.parametrize(
    ("batch_size", "num_pixels", "expected"),
    [
        (16384, SQUARE, 16),  # descent's
        (16384, SQUARE + 16383, 16),
        (16384, 16383, 1),  # descent trains not at all on such
        (16384, 1, 1),
        (1, 7, 7),
        (0, SQUARE, 1),
    ],
)
@pytest.mark.parametrize("sampling", ["random", "shuffled", "continuous"])
def test_an_epoch_is_max_1_pixels_over_batch(sampling, batch_size, num_pixels, expected):
    recipe = Recipe(epochs=3, batch_size=batch_size, sampling=sampling)
    assert recipe.steps_per_epoch(num_pixels) == expected
    assert recipe.total_steps(num_pixels) == 3 * expected


@pytest.mark.parametrize(
    ("sampling", "batch_size", "points"),
    [
        ("random", 10, 10),
        ("random", 1000, 1000),  # with replacement: more points than pixels is a meaningful wish
        ("continuous", 1000, 1000),
        ("shuffled", 10, 10),
        ("shuffled", 1000, 100),  # each pixel at most once
        ("full", 10, 100),
        ("random", 0, 100),
        ("continuous", 0, 100),
        ("shuffled", 0, 100),
        ("full", 0, 100),
    ],
)
def test_points_per_step_of_a_picture_of_100_pixels(sampling, batch_size, points):
    recipe = Recipe(epochs=1, sampling=sampling, batch_size=batch_size)
    assert recipe.points_per_step(100) == points
    assert recipe.steps_per_epoch(100) == 100 // points or 1


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, 8), (0.01, 1), (1e-9, 1), (2.5, 40)])
def test_parts_of_epochs_are_rounded_to_steps_and_never_to_none(epochs, steps):
    assert Recipe(epochs=epochs).total_steps(SQUARE) == steps


def test_steps_are_taken_as_they_are():
    assert Recipe(steps=7).total_steps(1) == Recipe(steps=7).total_steps(SQUARE) == 7


def test_tables_take_their_own_settings_and_else_the_networks():
    network = Recipe(steps=1, optimizer="adamw", learning_rate=0.1, beta_1=0.8, weight_decay=0.01, clip_norm=3)
    assert network.for_tables() == network
    both = dataclasses.replace(network, table_learning_rate=0.2, table_beta_2=0.99, table_weight_decay=0.0)
    tables = both.for_tables()
    assert (tables.learning_rate, tables.beta_1, tables.beta_2) == (0.2, 0.8, 0.99)
    assert (tables.epsilon, tables.weight_decay, tables.clip_norm) == (1e-8, 0.0, 3)


@pytest.mark.parametrize("function", [fit, fit_many])
def test_signatures_have_every_argument_of_a_recipe(function):
    """Those that are named with the recipe's types, or None for the network's own; the rest with its types."""
    parameters = inspect.signature(function).parameters
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    named = [name for name in parameters if name in fields]
    assert named == ["steps", "epochs", "batch_size", "learning_rate", "optimizer", "schedule", "sampling", "seed"]
    for name in named:
        assert parameters[name].annotation in (fields[name].type, fields[name].type | None)
        assert parameters[name].default is None
    assert parameters["others"].annotation == typing.Unpack[OtherRecipeArguments]
    others = {name: field.type for name, field in fields.items() if name not in named}
    assert typing.get_type_hints(OtherRecipeArguments) == others


@pytest.mark.parametrize(
    ("arguments", "recipe"), [(RecipeArguments, Recipe), (PretrainingArguments, PretrainingRecipe)]
)
def test_keywords_are_those_of_a_recipe(arguments, recipe):
    assert typing.get_type_hints(arguments) == {field.name: field.type for field in dataclasses.fields(recipe)}


def test_the_docstring_of_fit_names_every_argument_of_a_recipe():
    missing = [field.name for field in dataclasses.fields(Recipe) if not re.search(rf"\b{field.name}\b", fit.__doc__)]
    assert missing == []


class TestRecipeOf:
    @staticmethod
    def call(recipe=None, *, steps=None, epochs=None, seed=None, goal_psnr_db=None, recipes=None, **others):
        arguments = {"recipe": recipe, "steps": steps, "epochs": epochs, "seed": seed, "others": others}
        return recipe_of(TestRecipeOf.call, arguments, recipes)

    def test_without_a_recipe(self):
        assert self.call(steps=3, clip_norm=1.0) == Recipe(steps=3, clip_norm=1.0)

    def test_defaults_do_not_replace_what_a_recipe_has(self):
        recipe = Recipe(steps=3, seed=1)
        assert self.call(recipe) == recipe
        assert self.call(recipe, seed=2) == Recipe(steps=3, seed=2)

    def test_a_value_that_equals_the_default_does(self):
        assert self.call(Recipe(steps=3, seed=1), seed=0) == Recipe(steps=3)

    def test_one_length_takes_the_place_of_the_other(self):
        assert self.call(Recipe(steps=3), epochs=2) == Recipe(epochs=2)
        assert self.call(Recipe(epochs=3), steps=2) == Recipe(steps=2)

    def test_the_network_has_the_next_word(self):
        recipes = {"muon": {"learning_rate": 0.02}, "adam": {"learning_rate": 0.003}}
        own = {"steps": 3, "recipes": recipes}
        assert self.call(**own) == Recipe(steps=3, optimizer="muon", learning_rate=0.02)
        assert self.call(**own, optimizer="adam") == Recipe(steps=3, learning_rate=0.003)
        assert self.call(**own, optimizer="sgd") == Recipe(steps=3, optimizer="sgd")
        assert self.call(**own, learning_rate=0.5) == Recipe(steps=3, optimizer="muon", learning_rate=0.5)
        assert self.call(Recipe(steps=3), recipes=recipes) == Recipe(steps=3)

    @pytest.mark.parametrize(
        ("name", "meant"), [("stps", "steps"), ("goal_psnr", "goal_psnr_db"), ("clipnorm", "clip_norm")]
    )
    def test_the_nearest_name(self, name, meant):
        with pytest.raises(TypeError, match=f"^call takes no argument '{name}'; did you mean '{meant}'\\?$"):
            self.call(**{name: 1})
