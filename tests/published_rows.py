"""Rows of a study's published CSV, as the study made them."""

import csv
import json


def published_rows(path):
    """A dict for each line; numbers are numbers, empty cells None."""
    with path.open(newline="") as file:
        return [{name: parsed(text) for name, text in row.items()} for row in csv.DictReader(file)]


def parsed(text):
    """A cell as it was before it was written."""
    try:
        return json.loads(text)
    except ValueError:
        return text or None
