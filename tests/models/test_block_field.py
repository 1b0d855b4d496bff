"""A field of fields: its formula, its smoothness, and that it is a field like any other."""

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.coordinates import pixel_coords
from keras_inr.derivatives import differentiate, jacobian, laplacian
from keras_inr.errors import InputError
from keras_inr.export import export_saved_model
from keras_inr.kinks import kinks_of
from keras_inr.models import Siren
from keras_inr.models.block_field import BlockField, Blocks, field_of_blocks
from keras_inr.models.cell_grid import CellGrid, pixel_layout
from keras_inr.models.field_files import read_field, save_field
from keras_inr.models.lattice import Lattice
from keras_inr.models.stacking import stack
from keras_inr.signals.image import ImageSignal
from keras_inr.training.fitting import fit

LATTICE = Lattice((40, 61), (20, 21), 3)
POINTS = np.random.default_rng(0).uniform(-1.1, 1.1, (500, 2)).astype("float32")


def sines(block):
    """Two kinds of networks, in turn; blocks that know nothing of each other."""
    return Siren(units=(8, 8) if block % 2 else (6,), picture_size=LATTICE.block_size, seed=block)


@pytest.fixture(scope="module")
def blocks():
    return [sines(block) for block in range(LATTICE.num_blocks)]


@pytest.fixture(scope="module")
def field(blocks):
    return field_of_blocks(blocks, LATTICE)


def step(t):
    t = np.clip(t, 0, 1)
    return t**3 * (6 * t**2 - 15 * t + 10)


def blended(blocks, coords):
    """The formula in NumPy, all blocks at all points."""
    height, width = LATTICE.picture_size
    x, y = (np.float64(coords) * max(height, width) / 2 + [width / 2, height / 2]).T
    total = 0
    for block, own in enumerate(blocks):
        weight, local = 1, []
        cells = divmod(block, LATTICE.grid[1])[::-1]
        for places, cell, number, side, length in zip(
            (x, y), cells, LATTICE.grid[::-1], LATTICE.cell[::-1], LATTICE.block_size[::-1], strict=True
        ):
            first = cell * side - LATTICE.margin
            weight = weight * (1 if cell == 0 else step((places - first) / (2 * LATTICE.margin)))
            last = (cell + 1) * side + LATTICE.margin
            weight = weight * (1 if cell == number - 1 else step((last - places) / (2 * LATTICE.margin)))
            local.append((2 * (places - first) - length) / max(LATTICE.block_size))
        total = total + weight[:, None] * own(np.stack(local, axis=-1).astype("float32")).numpy()
    return total


def test_the_formula(field, blocks):
    np.testing.assert_allclose(field(POINTS), blended(blocks, POINTS), atol=1e-6)


def test_fields_of_one_network_share_stacked_weights(field):
    assert [network.num_fields for network in field.networks] == [3, 3]
    assert field.places == ((0, 2, 4), (1, 3, 5))


def test_each_way_of_calling_gives_the_same(field):
    values = field(POINTS).numpy()
    np.testing.assert_array_equal(tf.function(field)(POINTS), values)
    np.testing.assert_array_equal(field(POINTS[:6].reshape(2, 3, 2)), values[:6].reshape(2, 3, 3))
    np.testing.assert_array_equal(field(POINTS[0]), values[0])
    np.testing.assert_allclose(tf.concat([field(POINTS[i : i + 1]) for i in range(20)], 0), values[:20], atol=1e-6)
    assert field(np.zeros((0, 2), "float32")).shape == (0, 3)


def test_a_raster_is_what_its_points_are(field):
    rows, columns = np.divmod(np.arange(40 * 61), 61)
    expected = field(pixel_coords(rows, columns, 40, 61)).numpy()
    np.testing.assert_allclose(field.sample_grid().reshape(-1, 3), expected, atol=1e-6)
    box = (0.3, 0.2, -0.5, -0.1)  # mirrored both ways
    mirrored = field.sample_grid(7, 9, box, supersampling=2)
    np.testing.assert_allclose(mirrored[::-1, ::-1], field.sample_grid(7, 9, (-0.5, -0.1, 0.3, 0.2), 2), atol=1e-6)


def test_derivatives_by_rule_and_by_tape_agree(field):
    for derivative in (jacobian, laplacian):
        by_rule, by_tape = (derivative(field, POINTS[:60], method).numpy() for method in ("forward", "tape"))
        np.testing.assert_allclose(by_rule, by_tape, atol=2e-6 * np.abs(by_tape).max())


@pytest.mark.parametrize("border", [20.0, 17.0, 23.0])
def test_values_gradient_and_laplacian_are_continuous_across_borders_and_corners(field, border):
    """Rows meet at 20, columns at 21 and 42; blending begins and ends three pixels before and behind."""
    height, width = LATTICE.picture_size
    columns = np.array([5.0, 18.0, 21.0, 24.0, 42.0, 50.0])
    places = [np.stack([columns, np.full(6, border + e)], -1) for e in (-1e-4, 1e-4)]
    coords = [np.float32((2 * place - [width, height]) / width) for place in places]
    before, after = (differentiate(field, part) for part in coords)
    for name, part in before.items():
        scale = np.abs(part).max()
        np.testing.assert_allclose(part, after[name], atol=1e-3 * scale, err_msg=name)


def test_blocks_differ_so_that_continuity_is_not_for_free(blocks):
    hard = blended(blocks[:3] + blocks[:3], np.float32([[0.2, -0.01]])) - blended(blocks, np.float32([[0.2, 0.01]]))
    assert np.abs(hard).max() > 0.01


