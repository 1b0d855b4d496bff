"""The first page of a TIFF file to a raster, with all its bits."""

import enum

import numpy as np
import tifffile

from keras_inr.errors import ImageError
from keras_inr.signals._arrays import check_unit_range
from keras_inr.signals._decoding.decoded import NUM_COLOURS, Raster, check_pixels
from keras_inr.signals._decoding.metadata import numbered_orientation, warn_ignored
from keras_inr.signals._decoding.tiff_directory import Directory, PixelsOnly, check_pixel_tags, read_directory
from keras_inr.signals._decoding.tiff_segments import check_segments, compression_name

_PHOTOMETRIC = tifffile.PHOTOMETRIC
_MODELS: dict[int, str] = {
    _PHOTOMETRIC.MINISWHITE: "grey",
    _PHOTOMETRIC.MINISBLACK: "grey",
    _PHOTOMETRIC.RGB: "rgb",
    _PHOTOMETRIC.PALETTE: "rgb",
    _PHOTOMETRIC.SEPARATED: "cmyk",
    _PHOTOMETRIC.YCBCR: "rgb",
}
_JPEG_COMPRESSIONS = (tifffile.COMPRESSION.JPEG, tifffile.COMPRESSION.OJPEG)
_PROFILE_TAG = 34675


def decode_tiff(data: bytes, max_pixels: int) -> Raster:
    """Raster of the first page: 1 to 16-bit unsigned integers or floats in [0, 1]; grey, RGB, palette, CMYK, alpha.

    Classic and BigTIFF, strips and tiles, interleaved and planar. Tags that say nothing about pixels are not looked at,
    but for the profile and the orientation, which are ignored with a warning where they are broken. Raises ImageError
    for what is not supported and for files cut short; tifffile's own exceptions pass through.
    """
    directory = read_directory(data)
    check_pixel_tags(data, directory)
    with tifffile.TiffFile(PixelsOnly(data, directory)) as tiff:
        page = tiff.pages.first
        check_pixels(page.imagelength, page.imagewidth, max_pixels)
        model = checked_model(page)
        check_segments(page, data, max_pixels)
        samples = _interleaved(page, page.asarray())
        bit_depth = 32 if samples.dtype.kind == "f" else 8 if page.bitspersample <= 8 else 16
        samples, peak, has_alpha = interpreted(page, samples, model)
    orientation = numbered_orientation(data, directory, "TIFF directory")
    orientation = orientation if orientation is not None and 1 <= orientation <= 8 else 1
    return Raster(samples, model, has_alpha, peak, bit_depth, profile_of(data, directory), orientation)


def profile_of(data: bytes, directory: Directory) -> bytes | None:
    """The ICC profile of a directory."""
    if _PROFILE_TAG not in directory.entries:
        return None
    profile = directory.block(data, _PROFILE_TAG)
    if profile is None:
        warn_ignored("ICC profile", "is not a block of bytes inside the file")
    return profile


def checked_model(page: tifffile.TiffPage) -> str:
    """The colour model of a page that can be decoded; ImageError for any other."""
    model = _MODELS.get(page.photometric)
    if model is None or (page.photometric == _PHOTOMETRIC.YCBCR and page.compression not in _JPEG_COMPRESSIONS):
        raise ImageError(
            "source must be a TIFF of grey, RGB, palette, CMYK or JPEG-compressed YCbCr samples, "
            f"received photometric {_name(_PHOTOMETRIC, page.photometric)} "
            f"with compression {compression_name(page.compression)}"
        )
    is_float = page.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP and page.bitspersample in (16, 24, 32, 64)
    is_small = page.sampleformat == tifffile.SAMPLEFORMAT.UINT and page.bitspersample in range(1, 17)
    if not (is_float or is_small):
        raise ImageError(
            "source must be a TIFF of floats or of unsigned integers of at most 16 bits a sample, "
            f"received {page.bitspersample} bits of sample format {_name(tifffile.SAMPLEFORMAT, page.sampleformat)}"
        )
    wanted = 1 if page.photometric == _PHOTOMETRIC.PALETTE else NUM_COLOURS[model]
    depth = page.tiledepth if page.is_tiled and page.imagedepth == 1 else page.imagedepth
    if not wanted <= page.samplesperpixel <= wanted + 4 or depth != 1:
        raise ImageError(
            f"source must be a flat TIFF of {wanted} to {wanted + 4} samples per pixel for photometric "
            f"{_name(_PHOTOMETRIC, page.photometric)}, received {page.samplesperpixel} and depth {depth}"
        )
    return model


def _name(codes: type[enum.IntEnum], code: int) -> str:
    try:
        return codes(code).name
    except ValueError:
        return str(code)


def _interleaved(page: tifffile.TiffPage, samples: np.ndarray) -> np.ndarray:
    """Samples as (H, W, S) whatever their order in the file."""
    if page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        samples = np.moveaxis(samples, 0, -1)
    return samples.reshape(page.imagelength, page.imagewidth, -1)


def interpreted(page: tifffile.TiffPage, samples: np.ndarray, model: str) -> tuple[np.ndarray, int, bool]:
    """(samples, peak, has_alpha) with palettes looked up, white-is-zero inverted and premultiplication undone."""
    samples = samples.astype("uint8") if samples.dtype.kind == "b" else samples  # of one bit
    peak = 1 if samples.dtype.kind == "f" else 2**page.bitspersample - 1
    if samples.dtype.kind == "f":
        check_unit_range(samples)
    if page.photometric == _PHOTOMETRIC.PALETTE:
        if samples.dtype.kind != "u" or page.colormap is None:
            raise ImageError("source is a TIFF file that is broken: its photometric is PALETTE without a colour map")
        palette = np.moveaxis(page.colormap, 0, -1)
        if samples.max() >= len(palette):
            raise ImageError(
                f"source is a TIFF file that is broken: its colour map has {len(palette)} colours and its pixels ask "
                f"for number {samples.max()}, counted from 0"
            )
        return palette[samples[..., 0]], 65535 if palette.max() > 255 else 255, False  # some writers store 8 bits
    colours = NUM_COLOURS[model]
    extra = page.extrasamples[0] if page.extrasamples else tifffile.EXTRASAMPLE.UNSPECIFIED
    has_alpha = samples.shape[2] > colours and extra != tifffile.EXTRASAMPLE.UNSPECIFIED
    samples = samples[..., : colours + has_alpha]
    if page.photometric == _PHOTOMETRIC.MINISWHITE:
        samples = np.concatenate([samples.dtype.type(peak) - samples[..., :1], samples[..., 1:]], axis=-1)
    if has_alpha and extra == tifffile.EXTRASAMPLE.ASSOCALPHA:
        samples, peak = _unassociated(np.divide(samples, peak, dtype="float32", casting="unsafe")), 1
    return samples, peak, has_alpha


def _unassociated(samples: np.ndarray) -> np.ndarray:
    """Premultiplied colours divided by alpha; what is fully transparent has no colour and becomes black."""
    alpha = samples[..., -1:]
    with np.errstate(over="ignore"):  # an alpha of next to nothing
        colour = np.divide(samples[..., :-1], alpha, out=np.zeros_like(samples[..., :-1]), where=alpha > 0)
    return np.concatenate([np.minimum(colour, 1), alpha], axis=-1)
