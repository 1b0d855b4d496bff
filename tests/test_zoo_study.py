"""experiments/zoo/study.py in small: what it runs, keeps and prints."""

import functools
import json
import pathlib
import re
import types

import pytest
from cli.fit_calls import forked
from published_rows import published_rows

from experiments.zoo import pages
from experiments.zoo import study as script
from keras_inr.presets import get_preset, list_presets

FOLDER = pathlib.Path(__file__).parent.parent / "experiments" / "zoo"
ARCHITECTURES = json.loads((FOLDER / "architectures.json").read_text())["architectures"]
MEASURED = json.loads((FOLDER.parent.parent / "keras_inr" / "measured.json").read_text())
RATES = json.loads((FOLDER / "results" / "rates.json").read_text())["rates"]


study = functools.partial(forked, "experiments.zoo.study")


def test_every_architecture_has_a_preset_and_a_rate():
    """A model may be without an architecture: it is then not measured yet."""
    assert {entry["preset"] for entry in ARCHITECTURES.values()} <= {info.name for info in list_presets()}
    assert set(RATES) == set(ARCHITECTURES)
    for by_optimizer in RATES.values():
        assert set(by_optimizer) == {"adam", "muon"}
        for entry in by_optimizer.values():
            assert entry["psnr_db"][f"{entry['learning_rate']:g}"] == max(entry["psnr_db"].values())


def test_published_pages_are_those_of_the_published_fits():
    rows = published_rows(FOLDER / "results" / "runs.csv")
    presets = [row for row in rows if row["part"] == "presets"]
    rows = [row for row in rows if row["part"] != "presets"]
    assert len(rows) == 2 * len(ARCHITECTURES) * 5 * 3
    table = pages.table(rows, ARCHITECTURES)
    assert (FOLDER / "results" / "table.md").read_text() == table
    assert table.rstrip() in (FOLDER / "README.md").read_text()
    assert (
        pages.short_table(rows, ARCHITECTURES).rstrip()
        in (FOLDER.parent.parent / "docs" / "results" / "zoo.md").read_text()
    )
    assert pages.measured_presets(presets, 128) == MEASURED
    for row in rows:
        entry = RATES[row["architecture"]][row["optimizer"]]
        assert row["learning_rate"] == entry["learning_rate"]
        others = RATES[row["architecture"]]["muon" if row["optimizer"] == "adam" else "adam"]
        best = max(entry["psnr_db"].values()) >= max(others["psnr_db"].values())
        assert best if row["part"] == "seconds" else row["optimizer"] == "adam"


def test_list_presets_tells_what_was_measured():
    told = {info.name: info for info in list_presets()}
    assert set(MEASURED["presets"]) == set(told)
    for name, figures in MEASURED["presets"].items():
        assert {key: getattr(told[name], key) for key in figures} == figures


@pytest.mark.slow
def test_quick_runs_prints_a_table_and_goes_on_where_it_was(tmp_path):
    flags = ("--quick", "--architectures=relu,multi_hash", "--images=sample:camera", "--size=24", f"--runs={tmp_path}")
    flags += ("--steps=10", "--seconds=0.1", "--batch_size=64")
    first = study(*flags)
    assert first.returncode == 0, first.stderr
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    assert len(kept) == 6  # two architectures: equal steps, a pilot, equal seconds
    rows = [json.loads(path.read_text()) for path in kept]
    assert all(row["num_parameters"] > 40_000 and row["bytes_on_disk"] > 4 * row["num_parameters"] for row in rows)
    for row in rows:
        assert row["learning_rate"] == RATES[row["architecture"]][row["optimizer"]]["learning_rate"]
    assert "| `multi_hash` |" in first.stdout
    again = study(*flags)
    assert again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == kept


def fitted(part, name, image, seed, recipe, steps, preset=None):
    """In the place of a fit: one of ten steps a second."""
    return {"case": (part, preset), "recipe": recipe, "psnr_db": 30.0, "train_seconds": steps / 10, "steps": steps}


def test_presets_are_fitted_by_their_own_recipes_for_as_many_steps_as_fit(monkeypatch):
    infos = [get_preset(name).info for name in ("siren", "pixel_grid")]
    monkeypatch.setattr(script, "list_presets", lambda: infos)
    monkeypatch.setattr(script, "FLAGS", types.SimpleNamespace(images=["a"], seeds=["0", "1"], seconds=3.0))
    monkeypatch.setattr(script, "fitted", fitted)
    rows = script.run_presets()
    assert [row["case"] for row in rows] == 2 * [("presets", "siren")] + 2 * [("presets", "pixel_grid")]
    assert {row["steps"] for row in rows} == {30}
    assert rows[0]["recipe"]["optimizer"] == "muon"
    assert rows[2]["recipe"] == {"optimizer": "muon", "learning_rate": 0.1, "beta_2": 0.99, "sampling": "shuffled"}


