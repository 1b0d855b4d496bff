"""fit: what it reaches, returns, refuses, and when it stops."""

import dataclasses
import math
import re

import keras
import numpy as np
import pytest

from keras_inr.errors import DivergedError
from keras_inr.models import from_preset
from keras_inr.signals import load_image
from keras_inr.training import FitResult, Recipe, fit
from keras_inr.training.checkpoints import load_checkpoint
from keras_inr.training.fitting import round_length, rounds_of
from keras_inr.training.objectives import Objective
from training.small_fits import StopAfter, fingerprint, small_field, small_picture

BRIEF = {"batch_size": 64, "learning_rate": 0.01, "progress": False}


def numpy_psnr(target, prediction):
    error = target.astype(np.float64) - np.clip(prediction.astype(np.float64), 0, 1)
    return -10 * math.log10(np.mean(error**2))


@pytest.fixture(scope="module")
def fitted():
    signal, field = small_picture(12, 16), small_field("siren")
    return field, signal, fit(field, signal, steps=400, **BRIEF)


class TestPresets:
    """Short fits of descent's four networks to 48 x 64 pixels; bounds are 1.5 dB below what was measured."""

    @pytest.mark.parametrize(
        ("preset", "steps", "measured_db"),
        [("relu", 200, 19.5), ("relu_pe", 200, 22.0), ("siren", 200, 36.8), ("multi_hash", 96, 38.0)],
    )
    def test_reaches(self, preset, steps, measured_db):
        signal = small_picture(48, 64)
        rate = 0.005 if preset == "relu_pe" else 0.01
        recipe = Recipe(steps=steps, batch_size=512, learning_rate=rate, beta_2=0.99)
        result = fit(from_preset(preset, seed=0), signal, recipe, progress=False)
        assert result.psnr_db > measured_db - 1.5


class TestResult:
    def test_figures_are_those_of_the_whole_picture(self, fitted):
        field, signal, result = fitted
        values = field.sample_grid(12, 16)
        np.testing.assert_array_equal(result.prediction, values)
        # float64 sums in another order
        assert result.psnr_db == pytest.approx(numpy_psnr(signal.values, values), rel=1e-12)
        rounded = (np.rint(np.clip(values.astype(np.float64), 0, 1) * 255) / 255).astype(np.float32)
        assert result.psnr_8bit_db == pytest.approx(numpy_psnr(signal.values, rounded), rel=1e-12)
        assert 0 < result.ssim < 1

    def test_the_picture_was_learnt(self, fitted):
        *_, result = fitted
        assert result.psnr_db > result.rows[0]["psnr_db"] + 10

    def test_rows(self, fitted):
        *_, result = fitted
        assert (result.steps, result.stopped_by) == (400, "steps")
        assert [row["step"] for row in result.rows] == list(range(2, 401, 2))
        for row in result.rows:
            assert set(row) == {"step", "seconds", "loss", "psnr_db", "learning_rate"}
            # with values in [0, 1] the loss of a round is the PSNR's error, but for clamping; both in float32
            assert row["psnr_db"] >= -10 * math.log10(row["loss"]) - 1e-4
        seconds = [row["seconds"] for row in result.rows]
        assert seconds == sorted(seconds)
        rates = [row["learning_rate"] for row in result.rows]
        assert rates == sorted(rates, reverse=True)
        assert result.train_seconds > 0
        assert result.setup_seconds > 0

    def test_the_field_knows_its_picture(self, fitted):
        field, signal, _ = fitted
        assert field.picture_size == signal.size

    def test_ssim_needs_11_pixels(self):
        result = fit(small_field("siren"), small_picture(10, 12), steps=1, **BRIEF)
        assert result.ssim is None

    def test_an_exact_picture_is_infinitely_good(self):
        field = small_field("siren")
        field.stack[-2].kernel.assign(field.stack[-2].kernel * 0)
        result = fit(field, load_image(np.zeros((3, 4, 3), "uint8")), steps=2, **BRIEF)
        assert (result.psnr_db, result.psnr_8bit_db, result.rows[-1]["psnr_db"]) == (math.inf, math.inf, None)

    def test_a_result_cannot_be_changed(self, fitted):
        with pytest.raises(dataclasses.FrozenInstanceError):
            fitted[2].psnr_db = 99.0


