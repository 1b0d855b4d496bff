"""Many pictures at once: what a folder, a data set or a list of sources holds, each with a name and a class."""

import dataclasses
import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from keras_inr.errors import ImageError
from keras_inr.signals._picture_files import is_known_picture, picture_files
from keras_inr.signals._sources import sample_files
from keras_inr.signals._tfds import examples_in_order, image_feature, open_builder, split_labels, split_range
from keras_inr.signals.image import ImageSignal, load_image

_SEPARATORS = tuple(separator for separator in (os.sep, os.altsep) if separator)
_TFDS = re.compile(r"tfds:(?P<name>\w+(?:/[\w.-]+)?(?::[\d.*]+)?)/(?P<split>\w+)(?P<slice>\[[^\[\]]*\])?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Picture:
    """One picture of many, not yet read.

    Attributes:
        name: unique among them; parts are separated by "/", as in a path.
        source: what `load_image` takes.
        label: name of its class: of a data set's label, or of the folder that holds the file; None if there is none.
    """

    name: str
    source: str
    label: str | None = None


def list_pictures(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], data_dir: str | os.PathLike[str] | None = None
) -> list[Picture]:
    """The pictures that one or more sources stand for, in order; none of them is opened yet.

    Args:
        sources: a string or a list of strings, each of them one of
            "folder:DIR", or a path to a folder: its picture files by their suffixes, sub-folders and links to folders
                included, each real folder once. One warning tells of pictures that cannot be read and are left out,
                such as .heic. A file's class is the folder it lies in, so that DIR/SPLIT/CLASS/FILE, the layout of
                `tfds.ImageFolder`, gives the same classes;
            "tfds:NAME/SPLIT" or "tfds:NAME/SPLIT[10:20]", "[:5%]" ...: examples of a data set that is prepared;
            "sample:*", all pictures that scikit-image ships;
            anything else that `load_image` takes: one picture.
        data_dir: where TensorFlow Datasets looks; its own default if None.

    Returns:
        A list of `Picture`s.

    Raises:
        ImageError: for a folder that is missing or without pictures, a path that does not exist and has no picture's
            suffix (a missing picture is told when it is read), a data set that is not prepared, an empty slice, or two
            pictures of one name.

    >>> [picture.name for picture in list_pictures(["sample:chelsea", "sample:coffee"])]
    ['chelsea', 'coffee']
    """
    sources = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    pictures = list(itertools.chain.from_iterable(_pictures(os.fspath(source), data_dir) for source in sources))
    first: dict[str, str] = {}
    for picture in pictures:
        if picture.name in first:
            raise ImageError(
                f"pictures must have different names, received {picture.name!r} from {first[picture.name]!r} and from "
                f"{picture.source!r}"
            )
        first[picture.name] = picture.source
    if not pictures:
        raise ImageError("sources must name one picture at least, received none")
    return pictures


def _pictures(source: str, data_dir: str | os.PathLike[str] | None) -> list[Picture]:
    if source in ("", "folder:"):
        raise ImageError(f"sources must not be empty, received {source!r}")
    if source == "sample:*":
        paths = sorted(set(sample_files().values()))
        return [Picture(path.stem, f"sample:{path.stem}") for path in paths]
    if source.startswith("sample:"):
        return [Picture(source.removeprefix("sample:"), source)]
    if source.startswith("tfds:") and "#" not in source:
        return _of_data_set(source, data_dir)
    if source.startswith("tfds:"):
        return [Picture(source.removeprefix("tfds:").replace(":", "-").replace("#", "/"), source)]
    return _of_path(source)


def _of_path(source: str) -> list[Picture]:
    """The pictures of a folder, or one picture; whether a file can be read is told when it is read."""
    try:
        path = pathlib.Path(source.removeprefix("folder:")).expanduser()
        is_folder, exists = path.is_dir(), os.path.lexists(path)
    except (OSError, RuntimeError, ValueError):  # too long a name; "~nobody", who has no home
        path, is_folder, exists = pathlib.Path(source), False, False
    if is_folder:
        return _of_folder(path)
    if source.startswith("folder:") or source.endswith(_SEPARATORS):
        raise ImageError(f"folder {str(path)!r} {'is a file' if exists else 'does not exist'}")
    if not exists and not is_known_picture(path):
        raise ImageError(f"source {source!r} does not exist")
    return [Picture(printable(path.name), source if source.startswith("~") and not exists else str(path.absolute()))]


def printable(text: str) -> str:
    """Text of a path without bytes that are no UTF-8: those are written as \\xe9.

    >>> printable("caf\\udce9.png")
    'caf\\\\xe9.png'
    """
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _of_folder(folder: pathlib.Path) -> list[Picture]:
    return [
        Picture(
            printable(path.as_posix()),
            str((folder / path).absolute()),
            printable(path.parent.name) if len(path.parts) > 1 else None,
        )
        for path in picture_files(folder)
    ]


def read_pictures(
    pictures: Iterable[Picture], **options: Any
) -> Iterator[tuple[Picture, ImageSignal | ImageError | MemoryError]]:
    """Yields (picture, what `load_image` makes of its source with the options, or the error that it raises).

    Consecutive examples of a data set are read in one go, where they would be looked for one by one else.
    """
    for place, members in itertools.groupby(pictures, _place_in_data_set):
        group = list(members)
        indices = [int(picture.source.rpartition("#")[2]) for picture in group] if place else []
        examples = examples_in_order(*place, indices, options.get("data_dir")) if place else iter(())
        for picture in group:
            try:
                array = next(examples, None)
                signal = load_image(picture.source if array is None else array, **options)
                yield picture, signal if array is None else dataclasses.replace(signal, source=picture.source)
            except (ImageError, MemoryError) as error:
                yield picture, error


def _of_data_set(source: str, data_dir: str | os.PathLike[str] | None) -> list[Picture]:
    match = _TFDS.fullmatch(source)
    if match is None:
        raise ImageError(
            f"source must read tfds:NAME/SPLIT, tfds:NAME/SPLIT[10:20] or tfds:NAME/SPLIT#INDEX, received {source!r}"
        )
    builder = open_builder(match["name"], data_dir)
    image_feature(builder)
    places = split_range(builder, match["split"], match["slice"] or "")
    labels = split_labels(builder, match["split"], places)
    stem = f"{match['name'].replace(':', '-')}/{match['split']}"
    single = f"tfds:{match['name']}/{match['split']}"
    return [Picture(f"{stem}/{index}", f"{single}#{index}", label) for index, label in zip(places, labels, strict=True)]


def _place_in_data_set(picture: Picture) -> tuple[str, str] | None:
    """(name, split) of an example of a data set, None for any other picture."""
    match = _TFDS.fullmatch(picture.source.rpartition("#")[0])
    return (match["name"], match["split"]) if match else None
