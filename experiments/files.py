"""What the studies share: lists of numbers as flags, JSON, CSV, and tables inside of pages."""

import csv
import json
import pathlib

from keras_inr._files import atomic_path
from keras_inr.errors import InputError
from keras_inr.runs import folder as run_folder

ROOT = pathlib.Path(__file__).resolve().parent.parent
"""Of the repository."""


def write_json(path, content):
    """Writes strict JSON at once or not at all, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run_folder.write_json(path, content)


def write_csv(path, columns, rows):
    """Writes rows, dicts with the columns, at once or not at all, their folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path, texts):
    """The rows that `write_csv` left: columns named in texts as they stand, others as numbers and lists, None if empty.

    None at all where there is no such file.
    """
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {name: text if name in texts else json.loads(text) if text else None for name, text in row.items()}
            for row in csv.DictReader(file)
        ]


def whole_numbers(name, texts, least=0):
    """The numbers of a list flag; InputError for what is none, is too small, or for no number at all."""
    if not texts or not all(text.isascii() and text.isdecimal() and int(text) >= least for text in texts):
        bound = f" from {least}" if least else ""
        raise InputError(f"{name} must be whole numbers{bound} with commas between them, received {','.join(texts)!r}")
    return [int(text) for text in texts]


def put_between(path, marker, text):
    """Replaces what stands between two lines that are the marker, in a file."""
    before, _, after = path.read_text().split(f"{marker}\n")
    with atomic_path(path) as temporary:
        temporary.write_text(f"{before}{marker}\n{text}{marker}\n{after}")