class TestArguments:
    @pytest.mark.parametrize("kind", ["siren", "multi_hash"])
    def test_one_step(self, kind):
        result = fit(small_field(kind), small_picture(), steps=1, **BRIEF)
        assert (result.steps, len(result.rows)) == (1, 1)
        assert math.isfinite(result.psnr_db)

    def test_keywords_go_over_a_recipe(self):
        result = fit(small_field("siren"), small_picture(), Recipe(steps=5, batch_size=8), steps=3, progress=False)
        assert result.steps == 3
        assert fit(small_field("siren"), small_picture(), Recipe(epochs=2), steps=3, progress=False).steps == 3
        with pytest.raises(ValueError, match=re.escape("received steps=3 and epochs=2")):
            fit(small_field("siren"), small_picture(), steps=3, epochs=2)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "received steps=None and epochs=None"),
            ({"steps": 0}, r"steps must be an integer in \[1, .*\], received 0"),
            ({"steps": 1, "sampling": "rows"}, "sampling must be one of .*, received 'rows'"),
        ],
    )
    def test_arguments_out_of_range(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            fit(small_field("siren"), small_picture(), **arguments)
        with pytest.raises(TypeError, match=r"fit takes no argument 'stps'; did you mean 'steps'\?"):
            fit(small_field("siren"), small_picture(), stps=1)

    def test_values_of_some_pixels(self):
        """A custom objective may not know all of them; then batches have no PSNR, and the whole picture has."""
        signal = small_picture()
        values = signal.values.copy()
        values[: signal.height // 2] = np.nan
        objective = Objective({"values": values}, {"values": 1.0})
        result = fit(small_field("siren"), signal, steps=20, objective=objective, goal_psnr_db=100.0, **BRIEF)
        assert {row["psnr_db"] for row in result.rows} == {None}
        assert result.rows[-1]["loss"] < result.rows[0]["loss"]
        assert math.isfinite(result.rows[-1]["picture_psnr_db"])

    def test_other_channels_than_the_pictures(self):
        field = small_field("siren", channels=1)
        with pytest.raises(ValueError, match="the picture has 3 channels, the field must have as many: 1"):
            fit(field, small_picture(), steps=1)
        assert field.picture_size is None

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1)])
    def test_thin_pictures(self, height, width):
        result = fit(small_field("siren"), small_picture(height, width), epochs=3, **BRIEF)
        assert (result.steps, result.prediction.shape) == (3, (height, width, 3))

    @pytest.mark.parametrize(
        ("total_steps", "steps_per_execution", "length"),
        [(1, 1, 1), (299, 1, 1), (1600, 1, 8), (3200, 1, 16), (1, 8, 8), (3200, 8, 16), (10**6, 8, 5000)],
    )
    def test_a_round_is_a_200th_of_the_run_in_whole_executions(self, total_steps, steps_per_execution, length):
        assert round_length(total_steps, steps_per_execution) == length

    @pytest.mark.parametrize(
        ("total_steps", "steps_per_execution", "most", "length"),
        [(10**6, 1, 24, 24), (10**6, 8, 24, 24), (10**6, 8, 30, 32), (10**6, 8, 2, 8), (1600, 1, 24, 8)],
    )
    def test_but_no_more_than_so_many_steps(self, total_steps, steps_per_execution, most, length):
        assert round_length(total_steps, steps_per_execution, most) == length

    def test_it_is_an_epoch_where_a_run_may_be_as_long_as_it_takes(self):
        recipe = Recipe(epochs=1000, batch_size=32, sampling="shuffled", schedule="inverse")
        assert rounds_of(recipe, 120) == 3
        assert rounds_of(dataclasses.replace(recipe, schedule="constant"), 120) == math.inf
        result = fit(small_field("siren"), small_picture(), recipe, should_stop=StopAfter(7), progress=False)
        assert [row["step"] for row in result.rows] == [3, 6]

    def test_a_goal_that_is_out_of_reach_ends_it(self):
        seen = []

        def hopeless(rows):
            seen.append(len(rows))
            return len(rows) == 4

        result = fit(small_field("siren"), small_picture(), steps=400, hopeless=hopeless, **BRIEF)
        assert (result.stopped_by, result.steps, seen) == ("stalled", 8, [1, 2, 3, 4])
        assert result.psnr_db is not None

    def test_one_that_is_reached_is_not_out_of_reach(self):
        more = {"goal_psnr_db": 1.0, "hopeless": lambda rows: True}
        assert fit(small_field("siren"), small_picture(), steps=400, **more, **BRIEF).stopped_by == "psnr"


class TestSeeds:
    def test_a_fit_is_a_function_of_its_seeds(self):
        def run(weights, batches):
            field = small_field("siren", seed=weights)
            fit(field, small_picture(), steps=5, seed=batches, **BRIEF)
            return fingerprint(field)

        first = run(1, 2)
        assert run(1, 2) == first
        assert len({first, run(1, 3), run(2, 2)}) == 3


