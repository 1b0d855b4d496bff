"""Whole runs: one call that loads, fits, measures, draws, exports and writes a run folder."""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
