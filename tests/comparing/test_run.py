"""Comparisons of tiny networks: every fit, resumed, with a network of one's own, by steps and by seconds."""

import csv
import json
import sys
import types
import warnings

import numpy as np
import pytest
from PIL import Image

import keras_inr
from keras_inr.comparing import Budget, Comparison, Variant, results, run_comparison
from keras_inr.comparing.plan import read_variants
from keras_inr.errors import InputError, RecipeWarning
from keras_inr.training.fitting import fit

MINE = '''
import keras
from keras_inr.models.field import Field
from keras_inr.models.preset import Preset, PresetInfo


@keras.saving.register_keras_serializable(package="compared")
class Tanh(Field):
    """Layers of tanh.

    Args:
        units: widths.
        channels, picture_size, num_fields, seed: see `Field`.
    """

    def __init__(self, units: tuple[int, ...] = (8,), **kwargs):
        super().__init__(**kwargs)
        self.units = tuple(units)
        self.set_stack([*(keras.layers.Dense(n, "tanh") for n in self.units), keras.layers.Dense(self.channels)])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


PRESETS = (Preset(PresetInfo("compared_tanh", 51, "tanh", "a test"), Tanh, {}),)
'''
SMALL = {"units": (8, 8)}
PICTURES = ["sample:chelsea", "sample:coffee"]


