"""Windows that stand for a large picture, so that measuring it takes little memory."""

import numpy as np

MOST_PIXELS = 2**20
"""Up to which a picture is measured as a whole, and how many pixels its windows have together beyond."""

WINDOW = 256
"""Side of a window, where the picture is as long."""


def windows_of(values: np.ndarray) -> list[np.ndarray]:
    """The picture alone, or where it has more than 2^20 pixels windows of 256 x 256 that are spread evenly over it.

    They do not overlap, have together at most 2^20 pixels, and are the same whenever they are asked for.

    Args:
        values: array (H, W, C).

    Returns:
        A list of views of one shape.

    >>> [window.shape for window in windows_of(np.zeros((9, 8, 3)))], len(windows_of(np.zeros((2048, 1024, 1))))
    ([(9, 8, 3)], 12)
    """
    height, width = values.shape[:2]
    if height * width <= MOST_PIXELS:
        return [values]
    sides = min(height, WINDOW), min(width, WINDOW)
    number = MOST_PIXELS // (sides[0] * sides[1])
    down = min(height // sides[0], number, max(1, round((number * height / width) ** 0.5)))
    across = min(width // sides[1], number // down)
    tops, lefts = (
        np.round((np.arange(count) + 0.5) * length / count - side / 2).astype(int)
        for count, length, side in ((down, height, sides[0]), (across, width, sides[1]))
    )
    return [values[top : top + sides[0], left : left + sides[1]] for top in tops for left in lefts]
