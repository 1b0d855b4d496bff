"""benchmarks/bench_web.py: docs/guides/page.md shows its results."""

import json
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"

pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")


def test_the_page_shows_the_results(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import bench_web

    results = json.loads((BENCHMARKS / "results" / "web.json").read_text())
    _, shown, _ = (ROOT / "docs" / "guides" / "page.md").read_text().split("<!-- web -->\n")
    assert shown.strip() == bench_web.table(results["rows"])
    assert {(row["preset"], row["way"]) for row in results["rows"]} == {
        (preset, way) for preset in bench_web.PRESETS for way in bench_web.WAYS
    }
