"""experiments/modulation/study.py in small: what it runs, keeps and prints; its baselines and its pages."""

import functools
import pathlib

import numpy as np
import pytest
from cli.fit_calls import forked
from published_rows import published_rows

from experiments.modulation import baselines, pages
from keras_inr.metrics import psnr
from keras_inr.signals.image import load_image

FOLDER = pathlib.Path(__file__).parent.parent / "experiments" / "modulation"


study = functools.partial(forked, "experiments.modulation.study")


@pytest.mark.slow
def test_quick_runs_prints_a_table_and_goes_on_where_it_was(tmp_path):
    readme = (FOLDER / "README.md").read_bytes()
    flags = ("--quick", "--modulations=shift", "--latents=4", "--most=4", "--most_tested=2", f"--runs={tmp_path}")
    first = study(*flags)
    assert first.returncode == 0, first.stderr
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")}
    assert sorted(path.parent.name for path in kept) == ["alone", "modulated"]
    for told in ("training crops (", "modulated, shift |", "PCA of the training crops |", "371 weights "):
        assert told in first.stdout
    again = study(*flags)
    assert again.stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json")} == kept
    assert (FOLDER / "README.md").read_bytes() == readme


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--modulations=shift,scale", "modulations must be some of shift, film, received scale"),
        ("--seeds=one", "seeds must be whole numbers with commas between them, received 'one'"),
        ("--latents=2", "latents must be whole numbers from 3 with commas between them, received '2'"),
        ("--held_out=moon", "held_out must be some of astronaut, .* received moon"),
        ("--held_out=", "held_out must be some of astronaut, .* and not all, received []"),
    ],
)
def test_bad_flags(flag, message):
    done = study(flag)
    assert done.returncode == 2
    assert message.split(" .* ")[0] in done.stderr
    assert done.stderr.rstrip().endswith(message.split(" ")[-1])


def test_components_leave_what_the_singular_values_say():
    pictures = np.random.default_rng(0).uniform(size=(10, 4, 4, 3))
    mean, components = baselines.principal_components(pictures, 6)
    drawn = baselines.projected(pictures, mean, components)
    values = np.linalg.svd(pictures.reshape(10, -1) - pictures.reshape(10, -1).mean(axis=0), compute_uv=False)
    assert np.sum((pictures - drawn) ** 2) == pytest.approx(np.sum(values[6:] ** 2), rel=1e-9)
    # as many as there are pictures, less one, reconstruct them all, and there are no more
    mean, components = baselines.principal_components(pictures, 40)
    assert len(components) == 9
    np.testing.assert_allclose(baselines.projected(pictures, mean, components), pictures, atol=1e-12)


@pytest.mark.parametrize(
    ("numbers", "size"), [(16, (2, 2)), (32, (3, 3)), (64, (4, 5)), (128, (6, 7)), (256, (9, 9)), (512, (13, 13))]
)
def test_reduced_sizes_have_no_more_numbers(numbers, size):
    assert baselines.reduced_size(32, 32, 3, numbers) == size
    assert 3 * size[0] * size[1] <= numbers


@pytest.mark.parametrize("name", ["bicubic", "lanczos"])
def test_reduced_pictures(name):
    picture = load_image("sample:chelsea", size=(32, 32)).values
    figures = [psnr(picture, baselines.reduced(picture[None], size, name)[0]) for size in ((2, 2), (9, 9), (32, 32))]
    assert figures[0] < figures[1] < figures[2]
    assert figures[2] > 100  # the same size: no change but rounding
    flat = np.full((1, 32, 32, 3), 0.25, "float32")
    np.testing.assert_allclose(baselines.reduced(flat, (3, 3), name), flat, atol=1e-6)


def row(**values):
    facts = {"steps": 10, "points_per_step": 100, "train_seconds": 2.0, "device": "CPU", "tensorflow": "2"}
    return {**facts, "seed": 0, "num_pictures": 7, "shared_numbers": 1000, "method": "shift", **values}


def rows():
    found = [
        row(method=method, set=which, numbers=numbers, seed=seed, psnr_db=20.0 + seed)
        for method in ("shift", "film")
        for which in pages.SETS
        for numbers in (16, 32)
        for seed in (0, 1)
    ]
    found += [row(method="pca", set=which, numbers=16, seed=None, psnr_db=25.0) for which in pages.SETS]
    return [*found, *(row(method="alone", set=which, numbers=123, psnr_db=22.0) for which in ("same", "other"))]


def test_the_table_tells_mean_and_spread():
    lines = pages.table(rows()).splitlines()
    assert lines[0] == "| PSNR (dB) of | from so many numbers a picture: | 16 | 32 |"
    # the standard deviation of two figures 1 dB apart
    assert lines[2] == "| training crops (7) | modulated, shift | 20.50 ± 0.71 | 20.50 ± 0.71 |"
    assert "| training crops (7) | PCA of the training crops | 25.00 | - |" in lines
    assert "123 weights 22.00 and 22.00 dB" in lines[-1]
    assert len(lines) == 2 + 9 + 2


def test_the_published_page_is_that_of_the_published_figures():
    rows = published_rows(FOLDER / "results" / "runs.csv")
    assert pages.table(rows) in (FOLDER / "README.md").read_text()


def test_the_figure_is_drawn(tmp_path):
    pages.draw(rows(), tmp_path / "psnr.png")
    assert (tmp_path / "psnr.png").stat().st_size > 1000
