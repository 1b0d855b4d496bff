"""What every registered class of the package must do, as checks over examples; `checks_of` tells which apply."""

import dataclasses
import inspect
import itertools
import json

import keras
import numpy as np
import tensorflow as tf
from contract_rules import NUM_FIELDS, check_kink, check_rule

from keras_inr.models.differentiated import Differentiated
from keras_inr.models.field import Field
from keras_inr.models.modulated_siren import ModulatedSiren
from keras_inr.models.siren import Siren

ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
POLICIES = {
    "float32": "float32",
    "float64": "float64",
    "mixed_float16": "float16",
    "mixed_bfloat16": "bfloat16",
}


@dataclasses.dataclass(frozen=True)
class Example:
    """A class, the arguments to make an object with, and what to call it on.

    Args:
        cls, arguments: the factory.
        inputs: of a layer or field, points (6, dims); of a metric or loss, (targets, values); of an initializer, a
            shape; of a schedule, steps.
        growth: by how many roundings of the compute dtype a layer's largest output may be off.
        phase_growth: the same for what is formed from raw coordinates in at least float32, whatever the policy.
        fixed: names of the weights that are drawn and never trained.
        aside: names of layers that take part in training alone, so that a call does not read their weights.
    """

    cls: type
    arguments: dict
    inputs: object = None
    growth: float = 0.0
    phase_growth: float = 0.0
    fixed: tuple = ()
    aside: tuple = ()

    def __str__(self):
        words = [str(value) for value in self.arguments.values() if isinstance(value, str | float)]
        flags = [name for name, value in self.arguments.items() if value is True]
        return "-".join([self.cls.__name__, *words, *flags])

    def make(self, **overrides):
        return self.cls(**{**self.arguments, **overrides})

    def built(self, **overrides):
        """A layer whose weights are not constant: biases that start at zero would hide mistakes."""
        layer = self.make(**overrides)
        layer(self.inputs[None] if "num_fields" in overrides else self.inputs)
        rng = np.random.default_rng(0)
        for weight in layer.weights:
            if np.ptp(weight.numpy()) == 0:
                weight.assign(rng.normal(0, 0.1, weight.shape))
        return layer

    def init_arguments(self):
        """name -> default of what the class takes itself or hands on to a base class other than Keras's."""
        found = {}
        for base in itertools.takewhile(lambda base: not base.__module__.startswith("keras."), self.cls.__mro__):
            if "__init__" not in vars(base):
                continue
            for parameter in inspect.signature(base).parameters.values():
                if base is Field and self.cls is not Field and parameter.name == "layers":
                    continue  # a subclass has layers of its own
                if parameter.kind is not parameter.VAR_KEYWORD:
                    found.setdefault(parameter.name, parameter.default)
        return {name: default for name, default in found.items() if self.accepts(name, default)}

    def accepts(self, name, default):
        """False for an argument of a base class that the class sets itself."""
        if name in self.arguments or name in inspect.signature(self.cls).parameters:
            return True
        try:
            self.make(**{name: default})
        except TypeError:
            return False
        return True

    def assert_close(self, actual, expected, compute="float32", output="float32"):
        """Equal up to the rounding of the output itself, of the arithmetic before it, and of phases."""
        actual, expected = (tf.cast(values, "float64").numpy() for values in (actual, expected))
        phases = ROUNDING["float64" if compute == "float64" else "float32"]
        roundings = 2 * ROUNDING[output] + self.growth * ROUNDING[compute] + self.phase_growth * phases
        np.testing.assert_allclose(actual, expected, rtol=0, atol=roundings * np.abs(expected).max())


@dataclasses.dataclass(frozen=True)
class GivenLayers(Example):
    """An example of a field of layers that are given: each object has copies of its own, which draw fresh weights."""

    def make(self, **overrides):
        layers = [type(layer).from_config(layer.get_config()) for layer in self.arguments["layers"]]
        return super().make(**{"layers": layers, **overrides})


@dataclasses.dataclass(frozen=True)
class OfBlocks(Example):
    """An example of stacked fields that are blocks of a picture: each object has new ones, of its own policy."""

    def make(self, **overrides):
        lattice = self.arguments["lattice"]
        shared = {"picture_size": lattice.block_size, "dtype": overrides.get("dtype")}
        networks = [Siren((6,), num_fields=3, seed=1, **shared), Siren((4, 4), num_fields=1, seed=2, **shared)]
        if "reduced" in self.arguments:
            overrides = {
                "reduced": Siren((4,), picture_size=(5, 8), seed=3, dtype=shared["dtype"], name="reduced"),
                **overrides,
            }
        return super().make(**{"networks": networks, **overrides})


