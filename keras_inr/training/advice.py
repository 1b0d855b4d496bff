"""Warns of a fit that is allowed, but cannot go well."""

import warnings

from keras_inr.errors import RecipeWarning
from keras_inr.models.field import Field
from keras_inr.signals.image import ImageSignal
from keras_inr.training.recipe import Recipe

FAR = 10.0
"""How many times as high or low as the measured rate another one is told of."""

FEW = 100
"""Numbers of a picture for each weight, beyond which a field can only be a blur of it."""


def advise(field: Field, signal: ImageSignal, recipe: Recipe) -> None:
    """Warns of a learning rate far from the measured one, and of a network far too small for its picture."""
    own = field.recipes.get(recipe.optimizer, {}).get("learning_rate")
    if own is not None and not own / FAR <= recipe.learning_rate <= own * FAR:
        warnings.warn(
            f"learning_rate={recipe.learning_rate:g} is far from {own:g}, which was measured best for this network "
            f"with optimizer={recipe.optimizer!r}: leave it out to have that",
            RecipeWarning,
            stacklevel=1,
        )
    weights, numbers = field.count_params(), signal.height * signal.width * signal.channels
    if weights * FEW < numbers:
        warnings.warn(
            f"a network of {weights:,} weights can only be a blur of {signal.width} x {signal.height} pixels: take a "
            "larger one, such as preset='auto' chooses, or a smaller picture with size=1024",
            RecipeWarning,
            stacklevel=1,
        )
