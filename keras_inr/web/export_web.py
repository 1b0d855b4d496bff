"""A field as a folder for any static host: a page that evaluates it in the visitor's browser."""

import hashlib
import json
import os
import pathlib
import secrets
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_inr._arguments import local_path
from keras_inr._files import TEMPORARY_PREFIX, atomic_folder
from keras_inr._reading import read_json
from keras_inr.coordinates import pixel_coords
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.models.field import Field
from keras_inr.rendering.between_pixels import between_pixels
from keras_inr.web.description import Description, describe
from keras_inr.web.evaluation import evaluate

PAGE = pathlib.Path(__file__).with_name("page")
FORMAT = "keras_inr web 1"
FIELD_JSON = "field.json"
LEVEL = 1 / 255
POINTS_ALONG = 256
"""Rows and columns of the picture's pixels, at most, that float16 weights are judged by."""


def export_web(
    field: Field,
    folder: str | os.PathLike[str],
    title: str | None = None,
    facts: Mapping[str, Any] | None = None,
    half: bool = False,
) -> pathlib.Path:
    """Writes a page that shows a field, with all that it needs, into one folder.

    Any static host serves it, below any path: `python -m http.server` does. The visitor's browser evaluates the field,
    by WebGPU or WebGL 2 where there is a GPU for them, else by the processor, within 1/255 of Keras in every channel.

    Args:
        field: a single `Field` with a picture_size; see `keras_inr.web.description.describe` for which.
        folder: where the page is to be, made if absent. A folder that this function wrote is replaced; any other
            must be empty.
        title: of the page; "A picture as a function" by default.
        facts: figures of the run, of which the page tells psnr_db.
        half: True stores the weights in float16, but those that phases of coordinates are made of.

    Returns:
        `pathlib.Path` of the folder.

    Raises:
        InputError: for a field that has no form in a browser, a folder that holds something else, or half where
            float16 weights would move values at pixel centres by more than 1/255.

    >>> import tempfile
    >>> from keras_inr.models import Siren
    >>> folder = export_web(Siren(units=(8,), picture_size=(20, 30)), tempfile.mkdtemp())
    >>> (folder / "index.html").is_file()
    True
    """
    path = local_path("folder", folder)
    _check_own(path)
    files = page_files(field, title, facts, half)
    if path.is_dir() and any(path.iterdir()):
        return _replaced(path, files)
    with atomic_folder(path) as temporary:
        _fill(temporary, files)
    return path


def page_files(
    field: Field, title: str | None = None, facts: Mapping[str, Any] | None = None, half: bool = False
) -> dict[str, bytes]:
    """Name -> content of the files of a page, see `export_web`."""
    text, numbers = field_files(field, title, facts, half)
    page = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    return {**page, json.loads(text)["file"]: numbers, FIELD_JSON: text.encode()}


def field_files(
    field: Field, title: str | None = None, facts: Mapping[str, Any] | None = None, half: bool = False
) -> tuple[str, bytes]:
    """What a page reads of a field: the JSON, and the numbers."""
    description = describe(field)
    if half:
        _check_half(field, description)
    numbers = description.packed(half)
    found = between_pixels(field)
    told = {
        "format": FORMAT,
        "title": title or "A picture as a function",
        "network": type(field).__name__,
        "parameters": field.count_params(),
        "picture": list(field.picture_size or ()),
        "channels": field.channels,
        "psnr_db": (facts or {}).get("psnr_db"),
        "between": "field" if found is None or found.is_smooth else "spline",
        "file": f"field-{hashlib.sha256(numbers).hexdigest()[:8]}.bin",  # so that no cache mixes two exports
        "bytes": len(numbers),
        "count": description.numbers.size,
        "exact": description.exact,
        "half": half,
        "widths": description.widths,
        "operations": description.operations,
    }
    return json.dumps(told, separators=(",", ":")), numbers


def _check_half(field: Field, description: Description) -> None:
    """Raises an InputError where float16 weights would be seen."""
    height, width = field.picture_size or (1, 1)
    rows, columns = (np.unique(np.linspace(0, side - 1, POINTS_ALONG).astype(int)) for side in (height, width))
    down, across = np.meshgrid(rows, columns, indexing="ij")
    coords = pixel_coords(down.ravel(), across.ravel(), height, width).numpy()
    values = [np.clip(evaluate(way, coords), 0, 1) for way in (description, description.halved())]
    moved = float(np.abs(values[0] - values[1]).max())
    if not moved <= LEVEL:
        told = f"float16 weights would move its values by up to {255 * moved:.1f} of 255 levels"
        raise InputError(f"half must be False for this field: {told}, and 1 is allowed")


def _check_own(path: pathlib.Path) -> None:
    """Raises an InputError for a folder that holds something that no export wrote."""
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"folder must be a folder, received the file {path}")
    names = {entry.name for entry in path.iterdir()}
    if not names:
        return
    try:
        told = read_json(path / FIELD_JSON, {"format": str, "file": str}, {}, 2**26)
    except (OSError, DamagedFileError):
        told = {}
    if not str(told.get("format", "")).startswith("keras_inr web "):
        raise InputError(f"folder must be new, empty, or one that export_web wrote, received {path}")
    own = {FIELD_JSON, told["file"], *(entry.name for entry in PAGE.iterdir())}
    if names - own:
        raise InputError(f"folder holds what export_web did not write: {', '.join(sorted(names - own))} in {path}")


def _fill(folder: pathlib.Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _replaced(path: pathlib.Path, files: Mapping[str, bytes]) -> pathlib.Path:
    """Puts a new page in the place of an old one, which is removed once the new one stands."""
    old = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}-{path.name}")
    new = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}-{path.name}")
    with atomic_folder(new) as temporary:
        _fill(temporary, files)
    path.rename(old)
    new.rename(path)
    shutil.rmtree(old, ignore_errors=True)
    return path
