"""What a console works on: every action alone, in odd orders, and what it says where it cannot."""

import re

import keras
import numpy as np
import pytest
from PIL import Image

from keras_inr.cli.console.session import MAX_BATCH_SIZE, Session
from keras_inr.errors import InputError
from keras_inr.metrics import psnr, ssim
from keras_inr.presets import get_preset
from keras_inr.rendering.to_file import RenderSettings

CODE = "__import__('os').system('touch x')"
SMALL = {"units": (8, 8)}


def begun(preset="siren", arguments=None, side=16, batch_size=64):
    """A session with a small picture and network."""
    session = Session()
    session.choose_picture("sample:chelsea", longer_side=side)
    session.choose_network(preset, SMALL if arguments is None else arguments)
    session.choose_training(0.01, batch_size)
    return session


@pytest.fixture(scope="module")
def trained():
    """A session that has learnt something; not to be changed."""
    session = begun(side=24)
    session.train(2)
    return session


class TestChoices:
    def test_network_first(self):
        session = Session()
        session.choose_network("relu", SMALL)
        assert session.field is None
        session.choose_picture("sample:camera", longer_side=8)
        assert (session.field.channels, session.field.picture_size) == (1, (8, 8))

    @pytest.mark.slow
    def test_the_network_stays_with_another_picture_and_forgets(self):
        session = begun()
        session.train(1)
        session.choose_picture("sample:camera", longer_side=8)
        assert (session.preset, session.arguments, session.steps, session.unsaved) == ("siren", SMALL, 0, False)
        session.train(1)
        assert session.render_picture(3, 5).shape == (3, 5, 1)

    def test_another_resolution_keeps_what_was_learnt(self):
        session = begun(side=16)
        session.train(2)
        coords, before = np.zeros((1, 2)), session.field(np.zeros((1, 2))).numpy()
        session.change_resolution(24)
        assert (session.signal.size, session.field.picture_size) == ((16, 24), (16, 24))
        np.testing.assert_array_equal(session.field(coords), before)
        assert session.steps > 0
        assert session.unsaved
        session.train(1)
        assert not np.array_equal(session.field(coords), before)
        session.change_resolution()
        assert session.signal.size == (300, 451)

    def test_another_resolution_needs_a_picture_and_weights_of_no_size(self):
        with pytest.raises(InputError, match="choose a picture first"):
            Session().change_resolution(8)
        session = begun("cell_grid", {"layout": ((6, 4.0, 2),)})
        session.train(1)
        with pytest.raises(InputError, match="cell_grid is made for one size: choose the picture again to start anew"):
            session.change_resolution(200)
        assert max(session.signal.size) == 16

    def test_a_layout_counts_the_picture_s_pixels(self):
        session = begun("cell_grid", {"layout": ((6, 4.0, 2),)})
        assert session.field.pixels == session.signal.size
        session.train(2)
        assert session.steps == 2 * (session.signal.height * session.signal.width // 64)

    def test_a_learning_rate_that_suits_the_network_until_one_is_chosen(self):
        session = Session()
        session.choose_picture("sample:camera", longer_side=8)
        for preset in ("siren", "multi_hash", "pixel_grid"):
            session.choose_network(preset)
            recipe = next(iter(get_preset(preset).own_recipes.values()))
            assert session.learning_rate == recipe["learning_rate"]
            session.choose_training(session.learning_rate, 32)  # the network's own is not chosen for the next one
        session.choose_training(0.02, 32)
        assert (session.learning_rate, session.batch_size) == (0.02, 32)

    @pytest.mark.parametrize(
        "source", ["", "absent.png", "sample:absent", "tfds:absent", CODE, "a\0b", "~nobody/a.png"]
    )
    def test_no_picture(self, source):
        session = begun()
        kept = session.field
        with pytest.raises(InputError, match=r"^(source|data set) "):
            session.choose_picture(source)
        assert session.field is kept

    @pytest.mark.parametrize(
        ("preset", "arguments", "message"),
        [
            ("sirens", {}, "preset must be one of .*, received 'sirens'"),
            ("siren", {"depth": 3}, "'depth' is not an argument of preset 'siren'"),
            ("siren", {"units": (0,)}, "units must be a positive integer, received 0"),
            ("siren", {"scheme": CODE}, re.escape(f"received {CODE!r}")),
            ("cell_grid", {"layout": ((99, 8.0, 4),)}, "hash_size must be at most 24, received 99"),
            ("siren", {"units": (2**31 - 1,) * 2}, "at most 134217728 parameters, received one of 46116860"),
            ("cell_grid", {"layout": ((24, 0.001, 100),)}, "at most 134217728 parameters, received one of 16777"),
        ],
    )
    def test_no_network(self, preset, arguments, message):
        session = begun()
        kept = (session.preset, session.arguments, session.field)
        with pytest.raises(InputError, match=message):
            session.choose_network(preset, arguments)
        assert (session.preset, session.arguments, session.field) == kept

    @pytest.mark.parametrize(
        ("learning_rate", "batch_size", "message"),
        [
            (0.0, 1, r"learning_rate must be in \(0, 1000\], received 0.0"),
            (float("nan"), 1, "learning_rate .* received nan"),
            (0.1, 0, "batch_size must be from 1 to 262144, received 0"),
            (0.1, MAX_BATCH_SIZE + 1, "batch_size must be from 1 to 262144, received 262145"),
        ],
    )
    def test_no_training(self, learning_rate, batch_size, message):
        session = begun()
        with pytest.raises(InputError, match=message):
            session.choose_training(learning_rate, batch_size)
        assert (session.learning_rate, session.batch_size) == (0.01, 64)


class TestPrerequisites:
    ACTIONS = (
        lambda session: session.train(1),
        lambda session: session.steps_per_epoch,
        lambda session: session.figures(),
        lambda session: session.render_picture(2, 2),
        lambda session: session.render_file(RenderSettings(out="a.png")),
        lambda session: session.save("a.keras"),
        lambda session: session.export("a"),
    )
    NEEDS_TRAINING = (ACTIONS[2], *ACTIONS[4:])

    @pytest.mark.parametrize("action", ACTIONS)
    def test_what_is_missing_is_told(self, action, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        session = Session()
        with pytest.raises(InputError, match="choose a picture first"):
            action(session)
        session.choose_picture("sample:camera", longer_side=8)
        with pytest.raises(InputError, match="choose a network first"):
            action(session)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("action", NEEDS_TRAINING)
    def test_a_network_that_has_learnt_nothing(self, action, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError, match="train first: the network has not learnt anything yet"):
            action(begun())
        assert list(tmp_path.iterdir()) == []


class TestTraining:
    def test_pauses_leave_no_trace_and_other_settings_start_a_run(self):
        session, undisturbed = begun(), begun()
        for epochs in (1, 3):
            session.train(epochs)
        undisturbed.train(4)
        for learnt, expected in zip(session.field.get_weights(), undisturbed.field.get_weights(), strict=True):
            np.testing.assert_array_equal(learnt, expected)
        before, psnr_db = session.steps, session.figures().psnr_db
        session.choose_training(1e-9, 32)  # so little that nothing but the weights before can be seen
        session.train(2)
        assert session.steps == before + 2 * session.steps_per_epoch
        assert session.figures().psnr_db == pytest.approx(psnr_db, abs=1e-3)

    def test_a_batch_larger_than_the_picture_is_the_picture(self):
        session = begun(batch_size=MAX_BATCH_SIZE)
        assert session.steps_per_epoch == 1

    @pytest.mark.parametrize(("epochs", "most"), [(0, 10**6), (-3, 10**6), (10**6 + 1, 10**6)])
    def test_epochs_out_of_range(self, epochs, most):
        with pytest.raises(InputError, match=f"epochs must be from 1 to {most}, received {epochs}"):
            begun().train(epochs)

    def test_more_steps_than_can_be_counted(self):
        session = begun(side=300, batch_size=1)
        assert session.steps_per_epoch > 2**31 // 10**6
        with pytest.raises(InputError, match=r"epochs must be from 1 to [0-9]{5}, received 1000000"):
            session.train(10**6)

    def test_an_error_keeps_what_was_learnt(self):
        session = begun()

        def watch(progress):
            if progress.step == 3:
                raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space"):
            session.train(5, watch)
        assert (session.steps, session.unsaved) == (3, True)
        session.train(1)
        assert session.steps == 3 + session.steps_per_epoch

    def test_a_stop_is_measured_when_asked(self):
        session = begun()
        assert session.train(5, should_stop=lambda: True) == "interrupt"
        assert session.steps == 1
        assert session.figures().psnr_db == pytest.approx(psnr(session.signal.values, session.field.sample_grid()))


class TestResults:
    def test_figures(self, trained):
        values, prediction = trained.signal.values, trained.field.sample_grid()
        figures = trained.figures()
        assert figures.psnr_db == pytest.approx(psnr(values, prediction))
        assert figures.ssim == pytest.approx(ssim(values, prediction))
        assert (figures.steps, figures.num_parameters) == (trained.steps, 123)

    def test_no_ssim_of_a_small_picture(self):
        session = begun(side=8)
        session.train(1, should_stop=lambda: True)
        assert session.figures().ssim is None

    def test_picture_of_any_size(self, trained):
        np.testing.assert_array_equal(trained.render_picture(*trained.signal.size), trained.field.render())
        np.testing.assert_array_equal(trained.render_picture(4, 6), trained.field.render(4, 6))
        filtered = trained.field.render(4, 6, supersampling=2)
        np.testing.assert_array_equal(trained.render_picture(4, 6, most_points=2), filtered)

    def test_saved_field(self, trained, tmp_path):
        trained.unsaved = True
        path = trained.save(str(tmp_path / "a.keras"))
        assert not trained.unsaved
        loaded = keras.models.load_model(path)
        np.testing.assert_array_equal(loaded.render(30, 40), trained.field.render(30, 40))
        assert not loaded.compiled
        with pytest.raises(InputError, match=r"path must be a new file, received '.*a.keras', which exists"):
            trained.save(path)
        assert trained.save(path, overwrite=True) == path

    @pytest.mark.parametrize("name", ["a.png", "a", CODE, ".keras"])
    def test_no_name_for_a_saved_field(self, trained, tmp_path, name):
        with pytest.raises(InputError, match=r"path must end in .keras, received"):
            trained.save(tmp_path / name)

    @pytest.mark.parametrize("name", ["absent/a.keras", "folder.keras"])
    def test_no_place_for_a_saved_field(self, trained, tmp_path, name):
        (tmp_path / "folder.keras").mkdir()
        with pytest.raises(InputError, match=f"path must be a file in a folder that exists, received '.*{name}'"):
            trained.save(tmp_path / name)

    def test_rendered_file(self, trained, tmp_path):
        box = (-0.5, -0.5, 0.5, 0.25)
        done = trained.render_file(RenderSettings(out=str(tmp_path / "a.png"), size=(6, 8), box=box))
        np.testing.assert_array_equal(np.asarray(Image.open(done.path)), trained.field.render(6, 8, box))
        with pytest.raises(InputError, match="exists already"):
            trained.render_file(RenderSettings(out=done.path))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"size": (20000, 20000)}, "size must be at most 268435456 pixels, received 20000 x 20000"),
            ({"scale": 1e4}, "size must be at most 268435456 pixels, received 160000 x 240000"),
            ({"scale": 1e9}, "scale must make pictures at most 2147483647 pixels long, received 1000000000.0"),
            ({"box": (-1e7, 0, 1, 1)}, r"box must have edges from -1e\+06 to 1e\+06, received \(-10000000.0"),
            ({"box": (0, 0, float("nan"), 1)}, "box must have edges .* nan"),
            ({"scale": float("nan")}, "scale must be positive and finite, received nan"),
            ({"out": "gs://a.png"}, "out must be a path on this machine, received 'gs://a.png'"),
        ],
    )
    def test_no_rendered_file(self, trained, tmp_path, settings, message):
        with pytest.raises(InputError, match=message):
            trained.render_file(RenderSettings(**{"out": tmp_path / "a.png", **settings}))
        assert list(tmp_path.iterdir()) == []

    def test_no_export(self, trained, tmp_path):
        with pytest.raises(InputError, match=r"base_path must be a path without \[ and"):
            trained.export(tmp_path / "[1]")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("sample:camera", "camera"),
        ("cat photo.png", "cat_photo"),
        ("....png", "picture"),
        ("a" * 99 + ".png", "a" * 50),
    ],
    ids=["sample", "space", "dots", "long"],
)
def test_name_of_files(source, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if not source.startswith("sample:"):
        Image.new("L", (2, 2)).save(source, format="PNG")
    session = Session()
    assert session.name == "picture"
    session.choose_picture(source)
    assert session.name == name
