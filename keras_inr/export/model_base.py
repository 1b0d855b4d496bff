"""A folder of models that TensorFlow Serving takes as it is: versions, configuration, warm-up, labels."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_inr._arguments import count, positive_int, servable_path
from keras_inr._files import atomic_path
from keras_inr.coordinates import pixel_pitch
from keras_inr.errors import InputError
from keras_inr.export.endpoints import NEVER_MERGED, PNG_CHANNELS, signature_names
from keras_inr.export.information import information
from keras_inr.export.models_config import (
    CONTAINER_PATH,
    MODELS_CONFIG,
    ORIGINAL,
    PICTURES,
    changed_models_config,
    checked_label,
    checked_name,
    find_model,
    put_model,
    read_models_config,
)
from keras_inr.export.publish import existing_versions, publish_together, remove_stale, withdraw
from keras_inr.export.requests import Limits
from keras_inr.export.saved_model import check_exportable, write_saved_model
from keras_inr.export.warm_up import write_warm_up
from keras_inr.models.field import POINTS_PER_CALL, Field
from keras_inr.rendering.png import save_png
from keras_inr.rendering.raster import integer_codes

MONITORING_CONFIG = "monitoring.config"
MONITORING = 'prometheus_config {\n  enable: true\n  path: "/monitoring/prometheus/metrics"\n}\n'
BATCHING = "batching_params.pbtxt"
WARM_POINTS = 1024
WARM_SIDE = 256


@dataclasses.dataclass(frozen=True)
class BaseVersion:
    """A version of a field in a model base.

    Attributes:
        base: the folder of all models.
        name: of the model of points.
        version: its number, the same for both.
        signatures: name of a model -> its signatures.
        labels: label -> version, of this name.
        container_path: where a server in a container sees base.
    """

    base: pathlib.Path
    name: str
    version: int
    signatures: dict[str, list[str]]
    labels: dict[str, int]
    container_path: str = CONTAINER_PATH


def export_model_base(
    field: Field,
    base: str | os.PathLike[str],
    name: str,
    version: int | None = None,
    *,
    add_version: bool = False,
    labels: Sequence[str] = (),
    container_path: str | None = None,
    original: np.ndarray | None = None,
    info: dict[str, Any] | None = None,
    max_pixels: int = 2**24,
    chunk: int = POINTS_PER_CALL,
    max_points: int = 2**22,
    max_rows: int = 4096,
) -> BaseVersion:
    """Writes a field into a folder of models that `tensorflow_model_server --model_config_file` takes as it is.

        BASE/models.config                   models by name, all their versions, labels
        BASE/monitoring.config               Prometheus metrics
        BASE/NAME/VERSION/                   points: serving_default, gradient, laplacian, info
        BASE/NAME_pictures/VERSION/          pictures: render_png (the default), render, info

    Signatures are those of `export_saved_model`. Points and pictures are two models since TensorFlow Serving merges the
    requests of strangers for a whole model or not at all: points may be merged, with the batching_params.pbtxt in their
    version's folder; pictures may not, as rows of `render` have one size and one limit of points. Each version has
    warm-up records, so that its first request is as fast as the next. Both appear under their number only when both are
    complete, have passed `lint_saved_model`, and have answered like the field itself; models.config is written after.
    The call of an export that was killed may be repeated: it takes the next number, and lists what was left too.

    Args:
        field: a `Field`.
        base: folder of the models, made if absent.
        name: of the field in URLs, "NAME" above.
        version: integer from 1 that does not exist yet; None is the largest existing plus 1.
        add_version: needed where the name exists, so that another picture does not take its place by mistake.
        labels: names for this version, such as "stable"; a label that another version has moves.
        container_path: where the server sees base, absolute: "/models" by default, or as the name's entry has it.
        original: the picture that the field was fitted to, values (height, width, channels) in [0, 1] or uint8, kept
            as a PNG beside the model of pictures (assets.extra/original.png), so that a page can show both.
        info, max_pixels, chunk, max_points, max_rows: see `export_saved_model`.

    Raises:
        InputError: for a name that exists without add_version, a name or label that does not fit into a URL, without
            tensorflow-serving-api, and as in `export_saved_model`, as all its other errors.

    >>> import tempfile
    >>> from keras_inr.models import Siren
    >>> made = export_model_base(Siren(units=(16, 16), picture_size=(20, 30)), tempfile.mkdtemp(), "fox")
    >>> sorted(path.name for path in made.base.iterdir() if not path.name.startswith("."))
    ['fox', 'fox_pictures', 'models.config', 'monitoring.config']
    """
    check_exportable(field)
    base, name = servable_path("base", base), checked_name("name", name)
    labels = [checked_label(label) for label in labels]
    if container_path is not None and not container_path.startswith("/"):
        raise InputError(f"container_path must begin with '/', received {container_path!r}")
    limits = Limits(max_pixels, chunk, max_points, max_rows)
    original = None if original is None else _checked_original(original, field)
    models = models_of(field, name)
    fills = {base / model: _filler(field, model, names, limits, info, original) for model, names in models.items()}
    check_name_is_free(base, name, add_version, version)
    with changed_models_config(base) as config:
        check_name_is_free(base, name, add_version, version)  # again: somebody may have been quicker
        number = int(publish_together(fills, version)[0].name)
        for model in models:
            entry = put_model(config, model, container_path)
            for label in labels:
                entry.version_labels[label] = number
        with atomic_path(base / MONITORING_CONFIG) as temporary:
            temporary.write_text(MONITORING)
    entry = find_model(config, name)
    place = entry.base_path.removesuffix(f"/{name}")
    return BaseVersion(base, name, number, models, dict(entry.version_labels), place)


def models_of(field: Field, name: str) -> dict[str, list[str]]:
    """Name of a model -> its signatures: pictures, then points.

    >>> from keras_inr.models import Siren
    >>> models_of(Siren(units=(8,), channels=2), "fox")
    {'fox_pictures': ['render', 'info'], 'fox': ['serving_default', 'gradient', 'laplacian', 'info']}
    """
    names = signature_names(field)
    pictures = [each for each in reversed(NEVER_MERGED) if each in names]
    return {name + PICTURES: [*pictures, "info"], name: [each for each in names if each not in NEVER_MERGED]}


def check_name_is_free(base: pathlib.Path, name: str, add_version: bool, version: int | None = None) -> None:
    """InputError for a name that exists, unless a version is to be added, and for one that does not, if so.

    A first export that was killed before models.config was written leaves versions of a name that does not exist.
    """
    if name.endswith(PICTURES):
        raise InputError(f"name must not end in {PICTURES!r}, which names the model of pictures, received {name!r}")
    exists = versions_in(base, (name, name + PICTURES))
    if add_version and not exists:
        others = f", only of {', '.join(names_in(base))}" if names_in(base) else ""
        raise InputError(f"{base} has no version of {name!r} yet{others}: export its first without add_version=True")
    if not exists or add_version:
        return
    was_killed = name not in names_in(base) and versions_in(base, [name + PICTURES]) == exists  # those come first
    if not was_killed:
        raise InputError(
            f"{name!r} is in {base} already: add a version of it with add_version=True, or give another name"
        )
    if version in exists:
        raise InputError(
            f"version must be another than {version} or left out, which takes the next: an export of {name!r} into "
            f"{base} was killed before {MODELS_CONFIG} had it"
        )


def _filler(field, model, names, limits, info, original):
    def fill(folder):
        text = json.dumps(information(field, limits, info, names), allow_nan=False)
        loaded = write_saved_model(folder, field, limits, text, names)
        write_warm_up(folder, loaded, model, _warm_up_requests(field, names, limits))
        if "serving_default" in names:
            (folder / BATCHING).write_text(_batching(limits))
        elif original is not None:
            save_png(folder / ORIGINAL, original)  # in the folder of the warm-up records

    return fill


def _checked_original(original, field):
    """The picture as uint8; InputError for another size than the field's."""
    array = np.asarray(original)
    if field.picture_size is None or array.shape != (*field.picture_size, field.channels):
        raise InputError(f"original must have the field's size and channels, received an array of shape {array.shape}")
    if field.channels not in PNG_CHANNELS:
        raise InputError(f"original must have 1, 3 or 4 channels, received {field.channels}")
    return array if array.dtype == np.uint8 else integer_codes(array, np.uint8)