def checks_of(example):
    """The checks that apply to an example's kind of class."""
    if example.cls is Field:
        return GIVEN_LAYERS_CHECKS
    if isinstance(example, OfBlocks):
        return BLOCKS_CHECKS
    for kind, checks in CHECKS.items():
        if issubclass(example.cls, kind):
            return [check for check in checks if applies(check, example)]
    raise TypeError(f"tests/contract.py has no checks for {example.cls}")


def applies(check, example):
    if check is check_stacked_fields:
        return example.cls is not Field and "num_fields" in example.init_arguments()
    if check in (check_layer_seeds, check_initializer_seeds):
        return "seed" in example.init_arguments()
    return True


def check_config(example):
    made = example.make()
    config = made.get_config()
    for name in example.init_arguments():
        assert name in config, f"get_config lacks {name!r}"
        assert hasattr(made, name), f"no attribute is called as argument {name!r}"
    assert example.cls.from_config(config).get_config() == config
    text = json.dumps(keras.saving.serialize_keras_object(made), allow_nan=False)
    revived = keras.saving.deserialize_keras_object(json.loads(text))
    assert type(revived) is example.cls
    assert revived.get_config() == config


def check_disk(example, folder):
    """Through a .keras file, a model itself and a layer inside a small one, nothing changes by a bit."""
    stacked = {"num_fields": NUM_FIELDS} if applies(check_stacked_fields, example) else {}
    for overrides, points in (({}, example.inputs), (stacked, example.inputs[None])):
        layer = example.built(**overrides)
        model = layer
        if not isinstance(layer, keras.Model):
            model = keras.Sequential([keras.Input(batch_shape=points.shape), layer])
        model.save(folder / "model.keras")
        loaded = keras.saving.load_model(folder / "model.keras")
        revived = loaded if isinstance(layer, keras.Model) else loaded.layers[0]
        assert type(revived) is example.cls
        assert revived.get_config() == layer.get_config()
        for before, after in zip(layer.weights, revived.weights, strict=True):
            np.testing.assert_array_equal(before.numpy(), after.numpy())
        np.testing.assert_array_equal(loaded(points), model(points))


def check_disk_of_outputs(example, folder):
    """A model with a dict of outputs, through a .keras file, gives the same by the bit."""
    model = example.make()
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras")
    assert type(loaded) is example.cls
    assert loaded.get_config() == model.get_config()
    before, after = model(example.inputs), loaded(example.inputs)
    assert set(before) == set(after)
    for name, part in before.items():
        np.testing.assert_array_equal(after[name], part)


def check_policies(example):
    """dtype of the output, and its distance from the same weights' output in float64."""
    narrow = example.built()
    exact = example.make(dtype="float64")
    exact.build(example.inputs.shape)
    exact.set_weights(narrow.get_weights())
    expected = exact(example.inputs.astype("float64"))
    for policy, compute in POLICIES.items():
        layer = example.make(dtype=policy)
        layer.build(example.inputs.shape)
        layer.set_weights(narrow.get_weights())
        outputs = layer(example.inputs.astype("float64" if policy == "float64" else "float32"))
        output = layer.values_dtype if isinstance(layer, keras.Model) else compute
        assert outputs.dtype == output, f"{policy} gives {outputs.dtype}"
        example.assert_close(outputs, expected, compute, output)


def check_ranks(example):
    layer, points = example.built(), example.inputs
    expected = layer(points).numpy()
    example.assert_close(layer(points.reshape(2, 3, -1)), expected.reshape(2, 3, -1))
    example.assert_close(layer(points[0]), expected[0])


def check_batches(example):
    layer, points = example.built(), example.inputs
    example.assert_close(tf.concat([layer(points[:4]), layer(points[4:])], axis=0), layer(points))


def check_output_shape(example):
    layer, dims = example.make(), example.inputs.shape[-1]
    for shape in [(6, dims), (dims,), (2, 3, dims)]:
        expected = tuple(layer(example.inputs.ravel()[: np.prod(shape)].reshape(shape)).shape)
        assert tuple(layer.compute_output_shape(shape)) == expected
        unknown = tuple(layer.compute_output_shape((*[None] * (len(shape) - 1), dims)))
        assert unknown == (*[None] * (len(shape) - 1), expected[-1])
    assert len(layer.compute_output_shape((None, None))) == 2


def check_symbolic(example):
    layer, dims = example.make(), example.inputs.shape[-1]
    for points in (example.inputs, example.inputs.reshape(2, 3, dims)):
        inputs = keras.Input(points.shape[1:])
        outputs = layer(inputs)
        assert outputs.shape == tuple(layer.compute_output_shape(inputs.shape))
        assert outputs.dtype == "float32"
        example.assert_close(keras.Model(inputs, outputs)(points), layer(points))


