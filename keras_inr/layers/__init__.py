"""Layers that fields are stacked from."""

from keras_inr.layers.affine import Affine as Affine
from keras_inr.layers.hash_encoding import HashEncoding as HashEncoding
from keras_inr.layers.leaky_relu_dense import LeakyReluDense as LeakyReluDense
from keras_inr.layers.positional_encoding import PositionalEncoding as PositionalEncoding
from keras_inr.layers.sine_dense import SineDense as SineDense
from keras_inr.layers.value_range import ValueRange as ValueRange