class TestPrecision:
    @pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16", "mixed_float16"])
    def test_every_policy_learns(self, policy):
        field = small_field("siren", dtype=policy)
        result = fit(field, small_picture(), steps=120, **BRIEF)
        assert field.values_dtype == result.prediction.dtype == ("float64" if policy == "float64" else "float32")
        assert result.psnr_db > result.rows[0]["psnr_db"] + 6

    def test_loss_scaling_around_two_optimizers(self):
        field = small_field("multi_hash", dtype="mixed_float16")
        result = fit(field, small_picture(), steps=48, table_learning_rate=0.05, clip_norm=10.0, **BRIEF)
        assert result.psnr_db > result.rows[0]["psnr_db"] + 6


class TestStops:
    def test_at_a_psnr_over_all_pixels(self, tmp_path):
        arguments = {**BRIEF, "steps": 1000, "goal_psnr_db": 18.0, "checkpoint_dir": tmp_path}
        result = fit(small_field("siren"), small_picture(), **arguments)
        assert result.stopped_by == "psnr"
        assert result.steps < 1000
        assert result.psnr_db == result.rows[-1]["picture_psnr_db"] >= 18.0
        assert all(row.get("picture_psnr_db", 0) < 18.0 for row in result.rows[:-1])
        again = fit(small_field("siren"), small_picture(), **arguments)
        assert dataclasses.replace(again, prediction=None) == dataclasses.replace(result, prediction=None)
        np.testing.assert_array_equal(again.prediction, result.prediction)

    def test_after_a_time(self):
        result = fit(small_field("siren"), small_picture(), steps=10**6, max_seconds=0.05, **BRIEF)
        assert result.stopped_by == "time"
        assert result.steps < 10**6
        assert result.train_seconds >= 0.05
        assert result.rows[-1]["step"] == result.steps
        assert result.psnr_db is not None

    def test_when_asked_to(self):
        result = fit(small_field("siren"), small_picture(), steps=50, should_stop=lambda: True, **BRIEF)
        assert result == FitResult(
            **dict.fromkeys(("psnr_db", "psnr_8bit_db", "ssim", "prediction")),
            steps=1,
            train_seconds=result.train_seconds,
            setup_seconds=0.0,
            stopped_by="interrupt",
            rows=result.rows,
        )

    def test_callbacks_are_called_and_may_stop_the_run(self):
        class Watch(keras.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.seen = []

            def on_epoch_end(self, epoch, logs=None):
                self.seen.append((int(self.model.optimizer.iterations), sorted(logs)))
                self.model.stop_training = len(self.seen) == 3

        watch = Watch()
        result = fit(small_field("siren"), small_picture(), steps=50, callbacks=[watch], **BRIEF)
        assert watch.seen == [(step, ["loss", "psnr_db"]) for step in (1, 2, 3)]
        assert (result.steps, result.stopped_by) == (3, "callback")
        assert result.psnr_db is not None


class TestDivergence:
    WILD = {**BRIEF, "optimizer": "sgd", "learning_rate": 900.0, "schedule": "constant"}

    def test_a_sentence_and_the_last_good_checkpoint(self, tmp_path):
        saved = {"checkpoint_dir": tmp_path, "checkpoint_seconds": 0}
        sentence = r"the loss became (nan|inf) at step \d+: the learning rate \(now 900\)"
        with pytest.raises(DivergedError, match=sentence) as caught:
            fit(small_field("siren"), small_picture(), steps=60, **self.WILD, **saved)
        diverged_at = int(re.search(r"at step (\d+)", str(caught.value))[1])
        step, arrays, _ = load_checkpoint(tmp_path)
        assert 0 < step < diverged_at
        assert all(np.isfinite(array).all() for array in arrays.values())
        # its loss is that of the weights before: so a run that ends with the step that ruins them must notice, too
        with pytest.raises(DivergedError, match=rf"the field became nan at step {diverged_at - 1}: the learning rate"):
            fit(small_field("siren"), small_picture(), steps=diverged_at - 1, **self.WILD)


class TestProgress:
    def test_a_log_goes_to_standard_error(self, capsys):
        fit(small_field("siren"), small_picture(), steps=20, **{**BRIEF, "progress": True})
        out, err = capsys.readouterr()
        lines = err.splitlines()
        assert (out, len(lines)) == ("", 10)
        line = re.compile(r"step \d+/20: loss \d\.\d{3}e[-+]\d\d, PSNR \d+\.\d\d dB, about \d+ s left")
        assert all(line.fullmatch(text) for text in lines)

    def test_or_nowhere(self, capsys):
        fit(small_field("siren"), small_picture(), steps=20, **BRIEF)
        assert capsys.readouterr() == ("", "")
