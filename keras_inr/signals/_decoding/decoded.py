"""A decoded picture before its colours are interpreted: samples, colour model, orientation."""

import dataclasses

import numpy as np

from keras_inr.errors import ImageError

_NO_CROP = " (crop does not help, as the picture is decoded whole)"
NUM_COLOURS = {"grey": 1, "rgb": 3, "cmyk": 4}


@dataclasses.dataclass(frozen=True)
class Header:
    """What a picture says of itself before its pixels: its size, samples a pixel, and bits a sample."""

    height: int
    width: int
    samples: int
    bits: int


@dataclasses.dataclass(frozen=True, eq=False)
class Raster:
    """Samples as they were stored.

    Attributes:
        samples: (H, W, C) of any real dtype; C is the model's number of colours, and one more for alpha.
        model: "grey" (0 is black), "rgb" or "cmyk" (0 is no ink).
        has_alpha: whether the last channel is alpha; the colours are not premultiplied by it.
        peak: the sample value that means 1.
        bit_depth: 8 (up to eight bits), 16 (more than eight) or 32 (floating point).
        profile: the bytes of an embedded ICC profile, or None.
        orientation: EXIF orientation, 1 to 8.
    """

    samples: np.ndarray
    model: str
    has_alpha: bool
    peak: float
    bit_depth: int
    profile: bytes | None = None
    orientation: int = 1


def check_pixels(height: int, width: int, max_pixels: int, what: str = "source") -> None:
    """Raises ImageError for an empty picture and for one of more than max_pixels pixels."""
    if height < 1 or width < 1:
        raise ImageError(f"{what} has no pixels: its height x width is {height} x {width}")
    if height * width > max_pixels:
        raise ImageError(
            f"{what} has {height} x {width} = {height * width} pixels, more than max_pixels={max_pixels}; "
            f"raise max_pixels if you trust it{_NO_CROP if what == 'source' else ''}"
        )


def oriented(raster: Raster) -> Raster:
    """The raster turned upright: `orientation` is applied to the samples and becomes 1."""
    samples = raster.samples
    if raster.orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if raster.orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if raster.orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return dataclasses.replace(raster, samples=samples, orientation=1)


def cropped(raster: Raster, crop: tuple[int, int, int, int]) -> Raster:
    """The window crop = (top, left, height, width) of an upright raster; ImageError where it leaves the picture."""
    top, left, height, width = crop
    full_height, full_width = raster.samples.shape[:2]
    if top + height > full_height or left + width > full_width:
        raise ImageError(
            f"crop (top, left, height, width) must lie inside the picture of {full_height} x {full_width} "
            f"(height x width), received {tuple(crop)}"
        )
    return dataclasses.replace(raster, samples=raster.samples[top : top + height, left : left + width])
