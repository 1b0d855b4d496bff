"""Pictures larger than memory: plan, fit and measure a field of blocks, window by window."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
