"""Where a fit may be called and of what: anything else is one sentence."""

import re

import keras
import pytest
import tensorflow as tf

from keras_inr.export import export_saved_model
from keras_inr.models import from_preset
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit
from keras_inr.training.many.many_fits import fit_many

SIGNAL = load_image("sample:camera", size=12)


def small(**arguments):
    return from_preset("siren", units=(4,), channels=1, seed=0, **arguments)


def fits(field):
    """Fits that raise as soon as they look at the field."""
    return (
        lambda: fit(field, SIGNAL, steps=2, progress=False),
        lambda: fit_many([field], [SIGNAL], steps=2, progress=False),
    )


def test_weights_in_half_precision():
    keras.config.set_dtype_policy("float16")
    for call in fits(small()):
        with pytest.raises(ValueError, match=r"dtype='mixed_float16'.* received weights in 'float16'"):
            call()


def test_nothing_to_train():
    field = small()
    for layer in field.stack:
        layer.trainable = False
    for call in fits(field):
        with pytest.raises(ValueError, match=r"field must have a layer to be trained, received 'siren"):
            call()


def test_within_a_graph():
    for call in fits(small()):
        with (
            tf.Graph().as_default(),
            pytest.raises(RuntimeError, match="a fit must be called eagerly, received a call"),
        ):
            call()


def test_in_the_scope_of_a_strategy_that_the_field_is_not_of():
    field = small()
    with tf.distribute.OneDeviceStrategy("CPU:0").scope(), pytest.raises(ValueError, match="OneDeviceStrategy"):
        fit(field, SIGNAL, steps=2, progress=False)
    fit(field, SIGNAL, steps=2, progress=False)  # which has changed nothing


def test_quantizing_is_refused():
    with pytest.raises(NotImplementedError):
        small().quantize("int8")


@pytest.mark.parametrize("strategy", [tf.distribute.OneDeviceStrategy, tf.distribute.MirroredStrategy])
def test_many_fits_and_exports_are_made_outside_of_strategies(strategy, tmp_path):
    before = small()
    with strategy(*(["CPU:0"] if strategy is tf.distribute.OneDeviceStrategy else [["CPU:0"]])).scope():
        for field in (before, small()):
            with pytest.raises(
                ValueError, match=f"outside the scope .* received a call in that of {strategy.__name__}"
            ):
                fit_many([field], [SIGNAL], steps=2, progress=False)
            with pytest.raises(ValueError, match=f"exported outside the scope of a strategy, .* {strategy.__name__}"):
                export_saved_model(field, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"callbacks": [3]}, "callbacks must be keras.callbacks.Callback, received 3 among them"),
        ({"callbacks": 3}, "callbacks must be a list, received int"),
        ({"should_stop": 3}, "should_stop must be callable, received 3"),
        ({"checkpoint_dir": 3}, "checkpoint_dir must be a path, received 3"),
    ],
)
def test_what_keras_would_find_late(arguments, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        fit(small(), SIGNAL, steps=2, progress=False, **arguments)


def test_a_name_is_no_list_of_fields():
    with pytest.raises(TypeError, match="fields must be a list, received str"):
        fit_many("siren", [SIGNAL], steps=2)
