"""A Keras model around a field whose outputs are its values and derivatives."""

from collections.abc import Sequence
from typing import Any, Self

import keras
import tensorflow as tf

from keras_inr._arguments import one_of, positive_int
from keras_inr._custom_gradients import releases_gradients
from keras_inr.derivatives import METHODS, OUTPUTS, differentiate
from keras_inr.errors import InputError, InputTypeError
from keras_inr.kinks import kinks_of
from keras_inr.models.field import Field


@keras.saving.register_keras_serializable(package="keras_inr")
class Differentiated(keras.Model):
    """coords -> {"values": f, "jacobian": df/dcoords, "laplacian": sum_d d^2 f / dcoords_d^2}, or some of them.

    Trains with plain `compile(loss={...}, loss_weights={...})` and `fit`; the field inside is what is trained. Loss and
    loss weights have the keys that outputs has; targets are dicts with the same keys.

    Args:
        field: a `Field`; its own object, not a copy.
        outputs: some of "values" (..., channels), "jacobian" (..., channels, dims), "laplacian" (..., channels).
        method: "auto", "tape" or "forward", see `keras_inr.derivatives`.
        chunk: None, or how many points are differentiated at a time in a training step. Their gradients are summed,
            which takes memory for so many points only. The losses must be means over points. Batches whose number of
            points is not known when the step is traced, such as a shorter last one, are taken whole.

    Raises:
        InputTypeError: unless field is a `Field`.
        InputError: for unknown outputs or methods, or "laplacian" for a field with a kink.

    >>> from keras_inr.models import Siren
    >>> model = Differentiated(Siren(channels=1, seed=0), outputs=("values", "jacobian"))
    >>> weights = {"values": 1.0, "jacobian": 1e-3}
    >>> model.compile("adam", loss={"values": "mse", "jacobian": "mse"}, loss_weights=weights)
    >>> targets = {"values": tf.zeros((64, 1)), "jacobian": tf.zeros((64, 1, 2))}
    >>> sorted(model.fit(tf.random.uniform((64, 2)), targets, verbose=0).history)
    ['jacobian_loss', 'loss', 'values_loss']
    """

    def __init__(
        self,
        field: Field,
        outputs: Sequence[str] = OUTPUTS,
        method: str = "auto",
        chunk: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        if not isinstance(field, Field):
            raise InputTypeError(f"field must be a keras_inr.models.Field, received {field!r}")
        if not isinstance(outputs, (tuple, list)) or not outputs or not all(name in OUTPUTS for name in outputs):
            raise InputError(f"outputs must be some of {OUTPUTS}, received {outputs!r}")
        one_of("method", method, METHODS)
        reasons = kinks_of(field) if "laplacian" in outputs else []
        if reasons:
            raise InputError(f"a Laplacian needs a field with second derivatives, but {'; '.join(reasons)}")
        self.field = field
        self.outputs = tuple(name for name in OUTPUTS if name in outputs)
        self.method = method
        self.chunk = None if chunk is None else positive_int("chunk", chunk)
        self.build((None, field.num_dims))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.built = True  # as the field is

    quantize = Field.quantize

    def call(self, coords: tf.Tensor) -> dict[str, tf.Tensor]:
        coords = tf.cast(coords, self.field.values_dtype)
        return differentiate(self.field, coords, self.outputs, self.method)

    @releases_gradients
    def train_step(self, data: Any) -> dict[str, Any]:
        """One optimizer update, its gradients summed over chunks where there are any."""
        coords, targets, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.check_targets(targets, sample_weight)
        count = coords.shape[0]
        if self.chunk is None or count is None or count <= self.chunk:
            loss, gradients = self.loss_and_gradients(coords, targets)
        else:
            loss, gradients = self.summed_over_chunks(coords, targets, count)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(coords)[0])
        return self.get_metrics_result()

    def test_step(self, data: Any) -> dict[str, Any]:
        self.check_targets(*keras.utils.unpack_x_y_sample_weight(data)[1:])
        return super().test_step(data)

    def check_targets(self, targets: Any, sample_weight: Any) -> None:
        """Raises unless the targets are those of the outputs: a wrong axis would be broadcast in silence."""
        if any(weight is not None for weight in tf.nest.flatten(sample_weight)):
            raise InputError("sample_weight must be None: put weights into loss_weights, or into the targets")
        if not isinstance(targets, dict) or set(targets) != set(self.outputs):
            told = sorted(targets) if isinstance(targets, dict) else type(targets).__name__
            raise InputError(f"targets must be a dict with the keys {self.outputs}, received {told}")
        for name, shape in self.compute_output_shape((None, self.field.num_dims)).items():
            if not tf.TensorShape(shape).is_compatible_with(targets[name].shape):
                raise InputError(f"target {name!r} must have shape {tuple(shape)}, received {targets[name].shape}")

    def loss_and_gradients(
        self, coords: tf.Tensor, targets: dict[str, tf.Tensor], share: float = 1.0
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The share of the loss that these points have, and its gradients, scaled as the optimizer wants them."""
        weights = [weight.value for weight in self.trainable_weights]
        with tf.GradientTape() as tape:
            outputs = self(coords)
            loss = self.compute_loss(coords, targets, outputs) * share
            scaled = self.optimizer.scale_loss(loss)
        # a bias of the head has no gradient where only derivatives are fitted
        gradients = tape.gradient(scaled, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self.compute_metrics(coords, targets, outputs)
        return loss, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def summed_over_chunks(
        self, coords: tf.Tensor, targets: dict[str, tf.Tensor], count: int
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Loss and gradients over whole chunks and what is left behind them."""
        chunk = self.chunk or count

        def add(first, size, loss, gradients):
            part = {name: rows_of(target, first, size) for name, target in targets.items()}
            share, more = self.loss_and_gradients(rows_of(coords, first, size), part, size / count)
            return loss + share, [total + gradient for total, gradient in zip(gradients, more, strict=True)]

        def body(i, loss, *gradients):
            loss, gradients = add(i * chunk, chunk, loss, gradients)
            return (i + 1, loss, *gradients)

        whole, rest = divmod(count, chunk)
        start = (0, tf.zeros((), self.field.values_dtype), *[tf.zeros_like(w.value) for w in self.trainable_weights])
        _, loss, *gradients = tf.while_loop(lambda i, *_: i < whole, body, start, parallel_iterations=1)
        return add(whole * chunk, rest, loss, gradients) if rest else (loss, gradients)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> dict[str, tuple[int | None, ...]]:
        values = self.field.compute_output_shape(input_shape)
        shapes = {"values": values, "jacobian": (*values, self.field.num_dims), "laplacian": values}
        return {name: shapes[name] for name in self.outputs}

    def compute_output_spec(self, coords: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        shapes = self.compute_output_shape(coords.shape)
        return {name: keras.KerasTensor(shape, dtype=self.field.values_dtype) for name, shape in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "field": keras.saving.serialize_keras_object(self.field),
            "outputs": self.outputs,
            "method": self.method,
            "chunk": self.chunk,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        field = keras.saving.deserialize_keras_object(config["field"], custom_objects=custom_objects)
        return cls(**{**config, "field": field})


def rows_of(tensor: tf.Tensor, first: int | tf.Tensor, size: int) -> tf.Tensor:
    """tensor[first : first + size] with a length that is known, as XLA needs it."""
    return tf.slice(tensor, [first] + [0] * (tensor.shape.rank - 1), [size, *tensor.shape[1:]])
