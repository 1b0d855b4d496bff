"""A small data set with classes that is always there: crops of the photographs that scikit-image ships."""

import os
import pathlib
from collections.abc import Sequence

import numpy as np
import PIL.Image

from keras_inr._arguments import positive_int
from keras_inr._files import atomic_folder
from keras_inr.errors import ImageError, InputError
from keras_inr.signals.image import ImageSignal, load_image

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


def photo_crops(size: int = 32, window: int = 96) -> dict[str, list[np.ndarray]]:
    """Crops that do not overlap, left to right and top to bottom, of every photograph, without those that are flat.

    Args:
        size: side of a crop in pixels; grey photographs give colour crops, too, so that all are alike.
        window: side of the part of the photograph that a crop shows, reduced to `size`.

    Returns:
        dict of photograph -> list of uint8 arrays (size, size, 3).

    Raises:
        InputError: for sizes that are not positive.
        ImageError: for a window that does not fit into every photograph.

    >>> crops = photo_crops()
    >>> len(crops), min(len(pictures) for pictures in crops.values()), crops["chelsea"][0].shape
    (8, 12, (32, 32, 3))
    """
    size, window = positive_int("size", size), positive_int("window", window)
    crops = {}
    for name in PHOTOGRAPHS:
        photograph = load_image(f"sample:{name}")
        height, width = photograph.size
        if window > min(height, width):
            raise ImageError(f"window must fit into {name} ({height} x {width}), received {window}")
        crops[name] = [
            _eight_bit(load_image(photograph.values, crop=(top, left, window, window), size=(size, size)).values)
            for top in range(0, height - window + 1, window)
            for left in range(0, width - window + 1, window)
        ]
    return {name: [picture for picture in pictures if np.std(picture) >= FLAT] for name, pictures in crops.items()}


def write_crops(folder: str | os.PathLike[str], size: int = 32, window: int = 96) -> dict[str, int]:
    """Writes `photo_crops` as PNG files DIR/SPLIT/CLASS/NNN.png, the layout of `tfds.ImageFolder`; all or none.

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
    counts, crops = {"train": 0, "test": 0}, photo_crops(size, window)
    with atomic_folder(folder) as temporary:
        for name, pictures in crops.items():
            for number, picture in enumerate(pictures):
                split = "test" if number % TEST_EVERY == TEST_EVERY - 1 else "train"
                path = temporary / split / name / f"{number:03d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(picture).save(path)
                counts[split] += 1
    return counts


def random_crops(
    signals: Sequence[ImageSignal], number: int, size: int, smallest: float = 0.5, seed: int = 0
) -> list[ImageSignal]:
    """Square parts of pictures, all of one size: anywhere, of any scale, half of them mirrored.

    Args:
        signals: sequence of `ImageSignal`s of any size, grey or colour, which take turns. Each is asked for once and
            let go, so that the sequence may load them.
        number: how many crops.
        size: side of a crop in pixels.
        smallest: least side of the part that a crop shows, as a fraction of the picture's shorter side, in (0, 1];
            sides are uniform from there to the whole, but none is enlarged that need not be.
        seed: of places, scales and mirrors.

    Returns:
        A list of colour `ImageSignal`s (size, size, 3).

    Raises:
        InputError: for no signal, arguments out of range, or an alpha channel.

    >>> [crop.size for crop in random_crops([load_image("sample:chelsea")], 2, 16)]
    [(16, 16), (16, 16)]
    """
    number, size = positive_int("number", number), positive_int("size", size)
    if not 0 < smallest <= 1:
        raise InputError(f"smallest must be in (0, 1], received {smallest!r}")
    if not signals:
        raise InputError("signals must be one at least, received none")
    crops = {}
    for place in range(min(number, len(signals))):
        signal = signals[place]
        if signal.channels not in (1, 3):
            raise InputError(f"signals must be grey or colour, received {signal.channels} channels: {signal.source}")
        for turn in range(place, number, len(signals)):
            crops[turn] = _random_crop(signal, size, smallest, np.random.default_rng([seed, turn]))
    return [crops[turn] for turn in range(number)]


def _random_crop(signal: ImageSignal, size: int, smallest: float, draws: np.random.Generator) -> ImageSignal:
    shorter = min(signal.size)
    side = round(draws.uniform(max(smallest * shorter, min(size, shorter)), shorter))
    top, left = (draws.integers(length - side + 1) for length in signal.size)
    part = signal.values[top : top + side, left : left + side]
    part = part[:, ::-1] if draws.random() < 0.5 else part
    return load_image(np.ascontiguousarray(np.broadcast_to(part, (side, side, 3))), size=(size, size))


def _eight_bit(values: np.ndarray) -> np.ndarray:
    colour = np.broadcast_to(values, (*values.shape[:2], 3))
    return np.rint(np.clip(colour, 0, 1) * 255).astype("uint8")
