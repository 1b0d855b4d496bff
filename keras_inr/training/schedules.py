"""Learning rates over the steps of a run."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr.training.recipe import Recipe


def make_schedule(recipe: Recipe, num_pixels: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """The recipe's learning rate: a number, or a Keras schedule of the step.

    >>> from keras_inr.training.recipe import Recipe
    >>> schedule = make_schedule(Recipe(steps=100, learning_rate=0.01), num_pixels=16384)
    >>> float(schedule(0)), round(float(schedule(50)), 6), float(schedule(100))
    (0.009999999776482582, 0.005, 0.0)
    """
    steps_per_epoch = recipe.steps_per_epoch(num_pixels)
    if recipe.schedule == "warmup_exponential":
        return WarmupExponentialDecay(
            recipe.learning_rate, steps_per_epoch, recipe.warmup_epochs, recipe.half_life_epochs
        )
    if recipe.schedule == "cosine":
        total, warmup = recipe.total_steps(num_pixels), round(recipe.warmup_epochs * steps_per_epoch)
        warmup = min(warmup, total - 1)
        return CosineDecay(
            0.0 if warmup else recipe.learning_rate,
            decay_steps=total - warmup,
            alpha=recipe.final_fraction,
            warmup_target=recipe.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    if recipe.schedule == "inverse":
        return InverseDecay(recipe.learning_rate, max(1, round(recipe.hold_epochs * steps_per_epoch)))
    return recipe.learning_rate


def held(number: float) -> tf.Variable:
    """A number as a variable: what is traced with it is the same for every number, and is compiled once."""
    return tf.Variable(float(number), trainable=False, dtype="float32")


@keras.saving.register_keras_serializable(package="keras_inr")
class CosineDecay(keras.optimizers.schedules.CosineDecay):
    """`keras.optimizers.schedules.CosineDecay`, whose rates and lengths are variables, see `held`.

    >>> [round(float(CosineDecay(1.0, 10)(step)), 3) for step in (0, 5, 10)]
    [1.0, 0.5, 0.0]
    """

    _HELD = ("initial_learning_rate", "decay_steps", "warmup_target", "warmup_steps")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, alpha, name, warmup_target, warmup_steps)
        self._numbers = {name: getattr(self, name) for name in self._HELD}
        for name, number in self._numbers.items():
            if number is not None:  # warmup_target where there is no warm-up
                setattr(self, name, held(number))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._numbers}


@keras.saving.register_keras_serializable(package="keras_inr")
class InverseDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate times min(1, hold_steps / (step + 1)).

    With the weights averaged over the steps it is good at any time: no length has to be known before.

    Args:
        initial_learning_rate: learning rate of the first steps.
        hold_steps: how many they are.

    Source: Robbins and Monro, A Stochastic Approximation Method, 1951.

    >>> [float(InverseDecay(1.0, 10)(step)) for step in (0, 9, 19)]
    [1.0, 1.0, 0.5]
    """

    def __init__(self, initial_learning_rate: float, hold_steps: int) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.hold_steps = hold_steps
        self._rate, self._hold = held(initial_learning_rate), held(hold_steps)

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        return self._rate * ops.minimum(1.0, self._hold / (ops.cast(step, "float32") + 1.0))

    def get_config(self) -> dict[str, Any]:
        return {"initial_learning_rate": self.initial_learning_rate, "hold_steps": self.hold_steps}


@keras.saving.register_keras_serializable(package="keras_inr")
class WarmupExponentialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate times min(t / warmup_epochs, 1) * 0.5^(t / half_life_epochs), t = step // steps_per_epoch + 1/2.

    Args:
        initial_learning_rate: learning rate that the decay starts from.
        steps_per_epoch: steps that share a rate.
        warmup_epochs: 0 for none.
        half_life_epochs: epochs in which the rate halves.

    Source: descent's examples/image_fit, with initial_learning_rate 0.02, 10 and 40.

    >>> round(float(WarmupExponentialDecay(0.02, 16, 10, 40)(0)), 6)
    0.000991
    """

    def __init__(
        self, initial_learning_rate: float, steps_per_epoch: int, warmup_epochs: float, half_life_epochs: float
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.steps_per_epoch = steps_per_epoch
        self.warmup_epochs = warmup_epochs
        self.half_life_epochs = half_life_epochs
        numbers = (initial_learning_rate, steps_per_epoch, warmup_epochs, half_life_epochs)
        self._rate, self._per_epoch, self._warmup, self._half_life = map(held, numbers)

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        t = ops.floor(ops.cast(step, "float32") / self._per_epoch) + 0.5
        ramp = ops.minimum(t / self._warmup, 1.0) if self.warmup_epochs else 1.0
        return self._rate * ramp * 0.5 ** (t / self._half_life)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "steps_per_epoch": self.steps_per_epoch,
            "warmup_epochs": self.warmup_epochs,
            "half_life_epochs": self.half_life_epochs,
        }
