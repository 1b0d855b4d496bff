"""`Field([...])`: fields of Keras's layers and of a person's own, which say nothing of shapes, rules or kinks."""

import json
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_inr
from keras_inr.derivatives import differentiate, gradient, has_rules, hessian, laplacian
from keras_inr.export.saved_model import export_saved_model
from keras_inr.kinks import kinks_of
from keras_inr.layers import Affine, HashEncoding, PositionalEncoding, SineDense, ValueRange
from keras_inr.models import Differentiated, Field, stack, unstack
from keras_inr.models.field_files import bare_copy, read_field
from keras_inr.models.stacking import network_of
from keras_inr.signals import load_image

ROOT = pathlib.Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(0)
COORDS = RNG.uniform(-1, 1, (7, 2)).astype("float32")


class Squares(keras.layers.Layer):
    """(x W)^2; says its weights and nothing else."""

    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", name="kernel")

    def call(self, inputs):
        assert len(inputs.shape) == 2, "layers are given points (N, width)"
        return tf.square(tf.matmul(inputs, self.kernel))


class Inner(keras.layers.Layer):
    """A layer around others, without a build of its own."""

    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden, self.last = keras.layers.Dense(units, "tanh"), keras.layers.Dense(units)

    def call(self, inputs):
        return self.last(self.hidden(inputs))


OWN = {"Squares": Squares, "Inner": Inner}


def own_field(**arguments):
    return Field([Squares(name="squares"), Inner(name="inner"), keras.layers.Dense(3, name="head")], **arguments)


def dense_field(activation, **arguments):
    return Field([keras.layers.Dense(8, activation), keras.layers.Dense(3)], **arguments)


def formula(field, coords):
    """`own_field` in NumPy, in float64."""
    squares, *dense = [weight.numpy().astype("float64") for weight in field.weights]
    values = np.tanh((coords.astype("float64") @ squares) ** 2 @ dense[0] + dense[1])
    return (values @ dense[2] + dense[3]) @ dense[4] + dense[5]


def test_values_are_those_of_the_layers():
    field = own_field()
    assert (field.channels, len(field.weights), field.picture_size) == (3, 7, None)
    np.testing.assert_allclose(field(COORDS), formula(field, COORDS), rtol=0, atol=1e-6)
    assert tuple(field.compute_output_shape((5, 4, 2))) == (5, 4, 3)
    assert field(keras.Input((2,))).shape == (None, 3)


def test_layers_are_called_with_points_whatever_the_axes():
    """`Squares` and `keras.layers.Dense` take two axes and no fewer."""
    field = own_field()
    values = field(COORDS[:6]).numpy()
    np.testing.assert_allclose(field(COORDS[:6].reshape(3, 2, 2)), values.reshape(3, 2, 3), rtol=0, atol=1e-6)
    np.testing.assert_allclose(field(COORDS[0]), values[0], rtol=0, atol=1e-6)
    assert laplacian(field, COORDS[:6].reshape(3, 2, 2)).shape == (3, 2, 3)
    assert gradient(Field([Squares(), keras.layers.Dense(1)]), COORDS[0]).shape == (2,)


@pytest.mark.parametrize(("policy", "dtype"), [("float64", "float64"), ("mixed_float16", "float32")])
def test_policies(policy, dtype):
    """Layers keep their own; values have the field's dtype."""
    field = dense_field("tanh", dtype=policy)
    assert field(COORDS).dtype == field.values_dtype == dtype
    assert {weight.dtype for weight in field.weights} == {"float32"}
    keras.config.set_dtype_policy(policy)
    field = own_field()
    assert field(COORDS).dtype == dtype
    assert field.stack[0].compute_dtype == policy.removeprefix("mixed_")
    assert field.sample_grid(3, 4).dtype == dtype


def test_the_seed_does_not_reach_given_layers():
    first, again = (dense_field("tanh", seed=3) for _ in range(2))
    assert first.seed == 3
    assert not np.array_equal(first.weights[0], again.weights[0])
    keras.utils.set_random_seed(1)
    first = dense_field("tanh")
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(first.weights[0], dense_field("tanh").weights[0])


