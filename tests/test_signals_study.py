"""experiments/signals: its signals, the regularised grid, the phantom's projections, and a small run of it."""

import doctest
import pathlib
import re

import numpy as np
import pytest
import skimage.transform
import tensorflow as tf
from cli.fit_calls import forked

from experiments.files import read_csv
from experiments.signals import grid, made, pages, tomography
from experiments.signals.study import TEXTS
from keras_inr.metrics import psnr

FOLDER = pathlib.Path(__file__).parent.parent / "experiments" / "signals"


@pytest.mark.parametrize("module", [made, grid, tomography, pages])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


class TestSignals:
    @pytest.mark.parametrize("level", [5, 9])
    def test_noise_has_no_frequency_above_its_cutoff(self, level):
        spectrum = np.abs(np.fft.fft2(made.noise(level, 128, seed=1).astype(float)))
        frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
        above = spectrum[frequency > made.cutoff(level) / np.sqrt(2) + 1e-12]
        assert above.max(initial=0) < 1e-4 * spectrum.max()  # float32
        below = spectrum[(frequency > 0) & (frequency < made.cutoff(level) / np.sqrt(2))]
        assert below.min() > 1e-6 * spectrum.max()

    def test_discs(self):
        values = made.spheres(2, 200, seed=3)
        assert set(np.unique(values)) == {0.0, 1.0}
        centres = np.random.default_rng(3).uniform(0, 200, (int(0.1 * 200**2 / (np.pi * 100)), 2))
        rows, columns = np.mgrid[:200, :200]
        expected = np.zeros((200, 200), bool)
        for row, column in centres:
            expected |= np.hypot(rows - row, columns - column) <= 10
        np.testing.assert_array_equal(values, expected)

    def test_sierpinski_is_made_of_three_of_itself(self):
        """Half as large as the level below: its corner at the left below is the level below at half the size."""
        whole, half = made.sierpinski(4, 512), made.sierpinski(3, 256)
        height = 512 * np.sqrt(3) / 2
        base = round(256 + height / 2)
        lower = whole[base - round(height / 2) : base, :256]
        base = round(128 + height / 4)
        expected = half[base - round(height / 2) : base, :256]
        assert np.mean(lower != expected) < 0.02  # pixels on edges
        assert expected.mean() > 0.1

    def test_star_has_as_many_wedges(self):
        values = made.star(400, wedges=12, margin=8)
        around = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
        ring = values[np.rint(200 + 150 * np.sin(around)).astype(int), np.rint(200 + 150 * np.cos(around)).astype(int)]
        assert np.count_nonzero(np.diff(ring, append=ring[:1]) > 0) == 12
        assert values[:4].max() == 0


class TestGrid:
    def test_a_grid_reproduces_straight_lines(self):
        """Away from the edges, where values are repeated."""
        weights = grid.interpolation(40, 20)
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
        line = weights @ np.arange(20)
        np.testing.assert_allclose(line[4:-4], ((np.arange(40) + 0.5) / 40 * 19)[4:-4], atol=0.15)

    def test_total_variation(self):
        values = tf.constant([[0.0, 3.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
        # differences down and right of the four: (4, 3), (1, -3), (-4, 0), (-4, -4)
        expected = np.mean([5, np.sqrt(10), 4, np.sqrt(32)])
        assert float(grid.total_variation(values)) == pytest.approx(expected, rel=1e-6)

    def test_it_learns_what_it_can_hold_and_variation_smooths(self):
        target = made.noise(5, 64, seed=2)
        picture, cells, seconds = grid.fitted(target, 900, weight=0.0, steps=200)
        assert cells.shape == (30, 30)
        assert seconds > 0
        assert psnr(target[..., None], picture[..., None].astype("float32")) > 40
        smooth, _, _ = grid.fitted(target, 900, weight=0.1, steps=200)
        assert np.abs(np.diff(smooth)).mean() < np.abs(np.diff(picture)).mean()


@pytest.fixture(scope="module")
def scanned():
    """(the phantom, the projector, the sinogram)."""
    head = tomography.phantom(49)
    matrix = tomography.projector(49, 40)
    return head, matrix, tomography.projected(matrix, head).numpy()


class TestTomography:
    def test_projections_are_those_of_scikit_image(self, scanned):
        head, _, sinogram = scanned
        theirs = skimage.transform.radon(head, theta=-tomography.angles(40), circle=True).T / 49
        # it turns the picture first; interpolated twice or once
        assert np.abs(theirs - sinogram.reshape(40, 49)).max() < 0.03
        assert np.abs(theirs - sinogram.reshape(40, 49)).mean() < 0.006

    def test_from_projections_to_the_picture(self, scanned):
        head, matrix, sinogram = scanned
        found = {"back": tomography.back_projected(sinogram, 49, 40)}
        found["grid"], _ = tomography.fitted_grid(matrix, sinogram, 49, steps=200)
        reached = {name: psnr(head[..., None], values[..., None]) for name, values in found.items()}
        assert reached["back"] > 18
        assert reached["grid"] > 28


class TestPages:
    def test_the_page_is_what_the_fits_say(self):
        rows = read_csv(FOLDER / "results" / "fits.csv", TEXTS)
        assert len(rows) == 133
        assert f"<!-- signals -->\n{pages.text(rows)}<!-- signals -->\n" in (FOLDER / "README.md").read_text()

    def row(self, method, signal, psnr_db, **others):
        row = {"task": "fit", "weights": 50000, "method": method, "signal": signal, "psnr_db": psnr_db, "seed": 0}
        row |= {"num_parameters": 49999, "train_seconds": 3.2, "steps": 70, "optimizer": "adam", "learning_rate": 0.01}
        row |= {"device": "CPU", "tensorflow": "2"}
        return {**row, **others}

    def test_the_best_is_bold_and_exact_pictures_count(self):
        rows = [self.row("siren", "star", 20.0), self.row("grid", "star", 30.0), self.row("siren", "disc", None)]
        lines = pages.text(rows).splitlines()
        assert lines[4] == "| siren | 49,999 | Adam, 0.01 | 70 | 3 | 20.0 | **100.0** | 60.0 |"
        assert lines[5] == "| grid | 49,999 | Adam, 0.01 | 70 | 3 | **30.0** | - | 30.0 |"


@pytest.mark.slow
def test_a_small_run_is_kept_and_goes_on(tmp_path):
    flags = ["--quick", f"--runs={tmp_path}"]
    first = forked("experiments.signals.study", *flags)
    assert first.returncode == 0, first.stderr
    for name in ("siren", "pixel_grid", "grid, total variation"):
        assert first.stdout.count(f"| {name} |") == 2
    assert "| filtered back projection | - | - | - | - |" in first.stdout
    again = forked("experiments.signals.study", *flags, "--part=report")
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["quick"]


@pytest.mark.parametrize(
    "flags",
    [["--methods=relu"], ["--levels=10"], ["--weights=1234"], ["--part=report"], ["--levels=high"], ["--side=32"]],
)
def test_bad_input(tmp_path, flags):
    result = forked("experiments.signals.study", "--quick", f"--runs={tmp_path}", *flags)
    assert result.returncode == 2
    assert re.match(r"signals: (methods must be some of|levels must be whole|\S+ has no fits\.csv)", result.stderr)
