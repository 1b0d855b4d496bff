"""What red, green and blue count in a grey picture."""

import numpy as np
import numpy.typing as npt

LUMA = (0.299, 0.587, 0.114)
"""Weights of coded red, green and blue: ITU-R BT.601, Pillow's mode "L"."""


def luma(channels: npt.ArrayLike) -> np.ndarray:
    """The luma of channels along the last axis, in float64: weighted for RGB and RGBA, otherwise their mean.

    >>> luma([1.0, 0.0, 0.0]).tolist(), luma([[1.0]]).tolist()
    (0.299, [1.0])
    """
    channels = np.asarray(channels, np.float64)
    return channels[..., :3] @ np.array(LUMA) if channels.shape[-1] in (3, 4) else channels.mean(-1)
