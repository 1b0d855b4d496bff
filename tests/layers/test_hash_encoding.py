import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_inr.layers import HashEncoding
from layers.reference import assert_as_exact_as_numpy, hash_encoding, hash_entry, hash_resolutions

DESCENT = {"num_levels": 10, "table_size": 4096, "base_resolution": 2, "finest_resolution": 512}
# two dense and two hashed levels, in 2-D and in 3-D
SMALL = {"num_levels": 4, "table_size": 64, "base_resolution": 2, "finest_resolution": 40}


def built(dtype="float64", **arguments):
    layer = HashEncoding(initial_scale=1.0, seed=0, dtype=dtype, **arguments)
    layer.build((None, layer.num_dims))
    return layer


def level_slices(layer):
    ends = np.cumsum(layer.num_entries)
    return [slice(end - entries, end) for end, entries in zip(ends, layer.num_entries, strict=True)]


def lattice(resolution, dims):
    """The vertices of a level as integers (vertices, dims), and as float64 coordinates."""
    vertices = np.array(list(itertools.product(range(resolution + 1), repeat=dims)))
    return vertices, 2.0 * vertices / resolution - 1.0


def rows_at_vertices(layer, level):
    """The table rows that the level's vertices read, found by interpolating a table that holds its row numbers."""
    rows = np.arange(sum(layer.num_entries))[:, None]
    layer.table.assign(np.repeat(rows, layer.num_features, axis=1))
    vertices, coords = lattice(layer.resolutions[level], layer.num_dims)
    found = layer(coords).numpy()[:, level * layer.num_features]
    # a position is off its vertex by some 1e-16 of the lattice, which other rows' numbers magnify
    np.testing.assert_allclose(found, np.rint(found), rtol=0, atol=1e-15 * layer.resolutions[level] * len(rows) * 8)
    return vertices, np.rint(found).astype(int)


def jet(layer, coords):
    """Value, gradient and Hessian of the features' sum at float64 coords (N, dims)."""
    coords = tf.constant(coords, "float64")
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(coords)
        with tf.GradientTape() as inner:
            inner.watch(coords)
            value = tf.reduce_sum(layer(coords), axis=-1)
        gradient = inner.gradient(value, coords)
        components = tf.unstack(gradient, axis=-1)
    rows = [outer.gradient(component, coords, unconnected_gradients="zero") for component in components]
    return value.numpy(), gradient.numpy(), np.stack(rows, axis=-2)


@pytest.mark.parametrize("num_dims", [2, 3])
@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_formula(num_dims, interpolation, dtype):
    layer = built(dtype, num_dims=num_dims, interpolation=interpolation, **SMALL)
    coords = np.random.default_rng(0).uniform(-1, 1, (40, num_dims)).astype("float32").astype(dtype)
    resolutions = hash_resolutions(4, 2, 40)
    arguments = (coords, layer.table.numpy(), resolutions, 64, interpolation == "smoothstep")
    if dtype == "float32":
        assert_as_exact_as_numpy(layer(coords), hash_encoding, *arguments)
    else:
        # positions up to 40 are rounded three times, weights change by at most 2 per unit along each axis
        np.testing.assert_allclose(layer(coords), hash_encoding(*arguments), rtol=0, atol=40 * 3 * 6 * 2**-53)


def test_resolutions_and_entries_of_descent():
    layer = HashEncoding(**DESCENT)
    assert layer.resolutions == (2, 3, 6, 12, 23, 43, 80, 149, 276, 512)
    assert layer.num_entries == (9, 16, 49, 169, 576, 1936, 4096, 4096, 4096, 4096)
    assert sum(layer.num_entries) == 19139
    assert layer.num_dense_levels == 6


@pytest.mark.parametrize(("num_levels", "base", "finest"), [(1, 5, 99), (5, 16, 256), (16, 16, 512), (3, 7, 7)])
def test_resolutions_grow_geometrically(num_levels, base, finest):
    layer = HashEncoding(num_levels, base_resolution=base, finest_resolution=finest)
    assert list(layer.resolutions) == hash_resolutions(num_levels, base, finest)
    assert layer.resolutions[-1] == (finest if num_levels > 1 else base)


