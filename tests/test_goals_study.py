"""experiments/goals and experiments/kodak: their pages are those of the published fits, and they run in small."""

import pathlib

import pytest

from experiments.goals import study as goals

FOLDER = pathlib.Path(goals.__file__).parent


def test_published_page_is_that_of_the_published_fits():
    rows = goals.published()
    assert goals.tables(rows) in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("goal", goals.QUALITIES)
def test_every_photograph_came_to_every_quality(goal):
    rows = [row for row in goals.published() if row["goal"] == goal and row["by"] == "goal"]
    assert len(rows) == 34
    for row in rows:
        assert float(row["psnr_db"]) >= float(goal.removesuffix("dB"))
        assert row["met"] == "True"
