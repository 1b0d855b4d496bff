"""experiments/upscaling/study.py: files, and a table and a sentence that follow from the figures."""

import math

import numpy as np
import pytest
from cli.fit_calls import Call
from PIL import Image

from experiments.upscaling import study
from experiments.upscaling.upscaling import UpscalingSettings
from tests.small_runs import read_strict

TINY = ("--size=32", "--factors=2", "--presets=multi_hash", "--steps=2", "--runs=runs", "--out=results", "--name=tiny")


@pytest.fixture
def call(tmp_path):
    """Calls the study in tmp_path / "work": (exit code, standard output, standard error)."""
    (tmp_path / "log").mkdir()
    (tmp_path / "work").mkdir()
    place = {"cwd": tmp_path / "work", "log": tmp_path / "log", "script": "experiments.upscaling.study"}
    return lambda *flags: Call(*TINY, *flags, **place).wait()


def pixels(path):
    with Image.open(path) as file:
        return np.asarray(file)


@pytest.mark.slow
def test_table_data_and_figure(call, tmp_path):
    code, out, error = call("--images=sample:chelsea,sample:camera", "--seeds=0,1")
    assert (code, error.count("\n")) == (0, 4)  # a line for each fit
    results = tmp_path / "work" / "results"
    assert sorted(path.name for path in results.iterdir()) == ["tiny.json", "tiny.md", "tiny_x2.png"]
    assert (results / "tiny.md").read_text() == out
    rows = read_strict(results / "tiny.json")["rows"]
    assert [row["method"] for row in rows] == ["bicubic", "lanczos", "multi_hash", "multi_hash"] * 2
    bicubic = np.mean([row["psnr_db"] for row in rows if row["method"] == "bicubic"])
    mean = next(line for line in out.splitlines() if line.startswith("| mean |"))
    assert f"{bicubic:.2f}" in mean.split("|")[2]
    page, fitted = pixels(results / "tiny_x2.png"), pixels(tmp_path / "work" / "runs" / rows[2]["picture"])
    height, width = fitted.shape[:2]
    places = [
        (y, x)
        for y, x in np.argwhere(np.all(page == fitted[0, 0], axis=-1))
        if np.array_equal(page[y : y + height, x : x + width], fitted)
    ]
    assert len(places) == 1  # the only panel with the fitted picture


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--factors=2,x", "factors must be whole numbers with commas between them, received '2,x'"),
        ("--shown=cat", "shown must be some of the images sample:chelsea, received cat"),
    ],
)
def test_bad_flags_are_one_sentence(call, tmp_path, flag, message):
    code, out, error = call("--images=sample:chelsea", flag)
    assert (code, out, error) == (2, "", f"upscaling: {message}\n")
    assert not list((tmp_path / "work").iterdir())


def row(image, factor, method, psnr, ssim, seed=None):
    fitted = {"seed": seed, "recipe": {"steps": 600}, "psnr_small_db": 40.0, "device": "CPU"}
    fitted["versions"] = {"tensorflow": "2.21.0"}
    common = {"image": image, "factor": factor, "method": method, "psnr_db": psnr, "ssim": ssim}
    return common if seed is None else {**common, **fitted}


def comparison(field_psnr, field_ssim, bicubic=(25.0, 0.8), seeds=(0,)):
    """Rows in which Lanczos has 26 dB and 0.81, at one factor and on two pictures."""
    settings = UpscalingSettings(images=("sample:a", "sample:b"), factors=(2,), presets=("siren_256",), seeds=seeds)
    rows = []
    for image in settings.images:
        rows += [row(image, 2, "bicubic", *bicubic), row(image, 2, "lanczos", 26.0, 0.81)]
        rows += [row(image, 2, "siren_256", field_psnr + seed, field_ssim, seed) for seed in seeds]
    return rows, settings


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (
            {"field_psnr": 24.0, "field_ssim": 0.7},
            "Lanczos wins throughout: by the mean over 2 pictures, the winners are Lanczos in PSNR at x2 (26.00 dB; "
            "best field: `siren_256`, 24.00 dB), Lanczos in SSIM at x2 (0.8100; best field: `siren_256`, 0.7000).",
        ),
        (
            {"field_psnr": 27.0, "field_ssim": 0.8},
            "No method wins throughout: by the mean over 2 pictures, the winners are `siren_256` in PSNR at x2 "
            "(27.00 dB; best filter: Lanczos, 26.00 dB), Lanczos in SSIM at x2 (0.8100; best field: `siren_256`, "
            "0.8000).",
        ),
        (
            {"field_psnr": 26.001, "field_ssim": 0.81, "bicubic": (26.003, 0.81)},
            "bicubic and Lanczos and `siren_256` win throughout: by the mean over 2 pictures, the winners are bicubic "
            "and Lanczos and `siren_256` in PSNR at x2 (26.00 dB), bicubic and Lanczos and `siren_256` in SSIM at x2 "
            "(0.8100).",
        ),
    ],
    ids=["filter", "either", "tie"],
)
def test_the_winner_follows_from_the_figures(figures, expected):
    assert study.verdict(*comparison(**figures)) == expected


def test_the_best_of_every_line_is_bold_and_seeds_are_averaged():
    lines = study.markdown(*comparison(26.0, 0.7, seeds=(0, 1))).splitlines()
    assert lines[0] == "| x2: PSNR (dB) / SSIM | bicubic | Lanczos | `siren_256` |"
    for name, line in zip(("a", "b", "mean"), lines[2:5], strict=True):
        assert line == f"| {name} | 25.00 / 0.8000 | 26.00 / **0.8100** | **26.50** / 0.7000 |"
    assert lines[5] == "| PSNR on the small picture |  |  | 40.00 |"
    assert lines[7].startswith("Longer side 256 pixels, reduced by area; `siren_256` 600 steps; seeds 0, 1 ")
    assert "varies by up to 0.71 dB" in lines[7]  # sqrt(1/2) of 26 and 27


def test_an_exact_enlargement_counts_as_infinite():
    rows, settings = comparison(26.0, 0.7)
    for found in rows:
        if found["method"] == "bicubic":
            found["psnr_db"] = None
    assert study.means(rows, "psnr_db", ("bicubic",), factor=2) == {"bicubic": math.inf}
    assert study.verdict(rows, settings).startswith("No method wins throughout: by the mean over 2 pictures, the ")
    assert "bicubic in PSNR at x2 (inf dB; best field" in study.verdict(rows, settings)
