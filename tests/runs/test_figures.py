"""Figures: the pixels of the panels, the arrangement of odd shapes, the curves' data and labels, no trace elsewhere."""

import math
import pathlib
import re
import threading
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from keras_inr.runs import figures
from keras_inr.runs.figures import error_factor, save_comparison, save_curves


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def eight_bit(values):
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def find(panel, page):
    """(x, y) of the only place where the page holds the panel, pixel for pixel."""
    height, width = panel.shape[:2]
    rows, columns = page.shape[0] - height + 1, page.shape[1] - width + 1
    candidates = np.all(page[:rows, :columns] == panel[0, 0], axis=-1)
    candidates &= np.all(page[height - 1 :, width - 1 :] == panel[-1, -1], axis=-1)
    places = [(x, y) for y, x in np.argwhere(candidates) if np.array_equal(page[y : y + height, x : x + width], panel)]
    assert len(places) == 1
    return places[0]


def random_pair(height, width, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.random((height, width, channels)).astype(np.float32)
    return target, target + 0.07 * rng.standard_normal(target.shape).astype(np.float32)


def compare(tmp_path, target, prediction, **kwargs):
    save_comparison(target, prediction, tmp_path / "comparison.png", **kwargs)
    return read(tmp_path / "comparison.png")


class TestComparison:
    @pytest.mark.parametrize(
        ("height", "width", "magnification", "axis"),
        [(20, 30, 13, 0), (300, 400, 1, 0), (60, 24, 7, 0), (20, 60, 13, 1), (90, 20, 9, 0)],
    )
    def test_panels_are_exact_and_in_order(self, tmp_path, height, width, magnification, axis):
        target, prediction = random_pair(height, width)
        page = compare(tmp_path, target, prediction, title="chelsea", figures=["PSNR 38.2 dB"])
        error = np.abs(target - np.clip(prediction, 0, 1))
        places = []
        for values in (target, prediction, error * error_factor(error)):
            panel = eight_bit(values).repeat(magnification, axis=0).repeat(magnification, axis=1)
            places.append(find(panel, page))
        along = [place[axis] for place in places]
        assert along == sorted(along)
        assert len({place[1 - axis] for place in places}) == 1

    @pytest.mark.parametrize(
        "shape", [(1, 1, 1), (1, 2, 3), (1, 20000, 1), (20000, 1, 1), (40, 4000, 3), (4000, 40, 1), (1500, 1500, 1)]
    )
    def test_pages_of_odd_shapes_are_sensible(self, tmp_path, shape):
        target = np.linspace(0, 0.9, math.prod(shape), dtype=np.float32).reshape(shape)
        page = compare(tmp_path, target, target**2, title="a picture", figures=["PSNR 38.2 dB", "SSIM 0.97"])
        assert min(page.shape[:2]) > 250
        # panels of 4000 and the margins
        assert max(page.shape[:2]) < 4100
        assert (page.shape[0] > page.shape[1]) == (shape[0] > 3 * shape[1])
        # the coloured or grey panels, and no more white than the captions of thin panels need
        assert np.mean(np.any(page < 250, axis=-1)) > 0.2

    def test_wide_pictures_are_shown_whole_and_to_the_pixel(self, tmp_path):
        target, prediction = random_pair(40, 4000)
        find(eight_bit(target), compare(tmp_path, target, prediction))

    def test_large_pictures_are_averaged_after_the_error_is_taken(self, tmp_path):
        target = np.zeros((200, 8000, 1), np.float32)
        target[:, ::2] = 1
        page = compare(tmp_path, target, 1 - target)
        column = page[:, 1000, 0]  # away from the captions
        assert np.count_nonzero(column == eight_bit(0.5)) == 2 * 100
        assert set(column) == {eight_bit(0.5), figures.FRAME, 255}

    @pytest.mark.parametrize(("height", "width", "magnification"), [(20, 30, 13), (90, 20, 9)])
    def test_hidden_pixels_are_hatched_in_the_original_alone(self, tmp_path, height, width, magnification):
        target, prediction = random_pair(height, width)
        hidden = np.zeros((height, width), bool)
        hidden[4:9, 5:12] = True
        turn = (lambda panel: np.rot90(panel, -1)) if height > 3 * width else (lambda panel: panel)
        page, plain = (turn(compare(tmp_path, target, prediction, **more)) for more in ({"hidden": hidden}, {}))

        def place(panel, of):
            return find(turn(panel).repeat(magnification, axis=0).repeat(magnification, axis=1), of)

        x, y = place(eight_bit(target), plain)
        place(eight_bit(prediction), page)  # as it is
        size = [side * magnification for side in turn(hidden).shape]
        shown = page[y : y + size[0] : magnification, x : x + size[1] : magnification]
        hatched, original = shown[turn(hidden)], shown[~turn(hidden)]
        assert {tuple(colour) for colour in hatched} == {(76,) * 3, (178,) * 3}  # of 0.3 and 0.7
        assert np.array_equal(original, turn(eight_bit(target))[~turn(hidden)])

    def test_grey_and_straight_alpha_over_white(self, tmp_path):
        target, prediction = random_pair(24, 24, 1)
        panel = eight_bit(target).repeat(16, axis=0).repeat(16, axis=1).repeat(3, axis=2)
        find(panel, compare(tmp_path, target, prediction))
        target, prediction = random_pair(24, 24, 4)
        colour, alpha = np.clip(prediction[..., :3], 0, 1), np.clip(prediction[..., 3:], 0, 1)
        panel = eight_bit(colour * alpha + (1 - alpha)).repeat(16, axis=0).repeat(16, axis=1)
        find(panel, compare(tmp_path, target, prediction))

    def test_what_is_not_finite_is_drawn(self, tmp_path):
        target = np.full((24, 24, 1), 0.75)
        prediction = np.full((24, 24, 1), np.nan)
        prediction[0, 0], prediction[0, 1] = np.inf, -np.inf
        panel = np.zeros((24, 24, 3), np.uint8)
        panel[0, 0] = 255
        find(panel.repeat(16, axis=0).repeat(16, axis=1), compare(tmp_path, target, prediction))

    @pytest.mark.parametrize(
        ("shape", "other"), [((4, 4, 3), (4, 4, 1)), ((4, 4), (4, 4)), ((4, 4, 2), (4, 4, 2)), ((0, 4, 3), (0, 4, 3))]
    )
    def test_bad_shapes(self, tmp_path, shape, other):
        with pytest.raises(ValueError, match=re.escape(f"received {shape} and {other}")):
            save_comparison(np.zeros(shape), np.zeros(other), tmp_path / "comparison.png")
        assert not list(tmp_path.iterdir())


class TestErrorFactor:
    @pytest.mark.parametrize(
        ("error", "factor"), [(1.0, 1), (0.51, 1), (0.5, 2), (0.06, 16), (1e-3, 512), (1e-9, 1024)]
    )
    def test_fills_at_least_half_of_the_range(self, error, factor):
        assert error_factor(np.full((8, 8, 3), error)) == factor

    def test_spares_one_value_in_a_hundred(self):
        error = np.full(1000, 0.1)
        error[:9] = 1.0
        assert error_factor(error) == 8

    def test_rare_errors_count_where_all_others_are_zero(self):
        error = np.zeros(1000)
        error[0] = 0.25
        assert error_factor(error) == 4
        assert error_factor(np.zeros(1000)) == 1


def make_rows(count, every=None):
    steps = np.arange(1, count + 1)
    loss = 0.05 * np.exp(-8 * (steps / count) ** 0.4) * np.exp(0.15 * np.random.default_rng(0).standard_normal(count))
    rows = [
        {
            "step": int(step),
            "loss": value,
            "psnr_db": -10 * np.log10(value),
            "learning_rate": 1e-3 * (1 - step / count),
            "seconds": 0.01 * step,
        }
        for step, value in zip(steps, loss, strict=True)
    ]
    for row in rows[every - 1 :: every] if every else []:
        row["picture_psnr_db"] = row["psnr_db"] - 0.2
    return rows


def texts(axes):
    return [text.get_text() for text in axes.texts]


class TestCurves:
    @pytest.mark.parametrize("count", [1, 2, 50, 10000])
    def test_any_number_of_rows(self, tmp_path, count):
        save_curves(make_rows(count, every=max(1, count // 10)), tmp_path / "curves.png", "chelsea")
        page = read(tmp_path / "curves.png")
        assert page.shape[1] == 1400
        assert np.any(np.all(page == (0x20, 0x66, 0xA8), axis=-1))

    def test_lines_hold_the_rows(self):
        rows = make_rows(50, every=10)
        loss, psnr, rate = figures._draw_curves(rows, "").axes
        steps = [row["step"] for row in rows]
        for line, key in ((loss.lines[0], "loss"), (psnr.lines[0], "psnr_db"), (rate.lines[0], "learning_rate")):
            np.testing.assert_array_equal(line.get_xdata(), steps)
            np.testing.assert_array_equal(line.get_ydata(), [row[key] for row in rows])
        np.testing.assert_array_equal(psnr.lines[1].get_xdata(), steps[9::10])
        assert loss.get_yscale() == "log"
        assert texts(psnr) == [f"{rows[-1]['picture_psnr_db']:.2f} dB"]
        assert [text.get_text() for text in psnr.get_legend().get_texts()] == ["training batches", "all pixels"]

    def test_averaged_weights_have_a_line_of_their_own(self):
        rows = [{**row, "average_psnr_db": row["psnr_db"] + 1} for row in make_rows(50)]
        psnr = figures._draw_curves(rows, "").axes[1]
        np.testing.assert_array_equal(psnr.lines[1].get_ydata(), [row["average_psnr_db"] for row in rows])
        assert texts(psnr) == [f"{rows[-1]['average_psnr_db']:.2f} dB"]
        named = ["training batches", "averaged weights, at some pixels"]
        assert [text.get_text() for text in psnr.get_legend().get_texts()] == named
        rows[-1]["picture_psnr_db"] = 12.25
        psnr = figures._draw_curves(rows, "").axes[1]
        assert texts(psnr) == ["12.25 dB"]
        assert [text.get_text() for text in psnr.get_legend().get_texts()] == [*named, "all pixels"]

    def test_many_rows_get_a_running_mean(self):
        rows = make_rows(1000)
        loss = figures._draw_curves(rows, "").axes[0]
        values = np.array([row["loss"] for row in rows])
        np.testing.assert_array_equal(loss.lines[0].get_ydata(), values)
        means = [np.mean(values[max(0, i - 10) : i + 11]) for i in range(1000)]
        # differences of running sums near 2 against means near 1e-5
        np.testing.assert_allclose(loss.lines[1].get_ydata(), means, rtol=1e-9)

    def test_head_and_last_values(self):
        rows = make_rows(1600)
        rows[-1].update(loss=1.53e-4, learning_rate=1e-4, seconds=98.4)
        figure = figures._draw_curves(rows, "chelsea")
        shown = [text.get_text() for text in figure.texts]
        assert {"chelsea", "step 1 600 · 98.4 s", "loss", "PSNR in dB", "learning rate"} == set(shown)
        assert texts(figure.axes[0]) == ["1.53 × 10⁻⁴"]
        assert texts(figure.axes[2]) == ["10⁻⁴"]

    @pytest.mark.parametrize(("seconds", "shown"), [(0.5, "0.5 s"), (119, "119 s"), (600, "10 min"), (9000, "2.5 h")])
    def test_durations(self, seconds, shown):
        figure = figures._draw_curves([{**make_rows(1)[0], "seconds": seconds}], "")
        assert f"step 1 · {shown}" in [text.get_text() for text in figure.texts]

    def test_gaps_and_infinities(self, tmp_path):
        rows = make_rows(30)
        rows[3].update(psnr_db=None, loss="")
        rows[5].update(psnr_db=float("inf"), loss=0.0)
        rows[-1].update(psnr_db="inf", loss=float("nan"))
        save_curves(rows, tmp_path / "curves.png")
        loss, psnr, _ = figures._draw_curves(rows, "").axes
        assert len(loss.lines[0].get_xdata()) == len(psnr.lines[0].get_xdata()) == 27
        assert texts(psnr) == ["∞ dB"]

    def test_nothing_finite_at_all(self, tmp_path):
        rows = [{"step": step, "loss": float("nan"), "psnr_db": None, "learning_rate": 0.0} for step in range(3)]
        save_curves(rows, tmp_path / "curves.png")
        loss, psnr, _ = figures._draw_curves(rows, "").axes
        assert list(loss.get_yticks()) == list(psnr.get_yticks()) == []

    def test_no_rows(self, tmp_path):
        with pytest.raises(ValueError, match="at least one dict, received none"):
            save_curves([], tmp_path / "curves.png")


class TestFiles:
    def write(self, path):
        target, prediction = random_pair(20, 30)
        save_comparison(target, prediction, path / "comparison.png", "chelsea", ["PSNR 38.2 dB"])
        save_curves(make_rows(20), path / "curves.png", "chelsea")
        return [(path / name).read_bytes() for name in ("comparison.png", "curves.png")]

    def test_same_bytes_from_several_threads_and_no_global_trace(self, tmp_path):
        settings = dict(matplotlib.rcParams)
        results = []
        threads = []
        for index in range(4):
            (tmp_path / str(index)).mkdir()
            threads.append(threading.Thread(target=lambda i=index: results.append(self.write(tmp_path / str(i)))))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 4
        assert all(result == results[0] for result in results)
        assert dict(matplotlib.rcParams) == settings

    def test_failure_leaves_the_old_files_alone(self, tmp_path, monkeypatch):
        before = self.write(tmp_path)

        def full_disk(path, data):
            with open(path, "wb") as file:
                file.write(data[:9])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pathlib.Path, "write_bytes", full_disk)
        with pytest.raises(OSError, match="No space left"):
            self.write(tmp_path)
        assert [(tmp_path / name).read_bytes() for name in ("comparison.png", "curves.png")] == before
        assert len(list(tmp_path.iterdir())) == 2
