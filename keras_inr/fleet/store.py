"""The folder of a fleet run: a folder for each picture that was fitted, and the manifest of all that went in."""

import datetime
import errno
import hashlib
import math
import os
import pathlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_inr._files import atomic_path
from keras_inr._reading import read_json
from keras_inr.datasets.pictures import Picture, printable
from keras_inr.errors import DamagedFileError
from keras_inr.fleet.exports import export_bytes
from keras_inr.fleet.manifest import COLUMNS, FIGURES, are_figures, setup_of, write_manifest
from keras_inr.fleet.places import HISTORY, METRICS, MODEL, PREVIEW, SAVED_MODEL, find_places
from keras_inr.fleet.work import FAILED, FITTED, PENDING, Outcome, failed
from keras_inr.runs.facts import write_history
from keras_inr.runs.folder import write_json

PICTURES = "pictures"
FORMAT_VERSION = 1
OF_ONE_PLACE = (
    *(errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY),
    *(errno.EINVAL, errno.EILSEQ, errno.ELOOP, errno.EACCES, errno.EPERM),
)
"""Why one picture's results cannot be written where those of others can; all else, as a full disk, stops a run."""


class FleetStore:
    """What a fleet run has written.

    Args:
        folder: the run's folder, claimed by this process.
        pictures: the `Picture`s that went in.
        facts: what metrics.json of each picture tells of the run.
        history: whether to keep the curve of each fit, history.csv.

    Attributes:
        rows: name -> row of the manifest. A picture that was fitted before, with the same bytes if it is a file, is
            "fitted", every other one "pending".
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        pictures: Iterable[Picture],
        facts: Mapping[str, Any],
        history: bool = False,
    ) -> None:
        self.facts, self.written, self.history = facts, -math.inf, history
        self.folder = pathlib.Path(folder)
        self.pictures = {picture.name: picture for picture in pictures}
        self.places = find_places(self.pictures, lambda place: self._read(place).get("name"))
        self.rows = {name: self._row(name, self._finished(name) or {"status": PENDING}) for name in self.pictures}

    def names(self, status: str) -> list[str]:
        """Names of the pictures of a status, in their order."""
        return [name for name, row in self.rows.items() if row["status"] == status]

    def not_exported(self) -> list[str]:
        """Names of the pictures that are fitted and have no export."""
        return [name for name in self.names(FITTED) if self.rows[name]["saved_model"] is None]

    def keep(self, outcome: Outcome) -> None:
        """Writes what has become of a picture, and then its row."""
        if outcome.row["status"] == FITTED:
            try:
                self._write(outcome)
            except OSError as error:
                if error.errno not in OF_ONE_PLACE:
                    raise
                outcome = failed(outcome.name, unwritten(error))
        self.rows[outcome.name] = self._row(outcome.name, outcome.row)

    def _write(self, outcome):
        """Writes the folder of a picture that was fitted; metrics.json, which marks it as fitted, last.

        An export of the model that was here before stays until the next one stands.
        """
        place = self.place(outcome.name)
        place.mkdir(parents=True, exist_ok=True)
        for name, content in ((MODEL, outcome.model), (PREVIEW, outcome.preview)):
            with atomic_path(place / name) as temporary:
                temporary.write_bytes(content)
        if self.history:
            write_history(place / HISTORY, outcome.history)
        outcome.row["fitted_at"] = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
        own = {name: value for name, value in self._row(outcome.name, outcome.row).items() if name in FIGURES}
        facts = {"preview_bytes": len(outcome.preview), **self.facts}
        write_json(place / METRICS, {"format_version": FORMAT_VERSION, **own, **facts})

    def keep_export(self, name: str, version: str | None, reason: str | None = None) -> None:
        """Notes as which version a picture's model is exported, or the reason why it is not."""
        if version is not None:
            place, saved_model = self.place(name), f"{PICTURES}/{self.places[name]}/{SAVED_MODEL}/{version}"
            metrics = self._read(self.places[name])
            sizes = {"saved_model_bytes": export_bytes(place, version)}
            write_json(place / METRICS, {**metrics, "saved_model": saved_model, **sizes})
            self.rows[name] |= {"saved_model": saved_model, "reason": None}
        else:
            self.rows[name] |= {"saved_model": None, "reason": f"it is fitted but cannot be exported: {reason}"}

    def metrics(self, name: str) -> dict[str, Any]:
        """What metrics.json tells of a picture that was fitted."""
        return self._read(self.places[name])

    def write_manifest(self, least_seconds: float = 0.0) -> None:
        """Writes the manifest: a row for every picture, in the order in which they went in.

        Args:
            least_seconds: leaves one alone that is not as old.
        """
        if time.monotonic() - self.written < least_seconds:
            return
        write_manifest(self.folder, list(self.rows.values()))
        self.written = time.monotonic()

    def place(self, name: str) -> pathlib.Path:
        """The folder of a picture."""
        return self.folder / PICTURES / self.places[name]

    def _row(self, name, figures):
        picture = self.pictures[name]
        own = {"name": name, "source": printable(picture.source), "label": picture.label}
        own["model"] = f"{PICTURES}/{self.places[name]}/{MODEL}" if figures["status"] == FITTED else None
        setup = setup_of(self.facts, figures, os.path.abspath(self.folder))
        return {column: {**figures, **own, **setup}.get(column) for column in COLUMNS}

    def _read(self, place):
        """The content of a place's metrics.json; {} for none that can be read."""
        try:
            return read_json(self.folder / PICTURES / place / METRICS)
        except (OSError, DamagedFileError):
            return {}

    def _finished(self, name):
        """The figures of a picture that was fitted before; None where anything is missing or the picture another."""
        place, row = self.place(name), self._read(self.places[name])
        if row.get("status") != FITTED or row.get("name") != name or not are_figures(row):
            return None
        sizes = {MODEL: row.get("model_bytes"), PREVIEW: row.get("preview_bytes")}
        if not all((place / file).is_file() and (place / file).stat().st_size == size for file, size in sizes.items()):
            return None
        if row.get("saved_model") is not None:
            version = row["saved_model"].rpartition("/")[2]
            if not version.isdecimal() or export_bytes(place, version) != row.get("saved_model_bytes"):
                row["saved_model"] = None  # damaged, or not there any more
        return row if same_picture(row, self.pictures[name].source) else None


def same_picture(row: Mapping[str, Any], source: str) -> bool:
    """Whether a row is of the file as it is now, or of the source where that is no file that can be read."""
    path = pathlib.Path(source)
    try:
        if path.is_file():  # a pipe might never end
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == row.get("image_sha256")
    except OSError:
        pass
    return row.get("source") == printable(source)


def unwritten(error: OSError) -> str:
    """Why one picture's results cannot be written."""
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long for a folder of results: rename the picture"
    return f"its folder of results cannot be written: {error}"


def all_done(rows: Sequence[Mapping[str, Any]], exported: bool = False) -> bool:
    """Whether no picture failed or is pending, or, where they are to be `exported`, has no export."""
    done = not any(row["status"] in (FAILED, PENDING) for row in rows)
    return done and not (exported and any(row["saved_model"] is None for row in rows))
