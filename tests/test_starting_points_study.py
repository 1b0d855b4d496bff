"""experiments/starting_points in small: what it measures, tells, and leaves alone."""

import functools
import json
import pathlib
import re

import pytest
from cli.fit_calls import forked
from published_rows import published_rows

from experiments.starting_points import tables
from keras_inr.models.initial_weights import SHIPPED

FOLDER = pathlib.Path(__file__).parent.parent / "experiments" / "starting_points"
STARTS = json.loads((FOLDER / "starts.json").read_text())


def row(start="drawn", shift=0.0, image="chelsea", **values):
    curve = [[step, psnr_db + shift] for step, psnr_db in ((0, 5.0), (10, 15.0), (30, 20.0), (100, 25.0), (300, 35.0))]
    facts = {"learning_rate": 0.001, "seed": 0, "size": 8, "batch_size": 4, "device": "CPU"}
    return {"network": "siren", "start": start, "image": image, "curve": curve, **facts, **values}


study = functools.partial(forked, "experiments.starting_points.study")


def test_pictures_have_one_part():
    names = [*STARTS["learn_from"], *STARTS["tune_on"], *STARTS["held_out"]]
    assert len(set(names)) == len(names)


def test_steps_to_a_goal_are_between_looks_in_equal_ratios():
    assert tables.steps_to(row(), 25) == pytest.approx(100)
    assert tables.steps_to(row(), 30) == pytest.approx(100 * 3**0.5)
    assert tables.steps_to(row(), 36) is None
    assert tables.steps_to(row(shift=30.0), 30) == 0


def test_score_and_gain():
    assert tables.score(row()) == pytest.approx((15 + 20 + 25 + 35) / 4)
    rows = [row(), row("paper", 1.0), row("maml", 4.0), row("maml", 6.0, image="camera")]
    assert tables.gain(rows, "siren", "maml", 100) == pytest.approx(30 - 26)  # above the best that is drawn


def test_steps_saved_are_of_pairs():
    """Steps to 30 dB are 100 * 3^0.5 from drawn weights, 100 * 3^0.1 where a start is 4 dB above."""
    drawn = [row(), row(image="camera"), row(shift=-9.0, image="coins")]
    learnt = [row("maml", 4.0), row("maml", 4.0, image="camera"), row("maml", 4.0, image="coins")]
    assert tables.saved(learnt[:2], drawn, 30) == "+62 ± 0"
    assert tables.saved(learnt, drawn, 30) == "+62 ± 0 (2 of 3, 1 that only it reached)"
    assert tables.saved([learnt[0], row("maml", -9.0, image="camera")], drawn, 30) == "+62 (1 of 2)"
    assert tables.saved(learnt, drawn, 55) == "-"
    assert tables.saved(drawn, drawn, 30) == "-"
    better = [row("paper", 1.0), row("paper", 1.0, image="camera")]
    assert tables.drawn_fits([*drawn[:2], *better, *learnt]) == better


def test_the_table_ranks_starts_after_100_steps(tmp_path):
    rows = [row(), row("maml", 4.0), row("average", 2.0)]
    lines = tables.table(rows).splitlines()
    assert [line.split(" | ")[0] for line in lines[4:]] == ["| **maml**", "| **average**", "| drawn"]
    assert "100 steps" in lines[2]
    assert "600 steps" not in lines[2]
    assert list(tables.flat(rows[0]).items())[-2:] == [("psnr_db_after_100", 25.0), ("psnr_db_after_300", 35.0)]
    assert tables.facts([row(device="a CPU")], STARTS).endswith("where both got there. a CPU.")
    tables.draw(rows, tmp_path / "starts.png")
    assert (tmp_path / "starts.png").stat().st_size > 1000


def test_the_published_page_is_that_of_the_published_fits():
    rows = published_rows(FOLDER / "results" / "fits.csv")
    looks = [(int(name.removeprefix("psnr_db_after_")), name) for name in rows[0] if name.startswith("psnr_db_after_")]
    for fit in rows:
        fit["curve"] = [[step, fit[name]] for step, name in looks]
    page = (FOLDER / "README.md").read_text()
    assert tables.table(rows) in page
    assert tables.facts(rows, STARTS) in page


@pytest.mark.slow
def test_quick_goes_on_where_it_was_and_publishes_nothing(tmp_path):
    shipped = sorted(SHIPPED.rglob("*"))
    flags = ("--quick", "--networks=siren", "--methods=reptile", "--size=12", "--batch_size=32", f"--runs={tmp_path}")
    first = study(*flags)
    assert first.returncode == 0, first.stderr
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    fits = [json.loads(path.read_text()) for path in tmp_path.rglob("held_out/*.json")]
    assert len(fits) == 2 * 4  # drawn and reptile, four pictures
    assert all(len(fit["curve"]) == 14 and min(db for _, db in fit["curve"]) > 0 for fit in fits)
    assert "| **reptile** |" in first.stdout
    assert "what the package ships is left as it is" in first.stderr
    assert study(*flags).stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == kept
    assert sorted(SHIPPED.rglob("*")) == shipped


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--networks=siren,nerf", "networks must be some of .*, received 'siren,nerf'"),
        ("--methods=", "methods must be some of .*, received ''"),
        ("--seeds=x", "seeds must be whole numbers with commas between them, received 'x'"),
    ],
)
def test_bad_flags(flag, message, tmp_path):
    done = study(flag, f"--runs={tmp_path}/runs")
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()
