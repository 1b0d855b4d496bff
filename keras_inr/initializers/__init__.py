"""How weights of coordinate networks are drawn: rules for one weight, schemes for a whole sine network."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
