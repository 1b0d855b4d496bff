"""Keras models whose `fit` learns the weights that other fits start from."""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_inr._custom_gradients import releases_gradients
from keras_inr.metrics import MSE, PSNR
from keras_inr.models.field import Field
from keras_inr.models.stacking import empty_stack
from keras_inr.training.freezing import frozen_layers


class OuterModel(keras.Model):
    """Learns the weights of a field over batches of K pictures; what one step does is a subclass's `step`.

    Args:
        field: a single `Field`, whose weights are the start and are trained.
        num_pictures: K, pictures in a step.

    Data are coords (S, K, N, 2) and targets (S, K, N, channels): S batches of N points of each of K pictures.
    """

    def __init__(self, field: Field, num_pictures: int) -> None:
        super().__init__(dtype=field.dtype_policy)
        self.field = field
        stacked = empty_stack(field, num_pictures)
        for variable, shared in zip(stacked.non_trainable_variables, field.non_trainable_variables, strict=True):
            variable.assign(tf.broadcast_to(shared, variable.shape))
        self.hidden = {"stacked": lambda: stacked}  # not Keras's to track: only its arithmetic is used
        self.num_pictures = num_pictures
        self.watched = [MSE(name="loss"), PSNR()]
        self.built = True

    def call(self, coords: tf.Tensor) -> tf.Tensor:
        return self.field(coords)

    @property
    def trained_variables(self) -> list[keras.Variable]:
        """The variables that a step changes."""
        return self.field.trainable_variables

    @releases_gradients
    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        coords, targets = data
        values, gradients = self.step(tf.unstack(coords), tf.unstack(targets))
        self.optimizer.apply(gradients, self.trained_variables)
        for metric in self.watched:
            metric.update_state(targets[-1], values)
        return {metric.name: metric.result() for metric in self.watched}

    def step(self, coords: Sequence[tf.Tensor], targets: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One outer step.

        Args:
            coords, targets: lists of S tensors (K, N, 2) and (K, N, channels).

        Returns:
            Values (K, N, channels) on the last batch, and the gradients of `trained_variables`.
        """
        raise NotImplementedError

    def copies(self) -> list[tf.Tensor]:
        """The field's trainable weights for each of K pictures, (K, ...) each."""
        return [tf.repeat(weight.value[None], self.num_pictures, axis=0) for weight in self.field.trainable_variables]

    def values(self, weights: Sequence[tf.Tensor], coords: tf.Tensor) -> tf.Tensor:
        """K fields with given weights (K, ...) at coords (K, N, 2)."""
        stacked = self.hidden["stacked"]()
        return stacked.stateless_call(weights, stacked.non_trainable_variables, coords)[0]

    def loss_of(
        self, weights: Sequence[tf.Tensor], coords: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Sum over pictures of their mean squared errors, and the values."""
        values = self.values(weights, coords)
        error = tf.math.squared_difference(values, targets)
        return tf.reduce_sum(tf.reduce_mean(error, axis=[1, 2])), values

    def gradients_of(
        self, weights: Sequence[tf.Tensor], coords: tf.Tensor, targets: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Gradients of each picture's loss for its weights, and the values."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, values = self.loss_of(weights, coords, targets)
        return tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO), values


class Reptile(OuterModel):
    """start += rate * (mean over pictures of the weights after S steps of Adam - start).

    Args:
        field, num_pictures: as in `OuterModel`.
        inner_learning_rate: of the S steps, each on a batch of its own. They are Adam's, without bias towards the
            sizes of gradients, since Adam is what fits start with; its moments begin at nothing for every picture.

    The step outside is the optimizer's, for which start - mean is the gradient: SGD with rate 1 takes the mean itself.
    Source: Nichol, Achiam and Schulman 2018, algorithm 1 with Adam inside.
    """

    def __init__(self, field: Field, num_pictures: int, inner_learning_rate: float) -> None:
        super().__init__(field, num_pictures)
        self.inner_learning_rate = inner_learning_rate

    def step(self, coords: Sequence[tf.Tensor], targets: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """S steps of Adam for each picture, and start - mean as the gradients."""
        weights = self.copies()
        moments = [(tf.zeros_like(weight), tf.zeros_like(weight)) for weight in weights]
        for number, (points, wanted) in enumerate(zip(coords, targets, strict=True), start=1):
            gradients, values = self.gradients_of(weights, points, wanted)
            moments = [adam_moments(*pair, gradient) for pair, gradient in zip(moments, gradients, strict=True)]
            changes = [adam_change(*pair, number) for pair in moments]
            weights = [w - self.inner_learning_rate * change for w, change in zip(weights, changes, strict=True)]
        means = [tf.reduce_mean(weight, axis=0) for weight in weights]
        return values, [start.value - mean for start, mean in zip(self.trained_variables, means, strict=True)]


BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


def adam_moments(first: tf.Tensor, second: tf.Tensor, gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Adam's moments after one more gradient."""
    return first + (1 - BETA_1) * (gradient - first), second + (1 - BETA_2) * (gradient**2 - second)


def adam_change(first: tf.Tensor, second: tf.Tensor, number: int) -> tf.Tensor:
    """What Adam's step of a number, counted from 1, takes from a weight, per unit of learning rate, as in Keras."""
    return first * (math.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)) / (tf.sqrt(second) + EPSILON)


class Maml(OuterModel):
    """Lowers the loss after S - 1 steps of gradient descent from the start, by its exact gradient for the start.

    Args:
        field, num_pictures: as in `OuterModel`.
        inner_learning_rate: of the steps; the last batch is what the loss is taken on.

    Source: Finn, Abbeel and Levine 2017; for fields Tancik et al., Learned Initializations for Optimizing
    Coordinate-Based Neural Representations, 2021, who take all pixels in every step.
    """

    def __init__(self, field: Field, num_pictures: int, inner_learning_rate: float) -> None:
        super().__init__(field, num_pictures)
        self.inner_learning_rate = inner_learning_rate

    def step(self, coords: Sequence[tf.Tensor], targets: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """S - 1 steps of gradient descent for each picture, and the gradients through them."""
        starts = [weight.value for weight in self.trained_variables]
        with tf.GradientTape() as tape:
            tape.watch(starts)
            weights = [tf.repeat(start[None], self.num_pictures, axis=0) for start in starts]
            for points, wanted in zip(coords[:-1], targets[:-1], strict=True):
                gradients, _ = self.gradients_of(weights, points, wanted)
                weights = [w - self.inner_learning_rate * g for w, g in zip(weights, gradients, strict=True)]
            loss, values = self.loss_of(weights, coords[-1], targets[-1])
            loss /= self.num_pictures
        return values, tape.gradient(loss, starts, unconnected_gradients=tf.UnconnectedGradients.ZERO)


class SharedLayers(OuterModel):
    """Fits K pictures at once with layers that they share and layers of their own.

    Args:
        field, num_pictures: as in `OuterModel`; the pictures are the same in every step.
        own: names of the layers that every picture has for itself, as in `frozen_layers`.

    The start takes the shared layers as they are and the mean over pictures of the others. Source: Vyas et al.,
    Learning Transferable Features for Implicit Neural Representations (STRAINER), 2024, who draw the others anew.
    """

    def __init__(self, field: Field, num_pictures: int, own: str = "head") -> None:
        super().__init__(field, num_pictures)
        layers = frozen_layers(field, own, "own")
        theirs = {id(variable) for layer in layers for variable in layer.trainable_variables}
        self.shared = [id(variable) not in theirs for variable in field.trainable_variables]
        self.own_weights = [
            None if shared else self.add_own(variable)
            for shared, variable in zip(self.shared, field.trainable_variables, strict=True)
        ]

    def add_own(self, variable: keras.Variable) -> keras.Variable:
        """K copies of a variable of the field, as a variable."""
        copies = tf.repeat(variable.value[None], self.num_pictures, axis=0)
        return self.add_weight(
            shape=copies.shape, initializer=lambda shape, dtype: copies, dtype=variable.dtype, name=variable.name
        )

    @property
    def trained_variables(self) -> list[keras.Variable]:
        """The variables that a step changes: shared ones, and those of all pictures."""
        pairs = zip(self.field.trainable_variables, self.own_weights, strict=True)
        return [shared if own is None else own for shared, own in pairs]

    def step(self, coords: Sequence[tf.Tensor], targets: Sequence[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """One step of all pictures together."""
        trained = [variable.value for variable in self.trained_variables]
        with tf.GradientTape() as tape:
            tape.watch(trained)
            weights = [
                tf.repeat(value[None], self.num_pictures, axis=0) if shared else value
                for value, shared in zip(trained, self.shared, strict=True)
            ]
            loss, values = self.loss_of(weights, coords[-1], targets[-1])
        return values, tape.gradient(loss, trained, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def finish(self) -> None:
        """Gives the field the mean of what the pictures have for themselves."""
        for variable, own in zip(self.field.trainable_variables, self.own_weights, strict=True):
            if own is not None:
                variable.assign(tf.reduce_mean(own.value, axis=0))
