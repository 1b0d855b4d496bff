"""Renders a run's field at any size: keras-inr render --run=runs/0001 --scale=4"""

import contextlib
import pathlib

from absl import flags

from keras_inr._disk_errors import without_temporary_names
from keras_inr.blocks.store import holds_blocks, open_blocks
from keras_inr.cli import own_modules
from keras_inr.cli.help import group
from keras_inr.cli.numbers import parse_numbers
from keras_inr.errors import InputError
from keras_inr.models.field import Field
from keras_inr.models.field_files import model_path, read_field
from keras_inr.rendering.between_pixels import WAYS
from keras_inr.rendering.to_file import OUTPUTS, Rendered, RenderSettings, render_file
from keras_inr.signals.luma import LUMA

FLAGS = flags.FLAGS

SCALE_HELP = "pixels per pixel of the picture along each side, 1 by default; the size of a --box follows from it"
OUT_HELP = (
    "file to write, .png, .npy, .tif or .tiff, .zarr, or .dzi (Deep Zoom tiles); by default render-HEIGHTxWIDTH.png in "
    "the run, or beside the model"
)
OUTPUT_HELP = "derivatives become pictures in 8 bits; .npy and .tif hold them per coordinate unit"
BITS_HELP = "8 (default) or 16 for PNG; 32 (default, floating point), 8 or 16 for TIFF"
RANGE_HELP = "magnitude at which a picture of derivatives is brightest; the 99th percentile by default"
SUPERSAMPLING_HELP = (
    "points along each side of a pixel, 1 to 64; by default so many that pixels larger than the picture's are averaged"
)
BETWEEN_HELP = (
    "what is shown between the picture's pixels: the field's own values, or the cubic spline through those at pixel "
    "centres; auto takes the spline for a field that is not smooth there"
)


@group("Picture")
def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("run", None, "run folder; its model.keras is rendered")
    flags.DEFINE_string("model", None, "another .keras file to render")
    flags.DEFINE_string("size", None, "HEIGHTxWIDTH in pixels")
    flags.DEFINE_float("scale", None, SCALE_HELP)
    flags.DEFINE_string("box", None, "x0,y0,x1,y1: outer edges in coordinates; the whole picture by default")
    flags.DEFINE_enum("output", "value", list(OUTPUTS), OUTPUT_HELP)
    flags.DEFINE_string("out", None, OUT_HELP)
    flags.DEFINE_integer("bits", None, BITS_HELP)
    flags.DEFINE_float("range", None, RANGE_HELP)
    flags.DEFINE_integer("supersampling", None, SUPERSAMPLING_HELP)
    flags.DEFINE_enum("between", "auto", WAYS, BETWEEN_HELP)
    flags.DEFINE_bool("allow_kinks", False, "take the Laplacian between the kinks of a field that has them")
    flags.DEFINE_bool("overwrite", False, "replace the file if it exists")
    flags.DEFINE_bool("progress", True, "tell the rows done, where it takes long")
    own_modules.define()


def main(argv: list[str]) -> int:
    """Renders as the flags tell; the exit code."""
    settings = RenderSettings(
        out=FLAGS.out,
        size=None if FLAGS.size is None else parse_numbers("size", FLAGS.size, "HEIGHTxWIDTH", "x", (2,), int),
        scale=FLAGS.scale,
        box=None if FLAGS.box is None else parse_numbers("box", FLAGS.box, "x0,y0,x1,y1", ",", (4,), float),
        output=FLAGS.output,
        bits=FLAGS.bits,
        full_scale=FLAGS.range,
        supersampling=FLAGS.supersampling,
        allow_kinks=FLAGS.allow_kinks,
        between=FLAGS.between,
    )
    path = model_path(FLAGS.run, FLAGS.model)
    field = opened(path)
    errors_of_files = getattr(field, "errors_of_files", contextlib.nullcontext)
    try:
        with errors_of_files():
            done = render_file(field, settings, path.parent, FLAGS.overwrite, FLAGS.progress)
    except FileNotFoundError as error:  # of a folder in which nothing can be made, such as /proc
        told = without_temporary_names(error.filename)
        raise InputError(f"out must be a file that can be written, received {told!r}") from None
    print(summary(done, FLAGS.output))
    return 0


def opened(path: pathlib.Path) -> Field:
    """The field of a model's file; of a run of blocks the one whose weights stay in files."""
    if FLAGS.run is not None and holds_blocks(path.parent):
        return open_blocks(path.parent)
    return read_field(path)


def summary(done: Rendered, output: str) -> str:
    """What was written, in one line."""
    height, width, *samples = done.shape
    text = f"{done.path}: {output}, {height} x {width}, {' x '.join(map(str, samples))} {done.dtype.name} per pixel"
    down, across = done.supersampling
    if down * across > 1:
        text += f", mean of {down} x {across} points"
    if done.between == "spline":
        text += "; between its pixels the field is not smooth: they are joined by a spline, --between=field shows it"
    if done.full_scale is not None:
        weights = ", ".join(map(str, LUMA))
        text += f", of the luma ({weights}), full scale {done.full_scale:.4g} per coordinate unit"
    return text + (" squared" if done.full_scale is not None and output == "laplacian" else "")
