import functools
import math

import numpy as np
import pytest
import tensorflow as tf

from keras_inr.coordinates import pixel_coords
from keras_inr.derivatives import differentiate, jacobian
from keras_inr.forward_rules import Jet
from keras_inr.layers import CellEncoding
from keras_inr.layers.cell_encoding import looked_up_entries, source_entries
from layers import cell_reference
from layers.reference import assert_as_exact_as_numpy

# of a picture of 20 x 30: entries for all vertices, for all, and a hash
SIZE = (20, 30)
LAYOUT = ((5, 7.5, 3), (10, 2.0, 2), (6, 0.7, 4))
SOURCE_SIZES = [(128, 128), (258, 258), (500, 500), (600, 700)]
FORMULAS = {"corrected": cell_reference.corrected, "source": cell_reference.source}


def built(layout=LAYOUT, size=SIZE, dtype="float64", **arguments):
    """An encoding whose tables are of the size of features."""
    layer = CellEncoding(layout, size, seed=0, dtype=dtype, **arguments)
    layer.build((None, 2))
    for table in layer.tables:
        table.assign(100 * table)
    return layer


def with_row_numbers(layout, size, form):
    """An encoding of one level, in float32, that gives the rows it reads."""
    layer = built((layout,), size, "float32", form=form)
    layer.tables[0].assign(np.repeat(np.arange(layer.num_entries[0])[:, None], layout[2], axis=1))
    return layer


def coords_of(position, size):
    """Coordinates of pixel positions (column, row)."""
    height, width = size
    return (2.0 * np.asarray(position) + 1 - [width, height]) / max(size)


def vertices(layer, level):
    """(x, y) of all vertices of a level of the corrected form, row by row, and those that lie in the picture."""
    columns, rows = layer.num_vertices[level]
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    height, width = layer.picture_size
    inside = np.all(grid * layer.layout[level][1] <= [width - 1, height - 1], axis=-1)
    return grid, inside


def points(size=SIZE, count=60):
    """Coordinates around a picture, on its border, and at pixel centres."""
    rng = np.random.default_rng(1)
    height, width = size
    columns, rows = rng.integers(0, width, 20), rng.integers(0, height, 20)
    border = coords_of([[0, 0], [width - 1, height - 1], [width - 1, 0], [0, height - 1]], size)
    return np.concatenate([rng.uniform(-1.3, 1.3, (count, 2)), coords_of(np.stack([columns, rows], -1), size), border])


@pytest.mark.parametrize("form", FORMULAS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_formula(form, dtype):
    layer = built(dtype=dtype, form=form)
    coords = points().astype(dtype)
    formula = functools.partial(FORMULAS[form], layout=LAYOUT, size=SIZE)
    weights = [layer.level_weights.numpy(), *(table.numpy() for table in layer.tables)]
    if dtype == "float32":
        assert_as_exact_as_numpy(layer(coords), formula, coords, *weights)
    else:
        # positions up to 30, and up to 41 cells, are rounded three times, and features change by at most 8 a cell
        np.testing.assert_allclose(layer(coords), formula(coords, *weights), rtol=0, atol=41 * 3 * 8 * 2**-53)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (2, 3), (9, 5)])
@pytest.mark.parametrize("cell_size", [0.125, 0.3, 1.0, 2.5, 4.0, 100.0])
@pytest.mark.parametrize("form", FORMULAS)
def test_odd_sizes(size, cell_size, form):
    layout = ((6, cell_size, 2),)
    layer = built(layout, size, form=form)
    coords = points(size, 20)
    expected = FORMULAS[form](coords, np.zeros(1), layer.tables[0].numpy(), layout=layout, size=size)
    # as above, with positions up to 9 and 64 cells
    np.testing.assert_allclose(layer(coords), expected, rtol=0, atol=64 * 3 * 8 * 2**-53)


