"""How long the files of a picture are at a quality: what a field's size is compared with."""

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from keras_inr._arguments import one_of
from keras_inr.signals._windows import windows_of

CODECS = {"JPEG": {"subsampling": 0}, "WebP": {"method": 4}}
"""Names, as Pillow has them, and how files are written; JPEG with as many samples of colour as of brightness."""

LONGEST_SIDES = {"JPEG": 65500, "WebP": 16383}


def encoded_bytes(codec: str, values: np.ndarray, psnr_db: float) -> int | None:
    """Bytes of the smallest file of a picture that has a PSNR, None where the codec does not come to it.

    Nor does it to a picture that is longer than its files may be.

    Of a picture of more than 2^20 pixels, windows of it are encoded, see `windows_of`, and their bytes are taken for
    as many pixels as there are.

    Args:
        codec: "JPEG" or "WebP".
        values: array (H, W, C), floats in [0, 1]. Of four channels the last, and of two the second, is left out.
        psnr_db: to be reached by the 8-bit picture that is decoded again.

    >>> encoded_bytes("JPEG", np.full((16, 16, 3), 0.5), 40.0) < 1000
    True
    >>> encoded_bytes("WebP", np.random.default_rng(0).random((16, 16, 3)), 60.0) is None
    True
    """
    one_of("codec", codec, list(CODECS))
    windows = [_colours(window) for window in windows_of(values)]
    if max(windows[0].shape[:2]) > LONGEST_SIDES[codec]:
        return None
    low, high = 0, 101  # the least quality that is enough is in (low, high]
    best = None
    while high - low > 1:
        quality = (low + high) // 2
        length, reached_db = _encoded(codec, windows, quality)
        if reached_db >= psnr_db:
            high, best = quality, length
        else:
            low = quality
    return best and math.ceil(best * values.shape[0] * values.shape[1] / sum(w.shape[0] * w.shape[1] for w in windows))


def _colours(values: np.ndarray) -> np.ndarray:
    """8-bit samples (H, W) or (H, W, 3)."""
    samples = np.round(255 * np.clip(values, 0.0, 1.0)).astype(np.uint8)
    return samples[..., :3] if values.shape[-1] >= 3 else samples[..., 0]


def _encoded(codec: str, pictures: Sequence[np.ndarray], quality: int) -> tuple[int, float]:
    """(bytes, PSNR) of pictures, encoded one by one."""
    length, decoded = 0, []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, codec, quality=quality, **CODECS[codec])
        length += file.tell()
        with Image.open(file) as image:
            decoded.append(np.asarray(image.convert("RGB" if picture.ndim == 3 else "L")))
    error = np.mean(np.square((np.stack(pictures) - np.stack(decoded, dtype=float)) / 255.0))
    return length, -10.0 * math.log10(error) if error else math.inf
