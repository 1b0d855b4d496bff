"""The Keras backend that the package needs."""

import os


def require_tensorflow():
    """Imports Keras on TensorFlow.

    Raises:
        ImportError: if Keras is set to another backend, before that backend is asked for packages of its own.
    """
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend == "tensorflow":
        import keras

        backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"keras_inr needs Keras on TensorFlow, and the backend is {backend!r}: "
            "set KERAS_BACKEND=tensorflow before the first import of keras"
        )
