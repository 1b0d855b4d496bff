"""experiments/choosing: what it solves for, what it refuses, and a small run as a user starts it."""

import csv
import json
import pathlib

import numpy as np
import pytest
from choosing_table import TABLE
from cli.fit_calls import Call

from experiments.choosing import cases, check, solving, study
from keras_inr.choosing.candidates import hash_candidate, sine_candidate
from keras_inr.choosing.expectations import REFERENCE, Table, costs, expected_db, pace

FOLDER = pathlib.Path(check.__file__).parent


def invented_rows():
    """Fits that are what the invented table makes expect, on two pictures."""
    rows = []
    for image, sparse, plain in (("a", 25.0, 12.0), ("b", 34.0, 16.0)):
        row = {"image": image, "size": [100, 120], "sparse_db": sparse, "plain_db": plain}
        makers = [(hash_candidate, size) for size in (5, 7, 9, 11, 13)] + [
            (sine_candidate, width) for width in (8, 24, 48, 96)
        ]
        found = [
            ("psnr", make(size, 60, band), n) for make, size in makers for band in (35, 50) for n in (99, 400, 900)
        ]
        for part, candidate, steps in [("pace", REFERENCE, 50), *found]:
            family = TABLE.families[candidate.family]
            facts = {"ratio": sum(candidate.weights(3)) / 12000, "band_db": candidate.band_db, "steps": steps}
            seconds = 0.01 * pace(family["pace"], *costs(candidate, 3))
            own = {
                "part": part,
                "family": candidate.family,
                "arguments": candidate.arguments,
                "seconds_per_step": seconds,
            }
            own |= {
                "costs": costs(candidate, 3),
                "psnr_db": expected_db(family["law"], sparse=sparse, plain=plain, **facts),
            }
            rows.append({**row, **facts, **own})
    return rows


def test_the_page_tells_of_every_goal_that_was_tried():
    with (FOLDER / "results" / "check.csv").open() as file:
        rows = [
            {**row, "goal_db": int(row["goal_db"]), "reached_db": float(row["reached_db"]), "met": row["met"] == "True"}
            | {name: int(row[name]) for name in ("size", "steps", "planned_steps")}
            for row in csv.DictReader(file)
        ]
    assert all(row["met"] == (row["reached_db"] >= row["goal_db"]) for row in rows)
    unseen = {f"sample:{row['image']}" for row in rows}
    assert not unseen & {row["image"] for row in json.loads((FOLDER / "results" / "fits.json").read_text())}
    assert f"<!-- check -->\n{check.table(rows)}" in (FOLDER / "README.md").read_text()


def test_the_table_is_found_again_from_its_fits():
    rows = invented_rows()
    rows.append({**rows[-1], "psnr_db": None, "seconds_per_step": None})  # diverged
    table = solving.table_of(rows, "invented")
    reference = pace(TABLE.families["hash"]["pace"], *costs(REFERENCE, 3))
    assert table["reference_seconds"] == pytest.approx(0.01 * reference, abs=1e-6)
    for name, family in TABLE.families.items():
        found = table["families"][name]
        # noiseless: what is left is where the solver stops
        assert found["law"] == pytest.approx(family["law"], rel=1e-3)
        assert found["spread_db"] < 1e-3
        paces = [pace(found["pace"], *row["costs"]) * reference for row in rows if row["family"] == name]
        expected = [pace(family["pace"], *row["costs"]) for row in rows if row["family"] == name]
        np.testing.assert_allclose(paces, expected, rtol=1e-3)


PLAN = {"images": ["sample:coins"], "sizes": ["16", "24"], "candidates": ["hash-5", "hash-6", "sine-4"]}
PLAN |= {"steps": ["10", "11"]}
FLAGS = [f"--{name}={','.join(values)}" for name, values in PLAN.items()]


