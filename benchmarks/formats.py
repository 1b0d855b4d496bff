"""Every preset in the formats of other runtimes: how far values are from the field's, or that it is refused.

From the root of the repository: python benchmarks/formats.py

Each preset is made as it is, with the seed 0, for a colour picture of 200 x 300; tables of grids are uniform in
[-1, 1], so that they count. It needs the extras onnx, litert and openvino. The result is
benchmarks/results/formats.json and the table of docs/guides/other_formats.md.
"""

import json
import pathlib
import re
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import keras_inr
from experiments.files import put_between, write_json
from keras_inr.errors import InputError
from keras_inr.export.formats import FORMATS, check_points
from keras_inr.runs.facts import versions

RESULTS = ROOT / "benchmarks" / "results" / "formats.json"
PAGE, MARKER = ROOT / "docs" / "guides" / "other_formats.md", "<!-- formats -->"
BATCHES = {"any": None, "64": 64}


def main():
    found = {}
    for info in keras_inr.list_presets():
        field = keras_inr.from_preset(info.name, seed=0, picture_size=(200, 300))
        for weight in field.weights:
            if "table" in weight.path:
                weight.assign(np.random.default_rng(0).uniform(-1, 1, weight.shape))
        found[info.name] = {
            name: {told: tried(field, name, batch) for told, batch in BATCHES.items()} for name in FORMATS
        }
        print(info.name, json.dumps(found[info.name]), flush=True)
    write_json(RESULTS, {"versions": versions(), "presets": found})
    put_between(PAGE, MARKER, table(found))


def tried(field, name, batch):
    """The largest difference of an export's values to the field's, or why it is refused."""
    chosen = FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"field{chosen.suffix}"
        try:
            keras_inr.export.export_field(field, path, name, batch)
        except InputError as error:
            return {"refused": str(error)}
        points = check_points(field)[:batch]
        values = chosen.runner(str(path / chosen.file if chosen.file else path))(points)
        return {"difference": float(np.abs(values - field(points).numpy()).max())}


def table(found):
    """Markdown: a line for each preset; of each format both kinds of batches, where they differ."""
    titles = [chosen.title for chosen in FORMATS.values()]
    lines = [f"| preset | {' | '.join(titles)} |", "| --- |" + " --- |" * len(titles)]
    for preset, formats in found.items():
        cells = ["; ".join(dict.fromkeys(map(cell, formats[name].values()))) for name in FORMATS]
        lines.append(f"| `{preset}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(result):
    """A difference with one digit, or that it is refused, for one that its sentence tells."""
    if "refused" in result:
        told = re.search(r"received (\d\.\de-\d+)", result["refused"])
        return f"**refused**, {told[1]}" if told else "**refused**"
    return f"{result['difference']:.0e}".replace("0e+00", "0")


if __name__ == "__main__":
    main()
