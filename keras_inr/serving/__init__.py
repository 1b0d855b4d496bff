"""A server that speaks TensorFlow Serving's API: versions of SavedModels over REST and gRPC.

It reads SavedModels and nothing else; no field, layer or Keras model is made in it.
"""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
