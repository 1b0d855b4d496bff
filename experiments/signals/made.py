"""The signals of the benchmark, made anew from their definitions: float32 (size, size) in [0, 1].

Source: Kim and Fridovich-Keil, Grids Often Outperform Implicit Neural Representations, arXiv 2506.11139, and its code,
voilalab/INR-benchmark. A level from 1 to 9 is its bandwidth: 1 has the coarsest structure, 9 the finest.
"""

import math

import numpy as np

LEVELS = range(1, 10)
OCCUPIED = 0.1
"""Part of the picture that discs would cover if none overlapped another."""

LOWEST, HIGHEST, STEEPNESS = 0.0015, 0.7, 300
"""Cutoffs of the noise, in cycles a pixel times the square root of 2, and how their steps grow."""


def noise(level, size=1000, seed=0):
    """White noise without the frequencies above a cutoff, stretched to [0, 1].

    Level 1 is one cycle across 1000 pixels; a smaller picture has no frequency below that. Different: the source leaves
    its range, which is so small that its PSNR is high from the start.

    >>> noise(5, 64).shape, float(noise(5, 64).min()), float(noise(5, 64).max())
    ((64, 64), 0.0, 1.0)
    """
    drawn = np.fft.fft2(np.random.default_rng(seed).uniform(size=(size, size)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij"))
    values = np.real(np.fft.ifft2(drawn * (frequency <= cutoff(level) / math.sqrt(2))))
    return ((values - values.min()) / np.ptp(values)).astype("float32")


def cutoff(level):
    """The cutoff of a level, times the square root of 2.

    >>> [round(cutoff(level), 4) for level in (1, 5, 9)]
    [0.0015, 0.0396, 0.7]
    """
    part = (STEEPNESS ** ((level - 1) / (len(LEVELS) - 1)) - 1) / (STEEPNESS - 1)
    return LOWEST + part * (HIGHEST - LOWEST)


def spheres(level, size=1000, seed=0):
    """Discs of one radius, size / (10 level) pixels, as many as would cover a tenth of the picture.

    >>> round(float(spheres(3, 200).mean()), 2) in (0.08, 0.09, 0.1)
    True
    """
    radius = size / (10 * level)
    count = int(OCCUPIED * size**2 / (math.pi * radius**2))
    centres = np.random.default_rng(seed).uniform(0, size, (count, 2))
    values = np.zeros((size, size), "float32")
    for row, column in centres:
        rows, columns = (
            np.arange(max(0, math.ceil(c - radius)), min(size, int(c + radius) + 1)) for c in (row, column)
        )
        inside = (rows[:, None] - row) ** 2 + (columns - column) ** 2 <= radius**2
        values[np.ix_(rows, columns)] = np.maximum(values[np.ix_(rows, columns)], inside)
    return values


def sierpinski(level, size=1000):
    """Sierpinski's triangle after level - 1 divisions, as wide as the picture.

    A point belongs to it if at every division one of its barycentric coordinates in its triangle is at least a half.

    >>> [round(float(sierpinski(level, 400).mean()) / float(sierpinski(1, 400).mean()), 2) for level in (2, 3)]
    [0.75, 0.56]
    """
    height = size * math.sqrt(3) / 2
    x = np.broadcast_to(np.arange(size) + 0.5, (size, size)) / size
    top = (np.arange(size)[:, None] + 0.5 - (size - height) / 2) / height  # 0 at the apex, 1 at the base
    upper = np.broadcast_to(1 - top, (size, size))
    right = x - upper / 2
    parts = np.stack([upper, right, 1 - upper - right])
    inside = np.all(parts >= 0, axis=0)
    for _ in range(level - 1):
        parts = 2 * parts
        corner = parts >= 1
        inside &= np.any(corner, axis=0)
        parts -= corner
    return inside.astype("float32")


def star(size=1000, wedges=40, margin=20):
    """A star of so many white wedges that meet in the middle: frequencies from coarse at its rim to all in its centre.

    >>> round(float(star(200, margin=4).mean()), 1)
    0.4
    """
    middle = np.arange(size) - size // 2
    angle = np.arctan2(middle[:, None], middle) % (2 * np.pi)
    inside = np.hypot(middle[:, None], middle) <= size // 2 - margin
    return (inside & (np.floor(angle * wedges / np.pi).astype(int) % 2 == 0)).astype("float32")


def all_of(levels, size, seed=0):
    """Name -> signal: the star, and each kind at each level."""
    found = {"star": star(size, margin=round(size / 50))}
    for level in levels:
        found |= {f"noise-{level}": noise(level, size, seed), f"spheres-{level}": spheres(level, size, seed)}
        found[f"sierpinski-{level}"] = sierpinski(level, size)
    return found
