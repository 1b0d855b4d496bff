"""The studies' committed results against the claims that they stand for."""

import doctest
import json
import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import types

import numpy as np
import pytest
from cli.fit_calls import forked
from PIL import Image
from published_rows import published_rows

from experiments import files, pictures, tables
from experiments.descent import curves
from experiments.descent import study as descent
from experiments.hash_upscaler import pages
from experiments.siren_jax import colours, enlarging
from experiments.upscaling import upscaling
from keras_inr.models.field import to_uint8
from keras_inr.models.field_files import save_field
from keras_inr.models.siren import Siren
from keras_inr.signals.image import load_image

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPERIMENTS = ROOT / "experiments"
DESCENT = EXPERIMENTS / "descent"
EXPECTED = json.loads((DESCENT / "expected.json").read_text())
HASH_UPSCALER = EXPERIMENTS / "hash_upscaler"
SIREN_JAX = EXPERIMENTS / "siren_jax"
SIREN_JAX_EXPECTED = json.loads((SIREN_JAX / "expected.json").read_text())


@pytest.mark.parametrize("module", [files, pictures, tables, upscaling])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


def test_a_study_starts_quietly():
    """TensorFlow's notices would go before what is refused."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-m", "experiments.upscaling.study", "--images=sample:coffee", "--shown=cat"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    told = "upscaling: shown must be some of the images sample:coffee, received cat\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", told)


def test_a_study_is_imported_without_side_effects():
    """Only the command takes over signals and standard error."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(EXPERIMENTS.glob("*/*.py"))]
    code = f"""if True:
        import importlib, signal
        from keras_inr.cli import messages, stop_signals
        before = [signal.getsignal(number) for number in stop_signals.SIGNALS], list(messages.program)
        for name in {names}:
            importlib.import_module(name)
            assert ([signal.getsignal(number) for number in stop_signals.SIGNALS], messages.program) == before, name
        """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def study(name, *flags):
    """The finished command of a study."""
    return forked(f"experiments.{name}.study", *flags)


def succeeded(name, *flags):
    """The same, which must have succeeded."""
    done = study(name, *flags)
    assert done.returncode == 0, done.stderr
    return done


def assert_reached(rows):
    assert {row["preset"] for row in rows} == set(EXPECTED["psnr_db"])
    for row in rows:
        assert row["image_sha256"] == EXPECTED["image_sha256"]
        assert row["seeds"] == EXPECTED["seeds"]
        assert row["steps"] == EXPECTED["epochs"] * 16
        assert statistics.mean(row["psnr_db"]) == pytest.approx(row["psnr_db_mean"], abs=1e-9)  # as stored
        assert row["psnr_db_mean"] >= EXPECTED["psnr_db"][row["preset"]] - EXPECTED["grace_db"]


def test_descent_s_results_are_reached():
    assert_reached(json.loads((DESCENT / "results" / "descent_cat.json").read_text()))


@pytest.mark.reproduction
def test_descent_s_results_are_reached_again():
    """Half an hour on two cores; DESCENT_CAT is the path of descent's data/images/cat.jpg."""
    if "DESCENT_CAT" not in os.environ:
        pytest.skip("set DESCENT_CAT to the path of descent's picture")
    seeds = ",".join(map(str, EXPECTED["seeds"]))
    flags = [f"--image={os.environ['DESCENT_CAT']}", f"--seeds={seeds}", "--name=again"]
    subprocess.run([sys.executable, "-m", "experiments.descent.study", *flags], check=True, cwd=ROOT)
    assert_reached(json.loads((DESCENT / "results" / "again.json").read_text()))


@pytest.mark.parametrize("case", SIREN_JAX_EXPECTED["published_db"])
def test_siren_jax_s_results_are_reached_in_a_tenth_of_its_seconds(case):
    ours = json.loads((SIREN_JAX / "results" / f"ours-{case}.json").read_text())
    recipe = json.loads((SIREN_JAX / "results" / f"recipe-{case}.json").read_text())
    assert ours["image_sha256"] == SIREN_JAX_EXPECTED["image_sha256"]
    assert ours[SIREN_JAX_EXPECTED["figure"][case]] >= SIREN_JAX_EXPECTED["published_db"][case]
    whole = recipe["train_seconds"] / recipe["steps"] * SIREN_JAX_EXPECTED["published_steps"]
    assert ours["train_seconds"] <= whole / 10


def test_mixed_colours_are_what_the_page_says():
    data = json.loads((SIREN_JAX / "results" / "colours.json").read_text())
    assert colours.table(data) in (SIREN_JAX / "README.md").read_text()
    means = [{name: statistics.mean(row[name]) for name in ("psnr_db", "green_magenta")} for row in data["rows"]]
    for plain, row, mixed in zip(means[::2], data["rows"][1::2], means[1::2], strict=True):
        assert (mixed["psnr_db"] > plain["psnr_db"] + 0.5) == (row["network"] == "hash_large")
        assert mixed["green_magenta"] > plain["green_magenta"]


@pytest.mark.slow
def test_enlargements_are_of_the_fields_that_the_page_names(tmp_path, monkeypatch):
    """Of a small picture, with short fits: panels of one size, and a row of figures for each field."""
    signal = load_image("sample:camera", size=(32, 32))
    for case in ("value_grey", "gradient"):
        (tmp_path / f"ours-{case}").mkdir()
        save_field(Siren((8,), picture_size=signal.size, channels=1, seed=0), tmp_path / f"ours-{case}" / "model.keras")
    monkeypatch.setattr(enlarging, "PART", (4, 8, 16))
    for name, (preset, arguments, recipe) in enlarging.FITTED.items():
        monkeypatch.setitem(enlarging.FITTED, name, (preset, arguments, {**recipe, "steps": 2}))
    rows, panels = enlarging.run(signal, tmp_path, {"value_grey": "values", "gradient": "gradient"})
    fitted = ["fitted to values", "fitted to gradient", *enlarging.FITTED]
    assert [row["field"] for row in rows] == fitted
    assert [title for title, _ in panels if title in fitted] == fitted
    assert {(shown.shape, shown.dtype.name) for _, shown in panels} == {((64, 64, 1), "uint8")}
    pixels = to_uint8(signal.values[4:20, 8:24])
    np.testing.assert_array_equal(panels[0][1][::4, ::4], pixels)
    assert enlarging.table(rows).count("\n") == 2 + len(rows)


def test_enlargements_are_what_the_page_says():
    rows = json.loads((SIREN_JAX / "results" / "enlarged.json").read_text())["rows"]
    assert enlarging.table(rows) in (SIREN_JAX / "README.md").read_text()


def test_descent_s_curves_reach_the_published_points():
    """Of a seed of the table: the loss of the last epoch is that of the finished field, but for one more step."""
    data = json.loads((DESCENT / "results" / "descent_cat_curves.json").read_text())
    table = {row["preset"]: row for row in json.loads((DESCENT / "results" / "descent_cat.json").read_text())}
    assert data["image_sha256"] == EXPECTED["image_sha256"]
    assert data["epochs"] == list(range(1, EXPECTED["epochs"] + 1))
    assert set(data["loss"]) == set(table)
    for preset, losses in data["loss"].items():
        assert len(losses) == len(data["seeds"])
        for seed, curve in zip(data["seeds"], losses, strict=True):
            row = table[preset]
            # random batches of an epoch hold every pixel once on average; unclamped values cost a little
            assert decibels(curve[-1]) == pytest.approx(row["psnr_db"][row["seeds"].index(seed)], abs=0.3)
            assert decibels(curve[-1]) >= EXPECTED["psnr_db"][preset] - EXPECTED["grace_db"]


def test_descent_s_page_has_the_runs_that_stop():
    rows = json.loads((DESCENT / "results" / "descent_cat_any_time.json").read_text())["rows"]
    assert descent.any_time_table(rows) in (DESCENT / "README.md").read_text()
    differences = [statistics.mean(row["psnr_db"]) - row["published_db"] for row in rows]
    assert min(differences) > 0.1


def test_descent_s_published_points_are_in_our_unit():
    """The last loss is the published PSNR, and none of the networks begins anywhere but between 5 and 20 dB."""
    epochs, points = curves.published_points(EXPECTED)
    assert epochs[-1] == EXPECTED["epochs"]
    for preset, psnr_db in EXPECTED["psnr_db"].items():
        assert decibels(points[preset][-1]) == pytest.approx(psnr_db, abs=0.06)  # as rounded there
        assert 4 <= decibels(points[preset][0]) <= 20


def test_descent_s_curves_are_collected_and_drawn(tmp_path):
    for seed, losses in enumerate(([0.1, 0.010000004], [0.2, 0.03])):
        folder = tmp_path / str(seed)
        folder.mkdir()
        lines = [f"{step},{loss}" for step, loss in zip((2, 4), losses, strict=True)]
        (folder / "history.csv").write_text("\n".join(["step,loss", *lines]) + "\n")
    metrics = {"height": 10, "width": 20, "points_per_step": 100, "image_sha256": "abc", "device": "CPU"}
    data = curves.collected({"siren": [tmp_path / "0", tmp_path / "1"]}, metrics)
    assert data["epochs"] == [1.0, 2.0]
    assert data["loss"] == {"siren": [[0.1, 0.01], [0.2, 0.03]]}
    curves.draw({"seeds": [0, 1], **data}, ([1, 2], {"siren": [0.3, 0.02]}), tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert np.ptp(np.asarray(picture)) == 255


def test_descent_refuses_seeds_before_it_fits(tmp_path):
    refused = study("descent", "--seeds=0,z", f"--results={tmp_path}/results")
    assert refused.returncode == 2
    assert refused.stderr == "descent: seeds must be whole numbers with commas between them, received '0,z'\n"
    assert not (tmp_path / "results").exists()


def test_descent_s_runs_that_stop_are_of_its_picture(tmp_path):
    refused = study("descent", "--part=any_time", "--image=sample:chelsea", f"--results={tmp_path}/results")
    assert refused.returncode == 2
    assert refused.stderr == "descent: image must be descent's cat for --part=any_time, received sample:chelsea\n"


def test_descent_s_runs_are_measured_when_they_end(tmp_path, monkeypatch):
    """Once: what was kept of an epoch does not change when the run has gone on."""
    calls = []

    def fitted(preset, seed, epoch, variant):
        calls.append((preset, seed, epoch, variant))
        return len(calls)

    monkeypatch.setattr(descent, "ROOT", tmp_path)
    monkeypatch.setattr(descent, "FLAGS", types.SimpleNamespace(name="cat"))
    monkeypatch.setattr(descent, "fit", fitted)
    monkeypatch.setattr(descent, "read", lambda folder: {"psnr_db": 10 * folder})
    found = [descent.ended("relu", 0, epoch)["psnr_db"] for epoch in (1, 10, 1)]
    assert found == [10, 20, 10]
    assert calls == [("relu", 0, 1, "any_time"), ("relu", 0, 10, "any_time")]


def test_descent_s_table_of_runs_that_stop():
    shared = {"seeds": [0, 1], "device": "CPU", "versions": {"tensorflow": "2"}}
    rows = [
        {**shared, "preset": preset, "epochs": epochs, "psnr_db": [20.0, 21.0], "published_db": 19.996}
        for preset in ("relu", "siren")
        for epochs in (1, 200)
    ]
    lines = descent.any_time_table(rows).splitlines()
    assert lines[0] == "| network | epoch 1 | epoch 200 |"
    assert lines[3] == "| `siren` | 20.50 / 20.00 | 20.50 / 20.00 |"
    assert lines[-1] == "PSNR (dB), ours / descent's. Means of seeds 0, 1; CPU, TensorFlow 2."


def test_descent_s_figure_is_drawn_from_its_data(tmp_path):
    """As anybody would who has no runs."""
    flags = ("--part=draw", "--name=descent_cat", f"--results={tmp_path}")
    refused = study("descent", *flags)
    assert refused.returncode == 2
    assert "descent_cat_curves.json is missing: give --part=curves first" in refused.stderr
    shutil.copy(DESCENT / "results" / "descent_cat_curves.json", tmp_path)
    succeeded("descent", *flags)
    names = ("descent_cat_curves.json", "descent_cat_curves.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    drawn, committed = (np.asarray(Image.open(folder / names[1]), float) for folder in (tmp_path, DESCENT / "results"))
    assert np.abs(drawn - committed).mean() < 5  # of 255: lines that are elsewhere change more than letters do


def test_hash_upscaler_s_page_shows_its_results():
    rows, page = upscaler_rows(), (HASH_UPSCALER / "README.md").read_text()
    outputs = published_rows(HASH_UPSCALER / "results" / "outputs.csv")
    tables = {"outputs": pages.output_table(rows, outputs), "pixels": pages.pixel_table(rows)}
    tables["enlargement"] = pages.enlargement_table(rows)
    for name, table in tables.items():
        assert f"<!-- {name} -->\n{table}<!-- {name} -->\n" in page


def test_hash_upscaler_s_quality_is_passed():
    """By every interpolating layout with fine cells on every picture, long before the end."""
    expected = json.loads((HASH_UPSCALER / "expected.json").read_text())
    outputs = {row["picture"]: row for row in published_rows(HASH_UPSCALER / "results" / "outputs.csv")}
    for picture, psnr_db in expected["psnr_db"].items():
        assert outputs[picture]["psnr_db"] == pytest.approx(psnr_db, abs=0.005)  # as rounded there
        assert outputs[picture]["ours_psnr_db"] > psnr_db
    rows = [row for row in upscaler_rows() if row["part"] == "pixels" and row["method"] in expected["passed_by"]]
    assert len(rows) == len(expected["passed_by"]) * len(expected["image_sha256"])
    for row in rows:
        assert row["image_sha256"] == expected["image_sha256"][row["picture"]]
        assert pages.epochs_of(row) == expected["published_epochs"]
        assert row["psnr_db"] >= expected["least_db"] > max(expected["psnr_db"].values())
        if row["picture"] in outputs:
            assert row["steps_to_published"] < row["steps"] / 10


def test_hash_upscaler_s_learning_rates_are_the_best_of_the_sweep():
    rows = published_rows(HASH_UPSCALER / "results" / "rates.csv")
    assert f"<!-- rates -->\n{pages.rate_table(rows)}" in (HASH_UPSCALER / "README.md").read_text()
    for fitted in upscaler_rows():
        tried = {row["learning_rate"]: row["psnr_db"] for row in rows if row["method"] == fitted["method"]}
        assert len(tried) > 3
        assert fitted["learning_rate"] == max(tried, key=tried.get)


def test_bicubic_wins_the_enlargement():
    """As the page says; should a field win one day, the page is to say that."""
    for row in upscaler_rows():
        if row["part"] == "enlargement":
            assert row["bicubic_psnr_db"] > row["psnr_db"]


@pytest.fixture(scope="module")
def upscaler_pictures(tmp_path_factory):
    """A folder with one of the source's pictures, and an output four times as large."""
    folder = tmp_path_factory.mktemp("pictures")
    picture = Image.fromarray(to_uint8(load_image("sample:chelsea", crop=(40, 50, 96, 96)).values))
    picture.convert("RGBA").save(folder / "girl_128.png")
    picture.resize((384, 384)).save(folder / "girl_128_published.jpeg")
    return folder


@pytest.mark.slow
def test_hash_upscaler_s_study_runs_and_goes_on(tmp_path, upscaler_pictures):
    """An epoch each for one picture, whole and halved; the second call fits nothing."""
    names = ("outputs", "pixels", "enlargement")
    (tmp_path / "README.md").write_text("".join(2 * f"<!-- {name} -->\n" for name in names))
    flags = [f"--pictures_dir={upscaler_pictures}", "--epochs=1", "--pictures=girl_128", "--methods=cell_grid"]
    flags += [f"--runs={tmp_path}/runs", f"--out={tmp_path}"]
    first = succeeded("hash_upscaler", *flags)
    fits = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert sorted(path.suffix for path in fits) == [".json", ".json", ".png"]
    again = succeeded("hash_upscaler", *flags)
    assert fits == {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert first.stdout == again.stdout
    readme = (tmp_path / "README.md").read_text()
    assert "| girl_128, 96 x 96 | 1 |" in readme
    assert "| picture | bicubic | bilinear | `cell_grid` |" in readme
    rows = published_rows(tmp_path / "results" / "fits.csv")
    assert [(row["part"], row["steps"]) for row in rows] == [("pixels", 1), ("enlargement", 1)]
    (output,) = published_rows(tmp_path / "results" / "outputs.csv")
    assert output["psnr_db"] > 30 > output["ours_psnr_db"]
    assert (tmp_path / "results" / "pictures.jpg").is_file()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--pictures=girl"], "pictures must be some of girl_128, waves, .* received girl"),
        (["--methods=siren"], "methods must be some of cell_grid, .* received siren"),
        (["--part=report"], r"2 of 2 fits are missing in .*: run --part=run first"),
        (["--pictures=waves"], r"waves\.jpg"),
    ],
)
def test_hash_upscaler_s_study_refuses(flags, message, tmp_path, upscaler_pictures):
    settings = [f"--pictures_dir={upscaler_pictures}", "--pictures=girl_128", "--methods=cell_grid"]
    result = study("hash_upscaler", *settings, f"--runs={tmp_path}", f"--out={tmp_path}", *flags)
    assert result.returncode == 2
    assert re.search(message, result.stderr)
    assert not list(tmp_path.iterdir())


def test_hash_upscaler_s_study_says_which_pictures_it_needs(tmp_path):
    result = study("hash_upscaler", f"--runs={tmp_path}", f"--out={tmp_path}")
    assert result.returncode == 2
    assert "pictures_dir must be the folder of the source's pictures" in result.stderr


def decibels(mean_squared_error):
    return -10 * math.log10(mean_squared_error)


def upscaler_rows():
    return published_rows(HASH_UPSCALER / "results" / "fits.csv")


def test_derivative_steps_are_as_fast_as_claimed():
    """The committed measurement against what was asked for: ratios from one run."""
    measured = json.loads((EXPERIMENTS.parent / "benchmarks" / "results" / "derivatives.json").read_text())
    assert measured["points"] == 65536
    assert measured["ratios"]["ours_over_value"]["gradient"] <= 2.0
    assert measured["ratios"]["ours_over_value"]["laplacian"] <= 3.6
    assert measured["memory_ratio"] <= 0.4
    assert all(ratio > 1 for ratio in measured["ratios"]["over_ours"].values())


def test_the_upscaling_page_shows_its_committed_results():
    folder = EXPERIMENTS / "upscaling"
    table = (folder / "results" / "upscaling.md").read_text()
    assert table in (folder / "README.md").read_text()
    rows = json.loads((folder / "results" / "upscaling.json").read_text())["rows"]
    for factor, told in ((2, "**30.05**"), (4, "25.73")):
        lanczos = [row["psnr_db"] for row in rows if row["method"] == "lanczos" and row["factor"] == factor]
        assert len(lanczos) == 5
        assert told == f"{statistics.mean(lanczos):.2f}" or told == f"**{statistics.mean(lanczos):.2f}**"
        assert f" {told} " in table
