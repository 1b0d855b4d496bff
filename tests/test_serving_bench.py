"""The figures of serving in docs/guides/serve.md are those of the results."""

import importlib.util
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOUND = json.loads((ROOT / "benchmarks" / "results" / "serving.json").read_text())
PAGE = (ROOT / "docs" / "guides" / "serve.md").read_text()


def test_the_table_is_that_of_the_results():
    spec = importlib.util.spec_from_file_location("bench_serving", ROOT / "benchmarks" / "bench_serving.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    assert PAGE.split("<!-- serving -->\n")[1] == bench.table(FOUND)


def test_the_sentences_are_those_of_the_results():
    tiles, restart = FOUND["tiles"], FOUND["restart"]
    field, picture = tiles["multi_hash"], tiles["rio-tiler"]
    told = " ".join(PAGE.split())
    assert f"takes {field['cold_ms']['p50']:.1f} ms that nobody asked for before" in told
    assert f"{field['cold_per_second']:.0f} a second with eight clients, and {field['again_ms']['p50']:.2f} ms" in told
    drawn = f"draws {picture['cold_per_second']:.0f} a second of the decoded picture, one in "
    assert f"{drawn}{picture['cold_ms']['p50']:.1f} ms" in told
    assert (restart["lost"], restart["wrong"]) == (0, 0)
    assert f"lost nothing of {restart['answered']:,} requests" in told


def test_the_soak_lost_nothing_and_grew_little():
    soak = FOUND["soak"]
    told = " ".join(PAGE.split())
    requests = soak["grpc"] + soak["rest"] + soak["tiles"]
    assert (soak["failed"], soak["errors"]) == (0, [])
    assert f"with {soak['versions_added']} version changes none of {requests:,} requests failed" in told
    then = soak["resident_mb"]["then"]
    assert f"from {then[4]:,} MB" in told
    assert f"to {then[-1]:,} MB at the end" in told
    assert then[-1] < 1.05 * then[4]
