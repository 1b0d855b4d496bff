"""The one exception that loading a picture raises."""


class ImageError(ValueError):
    """A picture that cannot be used: one sentence naming what was received and what is allowed.

    >>> from keras_inr.signals.image import load_image
    >>> load_image("missing.png")
    Traceback (most recent call last):
    ...
    keras_inr.signals.errors.ImageError: source 'missing.png' does not exist
    """
