"""Networks on the same pictures with equal budgets: fits, tables with intervals, curves, crops."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
