"""Many pictures by one network: what is learnt, what is kept, what is refused."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_inr.errors import DivergedError
from keras_inr.metrics import psnr
from keras_inr.models import ModulatedSiren, Siren
from keras_inr.signals.image import load_image
from keras_inr.training import Recipe, fit, fit_modulated, nearest
from keras_inr.training.compilation import Compilation

fitting = importlib.import_module("keras_inr.training.many.modulated_fits")  # the package's name is the function

CORNERS = [(top, left) for top in range(0, 250, 24) for left in range(0, 400, 24)]
TRAINED, NEW = [place for i, place in enumerate(CORNERS) if i % 7], CORNERS[::7]


def crops(places=CORNERS[:3], size=8):
    """Small views of one photograph, means of squares of 48 / size pixels; neighbours overlap."""
    values = load_image("sample:chelsea").values
    squares = (size, 48 // size, size, 48 // size, 3)
    return [
        load_image(values[top : top + 48, left : left + 48].reshape(squares).mean(axis=(1, 3))) for top, left in places
    ]


def small_model(num_pictures, modulation="shift", **arguments):
    return ModulatedSiren(
        num_pictures, **{"latent_dim": 8, "units": (32, 32), "seed": 0, **arguments}, modulation=modulation
    )


def bits(model, names):
    return [np.asarray(weight).tobytes() for weight in model.weights if weight.name in names or "all" in names]


@pytest.fixture(autouse=True)
def without_xla(monkeypatch):
    """Whose compilation would take most of the time; `known` has it."""
    monkeypatch.setattr(fitting, "compilation_for", lambda network: Compilation(False, 1))


@pytest.fixture(scope="module", params=["shift", "film"])
def known(request):
    """A model of 160 pictures after a short fit, and its result."""
    model = small_model(len(TRAINED), request.param, latent_dim=16)
    return model, fit_modulated(model, crops(TRAINED), steps=400, learning_rate=2e-3, batch_size=16, progress=False)


class TestAll:
    def test_a_short_fit_reaches_27_db(self, known):
        model, result = known
        pictures = np.stack([signal.values for signal in crops(TRAINED)])
        mean = np.mean([psnr(picture, pictures.mean(axis=0)) for picture in pictures])
        assert result.mean_psnr_db > 27 > mean + 7
        assert (result.steps, result.stopped_by, model.picture_size) == (400, "steps", (8, 8))
        assert result.predictions.shape == (len(TRAINED), 8, 8, 3)

    def test_figures_are_those_of_the_fields(self, known):
        model, result = known
        for k, signal in enumerate(crops(TRAINED[:4])):
            drawn = model.field(k).sample_grid()
            # float32 phases of some 20 radians
            np.testing.assert_allclose(drawn, result.predictions[k], rtol=0, atol=1e-4)
            assert result.psnr_db[k] == pytest.approx(psnr(signal.values, result.predictions[k]), abs=1e-9)

    def test_history_is_a_mean_over_pictures(self, known):
        _, result = known
        row = result.rows[-1]
        # the loss is not clamped, the PSNR is
        assert row["psnr_db"] == pytest.approx(-10 * np.log10(row["loss"]), abs=0.1)
        assert [row["step"] for row in result.rows][-1] == 400

    def test_everything_moves(self):
        model = small_model(3)
        before = [weight.numpy() for weight in model.weights]
        fit_modulated(model, crops(), steps=5, progress=False)
        assert all(np.any(weight.numpy() != array) for weight, array in zip(model.weights, before, strict=True))

    def test_a_fit_repeats(self):
        fits = [small_model(3, dtype="float64") for _ in range(2)]
        for model in fits:
            fit_modulated(model, crops(), steps=5, batch_size=20, progress=False)
        np.testing.assert_array_equal(fits[0].latents, fits[1].latents)

    def test_one_picture_is_fitted_as_its_siren(self):
        """With a latent of zero and of no gradient the shared network is a SIREN, and is fitted as `fit` does."""
        signal = crops()[0]
        model, field = small_model(1, dtype="float64"), Siren(units=(32, 32), seed=0, dtype="float64")
        model.latents.assign(tf.zeros_like(model.latents))
        model.to_modulations.kernel.assign(tf.zeros_like(model.to_modulations.kernel))
        recipe = Recipe(steps=20, batch_size=30)
        fit(field, signal, recipe, progress=False)
        fit_modulated(model, [signal], recipe, progress=False)
        for ours, theirs in zip(model.network.weights, field.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)  # float64, carried over 20 steps


class TestLatents:
    def test_new_pictures_improve_on_the_mean_and_nothing_shared_moves(self, known):
        model, _ = known
        others, names = crops(NEW), ("kernel", "bias")
        new = model.for_pictures(len(NEW), like=nearest(model, others))
        before = bits(new, names)
        mean = np.mean([signal.values for signal in crops(TRAINED)], axis=0)
        result = fit_modulated(new, others, steps=150, sampling="full", train="latents", progress=False)
        assert result.mean_psnr_db > np.mean([psnr(signal.values, mean) for signal in others]) + 3
        assert bits(new, names) == before == bits(model, names)
        assert len({latent.tobytes() for latent in new.latents.numpy()}) == len(NEW)

    def test_afterwards_all_is_trainable_and_the_model_is_not_compiled(self):
        new = small_model(2)
        fit_modulated(new, crops(CORNERS[:2]), steps=2, train="latents", progress=False)
        assert len(new.trainable_weights) == len(new.weights)
        assert not new.compiled

    @pytest.mark.parametrize("recipe", [{"optimizer": "adamw", "weight_decay": 0.5}, {"optimizer": "sgd"}])
    def test_decay_does_not_reach_what_is_shared(self, recipe):
        new = small_model(2)
        before = bits(new, ("kernel", "bias"))
        fit_modulated(new, crops(CORNERS[:2]), steps=3, train="latents", progress=False, **recipe)
        assert bits(new, ("kernel", "bias")) == before


def test_the_nearest_picture_has_the_least_error(known):
    model, result = known
    for signal, place in zip(crops(NEW[:3]), nearest(model, crops(NEW[:3])), strict=True):
        errors = [float(np.mean((signal.values - values) ** 2)) for values in result.predictions]
        assert place == errors.index(min(errors))


@pytest.mark.parametrize("sampling", ["random", "shuffled", "full", "continuous"])
def test_every_sampling_learns(sampling):
    model = small_model(2)
    recipe = Recipe(steps=60, sampling=sampling, batch_size=60, schedule="plateau", plateau_patience=20)
    result = fit_modulated(model, crops(CORNERS[:2]), recipe, progress=False)
    assert result.rows[-1]["loss"] < 0.5 * result.rows[0]["loss"]


def test_the_progress_bar_tells_psnr(capfd):
    fit_modulated(small_model(2), crops(CORNERS[:2]), steps=10)
    assert "PSNR" in capfd.readouterr().err


def test_divergence_is_told():
    model = small_model(2)
    model.latents.assign(tf.fill(model.latents.shape, float("nan")))
    with pytest.raises(DivergedError, match=r"the loss became nan at step \d+: the learning rate") as caught:
        fit_modulated(model, crops(CORNERS[:2]), steps=5, progress=False)
    assert caught.value.rows == []


def test_a_prediction_that_is_no_number_is_told():
    class Spoil(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.latents.assign(tf.fill(self.model.latents.shape, float("inf")))

    with pytest.raises(DivergedError, match="a prediction became nan at step 2"):
        fit_modulated(small_model(2), crops(CORNERS[:2]), steps=2, callbacks=[Spoil()], progress=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": "network"}, r"train must be one of \('all', 'latents'\), received 'network'"),
        ({"freeze": "sine_0"}, "freeze must be None where layers are shared, received 'sine_0'"),
        ({"supervise": "gradient"}, "supervise must be 'value' for many fields, received 'gradient'"),
        ({"optimizer": "muon"}, "optimizer must be one of adam, adamw, sgd for a modulated field, received 'muon'"),
        ({"steps": 0}, r"steps must be an integer in \[1, 2147483647\], received 0"),
        ({"signals": slice(0, 1)}, "signals must be as many as the model's latents, 2, received 1"),
    ],
)
def test_bad_arguments(arguments, message):
    signals = crops(CORNERS[:2])[arguments.pop("signals", slice(None))]
    with pytest.raises(ValueError, match=message):
        fit_modulated(small_model(2), signals, progress=False, **{"steps": 1, **arguments})


def test_bad_signals():
    first, second = crops(CORNERS[:2])
    with pytest.raises(ValueError, match=r"signals must be of one size, received \(8, 8\) and \(12, 12\)"):
        fit_modulated(small_model(2), [first, crops(size=12)[0]], steps=1)
    with pytest.raises(ValueError, match="signals must have as many channels as the model, 1, received 3"):
        fit_modulated(small_model(2, channels=1), [first, second], steps=1)
    with pytest.raises(TypeError, match="signals must be what load_image returns, received ndarray"):
        fit_modulated(small_model(2), [first.values, second.values], steps=1)
    with pytest.raises(TypeError, match=r"model must be a keras_inr\.models\.ModulatedSiren, received Siren"):
        fit_modulated(Siren(), [first], steps=1)
