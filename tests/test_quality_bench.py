"""benchmarks/bench_quality.py: docs/results/speed.md shows its results, and its fits run in small."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "benchmarks" / "bench_quality.py"
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "quality.json").read_text())


def test_the_page_shows_the_results():
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import bench_quality
    finally:
        sys.path.remove(str(SCRIPT.parent))
    _, shown, _ = (ROOT / "docs" / "results" / "speed.md").read_text().split("<!-- quality -->\n")
    assert shown.strip() == bench_quality.table(RESULTS["rows"])
    assert {row["method"] for row in RESULTS["rows"]} == set(bench_quality.METHODS)


@pytest.mark.slow
def test_a_case_of_ours_runs():
    case = "pixel_grid|24|sample:camera"
    command = [sys.executable, SCRIPT, "--case", case, "--seconds=0.3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout.splitlines()[-1])
    assert (row["method"], row["size"], row["picture"]) == ("pixel_grid", 24, "sample:camera")
    assert row["best_db"] > 5  # as far as it got
    assert set(row["seconds_to"]) == {"30", "35", "40", "44.4", "50"}
