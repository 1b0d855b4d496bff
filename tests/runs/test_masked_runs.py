"""Runs with a mask: what the folder tells of it, that another mask is another run, and that they go on."""

import dataclasses
import os

import numpy as np
import pytest
from PIL import Image
from small_runs import make_settings, plan, read_strict, run_planned, weights_sha

from keras_inr.errors import InputError, InterruptedRunError
from keras_inr.metrics import psnr, ssim
from keras_inr.runs import fit_run
from keras_inr.runs.results import served_facts
from keras_inr.signals import load_image
from keras_inr.training.result import quality

HEIGHT, WIDTH = 24, 32
CROP = (100, 150, HEIGHT, WIDTH)


def mask_file(path, rows=(4, 10), columns=(6, 14)):
    """A mask for sample:chelsea as it is: black in a rectangle of the crop, grey in its first column."""
    pixels = np.full((300, 451), 255, np.uint8)
    pixels[CROP[0] + rows[0] : CROP[0] + rows[1], CROP[1] + columns[0] : CROP[1] + columns[1]] = 0
    pixels[:, CROP[1]] = 102
    Image.fromarray(pixels).save(path)
    return path


def settings(mask, **changes):
    return make_settings(image_options={"crop": CROP, "mask": mask}, **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(mask's path, folder, metrics) of a run."""
    place = tmp_path_factory.mktemp("masked")
    mask = mask_file(place / "my mask.png")
    folder, _ = run_planned(settings(str(mask)), place / "run")
    return mask, folder, read_strict(folder / "metrics.json")


class TestFinishedRun:
    def test_metrics_tell_both_sides(self, finished):
        mask, folder, metrics = finished
        signal = load_image("sample:chelsea", crop=CROP, mask=mask)
        counts = signal.weights > 0
        with Image.open(folder / "reconstruction.png") as file:
            shown = np.asarray(file) / 255.0
        assert (metrics["pixels_masked"], np.sum(~counts)) == (48, 48)
        assert metrics["psnr_masked_db"] == pytest.approx(psnr(signal.values[~counts] * 1.0, shown[~counts]), abs=0.05)
        assert metrics["psnr_db"] == pytest.approx(psnr(signal.values[counts] * 1.0, shown[counts]), abs=0.05)
        assert (metrics["mask"], metrics["mask_sha256"]) == (str(mask), signal.mask_sha256)
        assert metrics["image_options"] == {"crop": list(CROP)}
        assert metrics["points_per_step"] == 256
        assert metrics["epochs"] == 60 / ((HEIGHT * WIDTH - 48) // 256)

    def test_an_export_tells_no_file(self, finished):
        told = served_facts(finished[2])
        assert "mask" not in told
        assert told["pixels_masked"] == 48

    @pytest.mark.slow
    def test_of_a_run_without_a_mask(self, tmp_path):
        _, metrics = run_planned(make_settings(recipe={"steps": 2}), tmp_path / "run")
        names = ("mask", "mask_sha256", "psnr_masked_db", "pixels_masked")
        assert [metrics[name] for name in names] == [None, None, None, 0]

    def test_an_array_is_a_mask(self, tmp_path):
        mask = np.ones((300, 451), bool)
        mask[110:114, 160:170] = False
        _, metrics = run_planned(settings(mask, recipe={"steps": 2}), tmp_path / "run")
        assert (metrics["mask"], metrics["pixels_masked"]) == ("ndarray", 40)


class TestSsim:
    def test_is_over_windows_that_hold_no_masked_pixel(self, finished):
        signal = load_image("sample:chelsea", crop=CROP, mask=finished[0])
        prediction = np.clip(signal.values + 0.1 * np.random.default_rng(0).standard_normal(signal.values.shape), 0, 1)
        windows = [
            ssim(*(array[top : top + 11, left : left + 11] * 1.0 for array in (signal.values, prediction)))
            for top in range(HEIGHT - 10)
            for left in range(WIDTH - 10)
            if np.all(signal.weights[top : top + 11, left : left + 11] > 0)
        ]
        assert 0 < len(windows) < (HEIGHT - 10) * (WIDTH - 10)
        assert quality(signal, prediction.astype("float32"))["ssim"] == pytest.approx(np.mean(windows), abs=1e-6)

    def test_is_none_where_there_is_none(self):
        mask = np.ones((300, 451), bool)
        mask[::5, ::5] = False
        signal = load_image("sample:chelsea", crop=CROP, mask=mask)
        found = quality(signal, signal.values)
        assert (found["ssim"], found["psnr_db"], found["psnr_masked_db"]) == (None, np.inf, np.inf)


class TestIdentity:
    def test_is_the_mask_s_content_not_its_path(self, finished, tmp_path):
        mask, folder, metrics = finished
        moved = tmp_path / "moved.png"
        moved.write_bytes(mask.read_bytes())
        identity = plan(settings(moved)).plan.identity
        assert identity == plan(settings(str(mask))).plan.identity
        assert "mask" not in identity["image_options"]
        assert run_planned(settings(moved), folder, resume=True)[1] == metrics

    @pytest.mark.parametrize("other", ["another", "none"])
    def test_another_mask_is_another_run(self, finished, tmp_path, other):
        another = {"another": mask_file(tmp_path / "other.png", rows=(4, 11)), "none": None}[other]
        changed = make_settings(image_options={"crop": CROP, **({"mask": another} if another else {})})
        with pytest.raises(InputError, match="holds a run with other settings: mask_sha256 was '"):
            run_planned(changed, finished[1], resume=True)

    @pytest.mark.slow
    def test_a_run_that_was_stopped_ends_with_the_same_weights(self, finished, tmp_path, monkeypatch):
        mask, folder, _ = finished
        out, taken = tmp_path / "run", []
        fit = fit_run.fit

        def stopped(*arguments, **named):
            stop = lambda: taken.append(1) or len(taken) == 25  # noqa: E731
            result = fit(*arguments, **{**named, "should_stop": stop})
            return dataclasses.replace(result, stopped_by="interrupt")

        with monkeypatch.context() as patch:
            patch.setattr(fit_run, "fit", stopped)
            patch.setattr(fit_run.Interrupts, "received", 2, raising=False)
            with pytest.raises(InterruptedRunError):
                run_planned(settings(mask), out)
        assert not os.path.exists(out / "metrics.json")
        run_planned(settings(mask), out, resume=True)
        assert weights_sha(out) == weights_sha(folder)


class TestPlan:
    @pytest.mark.parametrize(
        ("recipe", "message"),
        [
            ({"sampling": "continuous"}, "sampling must not be"),
            ({"supervise": "laplacian"}, "supervise must be 'value'"),
        ],
    )
    def test_refuses_what_cannot_be_fitted(self, finished, recipe, message):
        with pytest.raises(InputError, match=message):
            plan(settings(finished[0], recipe=recipe))

    def test_lengths_are_of_the_pixels_that_count(self, finished):
        planned = plan(settings(finished[0], recipe={"steps": None, "epochs": 3.0, "batch_size": 240}))
        assert planned.total_steps == 3 * ((HEIGHT * WIDTH - 48) // 240)
        recipe = {"steps": None, "epochs": 3.0, "batch_size": 250}
        assert plan(settings(finished[0], recipe=recipe)).total_steps == 6
        assert plan(make_settings(recipe=recipe)).total_steps == 9

    @pytest.mark.slow
    def test_auto_takes_a_mask_and_may_grow(self, tmp_path, finished):
        chosen = {"preset": "auto", "arguments": {}, "goal": "30dB", "recipe": {"steps": None, "batch_size": 128}}
        _, metrics = run_planned(settings(finished[0], **chosen), tmp_path / "run")
        assert metrics["goal_met"]
        assert metrics["psnr_db"] >= 30
        assert metrics["psnr_masked_db"] < 30
