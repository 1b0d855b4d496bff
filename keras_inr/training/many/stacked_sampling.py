"""Batches for K pictures at once."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from keras_inr.signals.image import ImageSignal
from keras_inr.training.recipe import Recipe
from keras_inr.training.sampling import Sampler, batches


class StackedSampler:
    """Batches of coordinates (K, N, 2), or (N, 2) where all pixels are taken, and targets (K, N, C).

    Those of picture k are what `Sampler` draws for it.

    Args:
        signals: K signals; of one size where all pixels are taken.
        recipe: a `Recipe`; its sampling and batch_size are used.
        seeds: K seeds of the batches.
        dtype: "float32" or "float64".

    >>> from keras_inr.signals import load_image
    >>> from keras_inr.training.recipe import Recipe
    >>> signals = [load_image("sample:camera", size=size) for size in (20, 30)]
    >>> sampler = StackedSampler(signals, Recipe(steps=1, batch_size=10), seeds=(0, 1))
    >>> [tensor.shape for tensor in sampler.batch(0)]
    [TensorShape([2, 10, 2]), TensorShape([2, 10, 1])]
    """

    def __init__(
        self, signals: Sequence[ImageSignal], recipe: Recipe, seeds: Sequence[int], dtype: str = "float32"
    ) -> None:
        recipes = [dataclasses.replace(recipe, seed=seed) for seed in seeds]
        self.samplers = [Sampler(signal, own, dtype) for signal, own in zip(signals, recipes, strict=True)]
        self.everything = None
        if self.samplers[0].everything is not None:
            targets = tf.stack([sampler.everything[1] for sampler in self.samplers])
            self.everything = self.samplers[0].everything[0], targets

    def dataset(self, first: int, last: int) -> tf.data.Dataset:
        """A `tf.data.Dataset` of the batches of the steps first ... last - 1."""
        return batches(self.batch, first, last)

    def batch(self, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The batch of a step."""
        if self.everything is not None:
            return self.everything
        coords, targets = zip(*(sampler.batch(step) for sampler in self.samplers), strict=True)
        return tf.stack(coords), tf.stack(targets)
