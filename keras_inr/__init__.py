"""Fit pictures with coordinate networks in Keras, render them at any size, differentiate them, serve them.

import keras_inr

signal = keras_inr.load_image("sample:chelsea", size=64)                   # a path, an array, tfds:NAME/SPLIT#INDEX
field = keras_inr.from_preset("multi_hash", seed=0)                        # one of keras_inr.list_presets()
result = keras_inr.fit(field, signal, steps=200, learning_rate=0.01)       # a Keras model, trained by model.fit
print(result.psnr_db)                                                      # over all pixels

picture = field.render(scale=4)                                            # uint8, four times as large
slopes = keras_inr.gradient(field, signal.coords)                          # per coordinate unit
field.save("cat.keras")                                                    # keras.models.load_model reads it
keras_inr.export_saved_model(field, "served/cat")                          # for TensorFlow Serving
"""

import os as _os
import sys as _sys

from keras_inr._lazy import attach as _attach
from keras_inr._version import __version__ as __version__

__getattr__, __dir__, __all__ = _attach(__name__, __file__)

if _os.path.basename([*_sys.argv, ""][0]) not in ("keras-inr", "-m"):
    # so that keras.models.load_model knows the classes; the command does it itself, once it has quietened TensorFlow
    from keras_inr._registration import register as _register

    _register()
