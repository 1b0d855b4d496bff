"""The enlargement study: aligned enlargements, fits that are kept, figures that are those of the pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments.pictures import reduced
from experiments.upscaling import upscaling
from experiments.upscaling.upscaling import FieldRecipe, UpscalingSettings, load_original, run_upscaling
from keras_inr.errors import InputError
from keras_inr.metrics import psnr
from keras_inr.signals.resampling import resampled
from tests.small_runs import read_strict

HEIGHT, WIDTH = 48, 64


def waves(down=0.0, across=0.0):
    """A smooth picture, about one wave long, moved by so many pixels, (HEIGHT, WIDTH, 3) in [0.1, 0.9]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    y, x = (y - down) / WIDTH * 2 * np.pi, (x - across) / WIDTH * 2 * np.pi
    planes = [np.sin(x + 0.4 * y), np.sin(0.9 * y - 0.5 * x + 1), np.cos(0.8 * x) * np.sin(y)]
    return np.stack(planes, axis=-1) * 0.4 + 0.5


def shift(values, target):
    """By how many pixels (down, across) the values lie beside the target, by least squares."""
    slopes = np.gradient(target, axis=(0, 1))
    columns = np.stack([slope[8:-8, 8:-8].ravel() for slope in slopes], axis=-1)
    return -np.linalg.lstsq(columns, (values - target)[8:-8, 8:-8].ravel(), rcond=None)[0]


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "waves.png"
    Image.fromarray(np.rint(waves() * 255).astype("uint8")).save(path)
    return str(path)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fits that take a second."""
    training = {"steps": 300, "batch_size": 256, "learning_rate": 5e-3}
    quick = FieldRecipe(lambda longer: {"units": (32, 32), "omega_0": longer / 4}, training)
    monkeypatch.setitem(upscaling.RECIPES, "siren_256", quick)


def pixels(path):
    with Image.open(path) as file:
        return np.asarray(file)


def one_fit(picture, **settings):
    return UpscalingSettings(**{"images": (picture,), "factors": (4,), "presets": ("siren_256",), **settings})


class TestAlignment:
    def test_a_shift_is_found(self):
        np.testing.assert_allclose(shift(waves(0.5, -0.25), waves()), (0.5, -0.25), atol=0.02)  # second order in it

    @pytest.mark.parametrize("reduction", upscaling.REDUCTIONS)
    @pytest.mark.parametrize("method", upscaling.BASELINES)
    @pytest.mark.parametrize("factor", [2, 4])
    def test_filters_do_not_shift(self, picture, factor, method, reduction):
        original = load_original(picture, WIDTH, (factor,))
        small = reduced(original, factor, reduction)
        values = resampled(small.values, HEIGHT, WIDTH, method)
        # half a small pixel would be 1 or 2 pixels
        np.testing.assert_allclose(shift(values, original.values), 0, atol=0.05)

    def test_the_field_does_not_shift(self, picture, tmp_path):
        row = run_upscaling(one_fit(picture), tmp_path)[-1]
        values = pixels(tmp_path / row["picture"]) / 255
        assert row["psnr_small_db"] > 35
        np.testing.assert_allclose(shift(values, waves()), 0, atol=0.1)  # of 4, a small pixel


class TestReduction:
    def test_area_is_the_mean(self):
        original = load_original("sample:chelsea", 64, (4,))
        means = original.values.reshape(10, 4, 16, 4, 3).mean((1, 3))
        np.testing.assert_allclose(reduced(original, 4).values, means, atol=1e-6)  # a few units in the last place

    def test_all_factors_divide_the_middle_of_the_picture(self):
        original = load_original("sample:chelsea", 61, (2, 3, 4))
        assert original.size == (36, 60)
        whole = upscaling.load_image("sample:chelsea", size=61)
        assert whole.size == (41, 61)
        np.testing.assert_array_equal(original.values, whole.values[2:38, :60])

    def test_a_small_picture_is_not_enlarged(self, picture):
        assert load_original(picture, 1000, (2,)).size == (HEIGHT, WIDTH)


class TestRows:
    def test_figures_are_those_of_the_pictures(self, picture, tmp_path):
        rows = run_upscaling(one_fit(picture, factors=(2, 4), steps=20, reduction="lanczos"), tmp_path)
        assert [(row["factor"], row["method"]) for row in rows] == [
            (factor, method) for factor in (2, 4) for method in ("bicubic", "lanczos", "siren_256")
        ]
        original = load_original(picture, WIDTH, (4,))
        small = reduced(original, 2, "lanczos")
        assert rows[0]["psnr_db"] == psnr(original.values, resampled(small.values, HEIGHT, WIDTH, "bicubic"))
        shown = pixels(tmp_path / rows[2]["picture"]).astype("float32") / 255
        assert rows[2]["psnr_db"] == pytest.approx(psnr(original.values, shown), abs=0.05)  # rounded to 8 bits
        assert rows[2]["recipe"]["steps"] == 20

    def test_a_finished_fit_is_reused(self, picture, tmp_path):
        settings = one_fit(picture, steps=5, seeds=(0, 1))
        before = run_upscaling(settings, tmp_path)[2:]
        assert before[0]["psnr_db"] != before[1]["psnr_db"]
        kept, lost, *more = sorted(tmp_path.glob("*.json"))
        assert not more
        kept.write_text(json.dumps({**read_strict(kept), "psnr_db": 99.0}))
        lost.write_text(lost.read_text()[:100])  # damaged
        lines = []
        after = run_upscaling(settings, tmp_path, lines.append)[2:]
        assert [row["psnr_db"] for row in after] == [99.0, before[1]["psnr_db"]]
        assert read_strict(lost)["psnr_db"] == before[1]["psnr_db"]
        assert [line.split(" dB")[0] for line in lines] == [
            f"waves x4 siren_256, seed {row['seed']}: {row['psnr_db']:.2f}" for row in after
        ]

    @pytest.mark.parametrize("other", [{"steps": 6}, {"seeds": (1,)}, {"reduction": "lanczos"}, {"size": 32}])
    def test_other_settings_are_other_fits(self, picture, tmp_path, other):
        run_upscaling(one_fit(picture, steps=5), tmp_path)
        first = set(tmp_path.glob("*.json"))
        run_upscaling(one_fit(picture, **{"steps": 5, **other}), tmp_path)
        assert len(set(tmp_path.glob("*.json")) - first) == 1

    def test_grey_pictures_have_grey_fields(self, tmp_path):
        row = run_upscaling(one_fit("sample:camera", size=32, steps=2, factors=(2,)), tmp_path)[-1]
        assert row["arguments"]["channels"] == 1
        assert pixels(tmp_path / row["picture"]).ndim == 2


def test_recipes_of_the_study_fit_their_presets(monkeypatch):
    monkeypatch.undo()
    for name, recipe in upscaling.RECIPES.items():
        field = upscaling.from_preset(name, **recipe.arguments(128))
        assert field.get_config().items() >= recipe.arguments(128).items()
        assert upscaling.Recipe(**recipe.training).total_steps(128 * 128) == recipe.training["steps"]


REFUSED = [
    ({"images": ()}, r"images must be different pictures, received \(\)"),
    ({"images": ("a", "a")}, r"images must be different pictures, received \('a', 'a'\)"),
    ({"factors": (2, 1)}, r"factors must be different integers from 2, received \(2, 1\)"),
    (
        {"presets": ("relu",)},
        r"presets must be different names of siren_256, multi_hash, pixel_grid, received \('relu',\)",
    ),
    ({"seeds": (-1,)}, r"seeds must be different integers from 0 to 2147483647, received \(-1,\)"),
    ({"reduction": "box"}, r"reduction must be one of \('area', 'lanczos'\), received 'box'"),
    ({"size": 0}, "size and steps must be at least 1, received 0 and None"),
    ({"steps": 0}, "size and steps must be at least 1, received 256 and 0"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED)
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        UpscalingSettings(**{"images": ("sample:chelsea",), **settings})


@pytest.mark.parametrize(
    ("image", "size", "message"),
    [
        ("absent.png", 64, "source 'absent.png' does not exist"),
        ("sample:chelsea", 16, "sample:chelsea must have at least 11 x 11 pixels that the factors .* received 11 x 16"),
    ],
)
def test_pictures_that_cannot_be(tmp_path, image, size, message):
    with pytest.raises(InputError, match=message):
        run_upscaling(one_fit(image, size=size), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
