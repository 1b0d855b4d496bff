"""The backend that Keras is set to, in its environment variable or its keras.json."""

import re

import pytest

from keras_inr._backend import require_tensorflow


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('{"backend": "jax"}', "keras_inr needs Keras on TensorFlow, and the backend is 'jax': set KERAS_BACKEND="),
        ('{"backend": "nonsense"}', "keras_inr needs Keras on TensorFlow, and the backend is 'nonsense'"),
        ("[]", "keras.json must hold an object with Keras's settings, received []"),
        ('{"floatx": "bfloat16"}', "must be one of ('float16', 'float32', 'float64'), received 'bfloat16'"),
        ('{"floatx": ["float32"]}', "must be one of ('float16', 'float32', 'float64'), received ['float32']"),
        ('{"image_data_format": "hwc"}', "must be one of ('channels_last', 'channels_first'), received 'hwc'"),
        ('{"epsilon": 1}', "keras.json must be a float, received 1"),
    ],
)
def test_settings_that_nothing_can_be_imported_with(home, settings, message):
    (home / "keras.json").write_text(settings)
    with pytest.raises(ImportError, match=re.escape(message)) as caught:
        require_tensorflow()
    assert caught.value.name == "keras"  # by which scripts know it


def test_settings_that_cannot_be_read(home):
    (home / "keras.json").mkdir()
    with pytest.raises(ImportError, match=r"keras\.json, Keras's settings, cannot be read: Is a directory"):
        require_tensorflow()


@pytest.mark.parametrize(
    "settings", ["", "{cut", "\udcff", "{}", '{"floatx": "float16"}', '{"image_data_format": "channels_first"}']
)
def test_settings_that_do_no_harm(home, settings):
    (home / "keras.json").write_bytes(settings.encode(errors="surrogateescape"))
    require_tensorflow()


def test_the_environment_goes_before_the_settings(home, monkeypatch):
    (home / "keras.json").write_text('{"backend": "jax"}')
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    require_tensorflow()