@pytest.mark.parametrize("num_dims", [2, 3])
def test_dense_levels_use_every_entry_once_and_hashed_ones_stay_in_their_slice(num_dims):
    layer = built(num_dims=num_dims, num_features=1, **{**SMALL, "table_size": 128, "finest_resolution": 20})
    assert 0 < layer.num_dense_levels < layer.num_levels
    for level, rows in enumerate(level_slices(layer)):
        vertices, found = rows_at_vertices(layer, level)
        resolution = layer.resolutions[level]
        entries = [hash_entry([int(c) for c in vertex], resolution, 128) for vertex in vertices]
        np.testing.assert_array_equal(found - rows.start, entries)
        if level < layer.num_dense_levels:
            np.testing.assert_array_equal(np.sort(found), np.arange(rows.start, rows.stop))
        else:
            assert rows.start <= found.min() <= found.max() < rows.stop


@pytest.mark.parametrize("num_dims", [2, 3])
def test_tiles_repeat_along_each_axis(num_dims):
    """A vertex shares its entry with those a whole number of tiles away, and with no other."""
    layer = built(
        grid="tiled", num_dims=num_dims, num_features=1, **{**SMALL, "table_size": 64, "finest_resolution": 11}
    )
    side = {2: 8, 3: 4}[num_dims]
    assert layer.tile_side == side
    assert 0 < layer.num_dense_levels < layer.num_levels
    for level, rows in enumerate(level_slices(layer)):
        vertices, found = rows_at_vertices(layer, level)
        dense = level < layer.num_dense_levels
        width = layer.resolutions[level] + 1 if dense else side
        np.testing.assert_array_equal(found - rows.start, (vertices % width) @ width ** np.arange(num_dims))
        assert layer.num_entries[level] == width**num_dims


def test_a_dense_grid_has_an_entry_for_every_vertex():
    layer = built(grid="dense", num_features=1, **{**SMALL, "table_size": 4})
    assert layer.num_dense_levels == layer.num_levels
    for level, rows in enumerate(level_slices(layer)):
        vertices, found = rows_at_vertices(layer, level)
        np.testing.assert_array_equal(found - rows.start, vertices @ (layer.resolutions[level] + 1) ** np.arange(2))
        assert layer.num_entries[level] == len(vertices)


def test_hash_wraps_as_unsigned_arithmetic_does():
    """Vertex numbers times the largest prime pass 2^31 and 2^32 many times over."""
    layer = built(num_levels=1, table_size=2**14, num_features=1, base_resolution=1000, finest_resolution=1000)
    vertices = np.random.default_rng(0).integers(0, 1001, (200, 2))
    layer.table.assign(np.arange(2**14)[:, None])
    found = layer(2.0 * vertices / 1000 - 1.0).numpy()[:, 0]
    expected = [hash_entry([int(c) for c in vertex], 1000, 2**14) for vertex in vertices]
    # rows up to 16384, positions up to 1000 with an error of about 1e-16 of the lattice
    np.testing.assert_allclose(found, expected, rtol=0, atol=1000 * 16384 * 8e-16)


@pytest.mark.parametrize("num_dims", [2, 3])
@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
def test_value_at_a_vertex_is_its_entry(num_dims, interpolation):
    layer = built(num_levels=1, base_resolution=4, num_dims=num_dims, interpolation=interpolation)
    vertices, coords = lattice(4, num_dims)
    rows = [hash_entry([int(c) for c in vertex], 4, layer.table_size) for vertex in vertices]
    # multiples of 1/2 are exact, and so is an interpolation at 0 or 1
    np.testing.assert_array_equal(layer(coords), layer.table.numpy()[rows])


@st.composite
def layers_and_coords(draw):
    """A small encoding and coordinates in, on and around its lattice."""
    base = draw(st.integers(1, 6))
    layer = built(
        "float32",
        num_levels=draw(st.integers(1, 4)),
        table_size=2 ** draw(st.integers(0, 7)),
        num_features=draw(st.integers(1, 3)),
        base_resolution=base,
        finest_resolution=draw(st.integers(base, 40)),
        interpolation=draw(st.sampled_from(["linear", "smoothstep"])),
        num_dims=draw(st.sampled_from([2, 3])),
    )
    coordinate = st.sampled_from([-1.0, 1.0, 0.0]) | st.floats(-3, 3, width=32)
    points = draw(st.lists(st.tuples(*[coordinate] * layer.num_dims), min_size=1, max_size=5))
    return layer, np.array(points, "float32")