@pytest.mark.parametrize("size", [*SOURCE_SIZES, (300, 451)])
@pytest.mark.parametrize("cell_size", [8.0, 3.0, 2.0, 1.0, 0.5, 0.125])
@pytest.mark.parametrize("compiled", [False, True])
def test_source_reads_the_cell_of_every_pixel_in_float32(size, cell_size, compiled):
    """Cells begin at pixel centres, whose positions are rounded: 7.9999995 is the eighth pixel all the same."""
    layer = with_row_numbers((18, cell_size, 1), size, "source")
    rows, columns = np.divmod(np.arange(size[0] * size[1]), size[1])
    call = tf.function(layer, jit_compile=compiled)
    found = call(pixel_coords(rows, columns, *size)).numpy()[:, 0]
    cells_x = [math.floor(column / cell_size) for column in range(size[1])]
    cells_y = [math.floor(row / cell_size) for row in range(size[0])]
    chosen = np.random.default_rng(0).choice(len(rows), 2000, replace=False)
    expected = [cell_reference.source_entry(cells_x[columns[i]], cells_y[rows[i]], 2**18) for i in chosen]
    np.testing.assert_array_equal(found[chosen], expected)
    distinct = {(x, y) for x in set(cells_x) for y in set(cells_y)}
    assert len(np.unique(found)) == len({cell_reference.source_entry(x, y, 2**18) for x, y in distinct})


def test_source_hash():
    cells = np.random.default_rng(0).integers(0, 2**24, (500, 2))
    cells[:4] = [[0, 0], [2**24 - 1, 2**24 - 1], [65535, 0], [0, 65536]]
    for bits in (1, 14, 24):
        expected = [cell_reference.source_entry(int(x), int(y), 2**bits) for x, y in cells]
        np.testing.assert_array_equal(source_entries(tf.constant(cells, tf.int64), 2**bits), expected)
    assert min(expected) >= 0


def test_vertices_that_fit_have_entries_of_their_own():
    layer = with_row_numbers((10, 2.0, 1), SIZE, "corrected")
    grid, inside = vertices(layer, 0)
    assert layer.num_entries == (16 * 11,)
    found = layer(coords_of(2.0 * grid[inside], SIZE).astype("float32")).numpy()[:, 0]
    # a vertex is met within 3 roundings of 30 pixels, and row numbers change by up to 16 a cell
    np.testing.assert_allclose(found, (grid[:, 0] + 16 * grid[:, 1])[inside], rtol=0, atol=16 * 3 * 30 * 2**-24)


def test_vertices_that_do_not_fit_are_hashed():
    layout, size = (12, 0.5, 1), (100, 90)
    layer = built((layout,), size)
    layer.tables[0].assign(np.arange(2**12)[:, None])
    assert layer.num_entries == (2**12,)
    grid, inside = vertices(layer, 0)
    assert inside.all()
    found = layer(coords_of(0.5 * grid, size)).numpy()[:, 0]
    expected = [cell_reference.corrected_entry(int(x), int(y), *layer.num_vertices[0], 2**12) for x, y in grid]
    # rows up to 4096, positions up to 100 known to 3 roundings
    np.testing.assert_allclose(found, expected, rtol=0, atol=4096 * 2 * 3 * 100 * 2**-53)


@pytest.mark.parametrize("cell_size", [0.5, 0.125])
@pytest.mark.parametrize("form", FORMULAS)
def test_pixels_spread_over_the_whole_table(cell_size, form):
    """Pixels lie on every second or eighth vertex, which must not share half or an eighth of the table."""
    size, entries = (128, 128), 2**13
    layer = with_row_numbers((13, cell_size, 1), size, form)
    rows, columns = np.divmod(np.arange(size[0] * size[1]), size[1])
    used = len(np.unique(np.rint(layer(pixel_coords(rows, columns, *size)).numpy()[:, 0])))
    # what 128^2 random draws of entries meet, within 5 standard errors (0.2 sqrt(entries) or less)
    np.testing.assert_allclose(used, entries * (1 - math.exp(-(128**2) / entries)), rtol=0, atol=math.sqrt(entries))


