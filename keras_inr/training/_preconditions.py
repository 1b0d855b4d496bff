"""Checks that a model can be trained where a fit is called."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_inr._arguments import as_list, local_path
from keras_inr.errors import InputError, InputTypeError


def check_preconditions(model: keras.Model, several_devices: bool = False, copied: bool = False) -> None:
    """Raises unless a model can be trained where this is called; warns where it is trained poorly.

    Args:
        model: a `Field`, or another Keras model with weights.
        several_devices: whether a `tf.distribute` strategy can share the training out.
        copied: whether what is trained is a copy of the model, made where this is called.

    Raises:
        RuntimeError: within `tf.function` or another graph.
        InputError: for a model without trainable weights or with some in float16; in the scope of a `tf.distribute`
            strategy that the model is not of; for a strategy of several devices that cannot share the training.
    """
    if not tf.executing_eagerly():
        raise RuntimeError("a fit must be called eagerly, received a call within tf.function or a tf.Graph")
    if not model.trainable_weights:
        raise InputError(f"field must have a layer to be trained, received {model.name!r} with trainable=False in all")
    check_precision(model)
    check_scope(model, several_devices, copied)


def check_callbacks(callbacks: Sequence[object], should_stop: object, checkpoint_dir: Any) -> None:
    """Raises an InputError for what would only be found at its first use."""
    if checkpoint_dir is not None:
        local_path("checkpoint_dir", checkpoint_dir)
    for callback in as_list("callbacks", callbacks):
        if not isinstance(callback, keras.callbacks.Callback):
            raise InputTypeError(f"callbacks must be keras.callbacks.Callback, received {callback!r} among them")
    if should_stop is not None and not callable(should_stop):
        raise InputTypeError(f"should_stop must be callable, received {should_stop!r}")


def check_precision(model: keras.Model) -> None:
    """Refuses weights in float16, in which gradients become 0 and roots of their squares infinite steps."""
    kept = {weight.dtype for weight in model.trainable_weights}
    if "float16" in kept:
        told = "field must keep its weights in float32: make it with dtype='mixed_float16', or set that policy before"
        raise InputError(f"{told}, received weights in 'float16'")
    if "bfloat16" in kept:
        told = "which rounds small steps away: dtype='mixed_bfloat16' keeps them in float32 and fits far better"
        warnings.warn(f"field keeps its weights in bfloat16, {told}", stacklevel=4)


def check_scope(model: keras.Model, several_devices: bool, copied: bool) -> None:
    """Refuses strategies for which TensorFlow would refuse the model's variables or batches."""
    here = tf.distribute.get_strategy()
    for strategy in (here,) if copied else (here, model.distribute_strategy):
        if strategy.num_replicas_in_sync > 1 and not several_devices:
            told = "this fit uses one device: field must be made and fitted outside the scope of a strategy of several"
            raise InputError(f"{told}, received {type(strategy).__name__}")
    if tf.distribute.has_strategy() and copied and not several_devices:
        told = "this fit must be called outside the scope of a tf.distribute strategy"
        raise InputError(f"{told}, received a call in that of {type(here).__name__}")
    made_here = here.extended.variable_created_in_scope
    if tf.distribute.has_strategy() and not copied and not all(made_here(w.value) for w in model.weights):
        told = "field must be made in the scope of the strategy in whose scope it is fitted"
        raise InputError(f"{told}, received a call in the scope of {type(here).__name__}")
