"""experiments/kodak: its page is that of the published fits, and its budgets are kept."""

import pathlib

import pytest

from experiments.kodak import study

FOLDER = pathlib.Path(study.__file__).parent


def test_published_page_is_that_of_the_published_fits():
    assert study.table(study.published()) in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("budget", study.BUDGETS)
def test_all_pictures_are_there_and_the_budget_is_kept(budget):
    rows = [row for row in study.published() if row["budget"] == budget and row["seed"] == 0]
    assert [row["picture"] for row in rows] == [f"{number:02d}" for number in range(1, 25)]
    most = float(budget.split()[0]) * {"k": 1e3, "M": 1e6}[budget.split()[1]]
    assert all(int(row["num_parameters"]) <= most for row in rows)
