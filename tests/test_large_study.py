"""experiments/large: the page shows its results, and mosaics are what they say."""

import json
import pathlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from experiments.large import cluster, mosaic, study, tiles

HERE = pathlib.Path(study.__file__).parent
RESULTS = HERE / "results" / "runs.json"


@pytest.mark.skipif(not RESULTS.exists(), reason="the study has not been run on an idle machine yet")
def test_the_page_shows_the_results():
    _, shown, _ = (HERE / "README.md").read_text().split(f"{study.MARKER}\n")
    assert shown == study.table(json.loads(RESULTS.read_text())["runs"])


TABLES = {
    study.SIDES_MARKER: lambda: study.table_of_sides(json.loads(RESULTS.read_text())["runs"]),
    cluster.MARKER: lambda: cluster.table(json.loads((HERE / "results" / "cluster.json").read_text())["nodes"]),
    tiles.MARKER: lambda: tiles.table(json.loads((HERE / "results" / "tiles.json").read_text())["runs"]),
}


@pytest.mark.parametrize("marker", TABLES)
def test_the_page_shows_the_other_results(marker):
    _, shown, _ = (HERE / "README.md").read_text().split(f"{marker}\n")
    assert shown == TABLES[marker]()


def test_kills_lost_nothing():
    kills = json.loads((HERE / "results" / "kills.json").read_text())
    assert kills["blocks_with_the_same_weights"] == kills["blocks"] == 61
    assert kills["finished_blocks_written_again"] == 0
    assert len(kills["kills"]) == 5


def test_squares_differ_in_order_and_turn():
    pictures = [np.full((2, 3, 1), number) + np.arange(3)[None, :, None] * 100 for number in range(24)]
    squares = [mosaic.square(pictures, number) for number in range(8)]
    assert {square.shape for square in squares} == {(12, 12, 1)}
    assert len({square.tobytes() for square in squares}) == 8
    assert squares[0][0, ::3, 0].tolist() == [0, 1, 2, 3]
    for square in squares:
        assert sorted(square.ravel()) == sorted(squares[0].ravel())


def test_a_mosaic_is_cut_to_its_size(tmp_path):
    for number in range(1, 25):
        size = (512, 768) if number % 5 == 0 else (768, 512)  # some stand upright
        Image.new("RGB", size, (number, 0, 0)).save(tmp_path / f"{number:02d}.png")
    mosaic.write_mosaic(str(tmp_path), tmp_path / "a.tif", (3500, 3100))
    found = tifffile.imread(tmp_path / "a.tif")
    assert found.shape == (3500, 3100, 3)
    assert found[[0, 511, 512, 3071], 0, 0].tolist() == [1, 1, 5, 21]
    assert found[0, [767, 768, 3071], 0].tolist() == [1, 2, 4]
