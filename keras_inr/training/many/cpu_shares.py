"""The training step of stacked fields on the cores of a CPU: a share of the fields on each of them."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from keras_inr._cores import num_threads
from keras_inr._cpu_xla import cpu_xla
from keras_inr._custom_gradients import releases_gradients
from keras_inr.losses import StackedMeanSquaredError, field_means
from keras_inr.metrics import MSE, PSNR
from keras_inr.models.field import Field
from keras_inr.models.stacking import empty_stack
from keras_inr.training._shared_steps import compiled_once

SHARES_PER_CORE = 2
"""Several shares keep the cores busy to the end of a step."""

MOST_STEPS = 16
MOST_WORK = 2**34
"""Steps in a call of the training function, and multiplications in them, which are a fraction of a second."""


class CpuShares(keras.Model):
    """A stacked field that is trained share by share: XLA leaves a core idle between its many small operations.

    Fields do not know of each other, so that gradients of a share are those of the whole. Shares are calls of one
    compiled function, which TensorFlow runs at the same time; a second one updates all weights.

    Args:
        field: a stacked `Field`; it holds the weights.
        num_shares: how many, by default twice as many as there are cores.

    Call: as the field's. `compile` takes an optimizer and steps_per_execution; the loss is the sum over fields of each
    one's mean squared error, the metrics are `mse` and `psnr_db` of each.

    >>> from keras_inr.models import Siren
    >>> model = CpuShares(Siren(units=(8,), num_fields=5), num_shares=2)
    >>> model.shares
    [(0, 3), (3, 5)]
    """

    def __init__(self, field: Field, num_shares: int | None = None) -> None:
        super().__init__(dtype=field.dtype_policy)
        self.field = field
        assert field.num_fields is not None
        self.shares = shares(field.num_fields, num_shares or SHARES_PER_CORE * num_threads())
        self.mse, self.psnr_db = MSE(field.num_fields), PSNR(field.num_fields)
        self.total = keras.metrics.Mean(name="loss")
        self.apply_update = compiled_once(self.update, jit_compile=True)
        self.share_gradients = share_function(field, {last - first for first, last in self.shares})
        self.built = True

    def call(self, coords: tf.Tensor) -> tf.Tensor:
        return self.field(coords)

    @property
    def metrics(self) -> list[keras.Metric]:
        return [self.total, self.mse, self.psnr_db]

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        coords, targets = data
        trained, kept = ([v.value for v in vs] for vs in (self.trainable_variables, self.field.non_trainable_variables))
        parts = []
        for first, last in self.shares:
            cut = [w[first:last] for w in trained], [w[first:last] for w in kept]
            own = coords if coords.shape.rank == 2 else coords[first:last]
            parts.append(self.share_gradients(own, targets[first:last], *cut))
        losses, *parts = zip(*parts, strict=True)
        errors, clamped, *gradients = (tf.concat(tensors, 0) for tensors in parts)
        self.apply_update(sum(losses), errors, clamped, gradients, targets.shape[1] * targets.shape[2])
        return {metric.name: metric.result() for metric in self.metrics}

    @releases_gradients
    def update(
        self, loss: tf.Tensor, errors: tf.Tensor, clamped: tf.Tensor, gradients: list[tf.Tensor], count: int
    ) -> None:
        """Weights after a step, and its errors in the metrics."""
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric, means in ((self.mse, errors), (self.psnr_db, clamped)):
            metric.add(means * count, count)
        self.total.update_state(loss)


def share_function(field: Field, sizes: Iterable[int]) -> Callable[..., Any]:
    """A compiled function (coords, targets, trained, kept) -> (loss, errors, clamped errors, *gradients of trained).

    trained and kept are values of the trainable and the other weights of some of the fields, whose number is one of
    the sizes; errors are one for each.
    """
    templates = {size: template_field(field, size) for size in sizes}

    def share_gradients(coords, targets, trained, kept):
        template = templates[targets.shape[0]]
        variables = [*template.trainable_variables, *template.non_trainable_variables]
        with cpu_xla(), tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trained)
            with keras.StatelessScope(state_mapping=list(zip(variables, [*trained, *kept], strict=True))):
                values = template(coords)
                loss = template.compute_loss(coords, targets, values, training=True)
        errors = field_means(tf.math.squared_difference(targets, values))
        clamped = field_means(tf.math.squared_difference(targets, tf.clip_by_value(values, 0.0, 1.0)))
        return loss, errors, clamped, *tape.gradient(loss, trained, unconnected_gradients="zero")

    return compiled_once(share_gradients, jit_compile=True)


def template_field(field: Field, num_fields: int) -> Field:
    """A stacked field of the same network with the same layers frozen, which knows its loss."""
    template = empty_stack(field, num_fields)
    template.compile(loss=StackedMeanSquaredError(dtype=field.values_dtype))
    return template


def shares(num_fields: int, number: int) -> list[tuple[int, int]]:
    """Consecutive ranges of fields, as equal as can be and as many as `number` at most.

    >>> shares(5, 2), shares(2, 16)
    ([(0, 3), (3, 5)], [(0, 1), (1, 2)])
    """
    size = -(-num_fields // number)
    return [(first, min(first + size, num_fields)) for first in range(0, num_fields, size)]


def steps_per_execution(round_length: int, points: int, num_weights: int) -> int:
    """Steps in a call of the training function that divide a round and do not keep anyone waiting.

    >>> [steps_per_execution(length, 1024, weights) for length, weights in ((10, 10**5), (34, 10**5), (10, 10**7))]
    [10, 2, 1]
    """
    most = min(MOST_STEPS, MOST_WORK // (6 * points * num_weights))
    return max(steps for steps in range(1, max(1, most) + 1) if round_length % steps == 0)
