"""Batches: a pure function of (seed, step), spread as promised, with the picture's values at their coordinates."""

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.signals import load_image
from keras_inr.training import Recipe
from keras_inr.training.sampling import Sampler, permuted
from training.small_fits import grey_picture, small_picture

SAMPLINGS = ("random", "shuffled", "full", "continuous")
HEIGHT, WIDTH = 7, 9
PIXELS = HEIGHT * WIDTH


def sampler(signal=None, dtype="float32", **recipe):
    signal = small_picture(HEIGHT, WIDTH) if signal is None else signal
    return Sampler(signal, Recipe(**{"steps": 1, "batch_size": 20, **recipe}), dtype)


def pixels(coords, height=HEIGHT, width=WIDTH):
    """Flat pixel indices from coordinates of pixel centres: the convention's formula, solved for row and column."""
    coords, longer = np.asarray(coords, np.float64), max(height, width)
    column = (coords[:, 0] * longer + width - 1) / 2
    row = (coords[:, 1] * longer + height - 1) / 2
    # float32 coordinates of such pictures place a centre to 1e-6 of a pixel
    np.testing.assert_allclose([column, row], np.rint([column, row]), atol=1e-5)
    return (np.rint(row) * width + np.rint(column)).astype(int)


def bilinear(values, coords):
    """Reference in float64: bilinear between pixel centres, constant beyond the outer ones."""
    height, width = values.shape[:2]
    values, coords = np.asarray(values, np.float64), np.asarray(coords, np.float64)
    x = np.clip((coords[:, 0] * max(height, width) + width - 1) / 2, 0, width - 1)
    y = np.clip((coords[:, 1] * max(height, width) + height - 1) / 2, 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    s, t = (x - left)[:, None], (y - top)[:, None]
    above = (1 - s) * values[top, left] + s * values[top, right]
    below = (1 - s) * values[bottom, left] + s * values[bottom, right]
    return (1 - t) * above + t * below


def chi_square_bound(cells):
    """Five standard deviations above the mean of the chi-square statistic."""
    return cells - 1 + 5 * np.sqrt(2 * (cells - 1))


def chi_square(counts):
    expected = counts.sum() / counts.size
    return np.sum((counts - expected) ** 2 / expected)


def as_arrays(batch):
    return [tensor.numpy() for tensor in batch]


@pytest.mark.parametrize("sampling", SAMPLINGS)
class TestEverySampling:
    def test_a_batch_is_a_function_of_seed_and_step(self, sampling):
        first, again = sampler(sampling=sampling, seed=3), sampler(sampling=sampling, seed=3)
        in_graph = tf.function(again.batch)
        for step in (0, 1, 5, 2**31):
            for eager, repeated, traced in zip(
                first.batch(step), again.batch(step), in_graph(tf.constant(step, "int64")), strict=True
            ):
                np.testing.assert_array_equal(eager, repeated)
                np.testing.assert_array_equal(eager, traced)

    def test_other_steps_and_seeds_give_other_batches(self, sampling):
        batches = [
            sampler(sampling=sampling, seed=seed).batch(step)[0].numpy().tobytes()
            for seed in (0, 1, 2, 2**31 - 1)
            for step in (0, 1, 2, 3, 4, 5)
        ]
        assert len(set(batches)) == (1 if sampling == "full" else len(batches))

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_shapes_and_dtypes(self, sampling, dtype, channels):
        signal = load_image(np.zeros((HEIGHT, WIDTH, channels), "uint8"), alpha="keep")
        coords, targets = sampler(signal, dtype, sampling=sampling).batch(0)
        points = PIXELS if sampling == "full" else 20
        assert (coords.shape, targets.shape) == ((points, 2), (points, channels))
        assert coords.dtype == targets.dtype == dtype

    @pytest.mark.parametrize("size", [(1, 1), (1, 13), (13, 1)])
    def test_thin_pictures(self, sampling, size):
        height, width = size
        values = np.arange(height * width).reshape(size) / 16
        signal = grey_picture(values)
        for step in range(3):
            coords, targets = as_arrays(sampler(signal, sampling=sampling).batch(step))
            edge = np.array([width, height]) / max(size)
            assert np.all(np.abs(coords) <= edge)
            # one pixel of 13 is 0.15 of a unit: float32 coordinates place a point to 1e-6 pixels of slope 1/16
            np.testing.assert_allclose(targets, bilinear(signal.values, coords), atol=1e-6)

    def test_a_dataset_yields_exactly_its_steps_and_resumes_anywhere(self, sampling):
        make = sampler(sampling=sampling)
        expected = [as_arrays(make.batch(step)) for step in range(7)]
        for first, last in ((0, 7), (4, 7), (3, 3)):
            received = [as_arrays(batch) for batch in sampler(sampling=sampling).dataset(first, last)]
            assert len(received) == last - first
            for one, other in zip(received, expected[first:last], strict=True):
                np.testing.assert_array_equal(one[0], other[0])
                np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sampling", ["random", "shuffled", "full"])
def test_targets_are_the_pixels_at_the_coordinates(sampling, dtype):
    signal = small_picture(HEIGHT, WIDTH)
    for step in range(4):
        coords, targets = as_arrays(sampler(signal, dtype, sampling=sampling).batch(step))
        np.testing.assert_array_equal(targets, signal.values.reshape(-1, 3)[pixels(coords)])
        if dtype == "float32":
            np.testing.assert_array_equal(coords, signal.coords[pixels(coords)])


class TestRandom:
    def test_uniform_and_with_replacement(self):
        points, steps = 2000, 30
        make = sampler(sampling="random", batch_size=points)
        drawn = np.concatenate([pixels(coords) for coords, _ in make.dataset(0, steps)])
        assert chi_square(np.bincount(drawn, minlength=PIXELS)) < chi_square_bound(PIXELS)
        # neighbours in a batch are independent: pairs fill the square of pixels evenly (15 draws a cell)
        pairs = drawn[::2] * PIXELS + drawn[1::2]
        assert chi_square(np.bincount(pairs, minlength=PIXELS**2)) < chi_square_bound(PIXELS**2)

    def test_as_many_draws_as_pixels_leave_a_share_of_1_over_e_out(self):
        distinct = [len(set(pixels(sampler(batch_size=PIXELS).batch(step)[0]))) for step in range(50)]
        n = PIXELS
        variance = n * (np.exp(-1) - 2 * np.exp(-2)) / 50  # of the mean of 50, for large n
        # five standard deviations
        np.testing.assert_allclose(np.mean(distinct), n * (1 - (1 - 1 / n) ** n), atol=5 * variance**0.5)


class TestShuffled:
    def test_each_pixel_at_most_once_an_epoch(self):
        make = sampler(sampling="shuffled")  # three batches of 20 of 63 pixels
        for epoch in range(5):
            drawn = np.concatenate([pixels(make.batch(3 * epoch + batch)[0]) for batch in range(3)])
            assert len(set(drawn)) == 60

    @pytest.mark.parametrize("batch_size", [PIXELS, 1000])
    def test_batches_of_the_whole_picture_are_permutations_that_differ(self, batch_size):
        make = sampler(sampling="shuffled", batch_size=batch_size)
        orders = [tuple(pixels(make.batch(step)[0])) for step in range(20)]
        assert all(sorted(order) == list(range(PIXELS)) for order in orders)
        assert len({*orders, tuple(range(PIXELS))}) == 21

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 12, 97, 1009, 4096])
    def test_permutations_of_any_size(self, size):
        for seed in range(5):
            order = permuted(tf.range(size), (seed, 7), size).numpy()
            np.testing.assert_array_equal(np.sort(order), np.arange(size))

    def test_there_are_more_permutations_than_a_long_run_has_epochs(self):
        # TensorFlow's own index_shuffle has 256 of them here
        draw = tf.function(lambda seed: permuted(tf.range(8), tf.stack([0, seed]), 1009))
        assert len({draw(tf.constant(seed)).numpy().tobytes() for seed in range(2000)}) == 2000

    def test_neighbours_part(self):
        draw = tf.function(lambda seed: permuted(tf.range(2), tf.stack([0, seed]), PIXELS))
        pairs = np.array([draw(tf.constant(seed)) for seed in range(1000)])
        distance = (pairs[:, 1] - pairs[:, 0]) % PIXELS
        assert chi_square(np.bincount(distance, minlength=PIXELS)[1:]) < chi_square_bound(PIXELS - 1)

    def test_every_pixel_is_as_often_in_every_place(self):
        epochs = 630
        drawn = [pixels(coords) for coords, _ in sampler(sampling="shuffled", batch_size=PIXELS).dataset(0, epochs)]
        for place in (0, 1, 31, 62):
            counts = np.bincount([order[place] for order in drawn], minlength=PIXELS)
            assert chi_square(counts) < chi_square_bound(PIXELS)


