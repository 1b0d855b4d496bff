"""The manifest's columns, by which rows of several runs can be compared."""

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet
import pytest

from fleet.small_fleets import figures, small_settings, write_pictures
from keras_inr.datasets.pictures import list_pictures
from keras_inr.fleet import run_fleet
from keras_inr.fleet.manifest import COLUMNS, FIGURES, SETTINGS, are_figures

RUNS = {
    "siren": {},
    "relu": {"preset": "relu", "recipe": {"steps": 3, "learning_rate": 0.01, "seed": 5}},
    "epochs": {"recipe": {"epochs": 3, "batch_size": 18, "sampling": "shuffled", "schedule": "constant"}},
    "goal": {"goal_psnr_db": 5.0, "precision": "float64", "image_options": {"grayscale": True}},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Four runs on the same pictures, one of which is torn."""
    folder = tmp_path_factory.mktemp("runs")
    source = write_pictures(folder / "in", 2)
    (source / "torn.png").write_text("torn")
    for name, changes in RUNS.items():
        run_fleet(list_pictures(str(source)), small_settings(**changes), folder / name, progress=False)
    return folder


def test_manifests_of_several_runs_make_one_table(runs):
    table = pyarrow.concat_tables(pyarrow.parquet.read_table(runs / name / "manifest.parquet") for name in RUNS)
    assert table.column_names == list(COLUMNS)
    rows = table.to_pylist()
    assert len({(row["run"], row["name"]) for row in rows}) == len(rows) == 12
    assert [row["preset"] for row in rows] == ["siren_256"] * 3 + ["relu"] * 3 + ["siren_256"] * 6
    torn = [row for row in rows if row["name"] == "torn.png"]
    assert [row["status"] for row in torn] == ["failed"] * 4
    assert [row["learning_rate"] for row in torn] == [1e-3, 1e-2, 1e-3, 1e-3]
    assert [row["seed"] for row in torn] == [0, 5, 0, 0]
    assert [row["schedule"] for row in torn] == ["cosine", "cosine", "constant", "cosine"]
    assert [json.loads(row["arguments"]) for row in torn] == [{"units": [8, 8]}] * 4
    assert [json.loads(row["recipe"])["steps"] for row in torn] == [12, 3, None, 12]
    assert [row["max_steps"] for row in torn] == [12, 3, None, 12]
    fitted = [row for row in rows if row["status"] == "fitted"]
    assert all((Path(row["run"]) / row["model"]).is_file() for row in fitted)
    assert [row["max_steps"] for row in fitted] == [12, 12, 3, 3, 6, 6, 12, 12]  # 3 epochs of 36 pixels, 18 in a step
    assert [row["steps"] for row in fitted[:6]] == [row["max_steps"] for row in fitted[:6]]


def test_parquet_is_typed(runs):
    for name in RUNS:
        schema = pyarrow.parquet.read_schema(runs / name / "manifest.parquet")
        assert {column: schema.field(column).type for column in schema.names} == COLUMNS
    assert not set(FIGURES) & set(SETTINGS)


def old(folder):
    """Makes a run's folder what it was before pictures' folders lost suffixes and manifests had settings."""
    for place in sorted((folder / "pictures").iterdir()):
        metrics = json.loads((place / "metrics.json").read_text())
        kept = {key: value for key, value in metrics.items() if key not in ("saved_model", "fitted_at")}
        name = metrics["name"]
        (place / "metrics.json").write_text(json.dumps({**kept, "model": f"pictures/{name}/model.keras"}))
        place.rename(place.with_name(name))
    for path in folder.glob("manifest.*"):
        path.unlink()


def test_a_run_of_an_earlier_version_goes_on(runs, tmp_path):
    """Nothing is fitted again, and its folders keep their names beside those of new pictures."""
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(runs / "in", source)
    (source / "000.png").rename(source / "a[1].png")
    run_fleet(list_pictures(str(source)), small_settings(), out, progress=False)
    (out / "pictures" / "a_1]").rename(out / "pictures" / "a[1]")
    old(out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("model.keras")}
    shutil.copy(source / "001.png", source / "001.tif")
    shutil.copy(source / "001.png", source / "b.png")
    _, rows = run_fleet(list_pictures(str(source)), small_settings(), out, resume=True, progress=False)
    assert {row["name"]: row["model"] and Path(row["model"]).parent.name for row in rows} == {
        "001.png": "001.png",
        "001.tif": "001.tif",
        "a[1].png": "a[1].png",
        "b.png": "b",
        "torn.png": None,
    }
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert {(row["preset"], row["learning_rate"], row["max_steps"]) for row in rows} == {("siren_256", 1e-3, 12)}
    with (out / "manifest.csv").open(newline="") as file:
        assert [row["fitted_at"] == "" for row in csv.DictReader(file)] == [True, False, True, False, True]


def test_a_picture_that_comes_later_changes_no_folder(tmp_path):
    source, out = write_pictures(tmp_path / "in", 1), tmp_path / "out"
    _, (first,) = run_fleet(list_pictures(str(source)), small_settings(), out, progress=False)
    before = (out / first["model"]).stat().st_mtime_ns
    write_pictures(source, 1, side=7, suffix=".bmp")
    _, rows = run_fleet(list_pictures(str(source)), small_settings(), out, resume=True, progress=False)
    assert [row["model"] for row in rows] == ["pictures/000.bmp/model.keras", "pictures/000/model.keras"]
    assert (out / first["model"]).stat().st_mtime_ns == before
    _, both = run_fleet(list_pictures(str(source)), small_settings(), tmp_path / "both", progress=False)
    assert [row["model"] for row in both] == ["pictures/000.bmp/model.keras", "pictures/000.png/model.keras"]
    for one, other in zip(figures(rows), figures(both), strict=True):
        assert {**one, "model": None} == {**other, "model": None}


@pytest.mark.parametrize(
    "wrong", [{"steps": "many"}, {"versions": "1"}, {"versions": {"keras_inr": 1}}, {"saved_model": 3}, {"height": []}]
)
def test_figures_that_no_column_holds(wrong):
    assert are_figures({"name": "a.png", "steps": 3, "versions": {"keras_inr": "0.1.0"}})
    assert not are_figures({"name": "a.png", **wrong})
