"""Pictures smaller than the fitted one are filtered by an export as they are by its field."""

import json

import numpy as np
import pytest
import tensorflow as tf

from export.small_fields import ATOL, CHUNK, MAX_PIXELS, assert_same_pixels, caller, decoded, small_field
from keras_inr.export import export_saved_model
from keras_inr.models import Siren

BOX = np.float32([[-1, -0.6875, 1, 0.6875]])  # of a picture of 20 x 30 pixels, and a little more


@pytest.mark.parametrize("preset", ["siren", "multi_hash"])
@pytest.mark.parametrize("size", [(5, 6), (1, 1), (3, 40), (40, 7)], ids=str)
def test_an_export_filters_like_its_field(served, preset, size):
    field, signatures = served(preset)
    frame = {"box": BOX, "size": np.int32([size])}
    expected = field.sample_grid(*size, BOX[0])
    assert np.abs(expected - field.sample_grid(*size, BOX[0], supersampling=1)).max() > 100 * ATOL
    image = caller(signatures)("render", frame)["image"][0]
    np.testing.assert_allclose(image, np.clip(expected, 0, 1), rtol=0, atol=ATOL)
    png = caller(signatures)("render_png", frame)["png_bytes"][0]
    assert_same_pixels(decoded(png), field.render(*size, BOX[0], between="field"))


def test_rows_are_filtered_each_in_its_own_way(served):
    field, signatures = served()
    boxes, sizes = np.float32([BOX[0], [0, 0, 0.1, 0.1]]), np.int32([[6, 5]] * 2)
    images = caller(signatures)("render", {"box": boxes, "size": sizes})["image"]
    expected = [np.clip(field.sample_grid(6, 5, box), 0, 1) for box in boxes]
    np.testing.assert_allclose(images, expected, rtol=0, atol=ATOL)


def test_more_points_than_a_chunk_in_one_pixel(served):
    """The pixel's points stay together."""
    field, signatures = served()
    assert CHUNK < 20 * 30
    image = caller(signatures)("render", {"box": BOX, "size": np.int32([[1, 1]])})["image"][0]
    np.testing.assert_allclose(image, np.clip(field.sample_grid(1, 1, BOX[0]), 0, 1), rtol=0, atol=ATOL)


@pytest.mark.slow
def test_the_limit_counts_points(tmp_path, serve):
    """A thumbnail of a huge picture is work; it must not pass as a few pixels."""
    huge = Siren(units=(8,), picture_size=(100_000, 100_000))
    folder = export_saved_model(huge, tmp_path, max_pixels=MAX_PIXELS, chunk=CHUNK)
    whole = np.float32([[-1, -1, 1, 1]])
    requests = [
        (name, {"box": whole, "size": np.int32([[1, count]])}) for name in ("render", "render_png") for count in (1, 2)
    ]
    (replies,), _ = serve([(folder, requests)])
    for name, one, two in (("image", *replies[:2]), ("png_bytes", *replies[2:])):
        assert name in one  # 64 x 64 = 4096 points
        assert two.startswith("code 3")  # INVALID_ARGUMENT
        sentence = (
            f"size must ask for at most {MAX_PIXELS} points over all rows (several in a pixel that is larger than "
            "those of the picture), received 8192"
        )
        assert sentence in " ".join(two.split())


@pytest.mark.slow
def test_an_export_with_a_small_limit_is_still_replayed(tmp_path):
    field = small_field(picture_size=(20_000, 30_000))
    folder = export_saved_model(field, tmp_path, max_pixels=32)
    info = tf.saved_model.load(str(folder)).signatures["info"](query=tf.constant([""]))["info"][0].numpy()
    assert json.loads(info)["limits"]["max_pixels"] == 32
