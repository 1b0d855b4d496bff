"""A field as operations for a browser: evaluated by NumPy it is what Keras says, or one sentence tells why not."""

import keras
import numpy as np
import pytest
from export.small_fields import SMALL, small_field

from keras_inr.errors import InputError
from keras_inr.models import Field, Siren
from keras_inr.models.preset import PresetInfo
from keras_inr.presets import from_preset, list_presets
from keras_inr.signals.image import load_image
from keras_inr.web.description import describe
from keras_inr.web.evaluation import evaluate

LEVEL = 1 / 255
COORDS = np.random.default_rng(0).uniform(-1.02, 1.02, (3000, 2)).astype("float32")


def difference(field, coords=COORDS):
    """The largest difference of clamped values between Keras and NumPy."""
    values = [np.clip(found, 0, 1) for found in (field(coords), evaluate(describe(field), coords))]
    return np.abs(values[0] - values[1]).max()


@pytest.mark.parametrize("info", list_presets(), ids=lambda info: info.name)
def test_every_preset_is_described(info: PresetInfo):
    field = from_preset(info.name, picture_size=(96, 128), seed=3)
    for weight in field.weights:  # tables start near 0, which would hide them
        if "table" in weight.name:
            weight.assign(np.random.default_rng(1).uniform(-1, 1, weight.shape))
    assert difference(field) < LEVEL / 4


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("channels", [1, 4])
def test_small_fields_with_other_channels(name, channels):
    assert difference(small_field(name, channels=channels)) < LEVEL / 4


def test_the_source_form_at_pixel_centres():
    """Where it jumps at the border of cells, its positions are rounded alike."""
    field = small_field("cell_grid_source")
    centres = load_image(np.zeros((20, 30, 3), "uint8")).coords
    assert difference(field, centres) < LEVEL / 4


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid", "softplus", "silu", "exponential"])
def test_layers_of_keras(activation):
    layers = [keras.layers.Dense(16, activation=activation), keras.layers.Dropout(0.5), keras.layers.Dense(5)]
    layers += [keras.layers.Activation("tanh"), keras.layers.Rescaling(0.5, 0.5), keras.layers.LeakyReLU(0.3)]
    field = Field([*layers, keras.layers.Dense(3)], picture_size=(20, 30))
    assert difference(field) < LEVEL / 4


def test_float16_where_it_may_do():
    """Half the bytes, and phases of coordinates stay float32."""
    description = describe(small_field("multi_hash"))
    assert 0 < description.exact < description.numbers.size / 4
    assert len(description.packed(half=True)) < 0.65 * len(description.packed(half=False))
    halved = description.halved()
    np.testing.assert_array_equal(halved.numbers[: halved.exact], description.numbers[: halved.exact])
    assert not np.array_equal(halved.numbers, description.numbers)
    read = np.frombuffer(halved.packed(half=True)[4 * halved.exact :], "<f2")
    np.testing.assert_array_equal(read.astype("float32"), halved.numbers[halved.exact :])


class Doubled(keras.layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


class Shifted(Siren):
    def call(self, coords, training=None):
        return super().call(coords) + 1


def of(*layers):
    return Field([*layers, keras.layers.Dense(3)], picture_size=(20, 30))


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (lambda: of(Doubled(4, name="twice")), "layer 'twice' is a Doubled, which has no form in a browser"),
        (lambda: of(keras.layers.Dense(4, "gelu", name="bent")), "layer 'bent' has the activation 'gelu'"),
        (lambda: of(keras.layers.LayerNormalization(name="norm")), "layer 'norm' is a LayerNormalization"),
        (lambda: Shifted(units=(4,), picture_size=(4, 4)), "Shifted has a call of its own"),
        (lambda: Siren(units=(4,)), "picture_size"),
        (lambda: Siren(units=(4,), picture_size=(4, 4), num_fields=2), "num_fields=2"),
        (lambda: Siren(units=(4,), picture_size=(4, 4), channels=5), "at most 4 channels, received 5"),
        (lambda: from_preset("relu_pe", num_frequencies=14, picture_size=(4, 4)), "'encoding' has 14 octaves"),
    ],
)
def test_what_has_no_form_is_told_in_a_sentence(field, told):
    with pytest.raises(InputError, match=told):
        describe(field())
