"""How close a prediction is to a picture: MSE, PSNR, SSIM, MS-SSIM, and Keras metrics that stream the first two."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from keras_inr._arguments import positive_int
from keras_inr.errors import InputError

SSIM_WINDOW = 11
VALUES_PER_CHUNK = 1 << 20
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@keras.saving.register_keras_serializable(package="keras_inr")
class MSE(keras.metrics.Metric):
    """mean (target - prediction)^2 over all points and channels seen, not clamped.

    Points count equally however they are spread over batches. Target and prediction have one shape (..., channels)
    and any floating dtype; the error is formed in the metric's own dtype, float32 by default under every policy, and
    summed over batches in float64, so that the step size of float32 limits neither long epochs nor large pictures.
    NaN before the first batch and for NaN predictions.

    Args:
        num_fields: None, or K for shapes (K, ..., channels) and K results, one for each of K stacked fields.
        name, dtype: as of every Keras metric.

    Raises:
        InputError: if the shapes differ, or for a sample_weight, which it has no use for.

    >>> metric = MSE(num_fields=2)
    >>> metric.update_state([[[0.5]], [[0.5]]], [[[0.5]], [[1.5]]])
    >>> metric.result().numpy().tolist()
    [0.0, 1.0]
    """

    def __init__(self, num_fields: int | None = None, name: str = "mse", dtype: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_fields = None if num_fields is None else positive_int("num_fields", num_fields)
        shape = () if self.num_fields is None else (self.num_fields,)
        self.total = self.add_variable(shape, "zeros", dtype="float64", name="total")
        self.count = self.add_variable((), "zeros", dtype="float64", name="count")
        self._direction = "down"

    def update_state(
        self,
        y_true: tf.Tensor | npt.ArrayLike,
        y_pred: tf.Tensor | npt.ArrayLike,
        sample_weight: tf.Tensor | None = None,
    ) -> None:
        if sample_weight is not None:
            own = type(self).__name__
            raise InputError(f"sample_weight must be None for {own}, received shape {tuple(ops.shape(sample_weight))}")
        target, prediction = ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype)
        _check_static_shapes(tuple(target.shape), tuple(prediction.shape))
        error = ops.square(target - self.prepared(prediction))
        axes = None if self.num_fields is None else tuple(range(1, len(error.shape)))
        self.add(ops.sum(error, axis=axes), ops.cast(ops.size(error), "float64") / (self.num_fields or 1))

    def add(self, total: tf.Tensor, count: tf.Tensor | float) -> None:
        """Adds sums of squared errors, of every field if there are several, over `count` numbers."""
        self.total.assign_add(ops.cast(total, "float64"))
        self.count.assign_add(ops.cast(count, "float64"))

    def prepared(self, prediction: tf.Tensor) -> tf.Tensor:
        """What is compared with the target."""
        return prediction

    def result(self) -> tf.Tensor:
        return ops.cast(self.total / self.count, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_fields": self.num_fields}


@keras.saving.register_keras_serializable(package="keras_inr")
class PSNR(MSE):
    """-10 log10(mean (target - clamp(prediction, 0, 1))^2) in dB, the mean over all points and channels seen.

    Sums, arguments and Raises as in `MSE`. +inf for equal pictures, NaN before the first batch and for NaN predictions.
    Over training batches it follows the weights as they move: for a result, use `psnr` on the whole picture.

    >>> metric = PSNR()
    >>> metric.update_state([[0.5], [0.5]], [[0.6], [0.4]])
    >>> round(float(metric.result()), 3)
    20.0
    """

    def __init__(self, num_fields: int | None = None, name: str = "psnr_db", dtype: str | None = None) -> None:
        super().__init__(num_fields, name, dtype)
        self._direction = "up"

    def prepared(self, prediction: tf.Tensor) -> tf.Tensor:
        return ops.clip(prediction, 0.0, 1.0)

    def result(self) -> tf.Tensor:
        return ops.cast(-10.0 * ops.log10(self.total / self.count), self.dtype)


def mse(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Mean of (target - prediction)^2 over all elements, not clamped: the training loss, in float64.

    Args:
        target, prediction: arrays or eager tensors of one shape, floating. Converted in chunks, so that a large
            picture is never held in float64.

    Raises:
        InputError: if the shapes differ, nothing is in them, or they are not floating (8-bit pictures are divided by
            255 first).

    >>> mse([0.0, 0.5], [1.0, 0.5])
    0.5
    """
    return _mean_squared_error(target, prediction, lambda values, dtype: values)


