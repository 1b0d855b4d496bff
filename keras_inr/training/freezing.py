"""Layers that a fit leaves as they are."""

import contextlib
import fnmatch
from collections.abc import Iterable, Iterator

import keras

from keras_inr.errors import InputError
from keras_inr.models.field import Field


def frozen_layers(field: Field, freeze: str | None, argument_name: str = "freeze") -> list[keras.Layer]:
    """The layers of a field that stay as they are in a fit, first to last.

    Args:
        field: a `Field`.
        freeze: None, or names of layers with weights, with commas between them; *, ? and [] stand for parts of names
            as in names of files.
        argument_name: what messages call `freeze`.

    Raises:
        InputError: for a name that no layer with weights has, or if nothing is left to be trained.

    >>> from keras_inr.models import Siren
    >>> [layer.name for layer in frozen_layers(Siren(units=(8, 8, 8)), "sine_[01]")]
    ['sine_0', 'sine_1']
    """
    if freeze is None:
        return []
    layers = [layer for layer in field.named_layers if layer.weights]
    names = [layer.name for layer in layers]
    patterns = [pattern.strip() for pattern in freeze.split(",")]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise InputError(f"{argument_name} must name some of the layers {', '.join(names)}, received {pattern!r}")
    chosen = [layer for layer in layers if any(fnmatch.fnmatchcase(layer.name, pattern) for pattern in patterns)]
    if not any(layer.trainable_weights for layer in layers if layer not in chosen):
        raise InputError(
            f"{argument_name} must leave one of the layers {', '.join(names)} to be trained, received {freeze!r}"
        )
    return chosen


@contextlib.contextmanager
def frozen(field: Field, freeze: str | None) -> Iterator[None]:
    """Keeps layers out of what is trained for as long as the context lasts; takes and raises as `frozen_layers`.

    Their weights are in no optimizer, so that neither momentum nor weight decay moves them. A model must be compiled
    inside the context; a field that was is no longer compiled after it, since a file with an optimizer of some of the
    weights could not be loaded.

    >>> from keras_inr.models import Siren
    >>> field = Siren(units=(8, 8))
    >>> with frozen(field, "sine_0"):
    ...     inside = len(field.trainable_weights)
    >>> inside, len(field.trainable_weights)
    (4, 6)
    """
    with layers_frozen(field, frozen_layers(field, freeze)):
        yield


@contextlib.contextmanager
def layers_frozen(model: keras.Model, layers: Iterable[keras.Layer]) -> Iterator[None]:
    """As `frozen`, for a model and layers of it that are given themselves."""
    layers = [layer for layer in layers if layer.trainable]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer in layers:
            layer.trainable = True
        if layers:
            model.compiled, model.optimizer = False, None
