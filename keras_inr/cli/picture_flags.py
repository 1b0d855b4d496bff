"""Flags that tell which picture is meant and how it is read; shared by the commands that take pictures."""

from typing import Any

from absl import flags

from keras_inr.cli.numbers import parse_numbers
from keras_inr.errors import InputError


def define() -> None:
    """Defines --image and its companions."""
    flags.DEFINE_string(
        "image",
        "sample:chelsea",
        "picture: a path, sample:NAME (a photograph that scikit-image ships), or tfds:NAME/SPLIT#INDEX",
    )
    flags.DEFINE_string(
        "mask",
        None,
        "picture as large as --image before --crop and --size: its white pixels count, black ones take no part in the "
        "fit, greys are weights",
    )
    define_reading()


def define_reading() -> None:
    """Defines --image's companions, which tell how pictures are read."""
    flags.DEFINE_string("size", None, "resize to HEIGHTxWIDTH pixels, or to one number for the longer side")
    flags.DEFINE_string("crop", None, "TOP,LEFT,HEIGHT,WIDTH in pixels, before resizing")
    flags.DEFINE_bool("grayscale", False, "fit one grey channel (ITU-R 601 luma)")
    flags.DEFINE_enum("alpha", "white", ["white", "keep"], "transparency: composite on white, or keep as a channel")
    flags.DEFINE_integer("max_pixels", 2**26, "refuse pictures with more pixels", lower_bound=1)
    flags.DEFINE_string("data_dir", None, "folder of prepared TensorFlow Datasets")


def image_options(values: flags.FlagValues) -> dict[str, Any]:
    """Arguments for `load_image` out of the parsed flags; those that are at their default are left out."""
    if not values.image:
        raise InputError(f"image must be a path, sample:NAME or tfds:NAME/SPLIT#INDEX, received {values.image!r}")
    return reading_options(values) | ({} if values.mask is None else {"mask": values.mask})


def reading_options(values: flags.FlagValues) -> dict[str, Any]:
    """Those that do not depend on which picture it is."""
    options = {"size": size("size", values.size), "crop": region("crop", values.crop)}
    options = {name: option for name, option in options.items() if option is not None}
    for name in ("grayscale", "alpha", "max_pixels", "data_dir"):
        if values[name].value != values[name].default:
            options[name] = values[name].value
    return options


def size(name: str, text: str | None) -> Any:
    """(height, width), the longer side, or None.

    >>> size("size", "300x400"), size("size", "400"), size("size", None)
    ((300, 400), 400, None)
    """
    if text is None:
        return None
    numbers = parse_numbers(name, text, "whole numbers as N or NxN", "x", (1, 2), int)
    return numbers[0] if len(numbers) == 1 else numbers


def region(name: str, text: str | None) -> Any:
    """(top, left, height, width), or None.

    >>> region("crop", "1,2,3,4")
    (1, 2, 3, 4)
    """
    return None if text is None else parse_numbers(name, text, "whole numbers as N,N,N,N", ",", (4,), int)