def test_outside_of_the_picture_the_outermost_blocks_go_on(field, blocks):
    far = np.float32([[-1.3, -0.9]])
    np.testing.assert_allclose(field(far), blended(blocks, far), atol=1e-6)


def test_kinks_are_those_of_the_blocks(field):
    assert kinks_of(field) == []
    grids = [CellGrid(pixel_layout((1, 2), 6), "plain", (4,), picture_size=LATTICE.block_size) for _ in range(6)]
    assert "has cells" in kinks_of(field_of_blocks(grids, LATTICE))[0]


def test_a_file_holds_it_whole(field, tmp_path):
    save_field(field, tmp_path / "model.keras")
    loaded = read_field(tmp_path / "model.keras")
    assert isinstance(loaded, BlockField)
    np.testing.assert_array_equal(loaded(POINTS), field(POINTS))


@pytest.mark.slow
def test_an_export_answers_like_the_field(field, tmp_path):
    served = tf.saved_model.load(str(export_saved_model(field, tmp_path, max_points=1000))).signatures
    found = served["laplacian"](coords=tf.constant(POINTS))
    np.testing.assert_allclose(found["laplacian"], laplacian(field, POINTS), rtol=1e-4, atol=1e-3)
    box = tf.constant([[-1.0, -40 / 61, 1.0, 40 / 61]])
    image = served["render"](box=box, size=tf.constant([[40, 61]]))["image"]
    np.testing.assert_allclose(image[0], np.clip(field.sample_grid(), 0, 1), atol=1e-5)


@pytest.mark.slow
def test_weights_are_stored_once(field, tmp_path):
    folder = export_saved_model(field, tmp_path)
    stored = (folder / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert stored < 4 * field.count_params() + 2000


def test_one_block_is_the_field_itself():
    lattice = Lattice((20, 30), (20, 30), 2)
    own = Siren(units=(8,), picture_size=lattice.block_size, seed=3)
    whole = field_of_blocks([own], lattice)
    inner = own.sample_grid()[2:-2, 2:-2]
    np.testing.assert_allclose(whole.sample_grid(), inner, atol=1e-5)


@pytest.mark.slow
def test_small_views_are_drawn_by_the_reduced_field(field, blocks, tmp_path):
    smaller = Siren(units=(8,), picture_size=(10, 16), seed=9)
    both = field_of_blocks(blocks, LATTICE, reduced=smaller)
    np.testing.assert_array_equal(both.sample_grid(), field.sample_grid())
    np.testing.assert_array_equal(both.sample_grid(30, 40), field.sample_grid(30, 40))
    right = 2 * 61 / 64 - 1  # 61 columns are 15.25 of the reduced 16, which span [-1, 1]
    expected = smaller.sample_grid(5, 6, (-1, -0.625, right, 0.625))
    np.testing.assert_allclose(both.sample_grid(5, 6), expected, atol=1e-6)
    np.testing.assert_allclose(both.sample_grid(5, 6, supersampling=2), field.sample_grid(5, 6, supersampling=2))
    served = tf.saved_model.load(str(export_saved_model(both, tmp_path))).signatures
    box = np.float32([-1, -40 / 61, 1, 40 / 61])
    for size in ((5, 6), (30, 40)):
        image = served["render"](box=tf.constant([box]), size=tf.constant([size]))["image"]
        np.testing.assert_allclose(image[0], np.clip(both.sample_grid(*size, box), 0, 1), atol=1e-5)


def test_a_reduced_field_of_another_size(blocks):
    with pytest.raises(InputError, match=r"reduced must have picture_size=\(10, 16\), received \(10, 15\)"):
        field_of_blocks(blocks, LATTICE, reduced=Siren(units=(4,), picture_size=(10, 15)))


@pytest.mark.parametrize(
    ("places", "size", "message"),
    [
        (((0, 1, 2, 3, 4),), (26, 27), "places must be each of 6 blocks once, received \\(\\(0, 1, 2, 3, 4\\),\\)"),
        (((0, 1, 2, 3, 4, 4),), (26, 27), "places must be each of 6 blocks once"),
        (((0, 1, 2, 3, 4, 5),), (26, 26), "networks must have picture_size=\\(26, 27\\), received \\(26, 26\\)"),
    ],
)
def test_what_does_not_fit_together(places, size, message):
    network = stack([Siren(units=(4,), picture_size=size, seed=k) for k in range(len(places[0]))])
    with pytest.raises(InputError, match=message):
        BlockField([network], places, LATTICE)


def test_networks_must_be_stacked_and_have_the_same_channels():
    single = Siren(units=(4,), picture_size=LATTICE.block_size)
    with pytest.raises(InputError, match="networks must be stacked fields of 6 blocks, received <Siren"):
        Blocks([single], [range(6)], LATTICE)
    two = [Siren(units=(4,), channels=c, num_fields=3, picture_size=LATTICE.block_size) for c in (1, 3)]
    with pytest.raises(InputError, match="networks must have as many channels each, received 1 and 3"):
        Blocks(two, [range(3), range(3, 6)], LATTICE)


def test_it_is_not_fitted_as_a_whole(field):
    signal = ImageSignal(np.zeros((40, 61, 3), "float32"), "x", "0", 8)
    with pytest.raises(InputError, match=r"field must be one network, received .* of blocks, which keras_inr.blocks"):
        fit(field, signal, steps=1)


def test_several_cannot_be_stacked(field):
    with pytest.raises(InputError, match="is a field of blocks"):
        stack([field, field])


def test_too_few_fields():
    with pytest.raises(InputError, match="places must be each of 6 blocks once"):
        field_of_blocks([sines(0)], LATTICE)