def compare(folder, *variants, pictures=PICTURES, resume=False, **options):
    comparison = Comparison(variants, **{"image_options": {"size": 24}, "budget": Budget(steps=10), **options})
    return run_comparison(keras_inr.list_pictures(pictures), comparison, folder, resume, progress=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    (folder / "mine.py").write_text(MINE)
    keras_inr.presets.load_module(folder / "mine.py")
    variants = [Variant("siren", "siren", SMALL), Variant("relu", "relu", SMALL), Variant("mine", "compared_tanh")]
    return compare(folder / "run", *variants, seeds=(0, 1))


def test_every_fit_is_a_line(made):
    folder, rows = made
    with (folder / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(rows) == 3 * 2 * 2
    assert {(line["variant"], line["name"], line["seed"]) for line in lines} == {
        (variant, name, seed)
        for variant in ("siren", "relu", "mine")
        for name in ("chelsea", "coffee")
        for seed in "01"
    }
    for line in lines:
        assert line["status"] == "fitted"
        assert line["steps"] == "10"
        assert float(line["ms_ssim"]) <= 1
        assert line["lpips"] == ""
        assert int(line["pictures_together"]) == (1 if line["variant"] == "mine" else 2)


def test_a_fit_is_that_of_fit_alone(made):
    _, rows = made
    (row,) = [r for r in rows if (r["variant"], r["name"], r["seed"]) == ("siren", "coffee", 1)]
    signal = keras_inr.load_image("sample:coffee", size=24)
    field = keras_inr.from_preset("siren", **SMALL, channels=3, seed=1)
    result = fit(field, signal, steps=10, seed=1, progress=False)
    assert row["psnr_db"] == pytest.approx(result.psnr_db, abs=1e-3)


def test_what_it_leaves(made):
    folder, rows = made
    table = (folder / "table.md").read_text()
    best = max(json.loads((folder / "summary.json").read_text()), key=lambda each: each["psnr_db"])
    assert table.splitlines()[2].startswith(f"| `{best['variant']}` |")
    assert "10 steps for each fit" in table
    assert r"\begin{tabular}" in (folder / "table.tex").read_text()
    assert (folder / "curves.pdf").read_bytes().startswith(b"%PDF")
    for name in ("curves.png", "crops.png"):
        with Image.open(folder / name) as picture:
            assert picture.width > 300
    place = folder / "fits" / "mine" / "seed-1" / rows[-1]["model"]
    assert keras_inr.models.field_files.read_field(place).units == (8,)


def test_finished_fits_are_not_made_again(made, monkeypatch):
    folder, rows = made
    comparison = Comparison(
        [Variant("siren", "siren", SMALL), Variant("relu", "relu", SMALL), Variant("mine", "compared_tanh")],
        (0, 1),
        Budget(steps=10),
        image_options={"size": 24},
    )

    def never(tasks, plan, should_stop):
        assert list(tasks) == []
        yield from ()

    pictures = keras_inr.list_pictures(PICTURES)
    _, again = run_comparison(pictures, comparison, folder, True, never, never, progress=False)
    assert again == rows
    with pytest.raises(InputError, match="holds a run with other settings"):
        compare(folder, Variant("siren", "siren", SMALL), resume=True)


@pytest.mark.slow
def test_seconds_become_steps(tmp_path):
    folder, rows = compare(tmp_path / "run", Variant("siren", "siren", SMALL), budget=Budget(seconds=0.2))
    pilot = json.loads((folder / "pilots" / "siren.json").read_text())
    assert {row["steps"] for row in rows} == {pilot["steps"]}
    assert {row["pictures_together"] for row in rows} == {1}


@pytest.mark.slow
def test_rates_are_swept_alike(tmp_path):
    options = {"sweep_rates": (1e-5, 1e-2), "budget": Budget(steps=40)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecipeWarning)  # of rates that are tried on purpose
        _, rows = compare(tmp_path / "run", Variant("siren", "siren", SMALL), **options)
    assert {row["learning_rate"] for row in rows} == {1e-2}


@pytest.mark.slow
def test_weights_of_the_budget(tmp_path):
    _, rows = compare(tmp_path / "run", Variant("siren", "siren"), budget=Budget(steps=2, parameters=1000))
    assert all(abs(row["num_parameters"] - 1000) < 100 for row in rows)


def test_a_picture_that_cannot_be_read_is_a_line(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    pictures = ["sample:chelsea", str(tmp_path / "broken.png")]
    folder, rows = compare(tmp_path / "run", Variant("siren", "siren", SMALL), pictures=pictures)
    assert [row["status"] for row in rows] == ["fitted", "failed"]
    assert "(1 failed)" in (folder / "table.md").read_text()
    with pytest.raises(InputError, match="the first picture cannot be read"):
        compare(tmp_path / "other", Variant("siren", "siren", SMALL), pictures=pictures[::-1])


def test_lpips_where_it_is_installed(tmp_path, monkeypatch):
    pytest.importorskip("torch")

    class Lpips:
        def __init__(self, net, verbose):
            assert net == "alex"

        def __call__(self, target, prediction):
            assert target.shape == prediction.shape == (1, 3, 16, 24)
            return (target - prediction).abs().mean()

    module = types.ModuleType("lpips")
    module.LPIPS, module.__spec__ = Lpips, True
    monkeypatch.setitem(sys.modules, "lpips", module)
    monkeypatch.setattr(results.importlib.util, "find_spec", lambda name: True)
    _, rows = compare(tmp_path / "run", Variant("siren", "siren", SMALL), pictures=PICTURES[:1])
    assert 0 < rows[0]["lpips"] < 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Variant("a/b", "siren"), "names of variants must be letters"),
        (lambda: Variant("a", "sirens"), "preset must be one of"),
        (lambda: Variant("a", "siren", {"unit": 3}), "'unit' is not an argument of preset 'siren'"),
        (lambda: Variant("a", "siren", recipe={"steps": 3}), "must leave steps to the comparison"),
        (lambda: Comparison([]), "variants must be one at least"),
        (lambda: Comparison([Variant("a", "siren")] * 2), "each with a name of its own"),
        (lambda: Comparison([Variant("a", "siren")], seeds=(1, 1)), "seeds must be one at least, each once"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_variants_of_a_file(tmp_path):
    path = tmp_path / "variants.json"
    path.write_text('{"wide": {"preset": "siren", "arguments": {"units": [16, 16]}, "recipe": {"learning_rate": 0.1}}}')
    assert read_variants(path) == [Variant("wide", "siren", {"units": (16, 16)}, {"learning_rate": 0.1})]
    for text, message in (("[", "must be a JSON file"), ('{"a": 3}', "object of objects"), ('{"a": {}}', "must have")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_variants(path)


@pytest.mark.slow
def test_grey_pictures_have_crops(tmp_path):
    Image.fromarray(np.arange(900, dtype=np.uint8).reshape(30, 30)).save(tmp_path / "grey.png")
    folder, _ = compare(tmp_path / "run", Variant("siren", "siren", SMALL), pictures=[str(tmp_path / "grey.png")])
    assert (folder / "crops.png").is_file()
