"""Optimizers against NumPy float64, apart for tables and network."""

import keras
import numpy as np
import pytest

from keras_inr.layers import HashEncoding
from keras_inr.models import MultiHash, from_preset, list_presets
from keras_inr.training import Recipe
from keras_inr.training.fitting import compile_model
from keras_inr.training.optimizers import inner_optimizers, make_optimizer
from training.small_fits import small_field, small_objective

# Keras takes rates and powers of betas through float32: numbers that it holds exactly leave float64 arithmetic.
FLOAT64 = 1e-12
STEPS = 3
NETWORK = {"learning_rate": 0.0078125, "beta_1": 0.75, "beta_2": 0.9921875, "epsilon": 1e-3}
TABLES = {"table_learning_rate": 0.25, "table_beta_1": 0.5, "table_beta_2": 0.9375, "table_epsilon": 1e-2}


def random_gradients(field):
    rng = np.random.default_rng(0)
    return [[rng.standard_normal(v.shape) for v in field.trainable_variables] for _ in range(STEPS)]


def weights_after(field, recipe, gradients):
    """The weights by path after steps with given gradients."""
    optimizer = make_optimizer(recipe, field, num_pixels=100)
    optimizer.build(field.trainable_variables)
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradient], field.trainable_variables)
    return values(field)


def values(field):
    """The weights by path, without the model's name."""
    return {v.path.partition("/")[2]: v.numpy() for v in field.trainable_variables}


def numpy_adam(weight, gradients, learning_rate, beta_1, beta_2, epsilon, weight_decay=0.0):
    """Kingma and Ba 2015, end of section 2: bias correction in the rate, epsilon beside the uncorrected root."""
    mean, square = np.zeros_like(weight), np.zeros_like(weight)
    for t, gradient in enumerate(gradients, 1):
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        corrected = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        weight = weight * (1 - weight_decay * learning_rate) - corrected * mean / (np.sqrt(square) + epsilon)
    return weight


def numpy_sgd(weight, gradients, learning_rate, beta_1, beta_2, epsilon, weight_decay=0.0):
    velocity = np.zeros_like(weight)
    for gradient in gradients:
        velocity = beta_1 * velocity - learning_rate * gradient
        weight = weight * (1 - weight_decay * learning_rate) + velocity
    return weight


@pytest.mark.parametrize(
    ("optimizer", "reference", "decay"),
    [("adam", numpy_adam, (0.0, 0.0)), ("adamw", numpy_adam, (0.25, 0.75)), ("sgd", numpy_sgd, (0.25, 0.75))],
)
def test_tables_and_network_take_their_own_settings(optimizer, reference, decay):
    field = small_field("multi_hash", dtype="float64")
    before = values(field)
    gradients = random_gradients(field)
    decays = {"weight_decay": decay[0], "table_weight_decay": decay[1]}
    recipe = Recipe(steps=STEPS, optimizer=optimizer, schedule="constant", **NETWORK, **TABLES, **decays)
    after = weights_after(field, recipe, gradients)
    network = {**NETWORK, "weight_decay": decay[0]}
    tables = {**{name.removeprefix("table_"): value for name, value in TABLES.items()}, "weight_decay": decay[1]}
    assert len(after) == 5
    for i, (path, weight) in enumerate(after.items()):
        settings = tables if path.endswith("/table") else network
        expected = reference(before[path], [step[i] for step in gradients], **settings)
        np.testing.assert_allclose(weight, expected, rtol=FLOAT64, err_msg=path)


def test_one_setting_for_all_is_one_optimizer_with_the_same_steps():
    apart = {f"table_{name}": value for name, value in NETWORK.items()}
    gradients = random_gradients(small_field("multi_hash", dtype="float64"))
    fields = [small_field("multi_hash", dtype="float64") for _ in range(2)]
    recipes = [Recipe(steps=STEPS, schedule="constant", **NETWORK, **settings) for settings in ({}, apart)]
    assert all(type(make_optimizer(recipe, fields[0], 100)) is keras.optimizers.Adam for recipe in recipes)
    first, second = (weights_after(*pair, gradients) for pair in zip(fields, recipes, strict=True))
    for path in first:
        np.testing.assert_array_equal(first[path], second[path])


def test_table_settings_do_nothing_without_tables():
    recipe = Recipe(steps=1, **TABLES)
    assert type(make_optimizer(recipe, small_field("siren"), 100)) is keras.optimizers.Adam


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_weight_decay_alone(optimizer):
    field = small_field("siren", dtype="float64")
    before = values(field)
    recipe = Recipe(steps=2, optimizer=optimizer, schedule="constant", learning_rate=0.5, weight_decay=0.25)
    nothing = [[np.zeros(v.shape) for v in field.trainable_variables]] * 2
    for path, weight in weights_after(field, recipe, nothing).items():
        np.testing.assert_allclose(weight, before[path] * (1 - 0.5 * 0.25) ** 2, rtol=FLOAT64)


