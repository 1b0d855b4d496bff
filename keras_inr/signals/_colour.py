"""Stored samples to sRGB-coded values: ICC profiles, CMYK, alpha and grey."""

import imagecodecs
import numpy as np

from keras_inr.errors import InputError
from keras_inr.signals._decoding.decoded import NUM_COLOURS, Raster
from keras_inr.signals._decoding.metadata import warn_without_stopping
from keras_inr.signals.luma import LUMA

_PROFILE_SPACES = {"grey": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}  # bytes 16 to 20 of an ICC header
_CODECS_SPACES = {"grey": "gray", "rgb": "rgb", "cmyk": "cmyk"}


def srgb_values(raster: Raster, alpha: str, grayscale: bool) -> np.ndarray:
    """Values (H, W, 1 | 3 | 4) float32 in [0, 1], sRGB-coded, of an upright raster.

    A picture with a usable ICC profile is converted (perceptual intent, in floating point); a profile that moves no
    colour by more than 1/255 is sRGB already and leaves the samples as they are. CMYK without a profile is
    (1 - ink)(1 - black). Transparency is composited on white in coded values, `white = alpha * value + 1 - alpha`, as
    browsers do; with alpha="keep" the result is RGBA where the picture has alpha. Grey is
    0.299 R + 0.587 G + 0.114 B of the coded values (ITU-R BT.601, Pillow's mode "L" without its rounding).
    """
    colours = NUM_COLOURS[raster.model]
    values = _unit_samples(raster.samples[..., :colours], raster.peak)
    converted = None if raster.profile is None else _convert(values, raster.model, raster.profile)
    if converted is not None:
        values = converted
    elif raster.model == "cmyk":
        values = (1 - values[..., :3]) * (1 - values[..., 3:])
    if raster.has_alpha:
        opacity = _unit_samples(raster.samples[..., colours:], raster.peak)
        if alpha == "keep":
            return np.concatenate([np.broadcast_to(values, (*values.shape[:2], 3)), opacity], axis=-1)
        values = opacity * values + (1 - opacity)
    if grayscale and values.shape[-1] == 3:
        values = _grey(values)
    return np.clip(values, 0, 1)


def _grey(values: np.ndarray) -> np.ndarray:
    """Grey (H, W, 1) of RGB, pixel by pixel: a matrix product may round by where in the array a pixel stands."""
    red, green, blue = (values[..., channel : channel + 1] * np.float32(weight) for channel, weight in enumerate(LUMA))
    return red + green + blue


def _unit_samples(samples: np.ndarray, peak: float) -> np.ndarray:
    return np.divide(samples, np.float32(peak), dtype="float32", casting="unsafe")


def _convert(values: np.ndarray, model: str, profile: bytes) -> np.ndarray | None:
    """Values converted from the profile to sRGB, or None where the profile is sRGB, unusable or of another model."""
    if profile[16:20] != _PROFILE_SPACES[model]:
        _ignored(f"is for {profile[16:20]!r} pictures while this one is {model}")
        return None
    try:
        if model != "cmyk":
            probe = _probe(model)
            if np.abs(_transform(probe, model, profile) - probe).max() <= 1 / 255:
                return None
        return _transform(values, model, profile)
    except (imagecodecs.CmsError, ValueError) as error:
        _ignored(f"is broken ({error})")
        return None


def _probe(model: str) -> np.ndarray:
    """Colours (N, 1, C) spread over the whole cube."""
    axis = np.linspace(0, 1, 9, dtype="float32")
    grid = np.meshgrid(*[axis] * NUM_COLOURS[model], indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 1, NUM_COLOURS[model])


def _transform(values: np.ndarray, model: str, profile: bytes) -> np.ndarray:
    """Float32 values (H, W, C) through LittleCMS, clipped to the sRGB gamut; one channel stays one channel."""
    if model == "grey":
        values = values[..., 0]
    result = imagecodecs.cms_transform(
        np.ascontiguousarray(values * 100 if model == "cmyk" else values),  # LittleCMS counts ink in percent
        profile,
        imagecodecs.cms_profile("srgb"),
        colorspace=_CODECS_SPACES[model],
        outcolorspace="rgb",
        outdtype="float32",
        intent=imagecodecs.CMS.INTENT.PERCEPTUAL,
    )
    if not np.isfinite(result).all():
        raise InputError("it does not give finite colours")
    result = result[..., 1:2] if model == "grey" else result
    return np.clip(result, 0, 1)


def _ignored(reason: str) -> None:
    warn_without_stopping(f"the picture's ICC profile {reason}; it is ignored and the colours are taken as sRGB")
