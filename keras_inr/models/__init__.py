"""Fields: models from coordinates to values."""

from keras_inr.models.differentiated import Differentiated as Differentiated
from keras_inr.models.field import Field as Field
from keras_inr.models.multi_hash import MultiHash as MultiHash
from keras_inr.models.presets import PresetInfo as PresetInfo
from keras_inr.models.presets import from_preset as from_preset
from keras_inr.models.presets import list_presets as list_presets
from keras_inr.models.relu_mlp import ReluMLP as ReluMLP
from keras_inr.models.siren import Siren as Siren
