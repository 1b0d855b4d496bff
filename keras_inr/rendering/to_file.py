"""A field's values or derivatives on a raster, written to a picture or array file strip by strip."""

import dataclasses
import json
import math
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import numpy.typing as npt
import tqdm

from keras_inr._arguments import INT32_MAX
from keras_inr._bars import is_live, progress_bar
from keras_inr._files import atomic_folder, atomic_path
from keras_inr.coordinates import picture_box, pixel_pitch
from keras_inr.errors import InputError
from keras_inr.rendering._folder_writers import check_zarr, tiles_of, write_deep_zoom, write_zarr_strips
from keras_inr.rendering._strip_writers import PNG_COLOUR_TYPES, write_npy_strips, write_png_strips, write_tiff_strips
from keras_inr.rendering.derivative_pictures import DERIVATIVES
from keras_inr.rendering.raster import MAX_EDGE, FieldRaster, integer_codes

OUTPUTS = {"value": "values", **{kind: derivative.output for kind, derivative in DERIVATIVES.items()}}
WRITERS = {
    ".png": write_png_strips,
    ".npy": write_npy_strips,
    ".tif": write_tiff_strips,
    ".tiff": write_tiff_strips,
    ".zarr": write_zarr_strips,
}
DEEP_ZOOM = ".dzi"
ARRAYS = (".npy", ".zarr")
BITS = {
    ".png": (8, 16),
    ".npy": (None,),
    ".tif": (32, 8, 16),
    ".tiff": (32, 8, 16),
    ".zarr": (None,),
    DEEP_ZOOM: (8,),
}
"""Bits of a sample that a format may have; the first is the default."""

PICTURES = (".png", DEEP_ZOOM)
SCALE_ROWS = 32  # of the raster, evenly spaced, out of which a scale is taken
SECONDS_BETWEEN_LINES = 10


