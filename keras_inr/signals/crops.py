"""A small data set with classes that is always there: crops of the photographs that scikit-image ships."""

import pathlib

import numpy as np
import PIL.Image

from keras_inr.arguments import positive_int
from keras_inr.signals.errors import ImageError
from keras_inr.signals.image import load_image

PHOTOGRAPHS = (
    "astronaut",
    "camera",
    "chelsea",
    "coffee",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "rocket",
)
"""Each of them a class."""

FLAT = 4.0
"""Standard deviation, of 255, below which a crop shows nothing, such as the black around a retina."""

TEST_EVERY = 4
"""One crop of so many, counted along the rows of a photograph, is for testing."""


def photo_crops(size=32, window=96):
    """Crops that do not overlap, left to right and top to bottom, of every photograph, without those that are flat.

    Args:
        size: side of a crop in pixels; grey photographs give colour crops, too, so that all are alike.
        window: side of the part of the photograph that a crop shows, reduced to `size`.

    Returns:
        dict of photograph -> list of uint8 arrays (size, size, 3).

    Raises:
        ValueError: for sizes that are not positive.
        ImageError: for a window that does not fit into every photograph.

    >>> crops = photo_crops()
    >>> len(crops), min(len(pictures) for pictures in crops.values()), crops["chelsea"][0].shape
    (8, 12, (32, 32, 3))
    """
    size, window = positive_int("size", size), positive_int("window", window)
    crops = {}
    for name in PHOTOGRAPHS:
        height, width = load_image(f"sample:{name}").size
        if window > min(height, width):
            raise ImageError(f"window must fit into {name} ({height} x {width}), received {window}")
        crops[name] = [
            _eight_bit(load_image(f"sample:{name}", crop=(top, left, window, window), size=(size, size)).values)
            for top in range(0, height - window + 1, window)
            for left in range(0, width - window + 1, window)
        ]
    return {name: [picture for picture in pictures if np.std(picture) >= FLAT] for name, pictures in crops.items()}


def write_crops(folder, size=32, window=96):
    """Writes `photo_crops` as PNG files DIR/SPLIT/CLASS/NNN.png, the layout of `tfds.ImageFolder`.

    Args:
        folder: a new or empty folder.
        size, window: as in `photo_crops`.

    Returns:
        How many pictures there are in "train" and in "test", as a dict.

    Raises:
        ImageError: for a folder that is not empty; as `photo_crops`.
    """
    folder = pathlib.Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ImageError(f"folder must be new or empty, received {str(folder)!r}")
    counts = {"train": 0, "test": 0}
    for name, pictures in photo_crops(size, window).items():
        for number, picture in enumerate(pictures):
            split = "test" if number % TEST_EVERY == TEST_EVERY - 1 else "train"
            path = folder / split / name / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(picture).save(path)
            counts[split] += 1
    return counts


def _eight_bit(values):
    colour = np.broadcast_to(values, (*values.shape[:2], 3))
    return np.rint(np.clip(colour, 0, 1) * 255).astype("uint8")
