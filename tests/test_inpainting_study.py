"""experiments/inpainting: its page against its data, its masks, and a run in small."""

import doctest
import pathlib

import numpy as np
import pytest
from cli.fit_calls import forked
from PIL import Image
from skimage.restoration import inpaint_biharmonic

from experiments.files import ROOT
from experiments.inpainting import masks, study
from keras_inr.metrics import psnr
from keras_inr.signals import load_image
from tests.published_rows import published_rows

FOLDER = pathlib.Path(ROOT) / "experiments" / "inpainting"


@pytest.fixture(scope="module")
def published():
    return published_rows(FOLDER / "results" / "inpainting.csv")


def test_the_page_shows_its_committed_results(published):
    page = (FOLDER / "README.md").read_text()
    assert f"{study.MARKER}\n{study.table(published)}\n{study.verdict(published)}\n\n" in page
    cases = {(row["image"], row["mask"], row["method"]) for row in published}
    names = [image.removeprefix("sample:") for image in study.IMAGES]
    assert cases == {(image, mask, method) for image in names for mask in masks.MASKS for method in study.METHODS}
    assert len(published) == len(cases)


def test_the_answer_at_the_top_is_that_of_the_data(published):
    """Whoever wins and by how much, and that no number of the answer is of an older run."""
    answer = (FOLDER / "README.md").read_text().split("## Method")[0]
    for mask in masks.MASKS:
        found = study.means(published, mask=mask)
        for method in (study.BIHARMONIC, "siren_256"):
            assert f"{found[method]:.2f}" in answer


def test_what_the_classical_rows_say_can_be_computed_again(published):
    row = next(
        row for row in published if (row["image"], row["mask"], row["method"]) == ("chelsea", "disc", "biharmonic")
    )
    values = load_image("sample:chelsea", size=128).values
    hidden = ~masks.disc(*values.shape[:2])
    assert row["hidden"] == hidden.sum()
    filled = inpaint_biharmonic(values.astype(float), hidden, channel_axis=-1)
    assert row["psnr_masked_db"] == pytest.approx(psnr(values[hidden] * 1.0, filled[hidden]), abs=0.02)


def test_examples_in_docstrings():
    assert doctest.testmod(masks).failed == 0


@pytest.mark.parametrize("name", list(masks.MASKS))
@pytest.mark.parametrize("size", [(85, 128), (128, 128), (40, 24)])
def test_masks_hide_some_pixels_and_are_always_the_same(name, size):
    mask = masks.MASKS[name](*size)
    assert (mask.shape, mask.dtype) == (size, bool)
    assert 0.03 < np.mean(~mask) < 0.6
    assert np.array_equal(mask, masks.MASKS[name](*size))


@pytest.mark.slow
def test_a_run_in_small(tmp_path):
    (tmp_path / "README.md").write_text(f"before\n{study.MARKER}\nold\n{study.MARKER}\nafter\n")
    flags = (
        "--images=sample:camera",
        "--masks=disc,half",
        "--size=24",
        "--steps=2",
        "--seeds=0,1",
        f"--out={tmp_path}",
    )
    done = forked("experiments.inpainting.study", *flags)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 2  # a line for each mask
    rows = published_rows(tmp_path / "results" / "inpainting.csv")
    assert [(row["mask"], row["method"]) for row in rows] == [(m, k) for m in ("disc", "half") for k in study.METHODS]
    assert f"{study.table(rows)}\n{study.verdict(rows)}\n" == done.stdout
    page = (tmp_path / "README.md").read_text()
    assert page.startswith(f"before\n{study.MARKER}\n{study.table(rows)}\n")
    assert "seeds 0, 1; " in page
    assert page.endswith(f"{study.MARKER}\nafter\n")
    with Image.open(tmp_path / "results" / "inpainting.png") as figure:
        assert np.ptp(np.asarray(figure)) > 100


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--masks=disc,hole", "masks must be some of scratches, strokes, disc, half, received hole"),
        ("--seeds=x", "seeds must be whole numbers with commas between them, received 'x'"),
    ],
)
def test_bad_flags_are_one_sentence(tmp_path, flag, message):
    done = forked("experiments.inpainting.study", flag, f"--out={tmp_path}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"inpainting: {message}\n")
    assert not list(tmp_path.iterdir())


def row(mask, method, psnr_db):
    return {"image": "cat", "mask": mask, "method": method, "psnr_masked_db": psnr_db}


@pytest.mark.parametrize(
    ("biharmonic", "siren", "told"),
    [
        (30.0, 20.0, "Biharmonic wins throughout: by the mean over 1 picture, the winners are biharmonic on disc "
         "(30.00 dB to 25.00 dB of `pixel_grid`), biharmonic on half (31.00 dB to 26.00 dB of `pixel_grid`)."),
        (20.0, 30.0, "`siren_256` wins throughout: by the mean over 1 picture, the winners are `siren_256` on disc "
         "(30.00 dB to 20.00 dB of biharmonic), `siren_256` on half (31.00 dB to 21.00 dB of biharmonic)."),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_the_rows(biharmonic, siren, told):
    figures = {"biharmonic": biharmonic, "siren_256": siren, "pixel_grid": 25.0, "multi_hash": 10.0}
    rows = [
        row(mask, method, value + add) for mask, add in (("disc", 0), ("half", 1)) for method, value in figures.items()
    ]
    assert study.verdict(rows) == told


def test_the_verdict_tells_where_winners_differ():
    rows = [row("disc", method, 20.0 + (method == "biharmonic")) for method in study.METHODS]
    rows += [row("half", method, 20.0 + (method == "multi_hash")) for method in study.METHODS]
    assert study.verdict(rows).startswith("No method wins throughout: ")