@pytest.mark.parametrize(("norm", "length"), [(0.0, 10.0), (2.5, 2.5), (40.0, 10.0)])
def test_clip_norm_is_over_all_weights(norm, length):
    field = small_field("siren", dtype="float64")
    gradient = random_gradients(field)[0]
    scale = 10 / np.sqrt(sum(np.sum(g**2) for g in gradient))
    before = values(field)
    recipe = Recipe(steps=1, optimizer="sgd", schedule="constant", learning_rate=1.0, beta_1=0.0, clip_norm=norm)
    after = weights_after(field, recipe, [[g * scale for g in gradient]])
    moved = np.sqrt(sum(np.sum((after[path] - before[path]) ** 2) for path in before))
    np.testing.assert_allclose(moved, length, rtol=FLOAT64)


def test_clip_norm_is_apart_for_tables():
    field = small_field("multi_hash", dtype="float64")
    before = values(field)
    plain = {"steps": 1, "optimizer": "sgd", "schedule": "constant", "beta_1": 0.0, "clip_norm": 0.5}
    recipe = Recipe(**plain, learning_rate=1.0, table_learning_rate=2.0)
    after = weights_after(field, recipe, random_gradients(field)[:1])
    moved = {path: np.sum((after[path] - before[path]) ** 2) for path in before}
    table = moved.pop("encoding/table")
    np.testing.assert_allclose([table**0.5, sum(moved.values()) ** 0.5], [2.0 * 0.5, 1.0 * 0.5], rtol=FLOAT64)


@pytest.mark.parametrize(
    "make",
    [
        *[pytest.param(lambda name=info.name: from_preset(name), id=info.name) for info in list_presets()],
        pytest.param(lambda: MultiHash(num_fields=2), id="stacked"),
        pytest.param(lambda: MultiHash(name="mine"), id="named"),
    ],
)
def test_every_table_of_every_model_is_found_and_nothing_else(make):
    field = make()
    tables = {id(layer.table) for layer in field.stack if isinstance(layer, HashEncoding)}
    optimizer = make_optimizer(Recipe(steps=1, **TABLES), field, num_pixels=100)
    assert isinstance(optimizer, keras.optimizers.MultiOptimizer) == bool(tables)
    if tables:
        for_tables = optimizer.optimizers[0]
        chosen = {id(v) for v in field.trainable_variables if optimizer._optimizer_map(v) is for_tables}
        assert chosen == tables


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("apart", [False, True])
def test_inner_optimizers_hold_the_learning_rates_tables_first(policy, apart):
    field = small_field("multi_hash", dtype=policy)
    settings = {"table_learning_rate": 0.5} if apart else {}
    compile_model(
        field,
        small_objective(field),
        Recipe(steps=10, learning_rate=0.25, schedule="constant", **settings),
        num_pixels=100,
    )
    assert isinstance(field.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    rates = [float(optimizer.learning_rate) for optimizer in inner_optimizers(field.optimizer)]
    assert rates == ([0.5, 0.25] if apart else [0.25])


def test_schedules_of_tables_and_network_have_one_shape():
    optimizer = make_optimizer(Recipe(epochs=100, learning_rate=0.01, table_learning_rate=0.1), MultiHash(), 2**16)
    table, network = inner_optimizers(optimizer)
    for step in (0, 100, 399):
        table.iterations.assign(step)
        network.iterations.assign(step)
        # two float32 numbers
        np.testing.assert_allclose(float(table.learning_rate), 10 * float(network.learning_rate), rtol=1e-6)


def test_muon_orthogonalises_the_steps_of_hidden_kernels_and_leaves_the_rest_to_adam():
    field = small_field("multi_hash", dtype="float64", units=(16, 16))
    before, gradient = values(field), random_gradients(field)[:1]
    recipe = Recipe(steps=1, optimizer="muon", schedule="constant", **NETWORK)
    adam = {**NETWORK, "learning_rate": NETWORK["learning_rate"] * np.float32(0.1)}
    for i, (path, weight) in enumerate(weights_after(field, recipe, gradient).items()):
        if path in ("relu_0/kernel", "relu_1/kernel"):
            step = NETWORK["learning_rate"] * 0.2 * np.sqrt(max(weight.shape))
            singular = np.linalg.svd(weight - before[path], compute_uv=False) / step
            # the quintic iteration brings singular values between 0.68 and 1.13, small ones not all the way
            assert singular.max() < 1.3
            assert np.median(singular) > 0.6
        else:
            expected = numpy_adam(before[path], [gradient[0][i]], **adam)
            # a tenth in float32
            np.testing.assert_allclose(weight, expected, rtol=1e-7, err_msg=path)