def test_layouts_of_the_source_at_its_sizes():
    layout = ((14, 8.0, 4), (16, 2.0, 8), (18, 0.5, 8))
    for size, expected in zip(
        SOURCE_SIZES,
        [
            (17 * 17, 65 * 65, 255 * 255),
            (34 * 34, 130 * 130, 2**18),
            (64 * 64, 251 * 251, 2**18),
            (76 * 89, 2**16, 2**18),
        ],
        strict=True,
    ):
        assert CellEncoding(layout, size).num_entries == expected
        assert CellEncoding(layout, size, form="source").num_entries == (2**14, 2**16, 2**18)


def test_value_at_a_vertex_is_its_entry_times_the_level_weight():
    layer = built()
    grid, inside = vertices(layer, 1)
    encoded = layer(coords_of(2.0 * grid[inside], SIZE)).numpy()[:, 3:5]
    powers = np.exp(layer.level_weights.numpy())
    expected = layer.tables[1].numpy()[inside] * powers[1] / powers.sum()
    # met within 3 roundings of 30 pixels, and features change by at most 8 a cell
    np.testing.assert_allclose(encoded, expected, rtol=0, atol=8 * 3 * 30 * 2**-53)


@pytest.mark.parametrize("form", FORMULAS)
def test_clamped_outside_the_picture(form):
    layer = built(form=form)
    border = coords_of([29, 19], SIZE)
    beyond = np.array([[border[0], 0.9], [border[0], np.inf], [2.0, border[1]], [np.inf, border[1]], [3.0, 3.0]])
    np.testing.assert_array_equal(layer(beyond), np.repeat(layer(border[None]), 5, axis=0))
    np.testing.assert_array_equal(layer(-beyond), np.repeat(layer(-border[None]), 5, axis=0))
    for method in ("tape", "forward"):
        assert not np.any(jacobian(layer, np.array([[1.2, -1.0], [-1.1, 0.8]]), method))


@pytest.mark.parametrize("method", ["tape", "forward"])
@pytest.mark.parametrize("form", FORMULAS)
def test_derivatives(form, method):
    layer = built(form=form)
    rng = np.random.default_rng(2)
    coords = rng.uniform([-0.9, -0.55], [0.9, 0.55], (300, 2))
    position = (coords * 15 + [14.5, 9.5])[:, None] / np.array([7.5, 2.0, 0.7])[:, None]
    coords = coords[np.abs(position - np.rint(position)).min(axis=(1, 2)) > 0.05]  # of a cell, from its border
    assert len(coords) > 50
    h = 1e-6
    actual = jacobian(layer, coords, method).numpy()
    for axis, step in enumerate(h * np.eye(2)):
        central = (layer(coords + step).numpy() - layer(coords - step).numpy()) / (2 * h)
        # values of some 3 (30 in pixels), rounded, by h; a bilinear function has no third derivative along an axis
        np.testing.assert_allclose(actual[..., axis], central, rtol=0, atol=30 * 4 * 2**-53 / h)
    per_unit = 15.0 if form == "source" else 1.0
    # per_unit comes of two products
    np.testing.assert_allclose(actual[:, -2:], np.broadcast_to(per_unit * np.eye(2), (len(coords), 2, 2)), rtol=1e-15)
    assert np.any(actual[:, :-2]) == (form == "corrected")


def test_mixed_second_derivative():
    """The only one that a bilinear function has: f_xy of the cell, here along the diagonal, d = (1, 1)."""
    layer = built(((5, 8.0, 1),))
    coords = tf.constant([[0.03, 0.05]], tf.float64)
    jet = layer.propagate(Jet(coords, (tf.ones((1, 2), tf.float64),), tf.zeros((1, 2), tf.float64)))
    h = 1e-3
    low, middle, high = (layer(coords + step).numpy() for step in (-h, 0, h))
    # second differences of values of about 1, rounded, by h^2; the fourth derivative is zero
    np.testing.assert_allclose(jet.second, (low - 2 * middle + high) / h**2, rtol=0, atol=4 * 2 * 2**-53 / h**2)
    assert abs(jet.second[0, 0]) > 1e-3


@pytest.mark.parametrize("form", FORMULAS)
def test_second_derivatives_are_refused(form):
    with pytest.raises(ValueError, match=r"has cells \(HashEncoding\(interpolation='smoothstep'\) has second"):
        differentiate(built(form=form), points(), ("laplacian",))