def psnr(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels: data range 1, prediction clamped to [0, 1].

    Args and Raises as in `mse`; +inf for equal pictures, NaN if there is a NaN.

    >>> round(psnr([0.0, 0.5], [-0.2, 0.6]), 3)
    23.01
    """
    return psnr_from_mse(_mean_squared_error(target, prediction, lambda values, dtype: np.clip(values, 0, 1)))


def psnr_8bit(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """`psnr` of what an 8-bit file of the prediction holds: clamped and rounded to k/255.

    k/255 is expressed in the target's dtype, so that a float32 picture read from an 8-bit file can be met exactly.

    >>> psnr_8bit([0.2, 0.4], [0.2005, 0.399])
    inf
    """
    return psnr_from_mse(_mean_squared_error(target, prediction, _round_to_8bit))


def psnr_from_mse(mean_squared_error: float) -> float:
    """-10 log10(mean squared error) in dB, for data range 1; +inf for 0, NaN for NaN.

    Raises:
        InputError: for a negative error.

    >>> psnr_from_mse(0.01)
    20.0
    """
    error = float(mean_squared_error)
    if error < 0:
        raise InputError(f"mean_squared_error must not be negative, received {error!r}")
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def finite(value: float | None) -> float | None:
    """The value, or None for what JSON cannot hold: a PSNR is +inf for equal pictures."""
    return value if value is not None and math.isfinite(value) else None


def ssim(target: npt.ArrayLike, prediction: npt.ArrayLike, counts: npt.ArrayLike | None = None) -> float:
    """Mean structural similarity, in [-1, 1], 1 for equal pictures: the mean over channels of each channel's SSIM.

    Wang, Bovik, Sheikh, Simoncelli 2004: Gaussian window of 11 x 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, data range
    1, only windows that lie wholly in the picture. Computed by scikit-image in float64, whose variances do not suffer
    from cancellation in flat areas as those of `tf.image.ssim` (float32 only) do. Large pictures go through it in
    overlapping strips, which changes nothing but the memory it takes.

    Args:
        target, prediction: arrays or eager tensors (height, width, channels), floating; the prediction is clamped to
            [0, 1].
        counts: None, or bool (height, width): only windows all of whose pixels count are looked at; NaN if there is
            none.

    Raises:
        InputError: as in `mse`, or unless the shape has three axes with height and width at least 11.

    >>> picture = np.linspace(0, 1, 256).reshape(16, 16, 1)
    >>> ssim(picture, picture)
    1.0
    """
    target, prediction = _checked(target, prediction)
    if target.ndim != 3 or min(target.shape[:2]) < SSIM_WINDOW:
        raise InputError(
            f"ssim needs pictures (height, width, channels) of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, "
            f"received shape {target.shape}"
        )
    height, width, channels = target.shape
    windows = height - SSIM_WINDOW + 1
    if counts is not None:
        return _ssim_where(target, prediction, np.asarray(counts, bool))
    rows = max(1, VALUES_PER_CHUNK // width)
    total = 0.0
    for top in range(0, windows, rows):
        count = min(rows, windows - top)
        strip = slice(top, top + count + SSIM_WINDOW - 1)
        for channel in range(channels):
            total += count * _ssim_of_plane(target[strip, :, channel], prediction[strip, :, channel])[0]
    return float(total / (windows * channels))


def _ssim_where(target: np.ndarray, prediction: np.ndarray, counts: np.ndarray) -> float:
    """Mean SSIM of the windows all of whose pixels count; NaN if there is none."""
    from scipy.ndimage import minimum_filter

    half = SSIM_WINDOW // 2
    inside = slice(half, -half)
    whole = minimum_filter(counts.astype("uint8"), SSIM_WINDOW)[inside, inside] > 0
    if not whole.any():
        return math.nan
    hidden = ~counts[..., None]  # in no window that is looked at: what stands there may be anything finite
    target, prediction = (np.where(hidden, 0, array) for array in (target, prediction))
    planes = (_ssim_of_plane(target[..., c], prediction[..., c])[1] for c in range(target.shape[2]))
    return float(np.mean([np.mean(plane[inside, inside][whole]) for plane in planes]))


def _ssim_of_plane(target: np.ndarray, prediction: np.ndarray) -> tuple[float, np.ndarray]:
    """(mean over windows that lie wholly in the picture, SSIM around each pixel)."""
    from skimage.metrics import structural_similarity  # here, as few need it: it would double what an import brings

    return structural_similarity(
        target.astype(np.float64),
        np.clip(prediction.astype(np.float64), 0, 1),
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )


def ms_ssim(target: npt.ArrayLike, prediction: npt.ArrayLike) -> float:
    """Multi-scale structural similarity, in [0, 1], 1 for equal pictures: the mean over channels.

    prod_j cs_j^w_j * l_M^w_M for scales j = 1 ... M, each half as large as the one before (means of 2 x 2 pixels), with
    the window and constants of `ssim`; cs is the mean contrast and structure term, 0 where it is negative, and l the
    mean of the whole SSIM at the last scale. Weights are those of Wang, Simoncelli, Bovik 2003. Their five scales need
    sides of 176 pixels; smaller pictures get the scales that still hold a window, their weights scaled to a sum of 1.

    Args and Raises: as `ssim`.

    >>> picture = np.linspace(0, 1, 1024).reshape(32, 32, 1)
    >>> round(ms_ssim(picture, picture), 12)
    1.0
    """
    target, prediction = _checked(target, prediction)
    if target.ndim != 3 or min(target.shape[:2]) < SSIM_WINDOW:
        raise InputError(
            f"ms_ssim needs pictures (height, width, channels) of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, "
            f"received shape {target.shape}"
        )
    scales = sum(min(target.shape[:2]) // 2**j >= SSIM_WINDOW for j in range(len(MS_SSIM_WEIGHTS)))
    weights = np.array(MS_SSIM_WEIGHTS[:scales]) / sum(MS_SSIM_WEIGHTS[:scales])
    pair = [target.astype(np.float64), np.clip(prediction.astype(np.float64), 0, 1)]
    product = 1.0
    for scale, weight in enumerate(weights, start=1):
        whole, contrast = _ssim_terms(*pair)
        product = product * np.maximum(whole if scale == scales else contrast, 0.0) ** weight
        pair = [_halved(picture) for picture in pair]
    return float(np.mean(product))


def _ssim_terms(target: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean SSIM, and mean of its contrast and structure term alone, of each channel."""
    from scipy.ndimage import correlate1d

    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    window = np.exp(-np.square(offsets) / (2 * 1.5**2))
    window /= window.sum()
    inside = slice(SSIM_WINDOW // 2, -(SSIM_WINDOW // 2))

    def blurred(values):
        return correlate1d(correlate1d(values, window, axis=0), window, axis=1)[inside, inside]

    mean_t, mean_p = blurred(target), blurred(prediction)
    variances = blurred(target**2) - mean_t**2 + blurred(prediction**2) - mean_p**2
    covariance = blurred(target * prediction) - mean_t * mean_p
    contrast = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    luminance = (2 * mean_t * mean_p + 0.01**2) / (mean_t**2 + mean_p**2 + 0.01**2)
    return np.mean(luminance * contrast, axis=(0, 1)), np.mean(contrast, axis=(0, 1))


def _halved(picture: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (length // 2 * 2 for length in picture.shape[:2])
    return picture[:height, :width].reshape(height // 2, 2, width // 2, 2, -1).mean(axis=(1, 3))


def _mean_squared_error(
    target: npt.ArrayLike, prediction: npt.ArrayLike, transform: Callable[[np.ndarray, np.dtype], np.ndarray]
) -> float:
    target, prediction = _checked(target, prediction)
    target_values, prediction_values = target.reshape(-1), prediction.reshape(-1)
    total = 0.0
    for first in range(0, target.size, VALUES_PER_CHUNK):
        chunk = slice(first, first + VALUES_PER_CHUNK)
        values = transform(prediction_values[chunk].astype(np.float64), target.dtype)
        total += float(np.sum(np.square(target_values[chunk].astype(np.float64) - values)))
    return total / target.size


def _round_to_8bit(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    levels = np.rint(np.clip(values, 0, 1) * 255) / 255
    return levels.astype(dtype).astype(np.float64)


def _checked(target: npt.ArrayLike, prediction: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    target, prediction = np.asarray(target), np.asarray(prediction)
    if target.shape != prediction.shape or not target.size:
        raise InputError(
            "target and prediction must have one shape with at least one value, "
            f"received {target.shape} and {prediction.shape}"
        )
    for name, array in (("target", target), ("prediction", prediction)):
        # "V" is bfloat16, which NumPy does not count among its own floating types
        if array.dtype.kind not in "fV":
            raise InputError(f"{name} must be floating, nominally in [0, 1], received dtype {array.dtype}")
    return target, prediction


def _check_static_shapes(target: tuple[int | None, ...], prediction: tuple[int | None, ...]) -> None:
    agree = len(target) == len(prediction) and all(
        None in pair or pair[0] == pair[1] for pair in zip(target, prediction, strict=True)
    )
    if not agree:
        raise InputError(f"y_true and y_pred must have one shape, received {target} and {prediction}")


def psnr_text(psnr_db: float | None) -> str:
    """A PSNR as text; None is that of an exact picture, see `finite`.

    >>> psnr_text(30.123), psnr_text(None)
    ('30.12 dB', 'exact')
    """
    return "exact" if psnr_db is None else f"{psnr_db:.2f} dB"
