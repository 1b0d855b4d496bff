"""Fit pictures with coordinate networks in Keras, render them at any size, differentiate them, serve them."""

from keras_inr.backend import require_tensorflow as _require_tensorflow
from keras_inr.version import __version__ as __version__

_require_tensorflow()

from keras_inr.derivatives import curl as curl
from keras_inr.derivatives import divergence as divergence
from keras_inr.derivatives import gradient as gradient
from keras_inr.derivatives import hessian as hessian
from keras_inr.derivatives import jacobian as jacobian
from keras_inr.derivatives import laplacian as laplacian
from keras_inr.export import export_saved_model as export_saved_model
from keras_inr.initializers import Scheme as Scheme
from keras_inr.initializers import get_scheme as get_scheme
from keras_inr.layers import HashEncoding as HashEncoding
from keras_inr.layers import PositionalEncoding as PositionalEncoding
from keras_inr.layers import SineDense as SineDense
from keras_inr.models import MultiHash as MultiHash
from keras_inr.models import ReluMLP as ReluMLP
from keras_inr.models import Siren as Siren
from keras_inr.models import from_preset as from_preset
from keras_inr.models import list_presets as list_presets
from keras_inr.signals import list_pictures as list_pictures
from keras_inr.signals import load_image as load_image
from keras_inr.training import fit as fit
from keras_inr.training import fit_many as fit_many