def check_stacked_fields(example):
    """K fields in one object equal K objects with the slices of its weights; shared points go to all of them."""
    stacked = example.built(num_fields=NUM_FIELDS)
    fields = [example.built() for _ in range(NUM_FIELDS)]
    for k, field in enumerate(fields):
        field.set_weights([weight[k] for weight in stacked.get_weights()])
    points, dims = example.inputs, example.inputs.shape[-1]
    own = np.stack([np.roll(points, k, axis=0) for k in range(NUM_FIELDS)])
    for inputs in (own, own.reshape(NUM_FIELDS, 2, 3, dims), own[:, 0], own[:1]):
        if inputs.ndim == 2 and isinstance(stacked, Field):
            continue  # (N, 2) are points that all fields share
        expected = np.stack([field(inputs[k % len(inputs)]) for k, field in enumerate(fields)])
        outputs = stacked(inputs)
        assert tuple(stacked.compute_output_shape(inputs.shape)) == outputs.shape
        example.assert_close(outputs, expected)
    if isinstance(stacked, Field):
        example.assert_close(stacked(points), stacked(own[:1]))
        example.assert_close(stacked(points[0]), stacked(own[:1])[:, 0])
    assert tuple(stacked.compute_output_shape((1, None, dims))) == (NUM_FIELDS, None, expected.shape[-1])
    for weight in example.make(num_fields=NUM_FIELDS).weights:
        assert_drawn_apart(list(weight.numpy()))


def check_xla(example):
    layer = example.built()
    example.assert_close(tf.function(layer, jit_compile=True)(example.inputs), layer(example.inputs))


def check_gradients(example):
    """Every weight takes part: its gradient is there, finite and not zero; so is the points'."""
    layer, points = example.built(), tf.constant(example.inputs)
    with tf.GradientTape() as tape:
        tape.watch(points)
        weights = {weight.path: weight.value for weight in layer.weights}
        tape.watch(list(weights.values()))
        outputs = layer(points)
        total = tf.reduce_sum(outputs * np.random.default_rng(0).normal(size=outputs.shape).astype("float32"))
    for name, gradient in tape.gradient(total, {"inputs": points, **weights}).items():
        if any(part in example.aside for part in name.split("/")):
            continue
        assert gradient is not None, f"{name} is not used"
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.all(np.isfinite(gradient)), f"the gradient of {name} is not finite"
        assert np.any(gradient), f"the gradient of {name} is zero"
    assert {weight.name for weight in layer.non_trainable_weights} == set(example.fixed)


def check_export(example, folder):
    module = tf.Module()
    module.layer = example.built()
    points = tf.TensorSpec((None, example.inputs.shape[-1]), "float32")
    module.evaluate = tf.function(lambda inputs: module.layer(inputs), input_signature=[points])
    tf.saved_model.save(module, folder)
    loaded = tf.saved_model.load(folder)
    example.assert_close(loaded.evaluate(example.inputs), module.layer(example.inputs))


def check_layer_seeds(example):
    """Initial weights are a function of the seed and the place; without a seed they are fresh."""
    own_rules = {name: None for name in ("kernel_initializer", "bias_initializer") if name in example.arguments}

    def draw(seed):
        layer = example.make(seed=seed, **own_rules)
        layer.build(example.inputs.shape)
        return layer.get_weights()

    for first, again, other in zip(draw(1), draw(1), draw(2), strict=True):
        np.testing.assert_array_equal(first, again)
        assert np.ptp(first) == 0 or not np.array_equal(first, other)
    for first, again in zip(draw(None), draw(None), strict=True):
        assert np.ptp(first) == 0 or not np.array_equal(first, again)
    assert_drawn_apart(draw(1))
    assert_drawn_apart(draw(None))


def check_initializer_dtypes(example):
    for dtype in ROUNDING:
        values = example.make()(example.inputs, dtype=dtype)
        assert values.dtype == dtype
        assert values.shape == tuple(example.inputs)
        assert np.all(np.isfinite(tf.cast(values, "float64")))


def check_initializer_seeds(example):
    made = [example.make(seed=seed) for seed in (1, 1, 2, None, None)]
    made.append(example.cls.from_config(made[0].get_config()))
    first, again, other, fresh, fresh_again, revived = (one(example.inputs).numpy() for one in made)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, revived)
    # what is not random, such as zeros, is the same for every seed
    assert np.array_equal(first, other) == np.array_equal(fresh, fresh_again)


