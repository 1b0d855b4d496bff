"""Fits of pictures with weights: what takes no part has no influence, the others count as they should."""

import dataclasses
import importlib

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.blocks import plan_blocks
from keras_inr.choosing import choose
from keras_inr.errors import CheckpointError, InputError
from keras_inr.fleet.plan import FleetPlan
from keras_inr.metrics import psnr, psnr_8bit
from keras_inr.models import ModulatedSiren
from keras_inr.signals import load_image
from keras_inr.training import Recipe, fit, fit_many
from keras_inr.training.callbacks import probe_pixels
from keras_inr.training.many.modulated_fits import fit_modulated
from keras_inr.training.objectives import make_objective
from keras_inr.training.range_test import find_learning_rate
from keras_inr.training.sampling import TICKETS, Sampler
from keras_inr.training.starts.pretraining import pretrain
from training.small_fits import StopAfter, fingerprint, small_field, small_picture
from training.test_sampling import chi_square_bound, pixels

HEIGHT, WIDTH = 10, 12
BATCHES = ("random", "shuffled", "full")
QUICK = {"steps": 12, "batch_size": 32, "learning_rate": 0.05, "progress": False}


def holes():
    """Bool (H, W): a rectangle and some pixels are False."""
    mask = np.ones((HEIGHT, WIDTH), bool)
    mask[2:6, 3:9] = False
    mask[[0, 9, 8], [0, 11, 2]] = False
    return mask


def greys():
    """Weights from 0 to 1, of which a quarter are 0."""
    weights = np.random.default_rng(1).integers(0, 4, (HEIGHT, WIDTH)) / 3
    assert 15 < np.sum(weights == 0) < 45
    return weights


def masked(mask, values=None):
    """The small picture, or other values, with weights."""
    values = small_picture(HEIGHT, WIDTH).values if values is None else values
    return load_image(values, mask=mask)


def drawn(signal, steps, **recipe):
    """Pixels, and the tensors behind coordinates and targets, of the batches of so many steps."""
    make = Sampler(signal, Recipe(**{"steps": 1, "batch_size": 20, **recipe}))
    found = [[tensor.numpy() for tensor in batch] for batch in make.dataset(0, steps)]
    for coords, targets, *_ in found:
        np.testing.assert_array_equal(targets, signal.values.reshape(-1, 3)[pixels(coords, HEIGHT, WIDTH)])
    return [(pixels(coords, HEIGHT, WIDTH), *more) for coords, _, *more in found]


