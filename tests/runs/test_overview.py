"""Runs side by side."""

import fcntl

import pytest
from PIL import Image
from small_runs import CROP, make_settings, run_planned

from keras_inr.errors import InputError
from keras_inr.runs import overview


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for name, seed in (("0001", 0), ("0002", 1)):
        run_planned(make_settings(recipe={"seed": seed, "steps": 20}, tensorboard=True), root / name)
    (root / "notes").mkdir()
    (root / "damaged").mkdir()
    (root / "damaged" / "run.json").write_text("{")
    return root


def test_runs_are_listed(runs):
    first, second = overview.list_runs(runs)
    assert [first.folder.name, second.folder.name] == ["0001", "0002"]
    assert (first.kind, first.preset, first.steps, first.finished) == ("fit", "siren", 20, True)
    assert first.image == "sample:chelsea"
    assert first.psnr_db == overview.metrics_of(first.folder)["psnr_db"]
    assert first.size == sum(path.stat().st_size for path in first.folder.rglob("*") if path.is_file())


def test_settings_that_differ(runs):
    assert overview.differing_settings(runs / "0001", runs / "0001") == {}
    assert overview.differing_settings(runs / "0001", runs / "0002") == {"seed": (0, 1)}
    with pytest.raises(InputError, match=r"runs must be folders of runs, received .*notes"):
        overview.differing_settings(runs / "0001", runs / "notes")


def test_pictures_beside_each_other(runs, tmp_path):
    overview.save_beside(runs / "0001", runs / "0002", tmp_path / "beside.png")
    with Image.open(tmp_path / "beside.png") as picture:
        assert picture.width > 3 * CROP["crop"][3]
    with pytest.raises(InputError, match="has no reconstruction"):
        overview.save_beside(runs / "0001", runs / "notes", tmp_path / "beside.png")


def test_what_can_be_made_again_is_removed(runs):
    place = runs / "0002"
    kept = {path.name for path in place.iterdir()} - set(overview.AGAIN)
    with open(place / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is at work"):
            overview.remove_again(place)
    before = overview.run_facts(place).size
    freed = overview.remove_again(place)
    assert freed > 0
    assert overview.run_facts(place).size == before - freed
    assert {path.name for path in place.iterdir()} == kept
    assert overview.remove_again(place) == 0


def test_a_run_that_is_not_finished_keeps_what_it_needs(runs):
    with pytest.raises(InputError, match="is not a finished run of one picture"):
        overview.removable(runs / "damaged")
    metrics = runs / "0001" / "metrics.json"
    content = metrics.read_bytes()
    metrics.unlink()
    try:
        with pytest.raises(InputError, match="is not a finished run of one picture"):
            overview.remove_again(runs / "0001")
        assert (runs / "0001" / "checkpoints").is_dir()
        assert not overview.run_facts(runs / "0001").finished
    finally:
        metrics.write_bytes(content)
