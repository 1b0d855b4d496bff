"""What a picture's spectrum and wavelets say: how much of it lies above a frequency, and in how few numbers."""

import numpy as np


def energy_above(values):
    """The picture's frequencies in units of the Nyquist limit, ascending, and the mean square that lies above each.

    The picture is mirrored at its borders first, so that they make no edges, as in a discrete cosine transform. A
    frequency is the larger of its parts along x and y. The second array ends at 0.

    Args:
        values: array (H, W, C), floating.

    Returns:
        Two float64 arrays of one length.

    >>> row = np.cos(np.pi * np.arange(8.5, 0, -1) / 9)[None, :, None]  # half a period over 9 pixels
    >>> frequency, above = energy_above(row)
    >>> bool(above[frequency > 0.11][0] < 1e-12)
    True
    """
    values = np.asarray(values, np.float64)
    mirrored = np.concatenate([values, values[::-1]], axis=0)
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], axis=1)
    height, width, channels = mirrored.shape
    power = np.sum(np.abs(np.fft.fft2(mirrored, axes=(0, 1))) ** 2, axis=-1) / (height * width) ** 2 / channels
    along_y, along_x = (2 * np.abs(np.fft.fftfreq(length)) for length in (height, width))
    larger = np.maximum(along_y[:, None], along_x[None]).ravel()
    frequency, place = np.unique(larger, return_inverse=True)
    own = np.bincount(place, weights=power.ravel())
    return frequency, np.append(np.cumsum(own[::-1])[::-1][1:], 0.0)


def cutoff(values, mean_square):
    """The lowest frequency above which the picture has no more than a mean square, in units of the Nyquist limit.

    >>> cutoff(np.full((8, 8, 1), 0.5), 1e-4)
    0.0
    """
    return cutoffs(values, [mean_square])[0]


def cutoffs(values, mean_squares):
    """The `cutoff` of each of several mean squares, for one transform of the picture.

    >>> cutoffs(np.full((8, 8, 1), 0.5), [1e-2, 1e-4])
    [0.0, 0.0]
    """
    frequency, above = energy_above(values)
    return [float(frequency[np.argmax(above <= mean_square)]) for mean_square in mean_squares]


def sparse_db(values):
    """PSNR of the picture from the largest quarter of its Haar wavelet coefficients; at most 100 dB.

    A few large ones hold smooth areas with sharp edges; a texture, which takes a network more parameters, has many of
    one size. A coefficient counts with all its channels. Pictures of odd length repeat their last row or column.

    >>> sparse_db(np.full((8, 8, 1), 0.5))
    100.0
    """
    squares = np.sort(np.concatenate([level.ravel() for level in _haar_squares(np.asarray(values, np.float64))]))
    left = np.sum(squares[: squares.size - squares.size // 4]) / np.size(values)
    return float(-10 * np.log10(max(left, 1e-10)))


def _haar_squares(values):
    """Squared coefficients of every level, summed over channels."""
    found = [np.zeros(0)]
    while max(values.shape[:2]) > 1:
        values = np.pad(values, [(0, length % 2) for length in values.shape[:2]] + [(0, 0)], mode="edge")
        a, b, c, d = (values[i::2, j::2] / 2 for i in (0, 1) for j in (0, 1))
        found += [np.sum(part**2, axis=-1) for part in (a - b + c - d, a + b - c - d, a - b - c + d)]
        values = a + b + c + d
    return found


def plain_db(values):
    """PSNR of the picture's mean colour; at most 100 dB.

    >>> round(plain_db(np.array([[[0.4], [0.6]]])), 6)
    20.0
    """
    variance = np.mean(np.var(np.asarray(values, np.float64), axis=(0, 1)))
    return float(-10 * np.log10(max(variance, 1e-10)))
