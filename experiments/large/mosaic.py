"""Large pictures out of the 24 Kodak photographs: squares of 3072 x 3072, each in another order and turned."""

import pathlib

import numpy as np
import tifffile
from PIL import Image

SIDE = 3072
"""Six rows of four pictures of 512 x 768."""


def square(pictures: list[np.ndarray], number: int) -> np.ndarray:
    """The mosaic of a number: 0 has the pictures in their order; others are shuffled, flipped and turned as a whole."""
    order = list(range(24)) if number == 0 else np.random.default_rng(number).permutation(24)
    rows = [np.concatenate([pictures[place] for place in order[row : row + 4]], axis=1) for row in range(0, 24, 4)]
    whole = np.concatenate(rows)
    return np.rot90(whole[:, ::-1] if number % 2 else whole, number // 2 % 4)


def write_mosaic(folder: str, path: pathlib.Path, size: tuple[int, int]) -> None:
    """Writes squares next to each other, cut to a size, as a TIFF in strips of 512 rows."""
    pictures = [
        np.asarray(Image.open(pathlib.Path(folder) / f"{number:02d}.png").convert("RGB")) for number in range(1, 25)
    ]
    pictures = [picture if picture.shape[1] == 768 else np.rot90(picture) for picture in pictures]
    rows, columns = (-(-side // SIDE) for side in size)
    strips = (
        np.concatenate([square(pictures, row * columns + column) for column in range(columns)], axis=1)[:, : size[1]]
        for row in range(rows)
    )
    parts = (strip[first : first + 512] for strip in strips for first in range(0, SIDE, 512))
    left = size[0]

    def cut():
        nonlocal left
        for part in parts:
            if left > 0:
                yield np.ascontiguousarray(part[:left]).tobytes()
            left -= len(part)

    tifffile.imwrite(path, cut(), shape=(*size, 3), dtype=np.uint8, rowsperstrip=512, photometric="rgb", metadata=None)
