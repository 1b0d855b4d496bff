"""Which points of a picture a step sees: batches as a pure function of (seed, step)."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_inr.coordinates import pixel_coords, point_coords
from keras_inr.errors import InputError
from keras_inr.signals._mask import num_counting, weights_of
from keras_inr.training.recipe import Recipe

FEISTEL_ROUNDS = 4
"""Of which 3 pass the statistical tests of the permutations and 2 do not."""

TICKETS = 2**24
"""How many lots a pixel of weight 1 has where pixels are drawn by their weights: as fine as float32."""


class Pixels(Protocol):
    """What is sampled, such as an `ImageSignal`."""

    @property
    def values(self) -> np.ndarray:
        """(height, width, channels)."""


class Targets(Protocol):
    """What takes the place of the values, such as an `Objective`."""

    def table(self) -> np.ndarray:
        """(height * width, T), a row for each pixel."""

    def split(self, rows: tf.Tensor) -> Any:
        """Rows (N, T) of the table, or interpolated between them, as the model's targets."""


class BatchSource(Protocol):
    """What a model is fitted to step by step, such as a `Sampler`."""

    def dataset(self, first: int, last: int) -> tf.data.Dataset:
        """The batches of the steps first ... last - 1."""


class Sampler:
    """Batches of coordinates and targets of a picture.

    Of a signal with weights, pixels of weight 0 are in no batch. "random" draws the others in proportion to their
    weights; "shuffled" and "full" take each of them alike, and where their weights differ a third tensor follows, that
    of the weights over their mean, Keras's sample_weight. Either way the loss is the weighted mean of the pixels'
    errors: of each batch under "full", else in the mean of the batches.

    Args:
        signal: an `ImageSignal`, or anything with values (height, width, channels).
        recipe: a `Recipe`; its sampling, batch_size and seed are used.
        dtype: "float32" or "float64", of coords and targets.
        objective: an `Objective`, whose targets take the place of the values.

    >>> from keras_inr.signals import load_image
    >>> from keras_inr.training.recipe import Recipe
    >>> sampler = Sampler(load_image("sample:camera"), Recipe(steps=1, batch_size=10))
    >>> [tensor.shape for tensor in sampler.batch(0)]
    [TensorShape([10, 2]), TensorShape([10, 1])]
    """

    def __init__(
        self, signal: Pixels, recipe: Recipe, dtype: str = "float32", objective: Targets | None = None
    ) -> None:
        self.height, self.width = signal.values.shape[:2]
        check_mask(signal, recipe)
        self.num_pixels = num_counting(signal)
        self.points = recipe.points_per_step(self.num_pixels)
        self.seed = recipe.seed
        self.dtype = dtype
        table = signal.values.reshape(self.height * self.width, -1) if objective is None else objective.table()
        self.table = tf.convert_to_tensor(table, dtype=dtype)
        self.split = (lambda rows: rows) if objective is None else objective.split
        whole = recipe.sampling == "full" or (recipe.batch_size == 0 and recipe.sampling != "continuous")
        self._keep_weights(weights_of(signal), by_lot=recipe.sampling == "random" and not whole)
        self.batch = self.full if whole else getattr(self, recipe.sampling)
        self.everything: Any = self.at_pixels(tf.range(self.num_pixels)) if whole else None

    def _keep_weights(self, weights: np.ndarray | None, by_lot: bool) -> None:
        """Makes tables of the pixels that take part, and of how much they count."""
        self.places = self.last_tickets = self.sample_weights = None
        if weights is None:
            return
        flat = weights.reshape(-1)
        if self.num_pixels < flat.size:
            self.places = tf.convert_to_tensor(np.flatnonzero(flat), "int32")
        flat = flat[flat > 0].astype("float64")
        if np.all(flat == flat[0]):
            return
        if by_lot:
            tickets = np.maximum(np.rint(flat / flat.max() * TICKETS), 1).astype("int64")
            self.last_tickets = tf.convert_to_tensor(np.cumsum(tickets))
        else:
            self.sample_weights = tf.convert_to_tensor(flat / flat.mean(), self.dtype)

    def dataset(self, first: int, last: int) -> tf.data.Dataset:
        """A `tf.data.Dataset` of the batches of the steps first ... last - 1."""
        return batches(self.batch, first, last)

    def full(self, step: tf.Tensor) -> tuple[Any, ...]:
        """All pixels in row-major order."""
        return self.everything

    def random(self, step: tf.Tensor) -> tuple[Any, ...]:
        """Pixels drawn with replacement, uniformly or in proportion to their weights."""
        seed = tf.stack([tf.cast(self.seed, "int64"), tf.cast(step, "int64")])
        if self.last_tickets is not None:
            drawn = tf.random.stateless_uniform([self.points], seed, 0, self.last_tickets[-1], dtype="int64")
            return self.at_pixels(tf.searchsorted(self.last_tickets, drawn, side="right"))
        return self.at_pixels(tf.random.stateless_uniform([self.points], seed, 0, self.num_pixels, dtype="int32"))

    def shuffled(self, step: tf.Tensor) -> tuple[Any, ...]:
        """The next pixels of the epoch's own permutation; what does not fill a batch at its end is left out."""
        steps_per_epoch = max(1, self.num_pixels // self.points)
        epoch, batch = tf.cast(step, "int64") // steps_per_epoch, tf.cast(step, "int64") % steps_per_epoch
        position = tf.cast(batch, "int32") * self.points + tf.range(self.points)
        seed = tf.stack([tf.cast(self.seed, "int64"), epoch])
        return self.at_pixels(permuted(position, seed, self.num_pixels))

    def continuous(self, step: tf.Tensor) -> tuple[Any, ...]:
        """Points uniform over the picture; targets are bilinear between pixel centres, constant beyond the outer ones.

        Source: pugh_torch's experiments/siren; different from it, the half pixel outside the outermost centres counts
        as picture.
        """
        seed = tf.stack([tf.cast(self.seed, "int64"), tf.cast(step, "int64")])
        unit = tf.random.stateless_uniform([self.points, 2], seed, dtype=self.dtype)
        size = tf.constant([self.width, self.height], self.dtype)
        pixel = tf.clip_by_value(unit * size - 0.5, 0.0, size - 1)  # in pixels from the first centre, (x, y)
        lower = tf.floor(pixel)
        fraction = pixel - lower
        lower = tf.cast(lower, "int32")
        upper = tf.minimum(lower + 1, tf.constant([self.width - 1, self.height - 1]))

        def row(y):
            left, right = (tf.gather(self.table, y * self.width + x[:, 0]) for x in (lower, upper))
            return left + fraction[:, :1] * (right - left)

        above, below = row(lower[:, 1]), row(upper[:, 1])
        coords = point_coords(unit * size, self.height, self.width)
        return coords, self.split(above + fraction[:, 1:] * (below - above))

    def at_pixels(self, number: tf.Tensor) -> tuple[Any, ...]:
        """Coordinates, targets and, where there are any, weights of the pixels that take part, by their numbers."""
        index = number if self.places is None else tf.gather(self.places, number)
        coords = pixel_coords(index // self.width, index % self.width, self.height, self.width, self.dtype)
        batch = coords, self.split(tf.gather(self.table, index))
        return batch if self.sample_weights is None else (*batch, tf.gather(self.sample_weights, number))


def check_mask(signal: Pixels, recipe: Recipe) -> None:
    """Raises an InputError for a picture with a mask that the recipe cannot fit.

    >>> from keras_inr.signals import load_image
    >>> from keras_inr.training.recipe import Recipe
    >>> signal = load_image(np.ones((2, 2)), mask=np.eye(2))
    >>> check_mask(signal, Recipe(steps=1, sampling="continuous"))
    Traceback (most recent call last):
    keras_inr.errors.InputError: sampling must not be 'continuous' for a picture with a mask, between whose pixels \
nothing is known: take 'random', 'shuffled' or 'full'
    """
    if weights_of(signal) is None:
        return
    if recipe.sampling == "continuous":
        told = "for a picture with a mask, between whose pixels nothing is known"
        raise InputError(f"sampling must not be 'continuous' {told}: take 'random', 'shuffled' or 'full'")
    if recipe.supervise != "value":
        told = "for a picture with a mask, whose derivatives are not known"
        raise InputError(f"supervise must be 'value' {told}, received {recipe.supervise!r}")


def check_unmasked(signals: Iterable[Pixels], what: str) -> None:
    """Raises an InputError where a picture has a mask and only whole ones can be fitted.

    >>> from keras_inr.signals import load_image
    >>> check_unmasked([load_image(np.ones((2, 2)), mask=np.eye(2))], "many fields")
    Traceback (most recent call last):
    keras_inr.errors.InputError: signals must have no mask for many fields, received one with weights; fit takes it
    """
    if any(weights_of(signal) is not None for signal in signals):
        raise InputError(f"signals must have no mask for {what}, received one with weights; fit takes it")


def batches(batch: Callable[[tf.Tensor], Any], first: int, last: int) -> tf.data.Dataset:
    """A `tf.data.Dataset` of what a function of the step gives for first ... last - 1."""
    options = tf.data.Options()
    options.autotune.enabled = False  # nothing to tune, and its thread can keep the end of a run waiting for 10 s
    batch = tf.autograph.experimental.do_not_convert(batch)  # there is nothing to convert, and it takes a while
    steps = tf.data.Dataset.range(first, last).map(batch, num_parallel_calls=1, deterministic=True)
    return steps.prefetch(2).with_options(options)


def permuted(index: tf.Tensor, seed: tf.Tensor, size: int) -> tf.Tensor:
    """Where a random permutation of range(size) takes indices.

    A Feistel network on the rows and columns of a raster of at least `size` cells, with random tables for round
    functions (Luby and Rackoff 1988); what lands beyond the end walks on (Black and Rogaway 2002).
    `tf.random.experimental.index_shuffle` would do the same, but of a picture's pixels it knows only 256 to 1024
    permutations.

    Args:
        index: int32 tensor, in [0, size).
        seed: integer tensor (2,), the permutation's.
        size: int.

    >>> sorted(permuted(tf.range(5), (0, 1), 5).numpy().tolist())
    [0, 1, 2, 3, 4]
    """
    rows = math.isqrt(size - 1) + 1
    columns = -(-size // rows)
    draws = tf.random.stateless_uniform([2 * FEISTEL_ROUNDS, rows], seed, 0, 2**30, dtype="int32")
    tables = tf.unstack(draws)

    def permute(cell):
        row, column = cell // columns, cell % columns
        for of_row, of_column in zip(tables[::2], tables[1::2], strict=True):
            column = (column + tf.gather(of_row, row)) % columns
            row = (row + tf.gather(of_column, column)) % rows
        return row * columns + column

    def walk(cell):
        return [tf.where(cell < size, cell, permute(cell))]

    return tf.while_loop(lambda cell: tf.reduce_any(cell >= size), walk, [permute(index)])[0]
