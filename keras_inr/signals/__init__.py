"""Pictures as arrays: one call from a file, a sample, a data set or an array to values and coordinates."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