class TestSampler:
    @pytest.mark.parametrize("sampling", BATCHES)
    @pytest.mark.parametrize("mask", [holes(), greys(), holes() * 0.25], ids=["holes", "greys", "one grey"])
    def test_what_has_no_weight_is_never_drawn(self, sampling, mask):
        batches = drawn(masked(mask), 200, sampling=sampling)
        assert {int(pixel) for batch in batches for pixel in batch[0]} == set(np.flatnonzero(mask))

    @pytest.mark.parametrize("sampling", BATCHES)
    def test_batches_of_equal_weights_are_those_without(self, sampling):
        """To the bit, so that a white mask changes nothing but the run's identity."""
        plain = small_picture(HEIGHT, WIDTH)
        recipe = Recipe(steps=1, batch_size=20, sampling=sampling)
        for weight in (1.0, 0.5):
            even = dataclasses.replace(plain, weights=np.full((HEIGHT, WIDTH), weight))
            for step in range(9):
                one, other = (Sampler(signal, recipe).batch(step) for signal in (plain, even))
                assert len(one) == len(other) == 2
                assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))

    def test_draws_are_in_proportion_to_the_weights(self):
        weights = np.random.default_rng(0).random((HEIGHT, WIDTH)).astype("float32")
        weights[3] = 0
        taken = np.concatenate([batch[0] for batch in drawn(masked(weights), 40, batch_size=1000)])
        flat = weights.reshape(-1)
        expected = taken.size * flat / flat.sum(dtype="float64")
        counts = np.bincount(taken, minlength=flat.size)
        inside = flat > 0
        assert np.sum((counts - expected)[inside] ** 2 / expected[inside]) < chi_square_bound(int(inside.sum()))

    def test_every_lot_belongs_to_its_pixel(self):
        """The first and the last lot of each pixel, and as many lots as its weight tells."""
        weights = np.array([[1.0, 0.0, 0.25, 1e-9, 0.5]], "float32")
        make = Sampler(load_image(np.ones((1, 5, 3)), mask=weights), Recipe(steps=1))
        last = make.last_tickets.numpy()
        assert np.diff(last, prepend=0).tolist() == [TICKETS, TICKETS // 4, 1, TICKETS // 2]
        lots = np.stack([np.concatenate([[0], last[:-1]]), last - 1], axis=1).reshape(-1)
        numbers = tf.searchsorted(make.last_tickets, lots, side="right").numpy()
        assert numbers.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
        assert make.places.numpy()[numbers[::2]].tolist() == [0, 2, 3, 4]

    def test_shuffled_takes_each_pixel_once_an_epoch_with_its_weight(self):
        weights = greys()
        number = int(np.count_nonzero(weights))
        steps = number // 20
        for epoch in range(3):
            batches = drawn(masked(weights), (epoch + 1) * steps, sampling="shuffled")[epoch * steps :]
            taken = np.concatenate([batch[0] for batch in batches])
            assert len(set(taken)) == taken.size == 20 * steps
            told = np.concatenate([batch[1] for batch in batches])
            mean = weights[weights > 0].mean()
            np.testing.assert_allclose(told, weights.reshape(-1)[taken] / mean, rtol=1e-6)

    def test_a_step_has_no_more_points_than_count(self):
        assert Sampler(masked(holes()), Recipe(steps=1, sampling="shuffled")).points == holes().sum()
        assert len(drawn(masked(holes()), 1, sampling="full")[0][0]) == holes().sum()


class TestInfluence:
    @pytest.mark.parametrize("sampling", BATCHES)
    @pytest.mark.parametrize("kind", ["siren", "multi_hash"])
    def test_hidden_values_have_none(self, sampling, kind):
        """Other values there: the same weights to the bit, the same figures, and another PSNR of what is hidden."""
        plain = small_picture(HEIGHT, WIDTH).values
        results, prints = [], []
        for values in (plain, np.where(greys()[..., None] > 0, plain, 1 - plain)):
            field = small_field(kind)
            results.append(fit(field, masked(greys(), values), sampling=sampling, **QUICK))
            prints.append(fingerprint(field))
        one, other = results
        assert prints[0] == prints[1]
        assert (one.psnr_db, one.psnr_8bit_db, one.ssim) == (other.psnr_db, other.psnr_8bit_db, other.ssim)
        assert one.psnr_masked_db != other.psnr_masked_db
        assert [row["loss"] for row in one.rows] == [row["loss"] for row in other.rows]

    def test_nor_on_averages_goals_and_rates(self):
        plain = small_picture(HEIGHT, WIDTH).values
        found = []
        for values in (plain, np.where(holes()[..., None], plain, 1 - plain)):
            signal = masked(holes(), values)
            recipe = Recipe(steps=60, batch_size=32, learning_rate=0.05, averaging=4.0, schedule="inverse")
            rate = find_learning_rate(small_field("siren"), signal, recipe, highest=1.0).learning_rate
            result = fit(small_field("siren"), signal, recipe, goal_psnr_db=16.0, progress=False)
            rows = [{**row, "seconds": None} for row in result.rows]
            found.append((rate, rows, result.steps, result.stopped_by))
        assert found[0] == found[1]
        assert found[0][3] == "psnr"
        assert found[0][1][-1]["picture_psnr_db"] >= 16

    def test_nor_on_what_is_chosen(self):
        values = load_image("sample:chelsea", size=96).values
        mask = np.ones(values.shape[:2], bool)
        mask[20:40, 30:70] = False
        noise = np.random.default_rng(0).random(values.shape)
        signals = [load_image(v, mask=mask) for v in (values, np.where(mask[..., None], values, noise))]
        one, other = (choose(signal, "35dB") for signal in signals)
        assert one == other
        assert choose(load_image(signals[1].values), "35dB").num_parameters >= one.num_parameters

    def test_probes_are_of_pixels_that_count(self):
        coords, values = probe_pixels(masked(holes()))
        assert sorted(pixels(coords, HEIGHT, WIDTH)) == np.flatnonzero(holes()).tolist()
        np.testing.assert_array_equal(values[0], small_picture(HEIGHT, WIDTH).values[holes()])


class TestLoss:
    @pytest.mark.parametrize("kind", ["siren", "multi_hash"])
    def test_of_a_full_step_is_the_weighted_mean(self, kind):
        """The first loss and the gradient step of plain descent, against the formula in NumPy and in TensorFlow."""
        weights, signal = greys(), masked(greys())
        field, twin = small_field(kind), small_field(kind)
        fit_arguments = {"sampling": "full", "optimizer": "sgd", "beta_1": 0.0, "learning_rate": 0.5, "steps": 1}
        result = fit(field, signal, schedule="constant", progress=False, **fit_arguments)
        flat = tf.constant(weights.reshape(-1), "float32")
        with tf.GradientTape() as tape:
            errors = tf.reduce_mean(tf.square(twin(signal.coords) - signal.values.reshape(-1, 3)), axis=-1)
            loss = tf.reduce_sum(flat * errors) / tf.reduce_sum(flat)
        assert result.rows[0]["loss"] == pytest.approx(float(loss), rel=1e-5)
        for gradient, before, after in zip(
            tape.gradient(loss, twin.trainable_weights), twin.trainable_weights, field.trainable_weights, strict=True
        ):
            step = before.numpy() - 0.5 * tf.convert_to_tensor(gradient).numpy()
            np.testing.assert_allclose(after.numpy(), step, atol=2e-6)

    @pytest.mark.parametrize("sampling", ["random", "shuffled"])
    def test_of_batches_is_it_in_the_mean(self, sampling):
        """Of constant predictions, over many batches: five standard errors."""
        errors = np.mean(np.square(small_picture(HEIGHT, WIDTH).values - 0.5), axis=-1).reshape(-1)
        weights = np.where(greys() > 0, np.where(errors.reshape(HEIGHT, WIDTH) > np.median(errors), 1, 0.2), 0)
        signal = masked(weights)
        exact = np.sum(weights.reshape(-1) * errors) / weights.sum()
        found = []
        for taken, *more in drawn(signal, 400, sampling=sampling):
            found.append(np.mean(errors[taken] * (more[0] if more else 1)))
        assert abs(np.mean(found) - exact) < 5 * np.std(found) / 20
        assert abs(np.mean(errors[weights.reshape(-1) > 0]) - exact) > 5 * np.std(found) / 20  # it would be told


class TestFigures:
    def test_are_over_what_counts_and_apart_over_the_rest(self):
        signal = masked(greys())
        counts = signal.weights > 0
        result = fit(small_field("siren"), signal, **QUICK)
        assert result.psnr_db == psnr(signal.values[counts], result.prediction[counts])
        assert result.psnr_8bit_db == psnr_8bit(signal.values[counts], result.prediction[counts])
        assert result.psnr_masked_db == psnr(signal.values[~counts], result.prediction[~counts])
        assert result.ssim is None

    def test_there_is_no_masked_psnr_without_masked_pixels(self):
        for signal in (small_picture(), masked(np.maximum(greys(), 0.1))):
            assert fit(small_field("siren"), signal, **QUICK).psnr_masked_db is None

    def test_epochs_are_of_the_pixels_that_count(self):
        result = fit(small_field("siren"), masked(holes()), epochs=3, batch_size=25, progress=False)
        assert result.steps == 3 * (int(holes().sum()) // 25) == 9 != 3 * (HEIGHT * WIDTH // 25)


class TestResume:
    @pytest.fixture(autouse=True)
    def rounds(self, monkeypatch):
        monkeypatch.setattr(importlib.import_module("keras_inr.training.fitting"), "ROUNDS", 4)

    @pytest.mark.parametrize("sampling", BATCHES)
    @pytest.mark.parametrize("mask", [holes(), greys()], ids=["holes", "greys"])
    def test_is_bit_identical(self, tmp_path, sampling, mask):
        undisturbed = small_field("siren")
        fit(undisturbed, masked(mask), sampling=sampling, **QUICK)
        for part, moment in enumerate((2, 5, None)):
            field = small_field("siren", seed=part)
            fit(
                *(field, masked(mask)),
                **{**QUICK, "sampling": sampling, "checkpoint_dir": tmp_path, "should_stop": StopAfter(moment)},
            )
        assert fingerprint(field) == fingerprint(undisturbed)

    @pytest.mark.parametrize("other", [None, greys()], ids=["none", "another"])
    def test_notices_another_mask(self, tmp_path, other):
        stopped = {"checkpoint_dir": tmp_path, "should_stop": StopAfter(2)}
        fit(small_field("siren"), masked(holes()), **QUICK, **stopped)
        with pytest.raises(CheckpointError, match="mask_sha256 was '"):
            fit(small_field("siren"), masked(other), **QUICK, checkpoint_dir=tmp_path)


class TestRefused:
    @pytest.mark.parametrize(
        ("recipe", "message"),
        [
            ({"sampling": "continuous"}, "sampling must not be 'continuous' for a picture with a mask"),
            ({"supervise": "gradient"}, "supervise must be 'value' for a picture with a mask.* received 'gradient'"),
            ({"supervise": "combined"}, "supervise must be 'value' for a picture with a mask.* received 'combined'"),
        ],
    )
    @pytest.mark.parametrize("call", [fit, find_learning_rate])
    def test_recipes(self, recipe, message, call):
        with pytest.raises(InputError, match=message):
            call(small_field("siren"), masked(holes()), Recipe(steps=3, **recipe))

    def test_objectives_of_derivatives(self):
        objective = make_objective(Recipe(steps=1, supervise="gradient"), small_picture(HEIGHT, WIDTH))
        with pytest.raises(InputError, match="objective must be of values alone for a picture with a mask"):
            fit(small_field("siren"), masked(holes()), objective=objective, **QUICK)

    def test_many_fields(self):
        fields, signals = [small_field("siren", seed=seed) for seed in (0, 1)], [small_picture(), masked(holes())]
        with pytest.raises(InputError, match="signals must have no mask for many fields"):
            fit_many(fields, signals, steps=3)
        with pytest.raises(InputError, match=r"image_options must hold no mask for many pictures.* received 'a.png'"):
            FleetPlan("siren", Recipe(steps=3), image_options={"mask": "a.png"})

    def test_a_modulated_network(self):
        model = ModulatedSiren(1, units=(8,))
        with pytest.raises(InputError, match="signals must have no mask for a modulated network"):
            fit_modulated(model, [masked(holes())], steps=3)

    def test_a_start(self):
        with pytest.raises(InputError, match="signals must have no mask for a start"):
            pretrain(small_field("siren"), [masked(holes())], method="reptile", steps=3)

    def test_blocks(self):
        with pytest.raises(InputError, match="picture must have no mask for a field of blocks"):
            plan_blocks(masked(holes()), "cat.png")
