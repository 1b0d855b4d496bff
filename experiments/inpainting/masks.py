"""The masks of the study: bool (height, width), False where a pixel is hidden; the same for a size whenever called."""

import numpy as np
from PIL import Image, ImageDraw

SCRATCHES, LINES = 10, 6
"""How many scratches there are, and lines of strokes."""


def scratches(height, width):
    """Long straight scratches two pixels wide, from one edge of the picture to another.

    >>> scratches(64, 96).shape
    (64, 96)
    """
    rng = np.random.default_rng(1)
    strokes = []
    for number in range(SCRATCHES):
        first, second = rng.random(2)
        across = [(0, first * height), (width, second * height)]
        down = [(first * width, 0), (second * width, height)]
        strokes.append(across if number % 2 else down)
    return _without(strokes, height, width)


def strokes(height, width):
    """Lines of short strokes, as of a text that was written over the picture.

    >>> bool(strokes(64, 96).all())
    False
    """
    rng = np.random.default_rng(2)
    pitch = height / LINES
    drawn = []
    for line in range(LINES):
        left, size = 0.05 * width, 0.45 * pitch
        while left < 0.95 * width - size:
            corners = rng.random((3, 2)) * size + [left, (line + 0.3) * pitch]
            drawn.append([tuple(corner) for corner in corners])
            left += 1.2 * size
    return _without(drawn, height, width)


def disc(height, width):
    """A disc in the middle, its radius 0.15 of the shorter side.

    >>> int(disc(10, 10).sum())
    96
    """
    rows, columns = np.mgrid[:height, :width]
    far = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2)
    return far > 0.15 * min(height, width)


def half(height, width):
    """Every pixel is hidden with a probability of one half.

    >>> bool(0.4 < half(64, 96).mean() < 0.6)
    True
    """
    return np.random.default_rng(3).random((height, width)) >= 0.5


def _without(strokes, height, width):
    image = Image.new("1", (width, height), True)
    pen = ImageDraw.Draw(image)
    for stroke in strokes:
        pen.line(stroke, fill=False, width=2)
    return np.asarray(image)


MASKS = {"scratches": scratches, "strokes": strokes, "disc": disc, "half": half}
"""Name -> function of height and width."""
