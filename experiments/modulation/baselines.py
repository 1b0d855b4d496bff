"""What reconstructs pictures from d numbers each without a network: principal components, and fewer pixels."""

import math

import numpy as np
import PIL.Image

FILTERS = {"bicubic": PIL.Image.Resampling.BICUBIC, "lanczos": PIL.Image.Resampling.LANCZOS}


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
    """Pictures (K, H, W, C) reduced to a size and enlarged again, both by Pillow's filter, in floating point."""
    height, width, channels = pictures.shape[1:]

    def resized(plane, to):
        return np.asarray(PIL.Image.fromarray(plane).resize(to[::-1], FILTERS[filter_name]))

    return np.stack(
        [
            np.stack(
                [
                    resized(resized(np.ascontiguousarray(picture[..., c], "float32"), size), (height, width))
                    for c in range(channels)
                ],
                axis=-1,
            )
            for picture in pictures
        ]
    )