def _warm_up_requests(field, names, limits):
    """signature -> input -> array: a picture of at most 256 pixels along a side, and as many points as are usual."""
    height, width = field.picture_size or (WARM_SIDE, WARM_SIDE)
    side = min(WARM_SIDE, int(limits.max_pixels**0.5) // 2)  # as fine as the picture: at most 2 x 2 points in a pixel
    size = np.int32([[min(height, side), min(width, side)]])
    half = size[0] * pixel_pitch(height, width) / 2
    inputs = {
        "coords": np.zeros((min(WARM_POINTS, limits.max_points), 2), np.float32),
        "box": np.float32([[-half[1], -half[0], half[1], half[0]]]),
        "size": size,
        "query": np.array([b""], object),
    }
    taken = {**dict.fromkeys(NEVER_MERGED, ("box", "size")), "info": ("query",)}
    return {name: {key: inputs[key] for key in taken.get(name, ("coords",))} for name in names}


def _batching(limits):
    """Batches of points for `--enable_batching --enable_per_model_batching_parameters`."""
    most = min(limits.max_points, limits.chunk)
    values = {
        "max_batch_size": limits.max_points,
        "max_execution_batch_size": most,
        "batch_timeout_micros": 0,
        "max_enqueued_batches": 1_000_000,
    }
    lines = [f"{name} {{ value: {value} }}" for name, value in values.items()]
    return "\n".join([*lines, "enable_large_batch_splitting { value: true }"]) + "\n"


def retire_versions(base: str | os.PathLike[str], name: str, versions: Iterable[int] = (), keep: int = 0) -> list[int]:
    """Removes versions of a name from a model base; a server that polls it stops serving them.

    What exports that were killed a day ago or longer left hidden in the base goes too.

    Args:
        base: folder of the models.
        name: of the model of points; its pictures go with it.
        versions: numbers to remove.
        keep: if not 0, also all but so many of the newest, and those that have a label.

    Returns:
        The numbers that were removed.

    Raises:
        InputError: for a name or a version that does not exist, a version with a label, or all there are.
    """
    base, keep = servable_path("base", base), count("keep", keep)
    with changed_models_config(base) as config:
        for folder in filter(pathlib.Path.is_dir, base.iterdir()):
            remove_stale(folder)
        models = _models_in(config, name)
        existing = versions_in(base, models)
        labelled = {number: label for entry in models.values() for label, number in entry.version_labels.items()}
        chosen = {positive_int("version", version) for version in versions}
        for number in sorted(chosen):
            if number not in existing:
                raise InputError(f"version must be one of {', '.join(map(str, existing))}, received {number}")
            if number in labelled:
                raise InputError(f"version {number} has the label {labelled[number]!r}: move it before it is retired")
        if keep:
            chosen |= set(existing[:-keep]) - set(labelled)
        if chosen and chosen >= set(existing):
            raise InputError(f"version {max(existing)} of {name!r} is the only one left: a model keeps one")
        for number in sorted(chosen):
            for model in models:
                _remove_version(base / model, number)
    return sorted(chosen)


def _remove_version(folder: pathlib.Path, number: int) -> None:
    """Withdraws the version of that number, however it is written; nothing where there is none."""
    if not folder.is_dir():
        return
    for path in [entry for entry in folder.iterdir() if entry.name.isascii() and entry.name.isdigit()]:
        if int(path.name) == number:
            withdraw(path)


def set_label(base: str | os.PathLike[str], name: str, label: str, version: int | None) -> None:
    """Gives a label to a version of a name, or takes it away.

    Args:
        base: folder of the models.
        name: of the model of points; its pictures get it too.
        label: such as "stable".
        version: number; None takes the label away.

    Raises:
        InputError: for a name or a version that does not exist, or a label to take away that does not.
    """
    base, label = servable_path("base", base), label if version is None else checked_label(label)
    with changed_models_config(base) as config:
        models = _models_in(config, name)
        existing = versions_in(base, models)
        if version is not None and version not in existing:
            raise InputError(f"version must be one of {', '.join(map(str, existing))}, received {version}")
        given = {each for entry in models.values() for each in entry.version_labels}
        if version is None and label not in given:
            told = f"one of {', '.join(sorted(given))}" if given else f"of {name!r}, which has none"
            raise InputError(f"label must be {told}, received {label!r}")
        for entry in models.values():
            if version is None:
                entry.version_labels.pop(label, None)
            else:
                entry.version_labels[label] = version


def _models_in(config, name):
    """Name of a model -> its entry, of a field's two models."""
    names = [entry.name for entry in config.model_config_list.config if not entry.name.endswith(PICTURES)]
    if name not in names:
        raise InputError(f"name must be one of {', '.join(sorted(names)) or 'none'}, received {name!r}")
    found = {model: find_model(config, model) for model in (name + PICTURES, name)}
    return {model: entry for model, entry in found.items() if entry is not None}


def versions_in(base: pathlib.Path, models: Iterable[str]) -> list[int]:
    """Versions of any of some models: a killed export or retirement may have left one of them alone."""
    return sorted({number for model in models if (base / model).is_dir() for number in existing_versions(base / model)})


def names_in(base: pathlib.Path) -> list[str]:
    """Names of the fields in a model base, without those of their pictures."""
    names = [model.name for model in read_models_config(base).model_config_list.config]
    return sorted(name for name in names if not name.endswith(PICTURES))