def check_metric_batches(example):
    """Batches add up, `reset_state` forgets them, and the state survives a graph."""
    metric, (targets, values) = example.make(), example.inputs
    metric.update_state(targets, values)
    whole = metric.result()
    assert np.all(np.isfinite(whole))
    metric.reset_state()
    update = tf.function(metric.update_state)
    axis = 0 if example.arguments.get("num_fields") is None else 1
    for batch in zip(*(np.split(part, [1], axis) for part in (targets, values)), strict=True):
        update(*batch)
    # sums of some float32 terms, ordered otherwise
    np.testing.assert_allclose(metric.result(), whole, rtol=4 * len(targets) * ROUNDING["float32"])


def check_loss_gradient(example):
    loss, (targets, values) = example.make(), map(tf.constant, example.inputs)

    def differentiate(values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            result = loss(targets, values)
        return result, tape.gradient(result, values)

    result, gradient = differentiate(values)
    assert np.isfinite(result)
    assert np.all(np.isfinite(gradient))
    assert np.any(gradient)
    for eager, compiled in zip((result, gradient), tf.function(differentiate, jit_compile=True)(values), strict=True):
        example.assert_close(compiled, eager)


def check_schedule(example):
    """Finite rates that are not negative, the same in a graph and after a config round trip."""
    schedule = example.make()
    revived, compiled = example.cls.from_config(schedule.get_config()), tf.function(schedule)
    rates = [float(schedule(step)) for step in example.inputs]
    assert np.all(np.isfinite(rates))
    assert min(rates) >= 0 < max(rates)
    np.testing.assert_array_equal([float(revived(step)) for step in example.inputs], rates)
    in_graph = [float(compiled(tf.constant(step, "int64"))) for step in example.inputs]
    # a few float32 operations, fused or not
    np.testing.assert_allclose(in_graph, rates, rtol=8 * ROUNDING["float32"])


def check_optimizer(example):
    """A step changes the weight, to a finite value, and the same way after a config round trip."""
    results = []
    for optimizer in (example.make(), example.cls.from_config(example.make().get_config())):
        weight = keras.Variable([1.0, 2.0])
        optimizer.apply([tf.constant([0.5, -0.5])], [weight])
        results.append(weight.numpy())
    assert np.all(np.isfinite(results[0]))
    assert np.all(results[0] != [1.0, 2.0])
    np.testing.assert_array_equal(*results)


def assert_drawn_apart(weights):
    """No two weights come from the same draws up to a scale, which would correlate by 1."""
    drawn = [weight.ravel() for weight in weights if weight.size >= 16 and np.ptp(weight) > 0]
    for first, second in itertools.combinations(drawn, 2):
        count = min(len(first), len(second))
        # 16 independent draws correlate by more than 0.95 once in 10^8 times
        assert np.abs(np.corrcoef(first[:count], second[:count])[0, 1]) < 0.95


POINTWISE_CHECKS = (
    check_config,
    check_disk,
    check_policies,
    check_ranks,
    check_batches,
    check_output_shape,
    check_symbolic,
    check_stacked_fields,
    check_xla,
    check_gradients,
    check_export,
    check_layer_seeds,
    check_rule,
    check_kink,
)
# of a model whose values have its pictures in front of the points; its fields are `Siren`s
SHARED_CHECKS = (
    check_config,
    check_disk,
    check_policies,
    check_symbolic,
    check_xla,
    check_gradients,
    check_export,
    check_layer_seeds,
)
# given layers have policies and seeds of their own, no weights of several fields, and no rules where they are foreign
GIVEN_LAYERS_CHECKS = tuple(
    check
    for check in POINTWISE_CHECKS
    if check not in (check_policies, check_stacked_fields, check_layer_seeds, check_rule, check_kink)
)
# which blocks are met depends on the points, which XLA cannot compile; seeds and stacking are those of the networks
BLOCKS_CHECKS = tuple(
    check for check in POINTWISE_CHECKS if check not in (check_xla, check_stacked_fields, check_layer_seeds)
)
CHECKS = {
    keras.metrics.Metric: (check_config, check_metric_batches),
    Differentiated: (check_config, check_disk_of_outputs),
    ModulatedSiren: SHARED_CHECKS,
    keras.layers.Layer: POINTWISE_CHECKS,
    keras.initializers.Initializer: (check_config, check_initializer_dtypes, check_initializer_seeds),
    keras.losses.Loss: (check_config, check_loss_gradient),
    keras.optimizers.schedules.LearningRateSchedule: (check_config, check_schedule),
    keras.optimizers.Optimizer: (check_config, check_optimizer),
}
