"""Flags that tell which picture is meant and how it is read; shared by the commands that take pictures."""

from collections.abc import Sequence
from typing import Any

from absl import flags

from keras_inr.errors import InputError


def define() -> None:
    """Defines --image and its companions."""
    flags.DEFINE_string(
        "image",
        "sample:chelsea",
        "picture: a path, sample:NAME (a photograph that scikit-image ships), or tfds:NAME/SPLIT#INDEX",
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
    return reading_options(values)


def reading_options(values: flags.FlagValues) -> dict[str, Any]:
    """Those that do not depend on which picture it is."""
    options: dict[str, Any] = {}
    if values.size is not None:
        options["size"] = size("size", values.size)
    if values.crop is not None:
        options["crop"] = integers("crop", values.crop, ",", (4,))
    for name in ("grayscale", "alpha", "max_pixels", "data_dir"):
        if values[name].value != values[name].default:
            options[name] = values[name].value
    return options


def size(name: str, text: str | None) -> Any:
    """(height, width), the longer side, or None.

    >>> size("size", "300x400"), size("size", "400"), size("size", None)
    ((300, 400), 400, None)
    """
    numbers = None if text is None else integers(name, text, "x", (1, 2))
    return numbers[0] if numbers is not None and len(numbers) == 1 else numbers


def integers(name: str, text: str, separator: str, counts: Sequence[int]) -> Any:
    """The numbers of a flag, as many as one of the counts.

    >>> integers("crop", "1,2,3,4", ",", (4,))
    (1, 2, 3, 4)
    """
    try:
        numbers = tuple(int(part) for part in text.split(separator))
    except ValueError:
        numbers = ()
    if len(numbers) not in counts:
        wanted = " or ".join(separator.join(["N"] * count) for count in counts)
        raise InputError(f"{name} must be whole numbers as {wanted}, received {text!r}")
    return numbers
