"""Crops and sizes: what they may be and how a picture is resized."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_inr.errors import ImageError
from keras_inr.signals.resampling import resampled


def checked_crop(crop: Sequence[int] | None) -> tuple[int, ...] | None:
    """(top, left, height, width) as integers, or None; ImageError unless top, left >= 0 and height, width >= 1.

    >>> checked_crop([0, 5, 10, 20])
    (0, 5, 10, 20)
    """
    if crop is None:
        return None
    numbers = _integers(crop)
    if numbers is None or len(numbers) != 4 or min(numbers[:2]) < 0 or min(numbers[2:]) < 1:
        raise ImageError(
            "crop must be four integers (top, left, height, width) with top, left >= 0 and height, width >= 1, "
            f"received {crop!r}"
        )
    return numbers


def checked_size(size: int | Sequence[int] | None) -> tuple[int, ...] | None:
    """(height, width), (longer side,) or None; ImageError unless all are integers >= 1.

    >>> checked_size(512)
    (512,)
    """
    if size is None:
        return None
    numbers = _integers(size) or _integers([size])
    if numbers is None or len(numbers) > 2 or (len(numbers) == 1 and np.ndim(size)) or min(numbers) < 1:
        raise ImageError(
            f"size must be (height, width) or one integer, the longer side, each at least 1, received {size!r}"
        )
    return numbers


def _integers(items: Any) -> tuple[int, ...] | None:
    """The items as a tuple of int, or None if they are not all integers."""
    try:
        numbers = tuple(operator.index(item) for item in items)
    except TypeError:
        return None
    return None if any(isinstance(item, bool) for item in items) else numbers


def target_size(size: tuple[int, ...], height: int, width: int) -> tuple[int, int]:
    """The (height, width) that a checked size means for a height x width picture; the shorter side is rounded.

    >>> target_size((512,), 300, 400)
    (384, 512)
    """
    if len(size) == 2:
        return size[0], size[1]
    longer = max(height, width)
    sides = [max(1, (2 * side * size[0] + longer) // (2 * longer)) for side in (height, width)]
    return sides[0], sides[1]


def resized(values: np.ndarray, height: int, width: int, known: np.ndarray | None = None) -> np.ndarray:
    """Float32 values (H, W, C) resampled to (height, width, C) with an antialiased Lanczos window of radius 3.

    Done in floating point and clipped to [0, 1]. With four channels the colours are weighted by alpha, so that the
    hidden colour of transparent pixels does not bleed; a pixel that ends up fully transparent becomes black.

    Args:
        values: float32 (H, W, C).
        height, width: of the result.
        known: None, or bool (H, W): the others have no influence, as in a mean without them. What the result has among
            them is not defined.

    >>> resized(np.full((4, 4, 1), 0.25, "float32"), 1, 2).tolist()
    [[[0.25], [0.25]]]
    """
    if values.shape[:2] == (height, width):
        return values
    if values.shape[-1] != 4:
        return np.clip(_resampled_known(values, height, width, known), 0, 1)
    alpha = values[..., 3:]
    result = _resampled_known(np.concatenate([values[..., :3] * alpha, alpha], axis=-1), height, width, known)
    alpha = result[..., 3:]
    colour = np.divide(result[..., :3], alpha, out=np.zeros_like(result[..., :3]), where=alpha > 0)
    return np.clip(np.concatenate([colour, alpha], axis=-1), 0, 1)


def _resampled_known(values, height, width, known):
    """Values by Lanczos out of those that are known."""
    if known is None:
        return resampled(values, height, width, "lanczos")
    known = known[..., None]
    planes = np.concatenate([np.where(known, values, 0), known.astype("float32")], axis=-1)
    result = resampled(planes, height, width, "lanczos")
    share = result[..., -1:]
    return np.divide(result[..., :-1], share, out=np.zeros_like(result[..., :-1]), where=share > 0)
