"""Pictures of served fields for people and programs: tiles, Deep Zoom, IIIF, and a page to look at them.

It asks models that are served in the same process, or by TensorFlow Serving over gRPC or REST, and holds no state but
a cache.
"""

from keras_inr._lazy import attach as _attach

__getattr__, __dir__, __all__ = _attach(__name__, __file__)
