"""Which network, of which size, for how many steps: from measured fits."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
