"""What a learning rate of "auto" becomes, and when nothing is tested."""

import dataclasses

import pytest
from small_runs import make_settings

from keras_inr.errors import InputError
from keras_inr.runs import found_rate
from keras_inr.runs.found_rate import with_found_rate
from keras_inr.runs.image_fit import prepare_image_fit, run_image_fit
from keras_inr.training.rate_finder import find_learning_rate

AUTOMATIC = make_settings(recipe={"learning_rate": "auto", "steps": 5})


@pytest.fixture
def no_test(monkeypatch):
    def refuse(*given):
        raise AssertionError("a range test")

    monkeypatch.setattr(found_rate, "find_learning_rate", refuse)


def test_the_rate_of_the_run_s_own_field_picture_and_recipe():
    found = with_found_rate(AUTOMATIC)
    prepared = prepare_image_fit(make_settings(recipe={"steps": 5}))
    expected = find_learning_rate(prepared.field, prepared.signal, prepared.recipe).learning_rate
    assert found == dataclasses.replace(AUTOMATIC, recipe={**AUTOMATIC.recipe, "learning_rate": expected})


@pytest.mark.parametrize("recipe", [{}, {"learning_rate": 0.003}])
def test_a_number_stays(no_test, recipe):
    settings = make_settings(recipe=recipe)
    assert with_found_rate(settings) is settings


def test_a_run_that_is_resumed_keeps_its_number(no_test, tmp_path):
    run_image_fit(prepare_image_fit(make_settings(recipe={"steps": 5, "learning_rate": 0.25})), tmp_path / "run")
    assert with_found_rate(AUTOMATIC, tmp_path / "run", resume=True).recipe["learning_rate"] == 0.25
    with pytest.raises(AssertionError, match="a range test"):  # anew
        with_found_rate(AUTOMATIC, tmp_path / "run", overwrite=True)
    with pytest.raises(AssertionError, match="a range test"):  # there is none yet
        with_found_rate(AUTOMATIC, tmp_path / "other", resume=True)


def test_what_is_wrong_is_told_before_the_test(no_test, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="is not empty and holds no run"):
        with_found_rate(AUTOMATIC, tmp_path)
    with pytest.raises(InputError, match=r"freeze must name some of the layers .* received 'tanh'"):
        with_found_rate(make_settings(recipe={"learning_rate": "auto", "freeze": "tanh"}))


def test_a_loss_that_never_falls_is_told(monkeypatch):
    def fail(*given):
        raise ValueError("learning_rate cannot be found: give a number")

    monkeypatch.setattr(found_rate, "find_learning_rate", fail)
    with pytest.raises(InputError, match="learning_rate cannot be found: give a number"):
        with_found_rate(AUTOMATIC)
