import numpy as np
import pytest

from keras_inr.errors import ImageError
from keras_inr.signals._decoding.decoded import Raster, check_pixels, cropped, oriented

# Where the stored row 0 and column 0 are seen, from the EXIF 2.32 table of tag 274.
SEEN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def upright(stored, orientation):
    """The picture as the EXIF table says it is seen, pixel by pixel."""
    rows, columns = stored.shape[:2]
    first_row, first_column = SEEN[orientation]
    turned = first_row in ("left", "right")
    seen = np.empty((columns, rows) if turned else (rows, columns), stored.dtype)
    for row in range(rows):
        for column in range(columns):
            along_row = row if first_row in ("top", "left") else rows - 1 - row
            along_column = column if first_column in ("top", "left") else columns - 1 - column
            seen[(along_column, along_row) if turned else (along_row, along_column)] = stored[row, column]
    return seen


def grey(samples, **kwargs):
    return Raster(samples[..., None], "grey", False, 255, 8, **kwargs)


@pytest.mark.parametrize("orientation", SEEN)
def test_orientation_follows_the_exif_table(orientation):
    stored = np.arange(6, dtype="uint8").reshape(2, 3)
    result = oriented(grey(stored, orientation=orientation))
    np.testing.assert_array_equal(result.samples[..., 0], upright(stored, orientation))
    assert result.orientation == 1


def test_crop_takes_top_left_height_width():
    stored = np.arange(20, dtype="uint8").reshape(4, 5)
    np.testing.assert_array_equal(cropped(grey(stored), (1, 2, 3, 2)).samples[..., 0], stored[1:4, 2:4])


@pytest.mark.parametrize("crop", [(0, 0, 5, 5), (0, 0, 4, 6), (3, 0, 2, 1), (0, 5, 1, 1)])
def test_crop_outside_the_picture(crop):
    with pytest.raises(ImageError, match=rf"crop .* inside the picture of 4 x 5 .* received \({crop[0]}, {crop[1]}, "):
        cropped(grey(np.zeros((4, 5), "uint8")), crop)


def test_pixel_limit_is_inclusive():
    check_pixels(2, 3, 6)
    with pytest.raises(ImageError, match=r"source has 2 x 3 = 6 pixels, more than max_pixels=5; raise max_pixels"):
        check_pixels(2, 3, 5)


def test_no_pixels():
    with pytest.raises(ImageError, match="source has no pixels: its height x width is 0 x 3"):
        check_pixels(0, 3, 5)
