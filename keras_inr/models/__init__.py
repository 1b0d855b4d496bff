"""Fields: models from coordinates to values."""

import importlib as _importlib
import pkgutil as _pkgutil

from keras_inr.models.bacon import Bacon as Bacon
from keras_inr.models.cell_grid import CellGrid as CellGrid
from keras_inr.models.differentiated import Differentiated as Differentiated
from keras_inr.models.field import Field as Field
from keras_inr.models.finer import Finer as Finer
from keras_inr.models.fourier_features import FourierFeatures as FourierFeatures
from keras_inr.models.gauss import Gauss as Gauss
from keras_inr.models.learnt_siren import LearntSiren as LearntSiren
from keras_inr.models.mfn import MultiplicativeFilterNetwork as MultiplicativeFilterNetwork
from keras_inr.models.modulated_siren import ModulatedSiren as ModulatedSiren
from keras_inr.models.multi_hash import MultiHash as MultiHash
from keras_inr.models.presets import PresetInfo as PresetInfo
from keras_inr.models.presets import from_preset as from_preset
from keras_inr.models.presets import list_presets as list_presets
from keras_inr.models.relu_mlp import ReluMLP as ReluMLP
from keras_inr.models.siren import Siren as Siren
from keras_inr.models.stacking import stack as stack
from keras_inr.models.stacking import unstack as unstack
from keras_inr.models.wire import Wire as Wire

for _module in _pkgutil.iter_modules(__path__, f"{__name__}."):
    # registers the classes of files that are not named above, so that .keras files which hold them load in any process
    _importlib.import_module(_module.name)
