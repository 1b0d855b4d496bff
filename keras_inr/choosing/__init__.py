"""Which network, and of which size, for a picture and a goal."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
