"""Optimizers from a recipe, apart for tables and network where they differ."""

from typing import Any

import keras

from keras_inr.models.field import Field
from keras_inr.training.muon import EXCLUDED, Muon
from keras_inr.training.recipe import Recipe
from keras_inr.training.schedules import make_schedule
from keras_inr.training.stacked_optimizers import StackedAdam, StackedMuon, StackedSGD

TABLES = ".*/table"
MUON_ADAM_RATIO = 0.1


def make_optimizer(recipe: Recipe, field: Field, num_pixels: int) -> keras.Optimizer:
    """The recipe's optimizer for a field's weights.

    Args:
        recipe: a `Recipe`.
        field: the model, single or stacked; weights named "table" are the tables.
        num_pixels: of the picture, for schedules in epochs.

    Returns:
        A Keras optimizer; a `MultiOptimizer` if the field has tables and the recipe treats them differently.

    >>> from keras_inr.models import MultiHash
    >>> from keras_inr.training.recipe import Recipe
    >>> type(make_optimizer(Recipe(steps=1, table_learning_rate=0.1), MultiHash(), 100)).__name__
    'MultiOptimizer'
    """
    network, tables = recipe, recipe.for_tables()
    has_tables = any(weight.path.endswith("/table") for weight in field.trainable_variables)

    def make(part):
        return _stacked(part, num_pixels, field.num_fields) if field.num_fields else _optimizer(part, num_pixels)

    if not has_tables or tables == network:
        return make(network)
    apart = keras.optimizers.OptimizerMap(make(network), {TABLES: make(tables)})
    return keras.optimizers.MultiOptimizer(apart)


def inner_optimizers(optimizer: keras.Optimizer) -> list[keras.Optimizer]:
    """The optimizers that hold a learning rate: a `MultiOptimizer`'s (tables first), a loss scaler's, or itself."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(optimizer, "optimizers", [optimizer])


def _optimizer(recipe: Recipe, num_pixels: int) -> keras.Optimizer:
    common: dict[str, Any] = {
        "learning_rate": make_schedule(recipe, num_pixels),
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.clip_norm or None,
    }
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=recipe.beta_1, **common)
    adam = {"beta_1": recipe.beta_1, "beta_2": recipe.beta_2, "epsilon": recipe.epsilon}
    if recipe.optimizer == "muon":
        decay = {"weight_decay": recipe.weight_decay, "adam_weight_decay": recipe.weight_decay}
        return Muon(**_muon(recipe), **{**common, **decay})
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(**adam, **{**common, "weight_decay": recipe.weight_decay})
    return keras.optimizers.Adam(**adam, **common)


def _muon(recipe: Recipe) -> dict[str, Any]:
    """Arguments of Muon and of the Adam in it."""
    adam = {"adam_beta_1": recipe.beta_1, "adam_beta_2": recipe.beta_2, "epsilon": recipe.epsilon}
    return {**adam, "exclude_layers": EXCLUDED, "adam_lr_ratio": MUON_ADAM_RATIO}


def _stacked(recipe: Recipe, num_pixels: int, num_fields: int) -> keras.Optimizer:
    common: dict[str, Any] = {
        "num_fields": num_fields,
        "learning_rate": make_schedule(recipe, num_pixels),
        "decay": recipe.weight_decay,
        "clip_norm": recipe.clip_norm,
    }
    if recipe.optimizer == "sgd":
        return StackedSGD(momentum=recipe.beta_1, **common)
    if recipe.optimizer == "muon":
        return StackedMuon(**_muon(recipe), **common, weight_decay=0.0, adam_weight_decay=0.0)
    return StackedAdam(beta_1=recipe.beta_1, beta_2=recipe.beta_2, epsilon=recipe.epsilon, **common)