def test_an_architecture_is_fitted_by_its_better_optimizer(monkeypatch, tmp_path):
    rates = {"adam": {"learning_rate": 0.01, "psnr_db": {"0.01": 30.0}}}
    rates["muon"] = {"learning_rate": 0.1, "psnr_db": {"0.1": 31.0, "0.3": 20.0}}
    (tmp_path / "rates.json").write_text(json.dumps({"rates": {"relu": rates}}))
    monkeypatch.setattr(script, "RESULTS", tmp_path)
    assert script.best_recipe("relu") == {"optimizer": "muon", "learning_rate": 0.1}
    assert script.best_recipe("relu", "adam") == {"optimizer": "adam", "learning_rate": 0.01}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--architectures=relu,nerf",), "architectures must be some of .*, received nerf"),
        (("--architectures=",), "architectures must be some of .*, received none"),
        (("--seeds=0,x",), "seeds must be whole numbers with commas between them, received '0,x'"),
        (("--images=nope.png", "--quick"), "nope.png"),
        (("--images=", "--part=rates"), "images must be pictures with commas between them, received none"),
    ],
)
def test_bad_flags(flags, message, tmp_path):
    done = study(*flags, f"--runs={tmp_path}/runs")
    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_flags_of_ones_own_leave_published_results_alone(tmp_path):
    before = {path: path.read_bytes() for path in sorted((FOLDER / "results").iterdir())}
    flags = ("--architectures=relu", "--images=sample:camera", "--seeds=1", "--size=16", "--steps=10", "--seconds=0.1")
    done = study(*flags, "--batch_size=64", f"--runs={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "published results are left as they are" in done.stderr
    assert {path: path.read_bytes() for path in sorted((FOLDER / "results").iterdir())} == before


def test_quick_takes_what_is_given(tmp_path):
    flags = ("--quick", "--architectures=relu", "--size=16", "--steps=12", "--seconds=0.1", f"--runs={tmp_path}")
    assert study(*flags, "--images=sample:camera", "--part=steps").returncode == 0
    (kept,) = tmp_path.rglob("*.json")
    assert json.loads(kept.read_text())["steps"] == 12


def row(**values):
    named = dict.fromkeys(("ssim", "ms_ssim", "train_seconds", "steps", "bytes_on_disk", "num_parameters"), 1.0)
    goals = {f"seconds_to_{goal}_db": None for goal in pages.GOALS}
    facts = {"learning_rate": 0.1, "points_per_step": 8, "device": "CPU", "tensorflow": "2", "optimizer": "muon"}
    return {**named, **goals, **facts, "image": "sample:camera", "seed": 0, **values}


def test_tables_rank_by_equal_seconds_and_mark_what_is_not_sized():
    rows = [
        row(part=part, architecture=name, psnr_db=psnr_db, seed=seed)
        for part, shift in (("steps", 5.0), ("seconds", 0.0))
        for name, base in (("good", 30.0), ("bad", 20.0))
        for seed, psnr_db in ((0, base + shift - 1), (1, base + shift + 1))
    ]
    lines = pages.table(rows, {"good": {"sized": True}, "bad": {"sized": False}}).splitlines()
    assert lines[2].startswith("| `good` |")
    assert lines[3].startswith("| `bad` * |")
    # the standard deviation of two figures 2 dB apart
    assert "| 35.00 ± 1.41 |" in lines[2]
    assert "| 30.00 ± 1.41 |" in lines[2]


def test_a_fit_that_diverged_counts_as_nothing_and_an_exact_one_as_60_db():
    rows = [row(part="seconds", architecture="a", psnr_db=psnr_db) for psnr_db in (30.0, None)]
    assert pages.mean(rows, "psnr_db") == 15.0
    rows = [row(part="seconds", architecture="a", psnr_db=psnr_db) for psnr_db in (30.0, 119.0)]
    assert pages.mean(rows, "psnr_db") == 45.0


def test_seconds_to_a_goal_tell_how_many_got_there():
    rows = [row(seconds_to_30_db=seconds) for seconds in (2.0, 4.0, None)]
    assert pages.reached(rows, 30) == "3.0 (2/3)"
    assert pages.reached(rows, 35) == "-"
    assert pages.reached(rows[:2], 30) == "3.0"


def test_the_pace_is_that_of_the_fastest_fit_with_equal_steps():
    rows = [row(part="steps", architecture="a", train_seconds=seconds, steps=10) for seconds in (5.0, 4.0, None)]
    rows.append(row(part="seconds", architecture="a", train_seconds=1.0, steps=10))
    rows.append(row(part="steps", architecture="b", train_seconds=None, steps=10))
    assert pages.seconds_per_step(rows) == {"a": 0.4, "b": float("inf")}


def test_figures(tmp_path):
    rows = [row(part=part, architecture="a", psnr_db=30.0) for part in ("steps", "seconds")]
    pages.draw(rows, tmp_path / "zoo.png")
    assert (tmp_path / "zoo.png").stat().st_size > 1000
    presets = [row(part="presets", preset="siren", psnr_db=psnr_db) for psnr_db in (30.0, 31.0)]
    assert pages.measured_presets(presets, 128)["presets"]["siren"]["psnr_db"] == pytest.approx(30.5)
