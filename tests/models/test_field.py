import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_inr.coordinates import box_coords, picture_box, pixel_coords
from keras_inr.models import Field, MultiHash, ReluMLP, Siren


@keras.saving.register_keras_serializable(package="tests")
class Plane(Field):
    """values = (x, y, 0.5) in three channels, mapped by an affine layer: a picture that is known everywhere."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        head = keras.layers.Dense(3)
        self.set_stack([head])
        head.set_weights([np.eye(2, 3), np.array([0, 0, 0.5])])


def test_values_are_a_function_of_coords():
    coords = tf.constant([[0.25, -0.5], [1.0, 0.75]])
    np.testing.assert_array_equal(Plane()(coords), [[0.25, -0.5, 0.5], [1, 0.75, 0.5]])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (40, 2), (1, 3000)])
def test_sample_grid_evaluates_at_pixel_centres(height, width):
    values = Plane(picture_size=(height, width)).sample_grid()
    expected = pixel_coords(*np.indices((height, width)), height, width)
    assert values.shape == (height, width, 3)
    assert values.dtype == "float32"
    # one rounding to float32 may fall to the other side
    np.testing.assert_allclose(values[..., :2], expected, rtol=2.0**-23, atol=2.0**-52)


@pytest.mark.parametrize("points_per_call", [1, 7, 60, 61])
def test_chunks_do_not_show(monkeypatch, points_per_call):
    model = Siren(units=(16, 16), picture_size=(10, 6), seed=0)
    whole = model.sample_grid()
    monkeypatch.setattr(Field, "points_per_call", points_per_call)
    # matrix products of other heights may sum in another order, and omega_0 = 30 magnifies that twice
    np.testing.assert_allclose(model.sample_grid(), whole, rtol=0, atol=1000 * 2.0**-24)


def test_chunks_of_stacked_fields_join_along_the_points(monkeypatch):
    model = ReluMLP(units=(8,), picture_size=(5, 4), num_fields=3, seed=0)
    whole = model.sample_grid()
    assert whole.shape == (3, 5, 4, 3)
    monkeypatch.setattr(Field, "points_per_call", 7)
    # sums of a few float32 terms, ordered otherwise
    np.testing.assert_allclose(model.sample_grid(), whole, rtol=0, atol=16 * 2.0**-24)
    assert model.render().dtype == np.uint8


def test_box_and_size_defaults():
    framed, bare = Plane(picture_size=(4, 8)), Plane()
    assert framed.sample_grid().shape == (4, 8, 3)
    assert framed.sample_grid(height=2).shape == (2, 8, 3)
    assert framed.sample_grid(width=3).shape == (4, 3, 3)
    # the picture's own box; without a picture [-1, 1]^2. Values at the first cell's centre, quarters of the box
    np.testing.assert_array_equal(framed.sample_grid(2, 2, supersampling=1)[0, 0, :2], [-0.5, -0.25])
    np.testing.assert_array_equal(bare.sample_grid(2, 2)[0, 0, :2], [-0.5, -0.5])
    np.testing.assert_array_equal(framed.sample_grid(2, 2, box=(0, 0, 4, 8))[0, 0, :2], [1, 2])


def test_render_clamps_and_rounds():
    pixels = Plane().render(1, 4, box=(-0.5, 0, 1.5, 0.4))
    assert pixels.dtype == np.uint8
    # x = -0.25, 0.25, 0.75, 1.25 and y = 0.2
    np.testing.assert_array_equal(pixels, [[[0, 51, 128], [64, 51, 128], [191, 51, 128], [255, 51, 128]]])


def test_zooming_by_boxes_tiles_the_whole():
    model = MultiHash(num_levels=3, table_size=256, finest_resolution=20, picture_size=(8, 8), seed=0)
    left, right = model.sample_grid(8, 4, box=(-1, -1, 0, 1)), model.sample_grid(8, 4, box=(0, -1, 1, 1))
    # the same coordinates, in other batches
    np.testing.assert_allclose(np.hstack([left, right]), model.sample_grid(), rtol=0, atol=16 * 2.0**-24)


def test_float64_policy_reaches_the_picture():
    values = Siren(units=(8,), dtype="float64", picture_size=(3, 3)).sample_grid()
    assert values.dtype == "float64"


def test_render_follows_new_weights():
    model = Plane()
    before = model.render(2, 2)
    model.stack[0].bias.assign([1.0, 1.0, 1.0])
    assert not np.array_equal(model.render(2, 2), before)


@pytest.mark.parametrize("make", [Siren, ReluMLP, MultiHash])
def test_load_model_brings_everything_back(make, tmp_path):
    model = make(units=(8, 8), picture_size=(31, 17), channels=1, seed=0)
    model.compile("adam", "mse")
    coords = box_coords(picture_box(31, 17), 31, 17)
    model.fit(coords, tf.zeros((31 * 17, 1)), verbose=0)
    model.save(tmp_path / "fitted.keras")
    loaded = keras.models.load_model(tmp_path / "fitted.keras")
    assert type(loaded) is make
    assert loaded.picture_size == (31, 17)
    assert loaded.optimizer.iterations.numpy() == model.optimizer.iterations.numpy()
    np.testing.assert_array_equal(loaded(coords), model(coords))
    np.testing.assert_array_equal(loaded.render(), model.render())


def test_picture_size_may_be_set_after_construction(tmp_path):
    model = Plane()
    model.picture_size = [5, 7]
    assert model.picture_size == (5, 7)
    model.save(tmp_path / "plane.keras")
    assert keras.models.load_model(tmp_path / "plane.keras").picture_size == (5, 7)


def test_weights_exist_from_the_start_and_belong_to_their_field():
    first, second = (Siren(units=(8, 8), seed=0) for _ in range(2))
    assert first.built
    for a, b in zip(first.weights, second.weights, strict=True):
        assert a is not b
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_wider_networks_keep_the_seeds_of_their_first_layers():
    """Weights depend on the seed and the place, not on what follows."""
    short, long = Siren(units=(8,), seed=0), Siren(units=(8, 8), seed=0)
    np.testing.assert_array_equal(short.weights[0].numpy(), long.weights[0].numpy())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Plane(channels=0), "channels must be a positive integer, received 0"),
        (lambda: Plane(num_fields=-1), "num_fields must be a positive integer, received -1"),
        (lambda: Plane(picture_size=(0, 5)), "picture_size must be a positive integer, received 0"),
        (lambda: Plane(picture_size=512), "picture_size must be a sequence of positive integers, received 512"),
        (lambda: Plane(picture_size=(3, 4, 3)), r"picture_size must be \(height, width\), received \(3, 4, 3\)"),
        (lambda: Plane()(tf.zeros((5, 3))), r"last axis of 2 \(x, y\), received shape \(5, 3\)"),
        (lambda: Plane().render(), "height and width must be given for a field without a picture_size"),
        (lambda: Plane().render(height=5), "height and width must be given for a field without a picture_size"),
        (lambda: Plane(picture_size=(2, 2)).render(height=0), "height must be a positive integer, received 0"),
        (lambda: Plane().render(5, 2.5), r"width must be a positive integer, received 2\.5"),
        (
            lambda: Plane().render(5, 5, box=(0, 0, 1)),
            r"box must be .* within \+-1e\+06, received \(0, 0, 1\)",
        ),
        (lambda: Plane().render(5, 5, supersampling=0), "supersampling must be a positive integer, received 0"),
        (lambda: Plane().render(5, 5, supersampling=65), "supersampling must be at most 64, received 65"),
        (lambda: Plane().sample_grid(2**16, 2**15), r"less than 2\^31 pixels, received 65536 x 32768"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