@dataclasses.dataclass(frozen=True)
class RenderSettings:
    """What is rendered, and to which file.

    Args:
        out: path; its extension chooses PNG, NPY or TIFF, a Zarr array (.zarr, a folder; it needs the package zarr), or
            Deep Zoom (.dzi, and a folder of tiles beside it, which any web server can offer to a viewer). None is a PNG
            named after what it holds.
        size: (height, width), or None.
        scale: pixels per pixel of the field's picture, along each side; 1 by default. The whole picture has its own
            size then, and a box that part of it. One of size and scale.
        box: (x0, y0, x1, y1), outer edges; None is the whole picture.
        output: "value", "gradient" or "laplacian". NPY, Zarr and 32-bit TIFF hold derivatives per coordinate unit, the
            Jacobian's channels being (d values_0/dx, d values_0/dy, d values_1/dx, ...) in a TIFF; other files hold
            pictures of them, see `keras_inr.rendering.derivative_pictures`.
        bits: PNG 8 (default) or 16, TIFF 32 (default, float), 8 or 16, Deep Zoom 8; None for NPY and Zarr, which have
            the field's dtype. Pictures of derivatives have 8.
        full_scale: magnitude at which a picture of derivatives is at its brightest; None takes the 99th percentile of
            32 rows.
        supersampling, allow_kinks: see `keras_inr.rendering.raster.FieldRaster`.
        between: see there; "auto" leaves floating point as the field has it.
    """

    out: str | pathlib.Path | None = None
    size: tuple[int, int] | None = None
    scale: float | None = None
    box: tuple[float, float, float, float] | None = None
    output: str = "value"
    bits: int | None = None
    full_scale: float | None = None
    supersampling: int | None = None
    allow_kinks: bool = False
    between: str = "auto"


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A file that was written: path, (height, width, samples) or (height, width, channels, 2), dtype, the points along
    the sides of a pixel (s_y, s_x), the full_scale of a picture of derivatives, else None, and what is shown between
    the picture's pixels, "field" or "spline".
    """

    path: pathlib.Path
    shape: tuple[int, ...]
    dtype: np.dtype
    supersampling: tuple[int, int]
    full_scale: float | None
    between: str


def render_file(
    field: keras.Model,
    settings: RenderSettings,
    folder: str | os.PathLike[str] = ".",
    overwrite: bool = False,
    progress: bool = False,
) -> Rendered:
    """Renders a field into a file, which appears under its name when it is complete.

    No more than a few strips are in memory, whatever the size.

    Args:
        field: a `Field`, not a stacked one.
        settings: `RenderSettings`.
        folder: where a file without a given name goes.
        overwrite: whether a file of that name may be replaced.
        progress: whether to show the rows done on standard error, where it takes long.

    Returns:
        `Rendered`.

    Raises:
        InputError: for settings that cannot be; nothing was written.
        OSError: if the disk is full; nothing is left.

    >>> import tempfile
    >>> from keras_inr.models import Siren
    >>> field = Siren(units=(8,), picture_size=(20, 30), seed=0)
    >>> done = render_file(field, RenderSettings(scale=2, output="laplacian"), folder=tempfile.mkdtemp())
    >>> done.path.name, done.shape, done.dtype.name
    ('render-laplacian-40x60.png', (40, 60, 3), 'uint8')
    """
    if settings.output not in OUTPUTS:
        raise InputError(f"output must be one of {tuple(OUTPUTS)}, received {settings.output!r}")
    if field.num_fields is not None:
        raise InputError(f"field must be a single field to be rendered, received num_fields={field.num_fields}")
    height, width = raster_size(field, settings)
    path = _checked_path(settings, folder, height, width, overwrite)
    bits = _checked_bits(path, settings, field.channels)
    shared = (height, width, settings.box, settings.supersampling)
    # numbers are the field's own unless a spline is asked for
    between = "field" if settings.between == "auto" and bits in (None, 32) else settings.between
    raster = FieldRaster(field, *shared, OUTPUTS[settings.output], settings.allow_kinks, between)
    suffix = path.suffix.lower()
    convert, shape, dtype, full_scale = _conversion(raster, settings, bits, suffix in ARRAYS)
    description = _description(raster, settings, full_scale)

    def strips_of(some: FieldRaster) -> Iterator[np.ndarray]:
        strips = (convert(strip) for strip in some.strips())
        return _with_progress(strips, some.height) if progress else strips

    def level(*size: int) -> Iterator[np.ndarray]:
        """Strips of a level of Deep Zoom, which the field draws itself."""
        others = (settings.box, None, OUTPUTS[settings.output], settings.allow_kinks, between)
        return strips_of(raster if size == (height, width) else FieldRaster(field, size[0], size[1], *others))

    if suffix == DEEP_ZOOM:
        write_deep_zoom(path, (height, width), level)
    else:
        with (atomic_folder if suffix == ".zarr" else atomic_path)(path) as temporary:
            WRITERS[suffix](temporary, strips_of(raster), shape, dtype, description)
    return Rendered(path, shape, np.dtype(dtype), raster.supersampling, full_scale, raster.between)


def raster_size(field: keras.Model, settings: RenderSettings) -> tuple[int, int]:
    """(height, width) that the settings ask for, at least 1 x 1.

    Raises:
        InputError: for size and scale together, numbers out of range, or a scale where the field has no picture.
    """
    size, scale, box = settings.size, settings.scale, settings.box
    inside = box is not None and len(box) == 4 and bool(np.all(np.abs(box) <= MAX_EDGE))
    if box is not None and not (inside and box[0] != box[2] and box[1] != box[3]):
        message = f"box must be (x0, y0, x1, y1) within +-{MAX_EDGE:g} with a width and a height"
        raise InputError(f"{message}, received {box!r}")
    if size is not None and scale is not None:
        raise InputError(f"give one of size and scale, received {size!r} and {scale!r}")
    if size is not None:
        if len(size) != 2 or min(size) < 1:
            raise InputError(f"size must be (height, width), at least 1 x 1, received {size!r}")
        return size[0], size[1]
    scale = 1.0 if scale is None else scale
    if not 0 < scale < math.inf:
        raise InputError(f"scale must be positive and finite, received {scale!r}")
    if field.picture_size is None:
        raise InputError("size must be given for a field without a picture_size")
    x0, y0, x1, y1 = picture_box(*field.picture_size) if box is None else box
    per_unit = scale / pixel_pitch(*field.picture_size)
    if not max(abs(y1 - y0), abs(x1 - x0)) * per_unit <= INT32_MAX:
        raise InputError(f"scale must make pictures at most {INT32_MAX} pixels long, received {scale!r}")
    return max(1, round(abs(y1 - y0) * per_unit)), max(1, round(abs(x1 - x0) * per_unit))


def _checked_path(
    settings: RenderSettings, folder: str | os.PathLike[str], height: int, width: int, overwrite: bool
) -> pathlib.Path:
    """The file to be written, once it is known that it may be."""
    if settings.out is None:
        kind = "" if settings.output == "value" else f"{settings.output}-"
        path = pathlib.Path(folder) / f"render-{kind}{height}x{width}.png"
    else:
        path = pathlib.Path(settings.out)
    if path.suffix.lower() not in BITS:
        raise InputError(f"out must end in one of {', '.join(BITS)}, received {str(path)!r}")
    if path.suffix.lower() == ".zarr":
        check_zarr()
    if not path.parent.is_dir():
        raise InputError(f"out must lie in a folder that exists, received {str(path)!r}")
    if path.suffix.lower() == ".zarr" and path.exists():
        raise InputError(f"{path} exists already; remove it, or give another name")
    if path.is_dir():
        raise InputError(f"out must be a file, received the folder {str(path)!r}")
    tiles = tiles_of(path) if path.suffix.lower() == DEEP_ZOOM else path
    if (path.exists() or tiles.exists()) and not overwrite:
        raise InputError(f"{path} exists already; add overwrite=True, or give another name")
    return path


def _checked_bits(path: pathlib.Path, settings: RenderSettings, channels: int) -> int | None:
    """Bits of a sample; 32 and None are floating point."""
    allowed = BITS[path.suffix.lower()]
    bits = allowed[0] if settings.bits is None else settings.bits
    if bits not in allowed:
        wanted = " or ".join(map(str, sorted(filter(None, allowed)))) or "left out"
        raise InputError(f"bits must be {wanted} for {path.suffix}, received {bits!r}")
    is_picture = settings.output != "value" and bits in (8, 16)
    if is_picture and bits == 16:
        raise InputError(f"bits must be 8 for a picture of the {settings.output}, received 16")
    if settings.full_scale is not None and not is_picture:
        raise InputError(f"full_scale is for pictures of derivatives, received {settings.full_scale!r} for {path.name}")
    if settings.full_scale is not None and not 0 < settings.full_scale < math.inf:
        raise InputError(f"full_scale must be positive and finite, received {settings.full_scale!r}")
    if not is_picture and path.suffix.lower() in PICTURES and channels not in PNG_COLOUR_TYPES:
        raise InputError(f"a PNG has 1, 3 or 4 channels, received {channels}; give a name that ends in .tif or .npy")
    return bits


def _conversion(
    raster: FieldRaster, settings: RenderSettings, bits: int | None, is_array: bool
) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[int, ...], npt.DTypeLike, float | None]:
    """(function of strips, shape and dtype of what is written, full_scale or None)."""
    size = (raster.height, raster.width)
    if is_array:
        return (lambda strip: strip), raster.shape, raster.dtype, None
    if bits == 32:
        samples = math.prod(raster.shape[2:])
        return (lambda strip: strip.reshape(*strip.shape[:2], samples)), (*size, samples), np.float32, None
    if settings.output == "value":
        dtype = np.uint16 if bits == 16 else np.uint8
        return (lambda strip: integer_codes(strip, dtype)), raster.shape, dtype, None
    derivative = DERIVATIVES[settings.output]
    full_scale = settings.full_scale
    if full_scale is None:
        rows = np.unique((np.arange(SCALE_ROWS) + 0.5) * raster.height // SCALE_ROWS).astype(int)
        full_scale = derivative.scale_of(np.concatenate([raster.rows(row, 1) for row in rows.tolist()]))
        if not math.isfinite(full_scale):
            raise InputError(f"the {settings.output} must be finite to be drawn, received {full_scale} as its size")
    return (lambda strip: derivative.draw(strip, full_scale)), (*size, 3), np.uint8, full_scale


def _description(raster: FieldRaster, settings: RenderSettings, full_scale: float | None) -> str:
    """What a TIFF or PNG says about itself, strict JSON."""
    facts = {
        "format_version": 1,
        "software": "keras_inr",
        "output": settings.output,
        "box": [float(edge) for edge in raster.box],
        "unit": "sRGB-coded, nominally [0, 1]" if settings.output == "value" else "per coordinate unit",
        "picture_size": raster.field.picture_size,
        "points_per_pixel": raster.supersampling,
        "between": raster.between,
    }
    return json.dumps(facts if full_scale is None else {**facts, "full_scale": full_scale}, allow_nan=False)


def _with_progress(strips: Iterable[np.ndarray], height: int) -> Iterator[np.ndarray]:
    """The strips, while standard error tells how many rows are done: in a terminal by a bar, elsewhere now and then."""
    live = is_live()
    with progress_bar(live, desc="rendering", total=height, unit=" rows", delay=2) as bar:
        done, last_line_at = 0, time.monotonic()
        for strip in strips:
            yield strip
            done += len(strip)
            bar.update(len(strip))
            if not live and time.monotonic() > last_line_at + SECONDS_BETWEEN_LINES:
                last_line_at = time.monotonic()
                tqdm.tqdm.write(f"row {done}/{height}", file=sys.stderr)
