"""Many pictures in, a model of each out: on this machine, or on a Ray cluster."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
