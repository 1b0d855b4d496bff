"""Blend runs: where a region goes, what a folder holds, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from keras_inr.errors import InputError
from keras_inr.runs.blend_run import BlendPlan, placed, plan_blend, run_blend
from keras_inr.training.recipe import Recipe

SMALL = {"target": "sample:coffee", "target_size": 24, "preset": "siren_256", "progress": False}
SMALL["arguments"] = {"units": (16, 16)}
RECIPE = Recipe(steps=20, batch_size=128, optimizer="muon")
CLONE = {**SMALL, "source": "sample:chelsea", "source_size": 16, "region": (1, 2, 8, 10), "at": (3, 5)}


class TestPlaced:
    TARGET, SOURCE = np.zeros((6, 8, 1)), np.arange(20.0).reshape(4, 5, 1)

    def test_a_region_at_its_place(self):
        values, inside = placed(self.TARGET, self.SOURCE, region=(1, 2, 2, 3), at=(3, 4))
        expected = np.zeros((6, 8))
        expected[3:5, 4:7] = self.SOURCE[1:3, 2:5, 0]
        np.testing.assert_array_equal(values[..., 0], expected)
        np.testing.assert_array_equal(inside, expected > 0)

    def test_what_lies_outside_of_the_target_is_left_out(self):
        values, inside = placed(self.TARGET, self.SOURCE, at=(-1, 6))
        np.testing.assert_array_equal(values[:3, 6:, 0], self.SOURCE[1:, :2, 0])
        assert inside.sum() == 6

    def test_an_ellipse_touches_the_sides(self):
        inside = placed(np.zeros((9, 11, 1)), np.ones((9, 11, 1)), shape="ellipse")[1]
        assert inside[4].all()
        assert inside[:, 5].all()
        assert not inside[0, 0]
        np.testing.assert_array_equal(inside, inside[::-1, ::-1])

    def test_a_mask_takes_the_place_of_the_shape(self):
        mask = np.eye(4, 5, dtype=bool)
        inside = placed(self.TARGET, self.SOURCE, mask, at=(1, 1), shape="ellipse")[1]
        np.testing.assert_array_equal(inside[1:5, 1:6], mask)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"region": (2, 0, 3, 1)}, r"region must lie inside the source, \(4, 5\), received \(2, 0, 3, 1\)"),
            ({"region": (-1, 0, 3, 1)}, r"received \(-1, 0, 3, 1\)"),
            ({"region": (0, 0, 0, 1)}, r"received \(0, 0, 0, 1\)"),
            ({"at": (6, 0)}, r"at must place the region inside the target, \(6, 8\), received \(6, 0\)"),
            ({"at": (0, -5)}, r"received \(0, -5\)"),
        ],
    )
    def test_bad_places(self, arguments, message):
        with pytest.raises(InputError, match=message):
            placed(self.TARGET, self.SOURCE, **arguments)


class TestRun:
    @pytest.mark.parametrize(
        ("settings", "alone"),
        [(CLONE, False), ({**SMALL, "kind": "gradient"}, True), ({**SMALL, "kind": "laplacian"}, True)],
    )
    def test_leaves_pictures_model_and_figures(self, tmp_path, settings, alone):
        folder, metrics = run_blend(plan_blend(BlendPlan(recipe=RECIPE, **settings)), tmp_path / "run")
        names = {"blend.png", "direct.png", "field.png", "comparison.png", "model.keras", "metrics.json", "run.json"}
        names |= set() if alone else {"paste.png"}
        assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == names
        with Image.open(folder / "blend.png") as picture:
            assert picture.size == (24, 16)
        assert json.loads((folder / "metrics.json").read_text()) == json.loads(json.dumps(metrics))
        assert metrics["agreement_db"] > 5

    def test_what_is_pasted_are_the_source_s_pixels(self, tmp_path):
        planned = plan_blend(BlendPlan(recipe=RECIPE, **CLONE))
        changed = np.any(planned.paste != planned.edit.objective.targets["values"], axis=-1)
        assert changed.sum() == 80
        assert changed[3:11, 5:15].all()

    def test_outside_of_the_region_the_target_stays_to_the_bit(self, tmp_path):
        planned = plan_blend(BlendPlan(recipe=RECIPE, **CLONE, feather=2.0))
        folder, _ = run_blend(planned, tmp_path / "run")
        target = np.round(planned.target * 255).astype("uint8")
        blend, direct, field = (np.asarray(Image.open(folder / f"{name}.png")) for name in ("blend", "direct", "field"))
        assert planned.inside.sum() == 80
        for picture in (blend, direct):
            np.testing.assert_array_equal(picture[~planned.inside], target[~planned.inside])
            assert np.any(picture[planned.inside] != target[planned.inside])
        np.testing.assert_array_equal(blend[4:10, 6:14], field[4:10, 6:14])  # two pixels from the edge on

    def test_the_target_has_a_mask(self, tmp_path):
        allowed = np.zeros((400, 600), "uint8")  # as large as the file
        allowed[:, :300] = 255
        Image.fromarray(allowed).save(tmp_path / "sky.png")
        planned = plan_blend(BlendPlan(recipe=RECIPE, **CLONE, target_mask=str(tmp_path / "sky.png")))
        whole = plan_blend(BlendPlan(recipe=RECIPE, **CLONE))
        expected = whole.inside.copy()
        expected[:, 12:] = False
        np.testing.assert_array_equal(planned.inside, expected)
        assert planned.identity["target_mask_sha256"] != planned.identity["target_sha256"]

    def test_known_values_count_as_asked_beside_a_laplacian(self):
        settings = {**SMALL, "kind": "laplacian", "recipe": RECIPE}
        plain, heavy = (plan_blend(BlendPlan(**settings, values_weight=weight)) for weight in (1.0, 3.0))
        factors, heavier = (blend.edit.objective.loss_weights for blend in (plain, heavy))
        assert heavier == pytest.approx({**factors, "values": 3 * factors["values"]})

    def test_an_exact_agreement_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr("keras_inr.runs.blend_run.agreement_db", lambda edit, prediction: float("inf"))
        folder, metrics = run_blend(plan_blend(BlendPlan(recipe=RECIPE, **SMALL, kind="gradient")), tmp_path / "run")
        assert metrics["agreement_db"] is None
        assert (folder / "comparison.png").exists()

    def test_a_folder_with_a_run_is_kept(self, tmp_path):
        planned = plan_blend(BlendPlan(recipe=RECIPE, **SMALL, kind="gradient"))
        run_blend(planned, tmp_path / "run")
        with pytest.raises(InputError, match="holds a run already"):
            run_blend(planned, tmp_path / "run")


def test_what_run_json_has_of_a_recipe():
    """As ever since there are blends: what flags give, and beside it only what is not the default."""
    of_flags = {"steps": 20, "batch_size": 128, "learning_rate": 0.001, "optimizer": "muon", "seed": 0}
    assert list(BlendPlan(recipe=RECIPE, **CLONE).identity["recipe"].items()) == list(of_flags.items())
    clipped = dataclasses.replace(RECIPE, clip_norm=2.0)
    assert BlendPlan(recipe=clipped, **CLONE).identity["recipe"] == {**of_flags, "clip_norm": 2.0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**SMALL}, "give source, or bring the target back from its gradient or its Laplacian"),
        ({**SMALL, "kind": "poisson"}, "kind must be one of .*, received 'poisson'"),
        (
            {**CLONE, "kind": "gradient"},
            r"source must be left out to bring a picture back .*, received 'sample:chelsea'",
        ),
        ({**SMALL, "kind": "gradient", "mixed": True}, "mixed must be left out .* from its gradient, received True"),
        ({**SMALL, "kind": "laplacian", "region": (0, 0, 2, 2)}, r"region must be left out .* received \(0, 0, 2, 2\)"),
        ({**SMALL, "kind": "gradient", "values_weight": 2.0}, r"values_weight must be left out .* received 2\.0"),
        ({**SMALL, "kind": "gradient", "shape": "ellipse"}, "shape must be left out .* received 'ellipse'"),
        ({**SMALL, "kind": "laplacian", "at": (1, 0)}, r"at must be left out .* received \(1, 0\)"),
        ({**CLONE, "values_weight": 0.0}, r"values_weight must be positive, received 0\.0"),
        (
            {**CLONE, "mask": "sample:camera"},
            r"mask must be as large as the picture that it is of, \(300, 451\), .* \(11, 16\), received \(512, 512\)",
        ),
        ({**CLONE, "target_mask": "sample:camera"}, r"target_mask must be as large as .* received \(512, 512\)"),
        ({**SMALL, "kind": "gradient", "feather": 2.0}, r"feather must be left out .* received 2\.0"),
        ({**CLONE, "feather": -1.0}, r"feather must be pixels, from 0 on, received -1\.0"),
        ({**CLONE, "target": "sample:camera"}, "source must have the target's 1 channels, or one, received 3"),
        ({**SMALL, "kind": "laplacian", "preset": "relu"}, "a Laplacian needs a field with second derivatives"),
        ({**SMALL, "kind": "gradient", "rule": "roberts"}, "received 'roberts'"),
        ({**SMALL, "kind": "gradient", "preset": "nerf"}, "received 'nerf'"),
    ],
)
def test_bad_input(settings, message):
    with pytest.raises(InputError, match=message):
        plan_blend(BlendPlan(recipe=RECIPE, **settings))
