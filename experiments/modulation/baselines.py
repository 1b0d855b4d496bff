"""What reconstructs pictures from d numbers each without a network: principal components, and fewer pixels."""

import math

import numpy as np

from keras_inr.signals.resampling import resampled

FILTERS = ("bicubic", "lanczos")


def principal_components(pictures, num_components):
    """Mean and first components of pictures (K, H, W, C): arrays (n) and (d, n), d at most K - 1."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    mean = flat.mean(axis=0)
    _, _, components = np.linalg.svd(flat - mean, full_matrices=False)
    return mean, components[: min(num_components, len(pictures) - 1)]


def projected(pictures, mean, components):
    """Pictures from their scores on the components, the best that so many numbers can do for any linear map to them."""
    flat = pictures.reshape(len(pictures), -1) - mean
    return (mean + flat @ components.T @ components).reshape(pictures.shape)


def reduced_size(height, width, channels, numbers):
    """(height, width) of the largest raster of at most so many numbers that keeps the aspect, up to one pixel.

    >>> reduced_size(32, 32, 3, 64)
    (4, 5)
    """
    sizes = []
    for rows in range(1, height + 1):
        columns = min(width, numbers // (channels * rows))
        if columns and abs(columns / width - rows / height) <= 1 / min(height, width) + 1e-9:
            sizes.append((rows, columns))
    return max(sizes, key=math.prod)


def reduced(pictures, size, filter_name):
    """Pictures (K, H, W, C) reduced to a size and enlarged again, both by a filter of FILTERS, in floating point."""
    height, width = pictures.shape[1:3]
    return np.stack(
        [resampled(resampled(picture, *size, filter_name), height, width, filter_name) for picture in pictures]
    )
