"""Layers that fields are stacked from."""

from keras_inr.layers.affine import Affine as Affine
from keras_inr.layers.band_limited_filters import BandLimitedFilters as BandLimitedFilters
from keras_inr.layers.cell_encoding import CellEncoding as CellEncoding
from keras_inr.layers.finer_dense import FinerDense as FinerDense
from keras_inr.layers.gabor_dense import ComplexGaborDense as ComplexGaborDense
from keras_inr.layers.gabor_dense import GaborDense as GaborDense
from keras_inr.layers.gabor_filter import GaborFilter as GaborFilter
from keras_inr.layers.gauss_dense import GaussDense as GaussDense
from keras_inr.layers.gaussian_encoding import GaussianEncoding as GaussianEncoding
from keras_inr.layers.hash_encoding import HashEncoding as HashEncoding
from keras_inr.layers.leaky_relu_dense import LeakyReluDense as LeakyReluDense
from keras_inr.layers.learnt_sine_dense import LearntSineDense as LearntSineDense
from keras_inr.layers.multiplicative_filters import MultiplicativeFilters as MultiplicativeFilters
from keras_inr.layers.positional_encoding import PositionalEncoding as PositionalEncoding
from keras_inr.layers.sine_dense import SineDense as SineDense
from keras_inr.layers.value_range import ValueRange as ValueRange
