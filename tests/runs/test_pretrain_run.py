"""Runs that learn a start: the folder, resuming, and fits that start from it."""

import json
import os
import shutil
import signal as signals

import numpy as np
import pytest
from small_runs import make_settings, names, plan, run_planned

from keras_inr.errors import InputError, InterruptedRunError
from keras_inr.models import from_preset
from keras_inr.models.field_files import read_field
from keras_inr.runs.fit_run import run_image_fit
from keras_inr.runs.pretrain_run import PretrainingPlan, plan_pretraining, run_pretraining
from keras_inr.training.starts.pretraining import PretrainingRecipe

SMALL = {"units": (16, 16)}


def settings(**changes):
    options = {
        "images": ["sample:coffee", "sample:camera"],
        "preset": "siren",
        "arguments": SMALL,
        "recipe": {"method": "reptile", "steps": 6, "batch_size": 64},
        "num_crops": 4,
        "size": 12,
        "progress": False,
    }
    whole = {**options, **changes}
    return PretrainingPlan(**{**whole, "recipe": PretrainingRecipe(**whole["recipe"])})


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    return run_pretraining(plan_pretraining(settings()), tmp_path_factory.mktemp("runs") / "start")


def test_the_folder(learnt):
    folder, metrics = learnt
    files = {"model.keras", "metrics.json", "history.csv", "curves.png", "reconstruction.png", "run.json"}
    assert files <= set(names(folder))
    assert metrics == json.loads((folder / "metrics.json").read_text())
    assert metrics["pictures"] == ["coffee", "camera"]
    assert metrics["method"] == "reptile"
    assert metrics["num_parameters"] == 371
    assert read_field(folder / "model.keras").picture_size is None


def test_a_finished_run_is_only_read(learnt):
    folder, metrics = learnt
    before = (folder / "model.keras").stat().st_mtime_ns
    assert run_pretraining(plan_pretraining(settings()), folder, resume=True) == (folder, metrics)
    assert (folder / "model.keras").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="num_crops was 4 and is 5"):
        run_pretraining(plan_pretraining(settings(num_crops=5)), folder, resume=True)


@pytest.mark.slow
def test_a_fit_starts_from_it(learnt, tmp_path):
    path = str(learnt[0] / "model.keras")
    prepared = plan(make_settings(weights=path))
    start = from_preset("siren", weights=path, **SMALL)
    for ours, theirs in zip(prepared.field.get_weights(), start.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    short = make_settings(weights=path, recipe={"steps": 1, "learning_rate": 1e-12})
    folder, metrics = run_planned(short, tmp_path / "fit")
    np.testing.assert_allclose(read_field(folder / "model.keras").weights[0], start.weights[0], atol=1e-9)
    assert metrics["weights"] == path


@pytest.mark.slow
def test_a_run_from_the_same_weights_elsewhere_is_the_same_run(learnt, tmp_path):
    path = shutil.copy(learnt[0] / "model.keras", tmp_path / "moved.keras")
    for weights in (learnt[0] / "model.keras", path):
        prepared = plan(make_settings(weights=str(weights), recipe={"steps": 1}))
        run_image_fit(prepared, tmp_path / "fit", resume=True)


@pytest.mark.slow
def test_a_run_from_other_weights_is_another_run(learnt, tmp_path):
    path = str(learnt[0] / "model.keras")
    run_planned(make_settings(weights=path, recipe={"steps": 1}), tmp_path / "fit")
    with pytest.raises(InputError, match=r"holds a run with other settings: weights_sha256 was '\w+' and is None"):
        run_planned(make_settings(recipe={"steps": 1}), tmp_path / "fit", resume=True)


@pytest.mark.slow
def test_ctrl_c_keeps_the_state(tmp_path, monkeypatch):
    whole, _ = run_pretraining(plan_pretraining(settings()), tmp_path / "whole")
    asked = []

    def interrupt(*_, **__):
        asked.append(1)
        if len(asked) == 3:
            os.kill(os.getpid(), signals.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("keras_inr.training.callbacks.Recorder.on_train_batch_begin", interrupt, raising=False)
        with pytest.raises(InterruptedRunError, match="while learning"):
            run_pretraining(plan_pretraining(settings()), tmp_path / "begun")
    assert len(asked) < 6
    folder, _ = run_pretraining(plan_pretraining(settings()), tmp_path / "begun", resume=True)
    pairs = zip(*(read_field(one / "model.keras").get_weights() for one in (whole, folder)), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": ["folder:nowhere"]}, "folder 'nowhere' does not exist"),
        ({"images": ["sample:camera", "sample:dog"]}, "'sample:dog' is unknown"),
        ({"preset": "sirens"}, "preset must be one of .*'sirens'"),
        ({"recipe": {"method": "guess"}}, "method must be one of .*'guess'"),
        ({"recipe": {"method": "shared_layers", "own": "tail"}}, "received 'tail'"),
        ({"smallest": 2.0}, "smallest must be in"),
        ({"recipe": {"method": "prefit"}}, "crops must be 1 for prefit, which fits one, received 4"),
        ({"arguments": {"units": (0,)}}, "units must be"),
    ],
)
def test_bad_input(changes, message):
    with pytest.raises(InputError, match=message):
        plan_pretraining(settings(**changes))


@pytest.mark.parametrize("lost", ["model.keras", "reconstruction.png", "history.csv", "curves.png"])
def test_what_is_lost_is_made_again_and_nothing_else(learnt, tmp_path, lost):
    folder, metrics = shutil.copytree(learnt[0], tmp_path / "start"), learnt[1]
    (folder / lost).unlink()
    before = {name: (folder / name).stat().st_mtime_ns for name in names(folder)}
    assert run_pretraining(plan_pretraining(settings()), folder, resume=True) == (folder, metrics)
    after = {name: (folder / name).stat().st_mtime_ns for name in names(folder)}
    assert after == {**before, lost: after[lost]}
    if lost == "history.csv":
        assert (folder / lost).read_text() == (learnt[0] / lost).read_text()


def test_an_average_has_no_course(tmp_path):
    plan = settings(recipe={"method": "average", "steps": 3, "batch_size": 64}, num_crops=2)
    folder, metrics = run_pretraining(plan_pretraining(plan), tmp_path / "start")
    assert not {"history.csv", "curves.png"} & set(names(folder))
    before = {name: (folder / name).stat().st_mtime_ns for name in names(folder)}
    assert run_pretraining(plan_pretraining(plan), folder, resume=True) == (folder, metrics)
    assert {name: (folder / name).stat().st_mtime_ns for name in names(folder)} == before
