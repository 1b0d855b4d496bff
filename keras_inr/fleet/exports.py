"""SavedModels of the pictures of a fleet run, made from their models one after the other."""

import contextlib
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
from keras_inr.runs.results import served_facts

VERSION = 1
UNFINISHED = r"tmp[.][0-9a-f]{32}"


def export_picture(place: pathlib.Path, metrics: Mapping[str, Any]) -> None:
    """Writes saved_model/1 into the folder of a picture that was fitted, whole or not at all.

    Args:
        place: the folder.
        metrics: the content of its metrics.json, which the `info` signature tells.

    Raises:
        InputError: for a field that cannot be exported.
        OSError: if the disk is full.
    """
    remove_export(place)
    export_saved_model(read_field(place / MODEL), place / SAVED_MODEL, VERSION, info=served_facts(metrics))


def export_bytes(place: pathlib.Path) -> int | None:
    """Bytes of a picture's export; None where one of its files is missing or empty."""
    version = place / SAVED_MODEL / str(VERSION)
    try:
        files = [path for path in version.rglob("*") if path.is_file()]
        sizes = {path.relative_to(version).as_posix(): path.stat().st_size for path in files}
        return sum(sizes.values()) if all(sizes.get(name) for name in FILES) else None
    except OSError:
        return None


def remove_export(place: pathlib.Path) -> None:
    """Removes a picture's export and what killed ones left; other versions in saved_model/ are someone else's."""
    folder = place / SAVED_MODEL
    if folder.is_symlink() or not folder.is_dir():
        return
    version = folder / str(VERSION)
    if version.is_dir() and not version.is_symlink():
        version.rename(folder / f"tmp.{uuid.uuid4().hex}")  # no server sees a half
    for path in list(folder.iterdir()):
        if re.fullmatch(UNFINISHED, path.name):
            shutil.rmtree(path)
    with contextlib.suppress(OSError):  # other versions are in it
        folder.rmdir()
