"""How close a field is to a picture that is read window by window."""

import math
from collections.abc import Iterator

import numpy as np

from keras_inr.blocks.pyramid import reduced
from keras_inr.metrics import SSIM_WINDOW, mse, psnr_from_mse, ssim
from keras_inr.models.field import Field, to_uint8
from keras_inr.rendering.raster import FieldRaster
from keras_inr.signals.large import Windows, lost_in

SHOWN_SIDE = 1024
"""Pixels along the longer side of what is shown of a picture, at most."""

ROWS = 2**19
"""Pixels in a strip."""


def strips_of(
    picture: Windows, field: Field, overlap: int = 0, multiple: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yields (values, prediction, repeated) of strips from top to bottom.

    Of the rows of a strip the first `repeated` are the last ones of the strip before: `overlap`, of the first strip
    none. The others are a multiple of a number, but for the last strip's.
    """
    height, width = picture.size
    raster = FieldRaster(field)
    rows = multiple * -(-max(overlap + 1, ROWS // width) // multiple)
    kept = np.zeros((0, width, picture.channels), np.float32)
    for top in range(0, height, rows):
        prediction = np.concatenate([kept, raster.rows(top, min(rows, height - top))])
        yield picture.window(top - len(kept), 0, len(prediction), width), prediction, len(kept)
        kept = prediction[len(prediction) - overlap :]


class Measurement:
    """Quality over all pixels, and small pictures of both, in the memory of a few strips.

    Args:
        picture: what the field was fitted to.
        field: a single `Field` with the picture's size.

    >>> from keras_inr.models import Siren
    >>> from keras_inr.signals import load_image
    >>> measurement = Measurement(load_image("sample:chelsea", size=64), Siren(units=(8,), picture_size=(43, 64)))
    >>> sum(len(strip) for strip in measurement.strips()), sorted(measurement.quality())
    (43, ['psnr_8bit_db', 'psnr_db', 'ssim'])
    """

    def __init__(self, picture: Windows, field: Field) -> None:
        self.picture, self.field = picture, field
        self.overlap = SSIM_WINDOW - 1 if min(picture.size) >= SSIM_WINDOW else 0
        self.factor = math.ceil(max(picture.size) / SHOWN_SIDE)
        self.errors, self.similar, self.lost = np.zeros(2), 0.0, 0
        self.shown: list[list[np.ndarray]] = [[], []]

    def strips(self) -> Iterator[np.ndarray]:
        """Yields the field's picture from top to bottom as it is measured, uint8 (rows, width, channels)."""
        top = 0
        for values, prediction, repeated in strips_of(self.picture, self.field, self.overlap, self.factor):
            new, codes = values[repeated:], to_uint8(prediction[repeated:])
            clipped = np.clip(prediction[repeated:], 0, 1)
            lost = lost_in(self.picture, top, 0, len(new), new.shape[1])
            self.lost += 0 if lost is None else int(lost.sum())
            for place, part in enumerate((clipped, codes / np.float32(255))):
                there = new if lost is None else np.where(lost[..., None], part, new)
                self.errors[place] += mse(there, part) * part.size
            if self.overlap:
                self.similar += (len(values) - self.overlap) * ssim(values, prediction)
            for found, part in zip(self.shown, (new, clipped), strict=True):
                found.append(reduced(part, self.factor))
            yield codes
            top += len(new)

    def quality(self) -> dict[str, float | None]:
        """psnr_db, psnr_8bit_db and ssim of all strips, as `keras_inr.metrics` has them.

        Over the pixels that could be read, where some could not; there is no ssim then.
        """
        pixels = math.prod(self.picture.size) - self.lost
        if not pixels:
            return {"psnr_db": None, "psnr_8bit_db": None, "ssim": None}
        psnr_db, psnr_8bit_db = (psnr_from_mse(error) for error in self.errors / (pixels * self.picture.channels))
        whole = self.overlap and not self.lost
        similar = self.similar / (self.picture.size[0] - self.overlap) if whole else None
        return {"psnr_db": psnr_db, "psnr_8bit_db": psnr_8bit_db, "ssim": similar}

    def reduced(self) -> tuple[np.ndarray, np.ndarray]:
        """The picture and the field's, each as means of some pixels along each side."""
        original, prediction = (np.concatenate(parts) for parts in self.shown)
        return original, prediction
