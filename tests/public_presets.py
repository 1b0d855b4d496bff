"""Presets whose models `keras_inr.models` names. Some tests know them by name; what is but a file has the contract."""

import keras_inr.models
from keras_inr.presets import get_preset, list_presets

CLASSES = [getattr(keras_inr.models, name) for name in keras_inr.models.__all__]
PUBLIC = [info for info in list_presets() if get_preset(info.name).model in CLASSES]
