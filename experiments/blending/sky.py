"""The mask of the sky in scikit-image's picture of a rocket: results/sky.png, white where stars may be painted.

From the root of the repository: python experiments/blending/sky.py

Sky is where nothing has an edge: the towers, the rocket and the lamps are left out with six pixels around them, and
what lies behind the lattices of the towers; so is the horizon's glow, along a wavy line, which shows less than a
straight one where the stars end.
"""

import pathlib

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import data

EDGE, AROUND, HORIZON, SMALLEST = 0.02, 6, 255, 3000
TARGET = pathlib.Path(__file__).resolve().parent / "results" / "sky.png"


def main():
    luma = data.rocket().astype(float) @ (0.299, 0.587, 0.114) / 255
    smooth = ndimage.gaussian_filter(luma, 1.0)
    edges = np.hypot(*np.gradient(smooth)) > EDGE
    solid = ndimage.binary_closing(edges, np.ones((15, 15)))  # behind the lattices
    solid = ndimage.binary_fill_holes(ndimage.binary_dilation(solid, iterations=AROUND))
    sky = ~solid
    x = np.arange(sky.shape[1])
    horizon = HORIZON + 25 * np.sin(2 * np.pi * x / 310 + 0.5) + 15 * np.sin(2 * np.pi * x / 97)
    sky &= np.arange(sky.shape[0])[:, None] < horizon
    parts, number = ndimage.label(sky)
    sizes = ndimage.sum_labels(sky, parts, np.arange(1, number + 1))
    sky = np.isin(parts, 1 + np.flatnonzero(sizes >= SMALLEST))
    Image.fromarray(np.where(sky, 255, 0).astype("uint8")).save(TARGET)
    print(f"{sky.mean():.0%} of the picture is sky")


if __name__ == "__main__":
    main()
