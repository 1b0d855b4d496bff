import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_inr.coordinates import box_coords, coords_dtype, picture_box, pixel_coords, pixel_pitch

SIZES = [(1, 1), (1, 20000), (20000, 1), (3, 4), (300, 400), (7, 5), (1000, 999)]
size = st.tuples(st.integers(1, 40), st.integers(1, 40))
edge = st.floats(-4, 4, width=32)


def centres(height, width):
    """The convention itself, x = (2j + 1 - W) / m and y = (2i + 1 - H) / m, in row-major order."""
    longer = max(height, width)
    x, y = (2 * np.arange(width) + 1 - width) / longer, (2 * np.arange(height) + 1 - height) / longer
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def all_pixels(height, width, **arguments):
    rows, columns = np.indices((height, width))
    return pixel_coords(rows, columns, height, width, **arguments)


def test_closed_form_examples():
    np.testing.assert_array_equal(all_pixels(1, 1), [[[0, 0]]])
    np.testing.assert_array_equal(all_pixels(1, 2), [[[-0.5, 0], [0.5, 0]]])
    np.testing.assert_array_equal(all_pixels(2, 1), [[[0, -0.5]], [[0, 0.5]]])
    np.testing.assert_array_equal(all_pixels(2, 4)[0, 0], [-0.75, -0.25])
    np.testing.assert_array_equal(all_pixels(2, 4)[1, 3], [0.75, 0.25])


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pixel_coords_are_correctly_rounded(height, width, dtype):
    coords = all_pixels(height, width, dtype=dtype)
    assert coords.dtype == dtype
    assert coords.shape == (height, width, 2)
    np.testing.assert_array_equal(tf.reshape(coords, (-1, 2)), centres(height, width).astype(dtype))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_box_coords_over_the_picture_are_its_pixels(height, width):
    coords = box_coords(picture_box(height, width), height, width)
    # positions are formed in float64, so that one rounding to float32 may fall to the other side; what should be 0
    # cancels only to a rounding of 1 in float64
    np.testing.assert_allclose(coords, centres(height, width), rtol=2.0**-23, atol=2.0**-52)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_pitch_is_the_distance_between_pixels(height, width):
    coords = all_pixels(height, width, dtype="float64").numpy()
    for distances in (np.diff(coords[..., 0], axis=1), np.diff(coords[..., 1], axis=0)):
        # differences of numbers up to 1, each rounded
        np.testing.assert_allclose(distances, pixel_pitch(height, width), rtol=0, atol=2.0**-52)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_picture_box_is_half_a_pixel_outside_the_outer_pixels(height, width):
    coords, half = centres(height, width), pixel_pitch(height, width) / 2
    # a few roundings of numbers up to 1
    expected = [*(coords.min(axis=0) - half), *(coords.max(axis=0) + half)]
    np.testing.assert_allclose(picture_box(height, width), expected, rtol=0, atol=2.0**-51)
    assert max(picture_box(height, width)) == 1


def test_longer_side_spans_minus_one_to_one_and_the_centre_is_zero():
    assert picture_box(300, 400) == (-1, -0.75, 1, 0.75)
    assert picture_box(400, 300) == (-0.75, -1, 0.75, 1)


@given(size, edge, edge, edge, edge)
def test_box_coords_are_the_centres_of_cells(shape, x0, y0, x1, y1):
    height, width = shape
    coords = box_coords((x0, y0, x1, y1), height, width, dtype="float64").numpy().reshape(height, width, 2)
    edges_x, edges_y = np.linspace(x0, x1, width + 1), np.linspace(y0, y1, height + 1)
    # a few roundings of numbers up to 4
    np.testing.assert_allclose(coords[0, :, 0], (edges_x[1:] + edges_x[:-1]) / 2, rtol=0, atol=2.0**-48)
    np.testing.assert_allclose(coords[:, 0, 1], (edges_y[1:] + edges_y[:-1]) / 2, rtol=0, atol=2.0**-48)
    np.testing.assert_array_equal(coords[..., 0], np.broadcast_to(coords[:1, :, 0], (height, width)))
    np.testing.assert_array_equal(coords[..., 1], np.broadcast_to(coords[:, :1, 1], (height, width)))


@given(size)
def test_mirrored_boxes_mirror_the_raster(shape):
    height, width = shape
    raster = box_coords((-0.5, 0.25, 1.0, 0.75), height, width).numpy().reshape(height, width, 2)
    mirrored = box_coords((1.0, 0.75, -0.5, 0.25), height, width).numpy().reshape(height, width, 2)
    # formed from the other end in float64, then rounded
    np.testing.assert_allclose(mirrored, raster[::-1, ::-1], rtol=2.0**-23, atol=2.0**-52)


@given(size, st.data())
def test_chunks_join_to_the_whole(shape, data):
    height, width = shape
    box, total = (-1.0, -0.5, 2.0, 0.5), height * width
    cut = data.draw(st.integers(0, total))
    whole = box_coords(box, height, width)
    chunks = [box_coords(box, height, width, 0, cut), box_coords(box, height, width, cut)]
    np.testing.assert_array_equal(tf.concat(chunks, axis=0), whole)
    count = data.draw(st.integers(0, total - cut))
    np.testing.assert_array_equal(box_coords(box, height, width, cut, count), whole[cut : cut + count])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_boxes_and_sizes_may_be_tensors_in_a_graph(jit_compile):
    whole = box_coords((-1.0, -0.5, 2.0, 0.5), 5, 7)
    if jit_compile:  # XLA needs a static count
        graph = tf.function(lambda box, h, w, first: box_coords(box, h, w, first, 10), jit_compile=True)
        expected = whole[3:13]
    else:
        graph = tf.function(lambda box, h, w, first: box_coords(box, h, w, first))
        expected = whole[3:]
    coords = graph(tf.constant((-1.0, -0.5, 2.0, 0.5)), tf.constant(5), tf.constant(7), tf.constant(3))
    # float64 inside, where a compiler may fuse, then rounded
    np.testing.assert_allclose(coords, expected, rtol=2.0**-23, atol=2.0**-52)


@given(size, st.randoms(use_true_random=False))
def test_pixel_coords_do_not_depend_on_their_neighbours(shape, random):
    height, width = shape
    flat = list(range(height * width))
    random.shuffle(flat)
    rows, columns = np.divmod(flat, width)
    np.testing.assert_array_equal(
        pixel_coords(rows, columns, height, width), centres(height, width).astype("float32")[flat]
    )


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32"), ("float64", "float64")],
)
def test_coordinates_are_never_narrower_than_float32(dtype, expected):
    assert coords_dtype(dtype) == expected
