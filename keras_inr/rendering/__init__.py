"""A field on the pixels of a raster, as an array or a file."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
