"""Examples of TensorFlow Datasets as pictures; nothing is ever downloaded."""

import difflib
import importlib
import operator
import os
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_inr.errors import ImageError
from keras_inr.signals._arrays import array_sha256, raster_from_array
from keras_inr.signals._decoding.decoded import Raster

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# NAME or NAME/CONFIG, optionally :VERSION, then SPLIT and INDEX. No namespaces: their register is on the network.
_SPEC = re.compile(r"tfds:(?P<name>\w+(?:/[\w.-]+)?(?::[\d.*]+)?)/(?P<split>\w+)#(?P<index>\d{1,18})", re.ASCII)


OWN_BUILDERS = ("cifair10",)
"""Data sets whose builders are modules of this package."""


def read_tfds(source: str, max_pixels: int, data_dir: str | os.PathLike[str] | None) -> tuple[Raster, str, str]:
    """(raster, display name, SHA-256) of "tfds:NAME[/CONFIG][:VERSION]/SPLIT#INDEX"; ImageError says what is wrong."""
    match = _SPEC.fullmatch(source)
    if match is None:
        raise ImageError(
            "source must read tfds:NAME/SPLIT#INDEX or tfds:NAME/CONFIG:VERSION/SPLIT#INDEX, such as "
            f"tfds:cifar10/train#17, received {source!r}"
        )
    builder = open_builder(match["name"], data_dir)
    raster, _, sha256 = read_builder(builder, match["split"], int(match["index"]), max_pixels)
    return raster, source, sha256


def read_builder(
    builder: "tfds.core.DatasetBuilder", split: str, index: int, max_pixels: int
) -> tuple[Raster, str, str]:
    """(raster, display name, SHA-256) of one example of a builder whose data are prepared."""
    feature = image_feature(builder)
    splits = builder.info.splits
    if splits and split not in splits:
        raise ImageError(f"split of data set {builder.name!r} must be one of {sorted(splits)}, received {split!r}")
    if isinstance(index, bool) or not hasattr(index, "__index__") or operator.index(index) < 0:
        raise ImageError(f"index must be an integer of at least 0, received {index!r}")
    if splits and index >= splits[split].num_examples:
        raise _out_of_range(builder, split, index, splits[split].num_examples)
    array = _example(builder, split, int(index), feature)
    return raster_from_array(array, max_pixels), f"tfds:{builder.info.full_name}/{split}#{index}", array_sha256(array)


def open_builder(name: str, data_dir: str | os.PathLike[str] | None) -> "tfds.core.DatasetBuilder":
    """The builder of "NAME[/CONFIG][:VERSION]", TensorFlow Datasets' own or this package's; ImageError if unknown."""
    try:
        import tensorflow_datasets as tfds  # slow to import and needed by no other source
    except ImportError as error:
        raise ImageError(f"source 'tfds:{name}' needs the package tensorflow-datasets: {error}") from error
    own = re.split(r"\W", name, maxsplit=1)[0]
    if own in OWN_BUILDERS:  # importing registers it
        importlib.import_module(f"keras_inr.datasets.{own}")
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        close = difflib.get_close_matches(name.lower(), known, n=3)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise ImageError(f"data set {name!r} is not known to TensorFlow Datasets {tfds.__version__}{hint}") from None
    except Exception as error:  # a data set's own code may raise anything, e.g. for an unknown config or version
        reason = " ".join(str(error).split())
        raise ImageError(f"data set {name!r} cannot be set up by TensorFlow Datasets: {reason}") from error


