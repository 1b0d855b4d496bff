"""Many pictures at once: what a folder, a data set or a list of sources holds, each with a name and a class."""

import dataclasses
import itertools
import os
import pathlib
import re

from keras_inr.signals.errors import ImageError
from keras_inr.signals.sources import sample_files
from keras_inr.signals.tfds_source import open_builder, split_labels, split_range

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")

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


def list_pictures(sources, data_dir=None):
    """The pictures that one or more sources stand for, in order; none of them is opened yet.

    Args:
        sources: a string or a list of strings, each of them one of
            "folder:DIR", or a path to a folder: its picture files by their suffixes, sub-folders included. A file's
                class is the folder it lies in, so that DIR/SPLIT/CLASS/FILE, the layout of `tfds.ImageFolder`, gives
                the same classes;
            "tfds:NAME/SPLIT" or "tfds:NAME/SPLIT[10:20]", "[:5%]" ...: examples of a data set that is prepared;
            "sample:*", all pictures that scikit-image ships;
            anything else that `load_image` takes: one picture.
        data_dir: where TensorFlow Datasets looks; its own default if None.

    Returns:
        A list of `Picture`s.

    Raises:
        ImageError: for a folder that is missing or without pictures, a data set that is not prepared, an empty slice,
            or two pictures of one name.

    >>> [picture.name for picture in list_pictures(["sample:chelsea", "sample:coffee"])]
    ['chelsea', 'coffee']
    """
    sources = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    pictures = list(itertools.chain.from_iterable(_pictures(os.fspath(source), data_dir) for source in sources))
    first = {}
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


def _pictures(source, data_dir):
    if source == "sample:*":
        paths = sorted(set(sample_files().values()))
        return [Picture(path.stem, f"sample:{path.stem}") for path in paths]
    if source.startswith("sample:"):
        return [Picture(source.removeprefix("sample:"), source)]
    if source.startswith("tfds:") and "#" not in source:
        return _of_data_set(source, data_dir)
    if source.startswith("tfds:"):
        return [Picture(source.removeprefix("tfds:").replace("#", "/"), source)]
    folder = pathlib.Path(source.removeprefix("folder:")).expanduser()
    if source.startswith("folder:") or folder.is_dir():
        return _of_folder(folder)
    return [Picture(folder.name, source)]


def _of_folder(folder):
    if not folder.is_dir():
        raise ImageError(f"folder {str(folder)!r} does not exist")
    paths = (pathlib.Path(place) / name for place, _, names in os.walk(folder) for name in names)
    inside = sorted(path.relative_to(folder) for path in paths if path.suffix.lower() in SUFFIXES)
    visible = [path for path in inside if not any(part.startswith(".") for part in path.parts)]
    if not visible:
        raise ImageError(f"folder {str(folder)!r} must hold pictures ({', '.join(SUFFIXES)}), received none")
    return [
        Picture(path.as_posix(), str(folder / path), path.parent.name if len(path.parts) > 1 else None)
        for path in visible
    ]


def _of_data_set(source, data_dir):
    match = _TFDS.fullmatch(source)
    if match is None:
        raise ImageError(
            f"source must read tfds:NAME/SPLIT, tfds:NAME/SPLIT[10:20] or tfds:NAME/SPLIT#INDEX, received {source!r}"
        )
    builder = open_builder(match["name"], data_dir)
    places = split_range(builder, match["split"], match["slice"] or "")
    labels = split_labels(builder, match["split"], places)
    stem = f"{match['name'].replace(':', '-')}/{match['split']}"
    single = f"tfds:{match['name']}/{match['split']}"
    return [Picture(f"{stem}/{index}", f"{single}#{index}", label) for index, label in zip(places, labels, strict=True)]