@pytest.mark.parametrize("recipe", [{"sampling": "full"}, *({"sampling": s, "batch_size": 0} for s in SAMPLINGS[:2])])
def test_full_is_everything_in_row_major_order(recipe):
    signal = small_picture(HEIGHT, WIDTH)
    for step in (0, 1, 1000):
        coords, targets = as_arrays(sampler(signal, **recipe).batch(step))
        np.testing.assert_array_equal(coords, signal.coords)
        np.testing.assert_array_equal(targets, signal.values.reshape(-1, 3))


class TestContinuous:
    # float32: coordinates, of at most 1, are rounded to 6e-8, which is 3e-7 of these pixels; so are the positions
    # that targets come from. Neighbours differ by less than 1 along two axes.
    TOLERANCE = {"float32": 2e-6, "float64": 1e-13}

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("size", [(7, 9), (9, 7), (2, 2), (40, 3)])
    def test_targets_are_bilinear(self, size, dtype):
        values = np.random.default_rng(0).random(size)
        signal = grey_picture(values)
        make = sampler(signal, dtype, sampling="continuous", batch_size=500)
        coords, targets = as_arrays(make.batch(7))
        # as above; the longest picture has 20 / 4.5 as many pixels to a unit
        tolerance = self.TOLERANCE[dtype] * max(size) / 9
        np.testing.assert_allclose(targets, bilinear(signal.values, coords), atol=tolerance)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_linear_ramps_are_exact_between_the_outer_centres(self, dtype):
        row, column = np.mgrid[:HEIGHT, :WIDTH]
        signal = grey_picture((2 * row + 3 * column) / 64)  # exact in float32
        coords, targets = as_arrays(sampler(signal, dtype, sampling="continuous", batch_size=2000).batch(0))
        x, y = ((coords.astype(np.float64) * WIDTH + [WIDTH - 1, HEIGHT - 1]) / 2).T
        inside = (x >= 0) & (x <= WIDTH - 1) & (y >= 0) & (y <= HEIGHT - 1)
        assert 0.6 < inside.mean() < 0.9  # (6 / 7) (8 / 9) = 0.76
        ramp = (2 * y + 3 * x) / 64
        np.testing.assert_allclose(targets[inside, 0], ramp[inside], atol=self.TOLERANCE[dtype])

    def test_points_are_uniform_over_the_picture_to_its_edges(self):
        make = sampler(sampling="continuous", batch_size=4000)
        coords = np.concatenate([coords for coords, _ in make.dataset(0, 10)])
        edge = np.array([WIDTH, HEIGHT]) / WIDTH
        assert np.all(np.abs(coords) <= edge)
        # 40000 points come this near to every edge: (1 - 0.001)^40000 = 4e-18
        assert np.all(coords.max(axis=0) > 0.998 * edge)
        assert np.all(coords.min(axis=0) < -0.998 * edge)
        counts, *_ = np.histogram2d(*coords.T, bins=8, range=[(-e, e) for e in edge])
        assert chi_square(counts) < chi_square_bound(64)

    def test_batch_size_0_takes_as_many_points_as_pixels(self):
        coords, _ = sampler(sampling="continuous", batch_size=0).batch(0)
        assert coords.shape == (PIXELS, 2)
