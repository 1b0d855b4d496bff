"""Optimizers from a recipe, apart for tables and network where they differ."""

import keras

from keras_inr.training.schedules import make_schedule

TABLES = ".*/table"


def make_optimizer(recipe, field, num_pixels):
    """The recipe's optimizer for a field's weights.

    Args:
        recipe: a `Recipe`.
        field: the model; weights named "table" are the tables.
        num_pixels: of the picture, for schedules in epochs.

    Returns:
        A Keras optimizer; a `MultiOptimizer` if the field has tables and the recipe treats them differently.

    >>> from keras_inr.models import MultiHash
    >>> from keras_inr.training.recipe import Recipe
    >>> make_optimizer(Recipe(steps=1, table_learning_rate=0.1), MultiHash(), 100).name
    'multi_optimizer'
    """
    network, tables = recipe, recipe.for_tables()
    has_tables = any(weight.path.endswith("/table") for weight in field.trainable_variables)
    if not has_tables or tables == network:
        return _optimizer(network, num_pixels)
    apart = keras.optimizers.OptimizerMap(_optimizer(network, num_pixels), {TABLES: _optimizer(tables, num_pixels)})
    return keras.optimizers.MultiOptimizer(apart)


def inner_optimizers(optimizer):
    """The optimizers that hold a learning rate: a `MultiOptimizer`'s (tables first), a loss scaler's, or itself."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(optimizer, "optimizers", [optimizer])


def _optimizer(recipe, num_pixels):
    common = {
        "learning_rate": make_schedule(recipe, num_pixels),
        "weight_decay": recipe.weight_decay or None,
        "global_clipnorm": recipe.clip_norm or None,
    }
    if recipe.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=recipe.beta_1, **common)
    adam = {"beta_1": recipe.beta_1, "beta_2": recipe.beta_2, "epsilon": recipe.epsilon}
    if recipe.optimizer == "adamw":
        return keras.optimizers.AdamW(**adam, **{**common, "weight_decay": recipe.weight_decay})
    return keras.optimizers.Adam(**adam, **common)
