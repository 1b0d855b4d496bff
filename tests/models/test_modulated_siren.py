"""The shared network against its formula in NumPy, and each picture's own field against it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_inr.derivatives import jacobian
from keras_inr.initializers import Rule, Scheme
from keras_inr.models import ModulatedSiren, Siren

COORDS = np.random.default_rng(0).uniform(-1, 1, (9, 2))
RULE = Rule("normal", gain=0.5)


def model_of(modulation, dtype="float64", **arguments):
    settings = {"num_pictures": 3, "latent_dim": 4, "units": (8, 7), "omega_0": 12.0, "value_range": (-1.0, 2.0)}
    return ModulatedSiren(**{**settings, "modulation": modulation, "seed": 0, "dtype": dtype, **arguments})


def reference(model, coords):
    """Values (K, N, C) by the formula, coords (K, N, 2) or (1, N, 2)."""
    latents = model.latents.numpy()
    kernels = [layer.kernel.numpy() for layer in model.network.stack[:-1]]
    biases = [layer.bias.numpy() for layer in model.network.stack[:-1]]
    film, omega_0, (low, high) = model.modulation == "film", model.network.omega_0, model.network.value_range
    pictures = []
    for k, latent in enumerate(latents):
        modulation, hidden = latent @ model.to_modulations.kernel.numpy(), coords[k % len(coords)]
        for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
            width = len(bias)
            shift, modulation = modulation[:width], modulation[width:]
            scale = modulation[:width] if film else 0.0
            modulation = modulation[width:] if film else modulation
            hidden = np.sin(omega_0 * ((1 + scale) * (hidden @ kernel + bias) + shift))
        assert modulation.size == 0
        pictures.append((hidden @ kernels[-1] + biases[-1] - low) / (high - low))
    return np.stack(pictures)


@pytest.mark.parametrize("modulation", ["shift", "film"])
class TestFormula:
    def test_shared_coords(self, modulation):
        model = model_of(modulation)
        # float64: phases of some 20 radians, a few roundings
        np.testing.assert_allclose(model(COORDS), reference(model, COORDS[None]), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(model(COORDS[None]), model(COORDS))

    def test_own_coords(self, modulation):
        model = model_of(modulation)
        own = np.stack([COORDS, -COORDS, COORDS / 2])
        np.testing.assert_allclose(model(own), reference(model, own), rtol=0, atol=1e-12)

    @pytest.mark.parametrize(("dtype", "atol"), [("float64", 1e-12), ("float32", 1e-5), ("mixed_float16", 1e-5)])
    def test_field_is_the_same_function(self, modulation, dtype, atol):
        """Up to the rounding of folded weights, which phases of 20 radians carry on."""
        model = model_of(modulation, dtype, picture_size=(5, 6))
        values = model(COORDS)
        for k in range(3):
            field = model.field(k)
            assert type(field) is Siren
            assert (field.picture_size, field.num_fields, field.omega_0) == ((5, 6), None, 12.0)
            np.testing.assert_allclose(field(COORDS), values[k], rtol=0, atol=atol)

    def test_fields_differ_and_have_weights_of_their_own(self, modulation):
        model = model_of(modulation)
        before = model(COORDS).numpy()
        first, second = model.field(0), model.field(1)
        assert np.abs(first(COORDS) - second(COORDS)).max() > 0.01
        for weight in first.weights:
            weight.assign(tf.zeros_like(weight))
        np.testing.assert_array_equal(model(COORDS), before)

    def test_derivatives_go_through_the_fields(self, modulation):
        model = model_of(modulation)
        points = tf.constant(COORDS)
        with tf.GradientTape() as tape:
            tape.watch(points)
            total = tf.reduce_sum(model(points)[1, :, 0])
        expected = jacobian(model.field(1), points, method="forward")[:, 0]
        np.testing.assert_allclose(tape.gradient(total, points), expected, rtol=1e-9, atol=1e-10)

    def test_disk_keeps_fields(self, modulation, tmp_path):
        model = model_of(modulation, "float32", picture_size=(5, 6))
        model.latents.assign(tf.random.stateless_normal((3, 4), (1, 2)))
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(loaded(COORDS), model(COORDS))
        np.testing.assert_array_equal(loaded.field(2).render(), model.field(2).render())

    def test_other_pictures_begin_at_the_mean(self, modulation):
        model = model_of(modulation)
        other = model.for_pictures(5)
        np.testing.assert_allclose(other.latents, np.tile(model.latents.numpy().mean(axis=0), (5, 1)), rtol=1e-12)
        other.latents.assign(np.tile(model.latents.numpy()[1], (5, 1)))
        # the same sums, of batches of another length
        np.testing.assert_allclose(other(COORDS)[4], model(COORDS)[1], rtol=0, atol=1e-13)

    def test_other_pictures_begin_like_known_ones(self, modulation):
        model = model_of(modulation)
        other = model.for_pictures(4, like=np.array([2, 0, 0, 1]))
        np.testing.assert_allclose(other(COORDS), model(COORDS).numpy()[[2, 0, 0, 1]], rtol=0, atol=1e-13)

    def test_plain_compile_and_fit(self, modulation):
        model = model_of(modulation, "float32")
        targets = tf.data.Dataset.from_tensors((COORDS, tf.fill((3, 9, 3), 0.25))).repeat(30)
        model.compile(keras.optimizers.Adam(1e-3), loss="mse", jit_compile=False)
        losses = model.fit(targets, epochs=2, shuffle=False, verbose=0).history["loss"]
        assert losses[1] < losses[0]


def test_a_latent_of_zero_is_the_shared_network():
    model = model_of("film")
    model.latents.assign(tf.zeros_like(model.latents))
    np.testing.assert_allclose(model(COORDS)[2], model.network(COORDS), rtol=0, atol=1e-13)


def test_latents_move_phases_by_about_a_radian():
    """Whatever their number: the standard deviation over pictures and units."""
    for latent_dim in (4, 256):
        model = ModulatedSiren(200, latent_dim, units=(64, 64), seed=0)
        for shift, scale in model.modulations():
            assert scale is None
            # a product of two normal numbers each, 4 of them at least: within 10 %
            assert 30 * np.std(shift) == pytest.approx(1, rel=0.1)


def test_numbers_of_weights():
    model = ModulatedSiren(5, latent_dim=16, modulation="film", units=(32, 24))
    shared = Siren(units=(32, 24)).count_params() + 16 * 2 * (32 + 24)
    assert model.count_params() == shared + 5 * 16


def test_picture_size_is_the_network_s():
    model = model_of("shift")
    model.picture_size = (4, 5)
    assert model.field(0).picture_size == (4, 5)
    assert ModulatedSiren.from_config(model.get_config()).picture_size == (4, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_pictures": 0}, "num_pictures must be a positive integer, received 0"),
        ({"latent_dim": 1.5}, r"latent_dim must be a positive integer, received 1\.5"),
        ({"modulation": "scale"}, r"modulation must be one of \('shift', 'film'\), received 'scale'"),
        ({"scheme": "init-20"}, "scheme must have biases in all sine layers, received 'init-20'"),
        (
            {"scheme": Scheme("mine", 20.0, 1.0, RULE, RULE, RULE, None, RULE, None)},
            "scheme must have biases in all sine layers, received 'mine'",
        ),
        ({"units": ()}, r"units must be a sequence of positive integers, received \(\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModulatedSiren(**{"num_pictures": 2, **arguments})


@pytest.mark.parametrize("shape", [(2,), (7, 3), (1, 1, 7, 2)])
def test_bad_coords(shape):
    with pytest.raises(ValueError, match=r"coords must have shape \(N, 2\) or \(3 or 1, N, 2\), received \("):
        model_of("shift")(np.zeros(shape))


@pytest.mark.parametrize("place", [3, -1, True, 0.5])
def test_bad_places(place):
    with pytest.raises(ValueError, match=f"place must be an integer from 0 to 2, received {place}"):
        model_of("shift").field(place)
    with pytest.raises(ValueError, match=f"place must be an integer from 0 to 2, received {place}"):
        model_of("shift").for_pictures(2, like=(0, place))


def test_too_few_places():
    with pytest.raises(ValueError, match="like must have 3 places, one for each picture, received 2"):
        model_of("shift").for_pictures(3, like=(0, 1))
