"""The first page of a TIFF file to a raster, with all its bits."""

import io

import numpy as np
import tifffile

from keras_inr.signals.arrays import check_unit_range
from keras_inr.signals.errors import ImageError
from keras_inr.signals.raster import NUM_COLOURS, Raster, check_pixels
from keras_inr.signals.tiff_directory import check_directory

_PHOTOMETRIC = tifffile.PHOTOMETRIC
_MODELS = {
    _PHOTOMETRIC.MINISWHITE: "grey",
    _PHOTOMETRIC.MINISBLACK: "grey",
    _PHOTOMETRIC.RGB: "rgb",
    _PHOTOMETRIC.PALETTE: "rgb",
    _PHOTOMETRIC.SEPARATED: "cmyk",
    _PHOTOMETRIC.YCBCR: "rgb",
}
_JPEG_COMPRESSIONS = (tifffile.COMPRESSION.JPEG, tifffile.COMPRESSION.OJPEG)
_ORIENTATION_TAG = 274


def decode_tiff(data, max_pixels):
    """Raster of the first page: 1 to 16-bit unsigned integers or floats in [0, 1]; grey, RGB, palette, CMYK, alpha.

    Classic and BigTIFF, strips and tiles, interleaved and planar. Raises ImageError for what is not supported and
    for files cut short; tifffile's own exceptions pass through.
    """
    check_directory(data)
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        check_pixels(page.imagelength, page.imagewidth, max_pixels)
        if page.is_tiled:  # a tile may be larger than the picture
            check_pixels(page.tilelength, page.tilewidth, max(max_pixels, 2**20), what="a tile of source")
        model = _checked_model(page)
        if any(start + count > len(data) for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)):
            raise ImageError(f"source is a TIFF file that is truncated: it ends after {len(data)} bytes")
        samples = _interleaved(page, page.asarray())
        bit_depth = 32 if samples.dtype.kind == "f" else 8 if page.bitspersample <= 8 else 16
        orientation = page.tags.valueof(_ORIENTATION_TAG, default=1)
        orientation = orientation if orientation in range(1, 9) else 1
        samples, peak, has_alpha = _interpreted(page, samples, model)
        return Raster(samples, model, has_alpha, peak, bit_depth, page.iccprofile, orientation)


def _checked_model(page):
    """The colour model of a page that can be decoded; ImageError for any other."""
    model = _MODELS.get(page.photometric)
    if model is None or (page.photometric == _PHOTOMETRIC.YCBCR and page.compression not in _JPEG_COMPRESSIONS):
        raise ImageError(
            "source must be a TIFF of grey, RGB, palette, CMYK or JPEG-compressed YCbCr samples, "
            f"received photometric {_name(_PHOTOMETRIC, page.photometric)} "
            f"with compression {_name(tifffile.COMPRESSION, page.compression)}"
        )
    is_float = page.sampleformat == tifffile.SAMPLEFORMAT.IEEEFP
    is_small = page.sampleformat == tifffile.SAMPLEFORMAT.UINT and page.bitspersample in range(1, 17)
    if not (is_float or is_small):
        raise ImageError(
            "source must be a TIFF of floats or of unsigned integers of at most 16 bits a sample, "
            f"received {page.bitspersample} bits of sample format {_name(tifffile.SAMPLEFORMAT, page.sampleformat)}"
        )
    wanted = 1 if page.photometric == _PHOTOMETRIC.PALETTE else NUM_COLOURS[model]
    if not wanted <= page.samplesperpixel <= wanted + 4 or page.imagedepth != 1:
        raise ImageError(
            f"source must be a flat TIFF of {wanted} to {wanted + 4} samples per pixel for photometric "
            f"{_name(_PHOTOMETRIC, page.photometric)}, received {page.samplesperpixel} and depth {page.imagedepth}"
        )
    return model


def _name(codes, code):
    try:
        return codes(code).name
    except ValueError:
        return str(code)


def _interleaved(page, samples):
    """Samples as (H, W, S) whatever their order in the file."""
    if page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        samples = np.moveaxis(samples, 0, -1)
    return samples.reshape(page.imagelength, page.imagewidth, -1)


def _interpreted(page, samples, model):
    """(samples, peak, has_alpha) with palettes looked up, white-is-zero inverted and premultiplication undone."""
    peak = 1 if samples.dtype.kind == "f" else 2**page.bitspersample - 1
    if samples.dtype.kind == "f":
        check_unit_range(samples)
    if page.photometric == _PHOTOMETRIC.PALETTE:
        palette = np.moveaxis(page.colormap, 0, -1)
        return palette[samples[..., 0]], 65535 if palette.max() > 255 else 255, False  # some writers store 8 bits
    colours = NUM_COLOURS[model]
    extra = page.extrasamples[0] if page.extrasamples else tifffile.EXTRASAMPLE.UNSPECIFIED
    has_alpha = samples.shape[2] > colours and extra != tifffile.EXTRASAMPLE.UNSPECIFIED
    samples = samples[..., : colours + has_alpha]
    if page.photometric == _PHOTOMETRIC.MINISWHITE:
        samples = np.concatenate([peak ^ samples[..., :1], samples[..., 1:]], axis=-1)
    if has_alpha and extra == tifffile.EXTRASAMPLE.ASSOCALPHA:
        samples, peak = _unassociated(np.divide(samples, peak, dtype="float32", casting="unsafe")), 1
    return samples, peak, has_alpha


def _unassociated(samples):
    """Premultiplied colours divided by alpha; what is fully transparent has no colour and becomes black."""
    alpha = samples[..., -1:]
    colour = np.divide(samples[..., :-1], alpha, out=np.zeros_like(samples[..., :-1]), where=alpha > 0)
    return np.concatenate([np.minimum(colour, 1), alpha], axis=-1)
