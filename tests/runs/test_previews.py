"""Previews and TensorBoard logs: what is shown, and that a resumed run shows the same."""

import io
import itertools

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util.tensor_util import make_ndarray

from keras_inr.presets import from_preset
from keras_inr.runs.previews import Previews, TensorBoardLog
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit

SIGNAL = load_image("sample:camera", size=12)
TOTAL = 450  # rounds of 2 steps
SHOWN = [46, 90, 136, 180, 226, 270, 316, 360, 406, 450]  # the first even steps from a multiple of 45 on


def train(monitors, preset="siren", steps=TOTAL, stop_at=None, checkpoint_dir=None, **arguments):
    """Trains with callbacks from the step of the first of them, until another if one is given."""
    field = from_preset(preset, channels=1, seed=0, **{"units": (4,), **arguments})
    finished = itertools.count(monitors[0].step + 1)
    result = fit(
        field,
        SIGNAL,
        steps=steps,
        batch_size=16,
        checkpoint_dir=checkpoint_dir,
        should_stop=lambda: next(finished) == stop_at,
        callbacks=monitors,
        progress=False,
    )
    assert result.steps == (stop_at or steps)
    return field, result.rows


def make_both(folder, step=0):
    return [Previews(folder / "previews", 45, TOTAL, step), TensorBoardLog(folder / "tensorboard", 45, TOTAL, step)]


def shown(folder):
    return [int(path.stem.removeprefix("step-")) for path in sorted(folder.glob("step-*.png"))]


def events(folder, tag):
    """[(step, value)] by step: floats, or pictures as (height, width) arrays' bytes."""
    found = []
    for path in folder.iterdir():
        for event in EventFileLoader(str(path)).Load():
            found += [(event.step, make_ndarray(value.tensor)) for value in event.summary.value if value.tag == tag]
    if tag == "preview":  # width, height, PNG
        return sorted((step, np.asarray(Image.open(io.BytesIO(value[2]))).tobytes()) for step, value in found)
    return sorted((step, float(value)) for step, value in found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(folder, field, rows) of an undisturbed run with both monitors."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *train(make_both(folder))


class TestWholeRun:
    def test_previews_end_the_first_round_after_every_so_many_steps(self, whole):
        folder, field, _ = whole
        assert shown(folder / "previews") == SHOWN
        picture = np.asarray(Image.open(folder / "previews" / f"step-{TOTAL:07d}.png"))
        np.testing.assert_array_equal(picture, field.render()[..., 0])

    def test_tensorboard_has_every_round_and_the_previews(self, whole):
        folder, field, rows = whole
        assert [row["step"] for row in rows] == list(range(2, TOTAL + 1, 2))
        for name in ("loss", "psnr_db"):
            logged = [(row["step"], float(np.float32(row[name]))) for row in rows]
            assert events(folder / "tensorboard", name) == logged
        pictures = events(folder / "tensorboard", "preview")
        assert [step for step, _ in pictures] == SHOWN
        assert pictures[-1][1] == field.render().tobytes()

    @pytest.mark.slow
    def test_after_interrupts_the_same(self, whole, tmp_path):
        """Where a round ends and is shown, and in the middle of one: 225 with a picture due after the resume."""
        step = 0
        for stop_at in (90, 225, None):
            train(make_both(tmp_path, step), stop_at=stop_at, checkpoint_dir=tmp_path / "checkpoints")
            step = stop_at
        assert shown(tmp_path / "previews") == SHOWN
        for name in ("loss", "psnr_db", "preview"):
            assert events(tmp_path / "tensorboard", name) == events(whole[0] / "tensorboard", name)


class TestRounds:
    def test_pictures_more_often_than_rounds_end(self, tmp_path):
        train([Previews(tmp_path, 1, 21)], steps=21)
        assert shown(tmp_path) == list(range(1, 22))

    def test_several_steps_in_a_call_and_a_short_last_round(self, tmp_path):
        log = TensorBoardLog(tmp_path / "tensorboard", 10, 45)
        train([log, Previews(tmp_path, 10, 45)], "multi_hash", steps=45, num_levels=2, table_size=16)
        assert shown(tmp_path) == [16, 24, 32, 40]
        assert [step for step, _ in events(tmp_path / "tensorboard", "loss")] == [8, 16, 24, 32, 40, 45]

    def test_no_pictures(self, tmp_path):
        log = TensorBoardLog(tmp_path / "tensorboard", 0, 10)
        train([log, Previews(tmp_path / "previews", 0, 10), Previews(tmp_path / "previews", 11, 10)], steps=10)
        assert not (tmp_path / "previews").exists()
        assert events(tmp_path / "tensorboard", "preview") == []

    def test_steps_count_where_the_optimizer_leaves_some_out(self, tmp_path):
        """A loss scaled too far overflows: the weights stay, and it is a step all the same."""
        log = TensorBoardLog(tmp_path, 0, 10)
        field, _ = train([log, ScaleTooFar()], steps=10, dtype="mixed_float16")
        assert int(field.optimizer.iterations) == 0
        assert [step for step, _ in events(tmp_path, "loss")] == list(range(1, 11))


class ScaleTooFar(keras.callbacks.Callback):
    """Makes the first gradients infinite; the scale is halved after each."""

    def on_train_begin(self, logs=None):
        self.model.optimizer.dynamic_scale.assign(2.0**120)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels(tmp_path, channels):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    Previews(tmp_path, 1, 1).show(3, picture)
    read = np.asarray(Image.open(tmp_path / "step-0000003.png")).reshape(5, 7, channels)
    np.testing.assert_array_equal(read, picture)
