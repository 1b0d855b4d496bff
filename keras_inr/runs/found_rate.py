"""A learning rate of "auto" in a run's settings becomes a number, by a range test, before the run begins."""

import dataclasses

from keras_inr.runs.folder import holds_run, run_identity
from keras_inr.runs.image_fit import check_image_fit, prepare_image_fit
from keras_inr.training.rate_finder import find_learning_rate
from keras_inr.training.recipe import Recipe

AUTO_RATE = "auto"


def with_found_rate(settings, out=None, resume=False, overwrite=False):
    """The settings with a number in the place of a learning rate of "auto".

    A run that is resumed keeps the number that it was started with. Every other one is checked, folder included, and
    then tested by `find_learning_rate`; nothing is written.

    Args:
        settings: `ImageFitSettings`, whose recipe may have learning_rate="auto".
        out, resume, overwrite: see `run_image_fit`.

    Raises:
        InputError: as `prepare_image_fit` and `check_image_fit`; also if the loss falls at no rate.
    """
    if settings.recipe.get("learning_rate") != AUTO_RATE:
        return settings
    if resume and out is not None and holds_run(out):
        return _with_rate(settings, run_identity(out, "learning_rate")["learning_rate"])
    prepared = prepare_image_fit(_with_rate(settings, Recipe.learning_rate))
    check_image_fit(prepared, out, resume, overwrite)
    found = find_learning_rate(prepared.field, prepared.signal, prepared.recipe)
    return _with_rate(settings, found.learning_rate)


def _with_rate(settings, rate):
    return dataclasses.replace(settings, recipe={**settings.recipe, "learning_rate": rate})