@pytest.fixture
def call(tmp_path):
    """Calls the study with its files in tmp_path: (exit code, standard output, standard error)."""
    (tmp_path / "log").mkdir()
    own = (f"--runs={tmp_path}/runs", f"--table={tmp_path}/choices.json", f"--results={tmp_path}/results")
    place = {"cwd": tmp_path, "log": tmp_path / "log", "script": "experiments.choosing.study"}
    return lambda *flags: Call(*own, *flags, **place).wait()


def keep_fits(planned, runs):
    """As the study would, with invented figures."""
    runs.mkdir()
    for i, case in enumerate(planned):
        row = {
            **case.identity,
            "costs": costs(case.candidate, 1),
            "ratio": 0.5,
            "sparse_db": 20.0 + i,
            "plain_db": 14.0,
        }
        row |= {"psnr_db": 20.0 + i, "seconds_per_step": 0.01, "device": "CPU"}
        case.path(runs).write_text(json.dumps(row))


def test_the_default_plan_replaces_table_and_results(call, tmp_path):
    planned = cases.planned(**{name: getattr(study, name.upper()) for name in PLAN})
    keep_fits(planned, tmp_path / "runs")
    code, out, error = call("--part=report")
    assert (code, out) == (0, ""), error
    assert Table.read(tmp_path / "choices.json").families["sine"]["count"] > 100
    assert len(json.loads((tmp_path / "results" / "fits.json").read_text())) == len(planned)


def test_a_plan_of_one_s_own_goes_on_and_replaces_nothing_unasked(call, tmp_path):
    planned = cases.planned(**PLAN)
    keep_fits(planned[:-1], tmp_path / "runs")
    code, out, error = call(*FLAGS, "--part=report")
    assert (code, out, error.splitlines()) == (
        *(2, ""),
        [f"choosing: 1 of 27 fits are missing in {tmp_path}/runs: run --part=all first"],
    )
    code, out, error = call(*FLAGS)
    assert code == 0, error
    assert error.startswith("choosing: 1 of 1: psnr sine 4, sample:coins 19 x 24, 11 steps: ")
    told = f"choosing: {tmp_path}/choices.json and {tmp_path}/results are left as they are; --install replaces them"
    assert told in error.splitlines()
    row = json.loads(planned[-1].path(tmp_path / "runs").read_text())
    assert (row["steps"], row["band_db"], row["costs"][0]) == (11, 50, 1.0)
    assert row["ratio"] == row["num_parameters"] / (19 * 24)
    assert json.loads(out)["families"]["sine"]["count"] == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "runs"]

    code, out, error = call(*FLAGS, "--part=report", "--install")
    assert (code, out) == (0, ""), error
    table = Table.read(tmp_path / "choices.json")
    assert "sample:coins at 16, 24 pixels; hash-5, hash-6, sine-4; 10, 11 steps of 4096 points" in table.about
    assert len(json.loads((tmp_path / "results" / "fits.json").read_text())) == 27


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sizes=a"], "sizes must be whole numbers from 16 on with commas between, received 'a'"),
        (["--sizes=96,8"], "sizes must be whole numbers from 16 on with commas between, received '96,8'"),
        (["--steps="], "steps must be whole numbers from 10 on with commas between, received ''"),
        (["--images=nope.png"], "source 'nope.png' does not exist"),
        (
            ["--candidates=hash-40"],
            "candidates must be hash-N, N up to 20, or sine-N, N up to 1024, received 'hash-40'",
        ),
        (["--candidates=relu-8"], "candidates must be hash-N, N up to 20, or sine-N, N up to 1024, received 'relu-8'"),
        (
            ["--images="],
            "at least 8 fits of hash and of sine that do not diverge make a table, received 0 and 0",
        ),
        (
            ["--candidates=hash-5,hash-6"],
            "at least 8 fits of hash and of sine that do not diverge make a table, received 16 and 0",
        ),
        (["--part=report"], "27 of 27 fits are missing in {}/runs: run --part=all first"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(call, tmp_path, flags, message):
    code, out, error = call(*FLAGS, *flags)
    assert (code, out, error) == (2, "", f"choosing: {message.format(tmp_path)}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log"]
