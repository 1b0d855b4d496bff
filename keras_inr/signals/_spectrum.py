"""What a picture's spectrum and wavelets say: how much of it lies above a frequency, and in how few numbers.

A picture of more than 2^20 pixels is measured on windows of it, see `windows_of`: a transform of the whole would take a
hundred times the memory of its 8-bit samples.
"""

from collections.abc import Iterable

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


def energy_above(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The picture's frequencies in units of the Nyquist limit, ascending, and the mean square that lies above each.

    The picture is mirrored at its borders first, so that they make no edges, as in a discrete cosine transform. A
    frequency is the larger of its parts along x and y. The second array ends at 0. Of several windows it is the mean.

    Args:
        values: array (H, W, C), floating.

    Returns:
        Two float64 arrays of one length.

    >>> row = np.cos(np.pi * np.arange(8.5, 0, -1) / 9)[None, :, None]  # half a period over 9 pixels
    >>> frequency, above = energy_above(row)
    >>> bool(above[frequency > 0.11][0] < 1e-12)
    True
    """
    found = [_energies(window) for window in windows_of(values)]
    own = np.mean([own for _, own in found], axis=0)
    return found[0][0], np.append(np.cumsum(own[::-1])[::-1][1:], 0.0)


def _energies(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frequencies of an array (H, W, C), ascending, and the mean square at each."""
    values = np.asarray(values, np.float64)
    mirrored = np.concatenate([values, values[::-1]], axis=0)
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], axis=1)
    height, width, channels = mirrored.shape
    power = np.sum(np.abs(np.fft.fft2(mirrored, axes=(0, 1))) ** 2, axis=-1) / (height * width) ** 2 / channels
    along_y, along_x = (2 * np.abs(np.fft.fftfreq(length)) for length in (height, width))
    larger = np.maximum(along_y[:, None], along_x[None]).ravel()
    frequency, place = np.unique(larger, return_inverse=True)
    return frequency, np.bincount(place, weights=power.ravel())


def cutoff(values: np.ndarray, mean_square: float) -> float:
    """The lowest frequency above which the picture has no more than a mean square, in units of the Nyquist limit.

    >>> cutoff(np.full((8, 8, 1), 0.5), 1e-4)
    0.0
    """
    return cutoffs(values, [mean_square])[0]


def cutoffs(values: np.ndarray, mean_squares: Iterable[float]) -> list[float]:
    """The `cutoff` of each of several mean squares, for one transform of the picture.

    >>> cutoffs(np.full((8, 8, 1), 0.5), [1e-2, 1e-4])
    [0.0, 0.0]
    """
    frequency, above = energy_above(values)
    return [float(frequency[np.argmax(above <= mean_square)]) for mean_square in mean_squares]


def sparse_db(values: np.ndarray) -> float:
    """PSNR of the picture from the largest quarter of its Haar wavelet coefficients; at most 100 dB.

    A few large ones hold smooth areas with sharp edges; a texture, which takes a network more parameters, has many of
    one size. A coefficient counts with all its channels. Pictures of odd length repeat their last row or column.

    >>> sparse_db(np.full((8, 8, 1), 0.5))
    100.0
    """
    windows = [np.asarray(window, np.float64) for window in windows_of(values)]
    squares = np.sort(np.concatenate([level.ravel() for window in windows for level in _haar_squares(window)]))
    left = np.sum(squares[: squares.size - squares.size // 4]) / sum(map(np.size, windows))
    return float(-10 * np.log10(max(left, 1e-10)))


def _haar_squares(values: np.ndarray) -> list[np.ndarray]:
    """Squared coefficients of every level, summed over channels."""
    found = [np.zeros(0)]
    while max(values.shape[:2]) > 1:
        values = np.pad(values, [(0, length % 2) for length in values.shape[:2]] + [(0, 0)], mode="edge")
        a, b, c, d = (values[i::2, j::2] / 2 for i in (0, 1) for j in (0, 1))
        found += [np.sum(part**2, axis=-1) for part in (a - b + c - d, a + b - c - d, a - b - c + d)]
        values = a + b + c + d
    return found


def plain_db(values: np.ndarray) -> float:
    """PSNR of the picture's mean colour; at most 100 dB.

    >>> round(plain_db(np.array([[[0.4], [0.6]]])), 6)
    20.0
    """
    variance = np.mean(np.var(np.concatenate(windows_of(values)).astype(np.float64), axis=(0, 1)))
    return float(-10 * np.log10(max(variance, 1e-10)))
