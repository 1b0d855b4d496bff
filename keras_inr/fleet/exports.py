"""SavedModels of the pictures of a fleet run, made from their models one after the other."""

import pathlib
import re
import shutil
import uuid
from collections.abc import Mapping
from typing import Any

from keras_inr.export.saved_model import export_saved_model
from keras_inr.fleet.places import MODEL, SAVED_MODEL
from keras_inr.models.field_files import read_field
from keras_inr.runs.layout import SAVED_MODEL as FILES
from keras_inr.runs.layout import whole_versions
from keras_inr.runs.results import holds_weights, served_facts

UNFINISHED = r"tmp[.][0-9a-f]{32}"


def export_picture(place: pathlib.Path, metrics: Mapping[str, Any]) -> str:
    """Writes a version into saved_model/ of a picture that was fitted, whole or not at all: 1, or behind those there.

    A whole version of this model that metrics.json does not note yet stays, since a run was killed in between. A single
    torn one is removed first. A single whole one of another model is of the picture as it was, and is removed when the
    next one stands. Where there are several, others were exported from it, and all stay.

    Args:
        place: the picture's folder.
        metrics: the content of its metrics.json, which the `info` signature tells.

    Returns:
        The version's name.

    Raises:
        InputError: for a field that cannot be exported.
        OSError: if the disk is full.
    """
    base, field = place / SAVED_MODEL, read_field(place / MODEL)
    _remove_unfinished(base)
    before = [path for path in base.glob("*") if path.name.isascii() and path.name.isdigit()]
    whole = [path.name for path in whole_versions(base)]
    noted = metrics.get("saved_model_bytes")  # of an export that was damaged since
    if whole and noted in (None, export_bytes(place, whole[0])) and holds_weights(base / whole[0], field):
        return whole[0]
    if len(before) == 1 and not whole:
        _remove(before[0])
    version = export_saved_model(field, base, info=served_facts(metrics)).name
    if len(before) == len(whole) == 1:
        _remove(before[0])
    return version


def export_bytes(place: pathlib.Path, name: str) -> int | None:
    """Bytes of a version of a picture's export; None where one of its files is missing or empty."""
    version = place / SAVED_MODEL / name
    try:
        files = [path for path in version.rglob("*") if path.is_file()]
        sizes = {path.relative_to(version).as_posix(): path.stat().st_size for path in files}
        return sum(sizes.values()) if all(sizes.get(name) for name in FILES) else None
    except OSError:
        return None


def _remove(version):
    """Removes a version, but nothing behind a link; no server sees a half."""
    if version.is_dir() and not version.is_symlink() and not version.parent.is_symlink():
        shutil.rmtree(version.rename(version.with_name(f"tmp.{uuid.uuid4().hex}")))


def _remove_unfinished(base):
    """Removes what killed exports left."""
    if base.is_dir() and not base.is_symlink():
        for path in list(base.iterdir()):
            if re.fullmatch(UNFINISHED, path.name):
                shutil.rmtree(path)