@given(layers_and_coords())
def test_weights_sum_to_one_and_rows_belong_to_their_level(case):
    layer, coords = case
    levels = np.repeat(np.arange(1, layer.num_levels + 1), layer.num_entries)
    layer.table.assign(np.repeat(levels[:, None], layer.num_features, axis=1))
    expected = np.repeat(np.arange(1, layer.num_levels + 1), layer.num_features)
    # 8 corner weights of a few roundings each
    np.testing.assert_allclose(layer(coords), np.tile(expected, (len(coords), 1)), rtol=32 * 2**-24)


@given(layers_and_coords())
def test_coordinates_outside_are_clamped(case):
    layer, coords = case
    np.testing.assert_array_equal(layer(coords), layer(np.clip(coords, -1, 1)))
    assert np.all(np.isfinite(layer(coords)))


@given(layers_and_coords())
def test_values_stay_between_the_entries(case):
    layer, coords = case
    # convex up to the rounding of the weights
    assert np.abs(layer(coords)).max() <= np.abs(layer.table).max() * (1 + 32 * 2**-24)


@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
def test_border(interpolation):
    layer = built("float32", num_levels=1, base_resolution=4, interpolation=interpolation)
    corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], "float32")
    entries = layer.table.numpy()[[0, 4, 20, 24]]
    np.testing.assert_array_equal(layer(corners), entries)
    np.testing.assert_array_equal(layer(np.nextafter(corners, 9 * corners)), entries)
    np.testing.assert_array_equal(layer(corners * np.float32("inf")), entries)


@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
def test_derivatives_outside_are_zero(interpolation):
    _, gradient, hessian = jet(built(interpolation=interpolation, **SMALL), [[1.5, -1.5], [-1.01, 1.01]])
    assert not gradient.any()
    assert not hessian.any()


def around_faces(resolution):
    """Points 1e-9 of a cell before and behind inner cell faces, crossing along x, and one 1/3 into a cell along y."""
    face, step = 2.0 * np.arange(1, resolution) / resolution - 1.0, 2e-9 / resolution
    y = np.full_like(face, 2.0 * (resolution / 2 + 1 / 3) / resolution - 1.0)
    return (np.stack([face + side * step, y], axis=-1) for side in (-1, 1))


def test_smoothstep_is_twice_continuously_differentiable():
    layer = built(num_levels=1, base_resolution=8, interpolation="smoothstep")
    before, behind = (jet(layer, points) for points in around_faces(8))
    for order, (low, high) in enumerate(zip(before, behind, strict=True)):
        # over the 5e-10 between, a derivative changes by at most the next one: 60 (the largest third derivative of s)
        # times 2 (difference of entries), 2 (features) and 4 (half the cells) to the order
        np.testing.assert_allclose(low, high, rtol=0, atol=5e-10 * 240 * 4 ** (order + 1))


def test_linear_is_continuous_and_has_a_kink_at_faces():
    before, behind = (jet(built(num_levels=1, base_resolution=8), points) for points in around_faces(8))
    # slopes are below 2 (difference of entries) * 2 (features) * 4 (half the cells), the points 5e-10 apart
    np.testing.assert_allclose(before[0], behind[0], rtol=0, atol=5e-10 * 16)
    assert np.all(np.abs(before[1] - behind[1])[:, 0] > 1e-3)


@pytest.mark.parametrize("interpolation", ["linear", "smoothstep"])
def test_derivatives_inside_a_cell(interpolation):
    layer = built(interpolation=interpolation, **SMALL)
    # in the middle fifth of a cell of the finest level, never within 1e-3 of a face of the others
    rng = np.random.default_rng(0)
    coords = 2.0 * (rng.integers(0, 40, (200, 2)) + rng.uniform(0.4, 0.6, (200, 2))) / 40 - 1.0
    positions = (coords[:, None] * 0.5 + 0.5) * np.array(layer.resolutions)[:, None]
    coords = coords[np.abs(positions - np.rint(positions)).min(axis=(1, 2)) > 1e-3]
    assert len(coords) > 50
    _, gradient, hessian = jet(layer, coords)
    h = 1e-6
    for axis, step in enumerate(h * np.eye(2)):
        (low, low_gradient, _), (high, high_gradient, _) = jet(layer, coords - step), jet(layer, coords + step)
        # slopes are about 40 and second derivatives 2000, on positions rounded at 1e-15 and differences divided by h;
        # the next derivatives but one, up to 60 * 20^3 and 360 * 20^4, count by h^2 / 6
        np.testing.assert_allclose(gradient[:, axis], (high - low) / (2 * h), rtol=0, atol=1e-6)
        np.testing.assert_allclose(hessian[:, axis], (high_gradient - low_gradient) / (2 * h), rtol=0, atol=1e-4)


