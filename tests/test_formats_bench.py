"""benchmarks/formats.py: docs/guides/other_formats.md shows its results."""

import json
import pathlib
import sys

from keras_inr.presets import list_presets

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_the_page_shows_the_results(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    import formats

    found = json.loads(formats.RESULTS.read_text())["presets"]
    assert set(found) == {info.name for info in list_presets()}
    _, shown, _ = formats.PAGE.read_text().split(f"{formats.MARKER}\n")
    assert shown == formats.table(found)