def image_feature(builder: "tfds.core.DatasetBuilder") -> str:
    """Name of the picture among the features: "image", or the only one that is an Image."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features.items())
    images = [key for key in features if isinstance(features[key], tfds.features.Image)]
    if "image" in images:
        return "image"
    if len(images) != 1:
        raise ImageError(
            f"data set {builder.name!r} must have one image among its features, received the features {list(features)}"
        )
    return images[0]


def _example(builder: "tfds.core.DatasetBuilder", split: str, index: int, feature: str) -> np.ndarray:
    """The decoded picture (H, W, C) number `index`."""
    try:
        example = next(iter(_examples_from(builder, split, index, feature).take(1)), None)
        if example is None:
            raise _out_of_range(builder, split, index, "fewer")
        picture = example[feature]
        if picture.dtype == tf.string:
            picture = builder.info.features[feature].decode_example(picture)
        return picture.numpy()
    except ImageError:
        raise
    except Exception as error:  # broken records and pictures, unknown splits under tfds.testing.mock_data
        reason = " ".join(str(error).split())
        raise ImageError(f"example {index} of split {split!r} of {builder.name!r} cannot be read: {reason}") from error


def _examples_from(builder: "tfds.core.DatasetBuilder", split: str, index: int, feature: str) -> tf.data.Dataset:
    """A tf.data.Dataset that starts at `index`, reached without decoding the examples before it."""
    import tensorflow_datasets as tfds

    try:
        if isinstance(builder, tfds.ImageFolder):  # knows no slices
            encoded = builder.as_dataset(split=split, decoders={feature: tfds.decode.SkipDecoding()})
            return encoded.skip(index)
        dataset = builder.as_dataset(split=f"{split}[{index}:{index + 1}]", read_config=in_order())
    except AssertionError as error:
        raise ImageError(_not_prepared(builder)) from error
    return dataset if dataset.cardinality() == 1 else dataset.skip(index)  # tfds.testing.mock_data ignores slices


def examples_in_order(
    name: str, split: str, indices: list[int], data_dir: str | os.PathLike[str] | None
) -> Iterator[np.ndarray]:
    """Yields the pictures (H, W, C) of consecutive examples in one pass over the data.

    It ends early, without an error, where they are not consecutive or one cannot be read: those that are left are to be
    read by themselves.
    """
    import tensorflow_datasets as tfds

    if indices != list(range(indices[0], indices[0] + len(indices))):
        return
    try:
        builder = open_builder(name, data_dir)
        feature = image_feature(builder)
        part = f"{split}[{indices[0]}:{indices[-1] + 1}]"
        decoders = tfds.decode.PartialDecoding({feature: True})
        dataset = builder.as_dataset(split=part, decoders=decoders, read_config=in_order())
        if dataset.cardinality() != len(indices):  # tfds.testing.mock_data ignores slices
            return
        for example in dataset:
            yield example[feature].numpy()
    except Exception:  # told, with the example it is about, when that is read by itself
        return


def in_order() -> "tfds.ReadConfig":
    """How examples are read in the order that indices have: shard after shard."""
    import tensorflow_datasets as tfds

    # a cache is of no use for one pass, and TensorFlow warns about a partial one
    return tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)


def prepare(
    name: str, data_dir: str | os.PathLike[str] | None = None, manual_dir: str | os.PathLike[str] | None = None
) -> tuple[dict[str, int], str]:
    """Downloads and prepares a data set; ({split: number of examples}, folder). ImageError says what is missing."""
    import tensorflow_datasets as tfds

    builder = open_builder(name, data_dir)
    if manual_dir is not None and not pathlib.Path(manual_dir).expanduser().is_dir():
        raise ImageError(f"manual_dir must be a folder with what was downloaded by hand, received {str(manual_dir)!r}")
    archive = getattr(builder, "MANUAL_ARCHIVE", None)  # of our own data sets; those of TFDS look for themselves
    if manual_dir is not None and archive and not pathlib.Path(manual_dir, archive).expanduser().exists():
        raise ImageError(f"manual_dir must hold {archive}, received {str(manual_dir)!r} without it{_by_hand(builder)}")
    config = tfds.download.DownloadConfig(manual_dir=manual_dir)
    try:
        builder.download_and_prepare(download_config=config)
    except Exception as error:  # a network, a full disk, a broken archive: whatever a data set's own code meets
        reason = " ".join(str(error).split())
        raise ImageError(
            f"data set {name!r} cannot be prepared{_origin(builder)}: {reason}{_by_hand(builder)}"
        ) from error
    return {split: info.num_examples for split, info in builder.info.splits.items()}, builder.data_dir


def split_range(builder: "tfds.core.DatasetBuilder", split: str, part: str = "") -> range:
    """Indices of a split, or of a part of it such as "[10:20]" or "[:5%]"; ImageError for a split that has no such."""
    import tensorflow_datasets as tfds

    splits = builder.info.splits
    if not splits:
        raise ImageError(_not_prepared(builder))
    if split not in splits:
        raise ImageError(f"split of data set {builder.name!r} must be one of {sorted(splits)}, received {split!r}")
    count = splits[split].num_examples
    try:
        (found,) = tfds.core.ReadInstruction.from_spec(f"{split}{part}").to_absolute(splits)
    except (ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise ImageError(f"part {part!r} of split {split!r} of {builder.name!r} cannot be read: {reason}") from error
    places = range(found.from_ or 0, count if found.to is None else found.to)
    if not places:
        raise ImageError(f"split {split!r} of data set {builder.name!r} has {count} examples, none in {part}")
    return places


def split_labels(builder: "tfds.core.DatasetBuilder", split: str, places: range) -> list[str | None]:
    """Names of the classes of consecutive examples; None for each where the data set has no feature "label"."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features.items())
    feature = features.get("label")
    if not isinstance(feature, tfds.features.ClassLabel):
        return [None] * len(places)
    part = f"{split}[{places.start}:{places.stop}]"
    decoders = tfds.decode.PartialDecoding({"label": True})
    examples = builder.as_dataset(split=part, decoders=decoders, read_config=in_order())
    return [feature.int2str(int(example["label"])) for example in examples]


def _out_of_range(builder: "tfds.core.DatasetBuilder", split: str, index: int, count: int | str) -> ImageError:
    return ImageError(f"split {split!r} of data set {builder.name!r} has {count} examples, received index {index}")


def _not_prepared(builder: "tfds.core.DatasetBuilder") -> str:
    """What is missing, where it comes from, and how to put it in place."""
    config = f"/{builder.builder_config.name}" if builder.builder_config else ""
    return (
        f"data set {builder.info.full_name!r} is not prepared and nothing is downloaded: where there is a network, run "
        f"`keras-inr prepare-data --dataset={builder.name}{config}`{_origin(builder)}, and place the "
        f"result, by default in ~/tensorflow_datasets, at {builder.data_dir}{_by_hand(builder)}"
    )


def _origin(builder: "tfds.core.DatasetBuilder") -> str:
    """Where a data set is fetched from, as far as it tells, in brackets."""
    try:
        urls = sorted(builder.url_infos or ())
    except Exception:  # the message matters more than where the data come from
        urls = []
    more = f" and {len(urls) - 2} more" if len(urls) > 2 else ""
    if urls:
        return f" (it fetches {', '.join(urls[:2])}{more})"
    return f" (it is of {builder.info.homepage})" if builder.info.homepage else ""


def _by_hand(builder: "tfds.core.DatasetBuilder") -> str:
    """A data set's own words on downloads by hand."""
    told = getattr(builder, "MANUAL_DOWNLOAD_INSTRUCTIONS", None)
    return f". {' '.join(told.split())}" if told else ""