def test_every_level_receives_gradients():
    layer = built("float32", **SMALL)
    coords = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype("float32")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(coords))
    gradient = tf.convert_to_tensor(tape.gradient(total, layer.table.value)).numpy()
    assert all(np.any(gradient[rows]) for rows in level_slices(layer))


def test_table_starts_uniform_and_small():
    layer = HashEncoding(num_levels=4, table_size=2**14, seed=0)
    layer.build((None, 2))
    table = layer.table.numpy()
    assert np.abs(table).max() <= np.float32(1e-4)
    # 5 standard errors of the variance of n uniform draws, sqrt(0.8 / n) of it
    np.testing.assert_allclose(table.var(), 1e-8 / 3, rtol=5 * np.sqrt(0.8 / table.size))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_positions_stay_float32_under_mixed_policies(policy):
    wide, mixed = built("float32", **DESCENT), built(policy, **DESCENT)
    mixed.set_weights(wide.get_weights())
    coords = np.random.default_rng(0).uniform(-1, 1, (500, 2)).astype("float32")
    # only the output is rounded, to half an ulp of a number below 1
    ulp = {"float16": 2**-11, "bfloat16": 2**-8}[mixed.compute_dtype]
    np.testing.assert_allclose(np.asarray(mixed(coords)).astype("float32"), wide(coords), rtol=0, atol=ulp / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_levels": 0}, "num_levels must be a positive integer, received 0"),
        ({"table_size": 0}, "table_size must be a positive integer, received 0"),
        ({"table_size": 1000}, "table_size must be a power of two, received 1000"),
        ({"num_features": 1.5}, "num_features must be a positive integer, received 1.5"),
        ({"base_resolution": -2}, "base_resolution must be a positive integer, received -2"),
        ({"finest_resolution": 0}, "finest_resolution must be a positive integer, received 0"),
        ({"finest_resolution": 8}, "finest_resolution must be at least base_resolution = 16, received 8"),
        ({"num_fields": 0}, "num_fields must be a positive integer, received 0"),
        ({"interpolation": "cubic"}, "interpolation must be one of .* received 'cubic'"),
        ({"initial_scale": "wide"}, "initial_scale must be finite and positive, received 'wide'"),
        ({"grid": "round"}, r"grid must be one of \('hash', 'dense', 'tiled'\), received 'round'"),
        (
            {"grid": "dense", "num_levels": 1, "base_resolution": 40_000, "finest_resolution": 40_000},
            r"a dense grid of \(40000,\) cells per axis has 1600080001 entries of 2, more than the 2147483647 numbers",
        ),
        ({"initial_scale": 0}, "initial_scale must be finite and positive, received 0"),
        ({"initial_scale": float("inf")}, "initial_scale must be finite and positive, received inf"),
        ({"num_dims": 4}, "num_dims must be 2 or 3, received 4"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        HashEncoding(**arguments)


def test_last_axis_must_be_num_dims():
    with pytest.raises(ValueError, match=r"last axis of the inputs must be num_dims = 2, received \(5, 3\)"):
        HashEncoding().build((5, 3))


@pytest.mark.parametrize("num_fields", [None, 2])
def test_adam_squares_the_sum_over_points_and_not_each_point(num_fields):
    sizes = {"num_levels": 1, "table_size": 16, "base_resolution": 2, "finest_resolution": 2}
    layer = HashEncoding(**sizes, seed=0, dtype="float64", num_fields=num_fields)
    coords = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    inputs = coords if num_fields is None else coords[None]
    layer(inputs)
    optimizer = keras.optimizers.Adam(0.1, epsilon=1e-12)
    optimizer.build(layer.trainable_variables)
    before = layer.table.numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(inputs) - 1.0))
    (gradient,) = tape.gradient(loss, [layer.table.value])
    assert isinstance(gradient, tf.Tensor)
    optimizer.apply([gradient], layer.trainable_variables)
    # the first step of Adam is its rate against the sign of the gradient, wherever there is one
    np.testing.assert_allclose(layer.table - before, -0.1 * np.sign(gradient), rtol=1e-4, atol=1e-9)
    assert np.count_nonzero(gradient) > 0