def test_corrected_form_is_continuous():
    """1e-9 of a pixel before and behind the borders of cells."""
    layer = built()
    for _, cell_size, _ in LAYOUT:
        border = np.arange(cell_size, 28, cell_size)
        before, behind = (
            layer(coords_of(np.stack([border + side, np.full_like(border, 7.3)], -1), SIZE)) for side in (-1e-9, 1e-9)
        )
        # features change by at most 8 a cell, of at least 0.7 pixels
        np.testing.assert_allclose(before, behind, rtol=0, atol=2e-9 * 8 / 0.7)


@pytest.mark.parametrize("form", FORMULAS)
@pytest.mark.parametrize("shared", [False, True])
def test_stacked_fields(form, shared):
    stacked = built(form=form, num_fields=3)
    coords = points(count=7)
    own = coords[None] if shared else np.stack([coords, -coords, coords[::-1]])
    together = stacked(own)
    assert together.shape == (3, len(coords), 11)
    for k in range(3):
        single = built(form=form)
        single.set_weights([weight[k] for weight in stacked.get_weights()])
        # summed in one order
        np.testing.assert_allclose(together[k], single(own[0 if shared else k]), rtol=0, atol=1e-15)


def test_every_weight_receives_gradients():
    layer = built(dtype="float32")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.square(layer(points().astype("float32"))))
    for weight, gradient in zip(layer.weights, tape.gradient(total, [w.value for w in layer.weights]), strict=True):
        assert np.any(tf.convert_to_tensor(gradient)), weight.name


