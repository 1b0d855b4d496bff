"""Optimizers for K stacked fields: each step is the step that K separate optimizers would make."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_inr.training.muon import Muon


class StackedOptimizer(keras.optimizers.Optimizer):
    """What makes an optimizer of weights with a leading axis of K one of K fields.

    Adam and SGD work element by element, and Muon matrix by matrix, so that only what concerns a field as a whole has
    to be kept apart: its learning rate, the schedule's times `field_scale[k]`, decay by it, and the norm of its
    gradient.

    Args:
        num_fields: K.
        decay: of weights, per step and unit of learning rate. Keras's `weight_decay` knows one rate for all fields.
        clip_norm: norm over all weights of one field to which its gradient is shortened; 0 shortens none.
        **arguments: of the Keras optimizer.
    """

    def __init__(self, num_fields: int, decay: float = 0.0, clip_norm: float = 0.0, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.num_fields = num_fields
        self.decay = decay
        self.clip_norm = clip_norm

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if not self.built:
            self.field_scale = self.add_variable((self.num_fields,), initializer="ones", name="field_scale")
        super().build(variables)

    def apply(self, grads: Sequence[tf.Tensor], trainable_variables: Iterable[keras.Variable] | None = None) -> None:
        if not self.built and trainable_variables is not None:
            self.build(list(trainable_variables))
        if self.clip_norm:
            squares = [ops.sum(ops.square(grad), axis=tuple(range(1, len(grad.shape)))) for grad in grads]
            factor = self.clip_norm / ops.maximum(ops.sqrt(sum(squares)), self.clip_norm)
            grads = [grad * along(factor, grad) for grad in grads]
        if self.decay:
            for variable in self._trainable_variables if trainable_variables is None else trainable_variables:
                variable.assign(variable - variable * self.decay * self.rate_of(variable, self.learning_rate))
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        super().update_step(gradient, variable, self.rate_of(variable, learning_rate))

    def rate_of(self, variable: keras.Variable, learning_rate: tf.Tensor) -> tf.Tensor:
        """The learning rate of every field, shaped to be multiplied with the variable."""
        return ops.cast(learning_rate, variable.dtype) * along(ops.cast(self.field_scale, variable.dtype), variable)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("num_fields", "decay", "clip_norm")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_inr")
class StackedAdam(StackedOptimizer, keras.optimizers.Adam):
    """Adam, with decoupled weight decay if asked for, of K fields; see `StackedOptimizer`."""


@keras.saving.register_keras_serializable(package="keras_inr")
class StackedSGD(StackedOptimizer, keras.optimizers.SGD):
    """SGD with momentum of K fields; see `StackedOptimizer`."""


@keras.saving.register_keras_serializable(package="keras_inr")
class StackedMuon(StackedOptimizer, Muon):
    """Muon of K fields, each of whose kernels is orthogonalised by itself; see `StackedOptimizer`."""

    kernel_rank = 3


def along(factors: tf.Tensor, tensor: tf.Tensor) -> tf.Tensor:
    """Factors (K,) shaped (K, 1, ...) like a tensor (K, ...)."""
    return ops.reshape(factors, (-1, *[1] * (len(tensor.shape) - 1)))
