"""The folder of a fleet run: a folder for each picture that was fitted, and the manifest of all that went in."""

import csv
import errno
import hashlib
import json
import math
import pathlib
import time

import pyarrow
import pyarrow.parquet

from keras_inr.files import atomic_path
from keras_inr.fleet.work import FAILED, FITTED, PENDING, failed
from keras_inr.runs.errors import InputError
from keras_inr.runs.run_folder import write_json
from keras_inr.signals.pictures import printable

PICTURES = "pictures"
FORMAT_VERSION = 1
MODEL, PREVIEW, METRICS = "model.keras", "preview.png", "metrics.json"
COLUMNS = {
    "name": pyarrow.string(),
    "status": pyarrow.string(),
    "reason": pyarrow.string(),
    "source": pyarrow.string(),
    "label": pyarrow.string(),
    "model": pyarrow.string(),
    "psnr_db": pyarrow.float64(),
    "psnr_8bit_db": pyarrow.float64(),
    "ssim": pyarrow.float64(),
    "steps": pyarrow.int64(),
    "stopped_by": pyarrow.string(),
    "train_seconds": pyarrow.float64(),
    "pictures_together": pyarrow.int64(),
    "num_parameters": pyarrow.int64(),
    "model_bytes": pyarrow.int64(),
    "height": pyarrow.int64(),
    "width": pyarrow.int64(),
    "channels": pyarrow.int64(),
    "image_sha256": pyarrow.string(),
    "device": pyarrow.string(),
}
"""The manifest's columns; all but the name, the status and the source may be null."""


class FleetStore:
    """What a fleet run has written.

    Args:
        folder: the run's folder, claimed by this process.
        pictures: the `Picture`s that went in.
        facts: what metrics.json of each picture tells of the run.

    Attributes:
        rows: name -> row of the manifest. A picture that was fitted before, with the same bytes if it is a file, is
            "fitted", every other one "pending".
    """

    def __init__(self, folder, pictures, facts=None):
        self.facts, self.written = facts or {}, -math.inf
        self.folder = pathlib.Path(folder)
        self.pictures = {picture.name: picture for picture in pictures}
        check_places(self.pictures)
        self.rows = {name: self._row(name, self._finished(name) or {"status": PENDING}) for name in self.pictures}

    def names(self, status):
        """Names of the pictures of a status, in their order."""
        return [name for name, row in self.rows.items() if row["status"] == status]

    def keep(self, outcome):
        """Writes what has become of a picture, and then its row."""
        if outcome.row["status"] == FITTED:
            try:
                self._write(outcome)
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:  # as a full disk, which would stop the others too
                    raise
                outcome = failed(outcome.name, "the name is too long for a folder of results: rename the picture")
        self.rows[outcome.name] = self._row(outcome.name, outcome.row)

    def _write(self, outcome):
        """Writes the folder of a picture that was fitted; metrics.json, which marks it as fitted, last."""
        place = self.place(outcome.name)
        place.mkdir(parents=True, exist_ok=True)
        for name, content in ((MODEL, outcome.model), (PREVIEW, outcome.preview)):
            with atomic_path(place / name) as temporary:
                temporary.write_bytes(content)
        facts = {"preview_bytes": len(outcome.preview), **self.facts}
        write_json(place / METRICS, {"format_version": FORMAT_VERSION, **self._row(outcome.name, outcome.row), **facts})

    def write_manifest(self, least_seconds=0.0):
        """Writes manifest.csv and manifest.parquet: a row for every picture, in the order in which they went in.

        Args:
            least_seconds: leaves those alone that are not as old.
        """
        if time.monotonic() - self.written < least_seconds:
            return
        rows, path = list(self.rows.values()), self.folder / "manifest.csv"
        with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema(COLUMNS.items()))
        with atomic_path(self.folder / "manifest.parquet") as temporary:
            pyarrow.parquet.write_table(table, temporary)
        self.written = time.monotonic()

    def place(self, name):
        """The folder of a picture."""
        return self.folder / PICTURES / name

    def _row(self, name, figures):
        picture = self.pictures[name]
        own = {"name": name, "source": printable(picture.source), "label": picture.label}
        model = f"{PICTURES}/{name}/{MODEL}" if figures["status"] == FITTED else None
        return {column: {**figures, **own, "model": model}.get(column) for column in COLUMNS}

    def _finished(self, name):
        """The figures of a picture that was fitted before; None where anything is missing or the picture another."""
        place = self.place(name)
        try:
            row = json.loads((place / METRICS).read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(row, dict) or row.get("status") != FITTED or not fits_manifest(row):
            return None
        sizes = {MODEL: row.get("model_bytes"), PREVIEW: row.get("preview_bytes")}
        if not all((place / file).is_file() and (place / file).stat().st_size == size for file, size in sizes.items()):
            return None
        return row if self._same_picture(row, self.pictures[name].source) else None

    @staticmethod
    def _same_picture(row, source):
        """Whether a row is of the file as it is now, or of the source where that is no file that can be read."""
        path = pathlib.Path(source)
        try:
            if path.is_file():  # a pipe might never end
                return hashlib.sha256(path.read_bytes()).hexdigest() == row.get("image_sha256")
        except OSError:
            pass
        return row.get("source") == printable(source)


def fits_manifest(row):
    """Whether every value is of its column's type."""
    try:
        pyarrow.Table.from_pylist([row], schema=pyarrow.schema(COLUMNS.items()))
    except (pyarrow.ArrowException, TypeError, OverflowError):
        return False
    return True


def check_places(names):
    """Raises an InputError where the folder of one picture would be a file of another."""
    for name in names:
        folder, _, last = name.rpartition("/")
        if folder in names and last in (MODEL, PREVIEW, METRICS):
            raise InputError(f"pictures must not be named {name!r} beside one that is named {folder!r}: rename one")


def all_fitted(rows):
    """Whether no picture failed or is pending."""
    return not any(row["status"] in (FAILED, PENDING) for row in rows)
