"""The manifest's columns, by which rows of several runs can be compared."""

import csv
import json
import shutil
from pathlib import Path

import pandas
import pyarrow.parquet
import pytest

from fleet.small_fleets import figures, small_settings, write_pictures
from keras_inr.fleet import run_fleet
from keras_inr.fleet.manifest import COLUMNS, FIGURES, SETTINGS, are_figures
from keras_inr.signals.pictures import list_pictures

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


@pytest.mark.parametrize("read", [pandas.read_parquet, pandas.read_csv], ids=["parquet", "csv"])
def test_manifests_of_several_runs_make_one_table(runs, read):
    suffix = read.__name__.removeprefix("read_")
    table = pandas.concat([read(runs / name / f"manifest.{suffix}") for name in RUNS])
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 12
    assert not table.set_index(["run", "name"]).index.duplicated().any()
    assert table.groupby("preset").size().to_dict() == {"siren_256": 9, "relu": 3}
    torn = table[table["name"] == "torn.png"].set_index("run").loc[[str(runs / name) for name in RUNS]]
    assert list(torn["status"]) == ["failed"] * 4
    assert list(torn["learning_rate"]) == [1e-3, 1e-2, 1e-3, 1e-3]
    assert list(torn["seed"]) == [0, 5, 0, 0]
    assert list(torn["schedule"]) == ["cosine", "cosine", "constant", "cosine"]
    assert [json.loads(text) for text in torn["arguments"]] == [{"units": [8, 8]}] * 4
    assert [json.loads(text)["steps"] for text in torn["recipe"]] == [12, 3, None, 12]
    fitted = table[table["status"] == "fitted"]
    assert all((Path(run) / model).is_file() for run, model in zip(fitted["run"], fitted["model"], strict=True))
    assert list(fitted["max_steps"]) == [12, 12, 3, 3, 6, 6, 12, 12]  # 3 epochs of 36 pixels, 18 in a step
    assert list(fitted["steps"][:6]) == list(fitted["max_steps"][:6])


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