def test_start():
    layer = CellEncoding(((18, 0.5, 8), (14, 2.0, 4)), (512, 512), seed=3)
    layer.build((None, 2))
    table = layer.tables[0].numpy()
    # 5 standard errors of mean and variance of n normal draws
    np.testing.assert_allclose(table.mean(), 0, atol=5 * 0.01 / math.sqrt(table.size))
    np.testing.assert_allclose(table.var(), 1e-4, rtol=5 * math.sqrt(2 / table.size))
    weights = layer.level_weights.numpy()
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert weights[0] != weights[1]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_positions_stay_float32_under_mixed_policies(policy):
    wide, mixed = built(dtype="float32"), built(dtype=policy)
    mixed.set_weights(wide.get_weights())
    coords = points().astype("float32")
    ulp = {"float16": 2**-11, "bfloat16": 2**-8}[mixed.compute_dtype]
    # only the output is rounded, to half an ulp of a number below 4
    np.testing.assert_allclose(np.asarray(mixed(coords)).astype("float32"), wide(coords), rtol=0, atol=4 * ulp / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layout": ()}, r"layout must be levels \(hash_size, cell_size, dimensions\), received \(\)"),
        ({"layout": 14}, r"layout must be levels \(hash_size, cell_size, dimensions\), received 14"),
        ({"layout": ((14, 2.0),)}, r"layout must be levels .* received \(\(14, 2.0\),\)"),
        ({"layout": ((0, 2.0, 4),)}, "hash_size must be a positive integer, received 0"),
        ({"layout": ((14.5, 2.0, 4),)}, "hash_size must be a positive integer, received 14.5"),
        ({"layout": ((25, 2.0, 4),)}, "hash_size must be at most 24, received 25"),
        ({"layout": ((14, 0, 4),)}, "cell_size must be finite and positive, received 0"),
        ({"layout": ((14, -2.0, 4),)}, "cell_size must be finite and positive, received -2.0"),
        ({"layout": ((14, math.inf, 4),)}, "cell_size must be finite and positive, received inf"),
        ({"layout": ((14, math.nan, 4),)}, "cell_size must be finite and positive, received nan"),
        ({"layout": ((14, "wide", 4),)}, "cell_size must be finite and positive, received 'wide'"),
        ({"layout": ((14, 2.0, 0),)}, "dimensions must be a positive integer, received 0"),
        ({"layout": ((24, 2.0, 128),)}, "dimensions must be at most 127, received 128"),
        (
            {"layout": ((8, 2.0, 1), (14, 1e-6, 4))},
            r"cell_size must leave at most 16777216 vertices along a side of a picture of \(20, 30\) pixels, "
            r"received level \(14, 1e-06, 4\)",
        ),
        ({"picture_size": (20,)}, r"picture_size must be \(height, width\), received \(20,\)"),
        ({"picture_size": (20, 30, 3)}, r"picture_size must be \(height, width\), received \(20, 30, 3\)"),
        ({"picture_size": (20, 0)}, "picture_size must be a positive integer, received 0"),
        ({"picture_size": 20}, "picture_size must be a sequence of positive integers, received 20"),
        ({"form": "hashed"}, r"form must be one of \('corrected', 'source', 'plain'\), received 'hashed'"),
        ({"num_fields": 0}, "num_fields must be a positive integer, received 0"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        CellEncoding(**{"layout": LAYOUT, "picture_size": SIZE, **arguments})


def test_last_axis_must_be_two():
    with pytest.raises(ValueError, match=r"last axis of the inputs must be 2 \(x, y\), received \(5, 3\)"):
        CellEncoding(LAYOUT, SIZE).build((5, 3))


class TestPlain:
    def test_it_is_the_corrected_form_without_weights_and_position(self):
        plain, corrected = built(form="plain"), built()
        corrected.set_weights([*(table.numpy() for table in plain.tables), corrected.level_weights.numpy()])
        powers = np.exp(corrected.level_weights.numpy())
        weights = np.repeat(powers / powers.sum(), [dimensions for _, _, dimensions in LAYOUT])
        np.testing.assert_allclose(plain(points()) * weights, corrected(points())[:, :-2], rtol=1e-14, atol=1e-14)
        assert plain.compute_output_shape((7, 2)) == (7, 9)
        assert len(plain.weights) == len(LAYOUT)

    def test_a_pixel_reads_the_entry_of_its_own(self):
        layer = built(((24, 1.0, 2),), form="plain", dtype="float32")
        rows, columns = np.divmod(np.arange(600), 30)
        values = layer(pixel_coords(rows, columns, *SIZE)).numpy()
        table = layer.tables[0].numpy()
        assert layer.num_entries == (600,)
        # pixels are met within 3 roundings of 30 pixels, and features change by at most 8 a cell
        np.testing.assert_allclose(values, table, rtol=0, atol=8 * 3 * 30 * 2**-24)

    @pytest.mark.parametrize("method", ["tape", "forward"])
    def test_derivatives(self, method):
        coords = np.random.default_rng(2).uniform([-0.9, -0.55], [0.9, 0.55], (50, 2))
        layer = built(((9, 8.0, 3),), form="plain")
        position = (coords * 15 + [14.5, 9.5]) / 8
        coords = coords[np.abs(position - np.rint(position)).min(axis=1) > 0.05]
        actual, h = jacobian(layer, coords, method).numpy(), 1e-6
        for axis, step in enumerate(h * np.eye(2)):
            central = (layer(coords + step).numpy() - layer(coords - step).numpy()) / (2 * h)
            np.testing.assert_allclose(actual[..., axis], central, rtol=0, atol=3 * 4 * 2**-53 / h)

    def test_stacked(self):
        stacked, coords = built(form="plain", num_fields=3), points(count=7)
        together = stacked(coords[None])
        assert together.shape == (3, len(coords), 9)
        for k in range(3):
            single = built(form="plain")
            single.set_weights([weight[k] for weight in stacked.get_weights()])
            np.testing.assert_allclose(together[k], single(coords), rtol=0, atol=1e-15)


@pytest.mark.parametrize("counts", [(600, 700), (2**17, 3), (3, 2**17)])
@pytest.mark.parametrize("bits", [1, 14, 24])
def test_the_hash_in_32_bits(counts, bits):
    rng = np.random.default_rng(0)
    cells = np.stack([rng.integers(0, count, 5000) for count in counts], axis=-1)
    cells[0] = [count - 1 for count in counts]
    expected = source_entries(tf.constant(cells, "int64"), 2**bits)
    np.testing.assert_array_equal(looked_up_entries(tf.constant(cells, "int32"), counts, 2**bits), expected)