def test_one_layer_that_is_built_already_keeps_its_weights():
    layer = keras.layers.Dense(3)
    expected = layer(COORDS)
    np.testing.assert_array_equal(Field([layer])(COORDS), expected)


def test_layers_that_have_other_layers_inside():
    inputs = keras.Input((8,))
    residual = keras.Model(inputs, inputs + keras.layers.Dense(8, "sigmoid")(inputs))
    sequence = keras.Sequential([Squares(), keras.layers.Dense(1)])
    field = Field([keras.layers.Dense(8), residual, sequence])
    assert (field.channels, len(field.weights)) == (1, 7)
    assert gradient(field, COORDS).shape == (7, 2)
    assert kinks_of(field) == []


def test_training_and_inference_differ_where_layers_say_so():
    field = Field([keras.layers.Dense(16), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    assert not np.allclose(field(COORDS, training=True), field(COORDS))
    seen = []

    class Notes(keras.layers.Layer):
        def call(self, inputs, training=None):
            seen.append(bool(training))
            return inputs

    field = Field([keras.layers.Dense(1), keras.layers.BatchNormalization(), Notes()])
    signal = load_image(RNG.uniform(size=(6, 5)))
    keras_inr.fit(field, signal, steps=5, progress=False)
    assert True in seen
    assert np.any(field.stack[1].moving_mean.numpy())


def test_a_fit_learns_a_picture(tmp_path):
    signal = load_image("sample:chelsea", size=16)
    field = Field([PositionalEncoding(4), Inner(64), keras.layers.Dense(3)])
    result = keras_inr.fit(field, signal, steps=300, learning_rate=0.02, sampling="full", progress=False)
    assert result.psnr_db > 25
    assert field.picture_size == (signal.height, signal.width)
    assert field.render().shape == (signal.height, signal.width, 3)
    assert field.sample_grid(5, 6).shape == (5, 6, 3)


def test_a_fit_goes_on_in_layers_of_other_automatic_names(tmp_path):
    """Keras counts names up, so that a network that is made again in the same process has others."""
    signal = load_image(RNG.uniform(size=(6, 5, 3)))
    recipe = {"schedule": "constant", "checkpoint_dir": tmp_path, "progress": False}
    first, again = dense_field("tanh"), dense_field("tanh")
    assert first.stack[0].name != again.stack[0].name
    assert network_of(first) == network_of(again) != network_of(dense_field("relu"))
    keras_inr.fit(first, signal, steps=5, **recipe)
    assert keras_inr.fit(again, signal, steps=8, **recipe).steps == 8


def test_layers_can_be_frozen_by_name():
    field = own_field()
    before = field.get_weights()
    keras_inr.fit(field, load_image(RNG.uniform(size=(6, 5, 3))), steps=3, freeze="squares,head", progress=False)
    changed = [not np.array_equal(a, b) for a, b in zip(before, field.get_weights(), strict=True)]
    assert changed == [False, True, True, True, True, False, False]


def test_saved_and_loaded_with_custom_objects(tmp_path):
    field = own_field(picture_size=(6, 7), seed=5, name="mine")
    field.compile("adam", "mse")
    field.fit(COORDS, np.zeros((7, 3)), verbose=0)
    field.save(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras", custom_objects=OWN)
    assert type(loaded) is Field
    assert loaded.get_config() == field.get_config()
    assert (loaded.picture_size, loaded.seed, loaded.name) == ((6, 7), 5, "mine")
    assert loaded.optimizer.iterations.numpy() == 1
    np.testing.assert_array_equal(loaded(COORDS), field(COORDS))
    np.testing.assert_array_equal(loaded.render(), field.render())
    with keras.saving.custom_object_scope(OWN):
        assert read_field(tmp_path / "own.keras").count_params() == field.count_params()
        np.testing.assert_array_equal(bare_copy(field)(COORDS), field(COORDS))


@pytest.mark.parametrize("make", [own_field, lambda: Field([keras.Sequential([Squares()]), keras.layers.Dense(3)])])
def test_a_class_that_is_not_registered_is_named(make, tmp_path):
    make().save(tmp_path / "own.keras")
    told = r"a layer with the class 'Squares', which Keras does not know: put @keras\.saving\.register_keras_serial"
    with pytest.raises(ValueError, match=told) as error:
        keras.models.load_model(tmp_path / "own.keras")
    assert str(error.value).endswith("or give custom_objects={'Squares': Squares}")
    with pytest.raises(ValueError, match=rf"own\.keras cannot be loaded: the field has {told}"):
        read_field(tmp_path / "own.keras")


def test_a_layer_whose_config_does_not_make_it_is_named(tmp_path):
    class Forgetful(Squares):
        def get_config(self):
            return {**super().get_config(), "colour": "red"}

    Field([Forgetful(), keras.layers.Dense(1)]).save(tmp_path / "own.keras")
    with pytest.raises(ValueError, match="a layer 'Forgetful' of the field cannot be made from its config"):
        keras.models.load_model(tmp_path / "own.keras", custom_objects={"Forgetful": Forgetful})


class OwnStack(Field):
    """A subclass with layers of a person's own."""

    def __init__(self, width=8, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.set_stack([Squares(width), keras.layers.Dense(self.channels)])

    def get_config(self):
        return {**super().get_config(), "width": self.width}


class OwnArguments(Field):
    """A subclass that hands its layers on."""

    def __init__(self, width=8, **kwargs):
        super().__init__([Squares(width), keras.layers.Dense(2)], **kwargs)
        self.width = width

    def get_config(self):
        return {**super().get_config(), "width": self.width}


class OwnMethods(Field):
    """A subclass that takes layers as `Field` does."""

    def brightness(self):
        return float(np.mean(self.sample_grid()))


@pytest.mark.parametrize(
    ("make", "channels"),
    [
        (lambda: OwnStack(6, picture_size=(3, 4)), 3),
        (lambda: OwnStack(6, channels=1, picture_size=(3, 4)), 1),
        (lambda: OwnArguments(6, picture_size=(3, 4)), 2),
        (lambda: OwnMethods([Squares(), keras.layers.Dense(4)], picture_size=(3, 4)), 4),
    ],
)
def test_subclasses(make, channels, tmp_path):
    field = make()
    assert field.channels == channels
    field.save(tmp_path / "own.keras")
    known = {**OWN, "OwnStack": OwnStack, "OwnArguments": OwnArguments, "OwnMethods": OwnMethods}
    loaded = keras.models.load_model(tmp_path / "own.keras", custom_objects=known)
    assert type(loaded) is type(field)
    assert loaded.get_config() == field.get_config()
    np.testing.assert_array_equal(loaded.render(), field.render())
    assert differentiate(field, COORDS)["laplacian"].shape == (7, channels)


def test_derivatives_without_rules_are_taped():
    field = own_field()
    assert not has_rules(field)
    points = COORDS.astype("float64")
    jacobian = differentiate(field, COORDS, ("jacobian",))["jacobian"]
    step = 1e-5
    for axis in (0, 1):
        shift = step * np.eye(2)[axis]
        expected = (formula(field, points + shift) - formula(field, points - shift)) / (2 * step)
        np.testing.assert_allclose(jacobian[..., axis], expected, rtol=0, atol=1e-5)
    bends = hessian(field, COORDS)
    np.testing.assert_allclose(laplacian(field, COORDS), bends[..., 0, 0] + bends[..., 1, 1], rtol=1e-5, atol=1e-7)
    with pytest.raises(ValueError, match='method="forward" needs a field, whose layers have rules'):
        gradient(field, COORDS, method="forward")


def test_layers_with_rules_go_forward():
    field = Field([SineDense(8, first=True, seed=0), Affine(1, seed=1), ValueRange(-1, 1)])
    assert has_rules(field)
    forward, tape = (laplacian(field, COORDS, method=method).numpy() for method in ("forward", "tape"))
    np.testing.assert_allclose(forward, tape, rtol=0, atol=1e-4 * np.abs(tape).max())
    assert field(COORDS[0]).shape == (1,)


# second derivatives do not exist at a point, or jump there, as of elu at 0
KINKED = [
    "celu",
    "elu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "relu",
    "relu6",
    "selu",
    "soft_shrink",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
]
SMOOTH = [
    "exponential",
    "gelu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "squareplus",
    "tanh",
    "tanh_shrink",
]


@pytest.mark.parametrize("activation", [*KINKED, *SMOOTH])
def test_kinks_of_known_activations(activation):
    field = dense_field(activation)
    reasons = kinks_of(field)
    assert bool(reasons) == (activation in KINKED)
    if reasons:
        assert reasons[0].startswith(f"'{field.stack[0].name}' has the operation ")
        with pytest.raises(ValueError, match=r"laplacian does not exist everywhere, since 'dense.*' has the operation"):
            laplacian(field, COORDS)
        if activation != "softsign":  # TensorFlow has no second derivative of it
            assert laplacian(field, COORDS, allow_kinks=True).shape == (7, 3)
        with pytest.raises(ValueError, match="a Laplacian needs a field with second derivatives, but 'dense"):
            Differentiated(field)
    else:
        assert np.all(np.isfinite(laplacian(field, COORDS)))


def test_every_known_activation_is_in_a_list():
    others = {"get", "serialize", "deserialize", "glu", "threshold", "swish", "hard_swish"}  # not elementwise; aliases
    names = {name for name, value in vars(keras.activations).items() if callable(value)} - others
    assert names <= {*KINKED, *SMOOTH}


class Absolute(keras.layers.Layer):
    def call(self, inputs):
        return tf.abs(inputs)


class AbsoluteSquare(Absolute):
    """Smooth, although it has an operation that is not; its class says so."""

    kink = None

    def call(self, inputs):
        return tf.abs(inputs) ** 3


class Unspoken(AbsoluteSquare):
    """Another call, for which its parent's word is not taken."""

    def call(self, inputs):
        return tf.abs(inputs)


class Stated(Absolute):
    kink = "'stated' has a corner"

    def call(self, inputs):
        return tf.sin(inputs)


@pytest.mark.parametrize(
    ("layer", "reasons"),
    [
        (lambda: Absolute(name="own"), ["'own' has the operation Abs"]),
        (lambda: AbsoluteSquare(name="own"), []),
        (lambda: Unspoken(name="own"), ["'own' has the operation Abs"]),
        (lambda: Stated(name="stated"), ["'stated' has a corner"]),
        (lambda: Squares(name="own"), []),
    ],
)
def test_kinks_of_own_layers(layer, reasons):
    assert kinks_of(Field([keras.layers.Dense(4, "tanh"), layer(), keras.layers.Dense(1)])) == reasons


def test_layers_that_speak_for_themselves_are_not_searched():
    """A smoothstep has the operation Floor, and second derivatives."""
    lattice = {"num_levels": 3, "table_size": 64, "base_resolution": 3, "finest_resolution": 9}
    hidden = keras.layers.Dense(4, "tanh")
    assert kinks_of(Field([HashEncoding(**lattice, interpolation="smoothstep"), hidden])) == []
    (reason,) = kinks_of(Field([HashEncoding(**lattice, name="lattice"), keras.layers.Dense(4, "tanh")]))
    assert reason.startswith("'lattice' interpolates linearly")


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "relu", "elu", "relu6", "selu", "softsign", "log_softmax", "gelu"])
def test_exports_of_known_activations(activation, tmp_path):
    """With the signatures that their derivatives allow, answered as by the field: `export_saved_model` compares."""
    field = dense_field(activation)
    signatures = tf.saved_model.load(str(export_saved_model(field, tmp_path))).signatures
    smooth = ["laplacian"] if activation in SMOOTH else []
    assert set(signatures) == {"serving_default", "gradient", *smooth, "render", "render_png", "info"}
    answer = signatures["gradient"](coords=tf.constant(COORDS))
    np.testing.assert_allclose(answer["jacobian"], keras_inr.jacobian(field, COORDS), rtol=0, atol=1e-6)


def test_export_of_own_layers(tmp_path):
    field = own_field(picture_size=(4, 5))
    signatures = tf.saved_model.load(str(export_saved_model(field, tmp_path))).signatures
    assert set(signatures) == {"serving_default", "gradient", "laplacian", "render", "render_png", "info"}
    coords = tf.constant(COORDS)
    np.testing.assert_allclose(signatures["serving_default"](coords=coords)["values"], field(COORDS), atol=1e-6)
    answer = signatures["laplacian"](coords=coords)["laplacian"]
    np.testing.assert_allclose(answer, laplacian(field, COORDS), rtol=0, atol=1e-6)
    (text,) = signatures["info"](query=tf.constant([""]))["info"].numpy()
    assert (json.loads(text)["model"], json.loads(text)["channels"]) == ("Field", 3)


NOT_STACKED = (
    r"the weights of '.*' cannot be stacked with others, since .*: fit such fields one by one with keras_inr\.fit"
)


@pytest.mark.parametrize("make", [own_field, lambda: Field([SineDense(8, first=True), Affine(3)]), OwnStack])
def test_stacks_refuse_them(make):
    fields = [make(), make()]
    signals = [load_image(RNG.uniform(size=(6, 5, 3))) for _ in fields]
    with pytest.raises(ValueError, match=NOT_STACKED):
        stack(fields)
    with pytest.raises(ValueError, match=NOT_STACKED):
        keras_inr.fit_many(fields, signals, steps=3, progress=False)
    with pytest.raises(ValueError, match="field must be stacked, received num_fields=None"):
        unstack(fields[0])


class Twice(keras.layers.Layer):
    def call(self, inputs):
        return inputs, inputs


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Field(), TypeError, "layers must be given: Keras layers from coordinates to values, received None"),
        (lambda: Field(3), TypeError, "layers must be a list, received int"),
        (lambda: Field([]), ValueError, r"layers must be one at least, each with a name of its own, received \[\]"),
        (lambda: Field(keras.Sequential()), TypeError, "layers must be a list, received Sequential"),
        (lambda: Field([keras.layers.Dense]), TypeError, "must be a list of keras.layers.Layer, received <class '"),
        (lambda: Field([keras.Input((2,))]), TypeError, "must be a list of keras.layers.Layer, received <KerasTensor"),
        (lambda: Field(2 * [keras.layers.Dense(2, name="a")]), ValueError, r"of its own, received \['a', 'a'\]"),
        (
            lambda: Field([keras.layers.Dense(3)], channels=1),
            ValueError,
            "^channels must be what the last layer gives, 3, received 1$",
        ),
        (lambda: Field([keras.layers.Dense(3)], channels=0), ValueError, "channels must be a positive integer"),
        (
            lambda: Field([keras.layers.Dense(4), keras.layers.Reshape((2, 2))]),
            ValueError,
            r"layers must give values \(points, channels\) at points \(points, 2\), received .*shape=\(None, 2, 2\)",
        ),
        (lambda: Field([Twice()]), ValueError, r"layers must give values \(points, channels\)"),
        (
            lambda: Field([keras.layers.Dense(3, name="own")], num_fields=2),
            ValueError,
            "num_fields must be that of all layers, but 'own' is not one of so many fields, received 2",
        ),
        (
            lambda: OwnStack(num_fields=2),
            ValueError,
            r"num_fields must be that of all layers, but 'squares.*, received 2",
        ),
        (lambda: Field([Affine(3)], num_fields=2), ValueError, r"num_fields must be .* but 'affine.*, received 2"),
        (lambda: Field([Affine(3, num_fields=2)]), ValueError, r"num_fields must be .* but 'affine.*, received None"),
        (lambda: OwnStack(layers=[keras.layers.Dense(3)]), TypeError, "OwnStack has layers of its own, so that layers"),
        (lambda: Field([keras.layers.Dense(3)])(np.zeros((4, 3))), ValueError, "last axis of 2"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, keras_inr.errors.InputError)


def test_example_of_the_readme():
    """It runs as it stands."""
    blocks = re.findall(r"```python\n(.*?)```\n", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    (block,) = [block for block in blocks if "keras_inr.Field(" in block]
    found = {}
    exec(block, found)
    assert found["field"].channels == 3
    assert found["field"].render(4, 5).shape == (4, 5, 3)
