import numpy as np
import pytest
from contract_rules import check_rule
from layers import reference
from zoo_examples import derived

import keras_inr.models
from keras_inr import presets
from keras_inr.models import MultiHash, ReluMLP, Siren, from_preset, list_presets
from keras_inr.presets import get_preset

COORDS = np.random.default_rng(0).uniform(-1, 1, (40, 2)).astype("float32")
PUBLISHED = {  # names and numbers of parameters that the sources state
    "relu": 44099,
    "relu_pe": 51779,
    "siren": 44099,
    "multi_hash": 43977,
    "siren_jax": 198915,
    "siren_256": 198915,
}


def siren(omega_0, input_scale, low, high):
    def formula(coords, *weights):
        hidden, first = coords, input_scale
        for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            hidden, first = reference.sine_dense(hidden, kernel, bias, omega_0, first), 1.0
        return (reference.affine(hidden, *weights[-2:]) - low) / (high - low)

    return formula


def relu(coords, *weights):
    hidden = coords
    for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        hidden = reference.leaky_relu_dense(hidden, kernel, bias)
    return reference.affine(hidden, *weights[-2:])


def relu_pe(coords, *weights):
    return relu(reference.positional_encoding(coords, 8), *weights)


def multi_hash(coords, table, *weights):
    resolutions = reference.hash_resolutions(10, 2, 512)
    return relu(reference.hash_encoding(coords, table, resolutions, 4096), *weights)


FORMULAS = {
    "relu": relu,
    "relu_pe": relu_pe,
    "siren": siren(1.0, 1.0, 0, 1),
    "multi_hash": multi_hash,
    "siren_jax": siren(30.0, 1.0, -1, 1),
    "siren_256": siren(30.0, 0.57793, -1, 1),
}


def test_list_presets():
    told = {info.name: info.num_parameters for info in list_presets()}
    assert told.items() >= PUBLISHED.items()
    assert len(told) >= 20
    assert list(told) == sorted(told)
    assert all(info.summary and info.source for info in list_presets())


@pytest.mark.parametrize("info", list_presets(), ids=lambda info: info.name)
def test_number_of_parameters(info):
    field = from_preset(info.name)
    assert sum(np.prod(weight.shape) for weight in field.trainable_weights) == info.num_parameters


@pytest.mark.parametrize("name", ["siren_jax", "siren_256"])
def test_number_of_parameters_of_a_grey_field(name):
    assert from_preset(name, channels=1).count_params() == 198401


@pytest.mark.parametrize("name", PUBLISHED)
def test_formula(name):
    field = from_preset(name, seed=0)
    rng = np.random.default_rng(1)
    for weight in field.weights:  # tables start near 0 and biases at 0, which would hide them
        weight.assign(weight + 0.02 * rng.normal(size=weight.shape).astype("float32") * (weight.ndim == 1))
        if weight.name == "table":
            weight.assign(1e4 * weight)
    reference.assert_as_exact_as_numpy(field(COORDS), FORMULAS[name], COORDS, *field.get_weights())


@pytest.mark.parametrize(
    ("name", "cls", "arguments"),
    [
        ("relu", ReluMLP, {"units": (256, 128, 64, 32), "num_frequencies": 0, "negative_slope": 0.01}),
        ("relu_pe", ReluMLP, {"units": (256, 128, 64, 32), "num_frequencies": 8, "include_input": False}),
        ("siren", Siren, {"units": (256, 128, 64, 32), "omega_0": 1.0, "value_range": (0, 1)}),
        ("siren_jax", Siren, {"units": (256,) * 4, "omega_0": 30.0, "value_range": (-1, 1)}),
        ("siren_256", Siren, {"units": (256,) * 4, "omega_0": 30.0, "value_range": (-1, 1)}),
        ("multi_hash", MultiHash, {"units": (64, 64), "num_levels": 10, "table_size": 4096, "num_features": 2}),
    ],
)
def test_architecture(name, cls, arguments):
    field = from_preset(name)
    assert type(field) is cls
    assert {key: getattr(field, key) for key in arguments} == arguments
    assert field.picture_size is None
    assert field.channels == 3


def test_arguments_override_a_preset():
    field = from_preset("siren", units=(8,), scheme="paper", channels=1, picture_size=(3, 4), dtype="float64")
    assert (field.units, field.scheme.name, field.channels, field.picture_size) == ((8,), "paper", 1, (3, 4))
    assert field.dtype_policy.name == "float64"


def test_a_seed_makes_presets_repeatable():
    first, again, other = (from_preset("multi_hash", seed=seed)(COORDS) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_unknown_preset():
    with pytest.raises(ValueError, match=r"preset must be one of \['bacon', .*\], received 'vgg16'"):
        from_preset("vgg16")


def test_unknown_argument():
    with pytest.raises(ValueError, match=r"'num_levels' is not an argument of preset 'relu', which takes .*'units'"):
        from_preset("relu", num_levels=3)


@pytest.mark.parametrize(
    ("name", "arguments", "meant"),
    [
        ("sirne", {}, "siren"),
        ("siren", {"unit": (8, 8)}, "units"),
        ("siren", {"scheme": "papr"}, "paper"),
        ("siren", {"weights": "photo"}, "photos"),
        ("auto", {"goals": "30dB"}, "goal"),
        ("auto", {"signal": None, "sed": 3}, "seed"),
    ],
)
def test_names_that_were_meant(name, arguments, meant):
    with pytest.raises(ValueError, match=rf"; did you mean '{meant}'\?$"):
        from_preset(name, **arguments)


NEW = '''
import keras

from keras_inr.models.preset import Preset, PresetInfo
from keras_inr.models.siren import Siren


@keras.saving.register_keras_serializable(package="elsewhere")
class Twice(Siren):
    """A `Siren` with each width twice.

    Args:
        units: widths.
    """

    def __init__(
        self, units: tuple[int, ...] = (4, 4), channels=3, picture_size=None, num_fields=None, seed=None, **kwargs
    ):
        shared = {"channels": channels, "picture_size": picture_size, "num_fields": num_fields, "seed": seed}
        super().__init__(tuple(width for width in units for _ in (0, 1)), **shared, **kwargs)


PRESETS = (Preset(PresetInfo("twice", 95, "a test", "nobody"), Twice, {"units": (4,)}),)
'''


@pytest.fixture
def new_architecture(tmp_path, monkeypatch):
    """A file with a model and its presets, as if it lay beside the others."""
    (tmp_path / "twice.py").write_text(NEW)
    monkeypatch.setattr(keras_inr.models, "__path__", [*keras_inr.models.__path__, str(tmp_path)])
    presets._presets.cache_clear()
    yield
    presets._presets.cache_clear()


def test_an_architecture_is_one_file(new_architecture):
    assert "twice" in [info.name for info in list_presets()]
    assert from_preset("twice", channels=1).count_params() == 3 * 4 + 5 * 4 + 5
    known = {type(layer) for info in list_presets() for layer in from_preset(info.name).stack}
    examples = derived([get_preset("twice")], known)
    assert [example.cls.__name__ for example in examples] == ["Twice"]
    check_rule(examples[0])


def test_two_presets_of_one_name(new_architecture, tmp_path):
    (tmp_path / "thrice.py").write_text(NEW.replace("Twice", "Thrice"))
    presets._presets.cache_clear()
    with pytest.raises(ValueError, match=r"two presets have one name: .*'twice', 'twice'"):
        list_presets()
