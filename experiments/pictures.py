"""What the studies share about pictures: their names in tables, smaller ones, and figures in small files."""

import dataclasses
import io
import pathlib

import numpy as np
import PIL.Image

from keras_inr._files import atomic_path
from keras_inr.signals.resampling import resampled


def short_name(source):
    """What a picture is called in tables.

    >>> short_name("sample:chelsea"), short_name("/pictures/cat.jpg")
    ('chelsea', 'cat')
    """
    return source.removeprefix("sample:") if source.startswith("sample:") else pathlib.PurePath(source).stem


def reduced(signal, factor, method="area"):
    """The signal at 1 / factor of its size, antialiased, in [0, 1].

    >>> from keras_inr.signals.image import load_image
    >>> reduced(load_image("sample:chelsea", size=(168, 256)), 4).size
    (42, 64)
    """
    values = resampled(signal.values, signal.height // factor, signal.width // factor, method)
    return dataclasses.replace(signal, values=np.clip(values, 0, 1), bit_depth=32)


def save_small(figure, path):
    """Writes a figure of matplotlib as a PNG of 256 colours."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    with atomic_path(path) as temporary:
        PIL.Image.open(drawn).convert("RGB").quantize(256).save(temporary, optimize=True)
