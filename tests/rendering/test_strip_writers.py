"""Files written strip by strip are read back by other people's readers."""

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from keras_inr.rendering._strip_writers import write_npy_strips, write_png_strips, write_tiff_strips

SHAPE = (21, 13)
ROWS = (1, 4, 21, 100)


def picture(channels, dtype):
    """Smooth and noisy parts, with both ends of the range."""
    values = np.random.default_rng(0).uniform(0, 1, (*SHAPE, channels))
    values[5:15] = np.linspace(0, 1, SHAPE[1])[:, None]
    return (values * (1 if dtype == "float32" else np.iinfo(dtype).max)).astype(dtype)


def strips(array, rows):
    return (array[first : first + rows] for first in range(0, len(array), rows))


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png(tmp_path, dtype, channels, rows):
    array, path = picture(channels, dtype), tmp_path / "a.png"
    write_png_strips(path, strips(array, rows), array.shape, dtype, '{"a": "b"}')
    read = imagecodecs.png_decode(path.read_bytes())
    assert read.dtype == dtype
    np.testing.assert_array_equal(read.reshape(array.shape), array)
    with Image.open(path) as opened:
        assert opened.text == {"Description": '{"a": "b"}'}
        assert opened.size == SHAPE[::-1]
        if dtype == "uint8" or channels == 1:  # Pillow takes 16-bit colour to 8 bits
            np.testing.assert_array_equal(np.asarray(opened).reshape(array.shape), array)


def test_a_filtered_photograph_is_about_as_small_as_pillows(tmp_path):
    from skimage import data

    photograph = data.astronaut()
    write_png_strips(tmp_path / "a.png", strips(photograph, 50), photograph.shape, "uint8")
    Image.fromarray(photograph).save(tmp_path / "b.png")
    assert (tmp_path / "a.png").stat().st_size < 1.15 * (tmp_path / "b.png").stat().st_size


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tiff(tmp_path, dtype, channels, rows):
    array, path = picture(channels, dtype), tmp_path / "a.tif"
    write_tiff_strips(path, strips(array, rows), array.shape, dtype, '{"a": 1}')
    with tifffile.TiffFile(path) as opened:
        (page,) = opened.pages
        assert page.description == '{"a": 1}'
        assert page.photometric.name == ("RGB" if channels in (3, 4) else "MINISBLACK")
        assert len(page.extrasamples) == (channels - 3 if channels in (3, 4) else channels - 1)
        assert not opened.is_bigtiff
        read = page.asarray()
    assert read.dtype == dtype
    np.testing.assert_array_equal(read.reshape(array.shape), array)
    if dtype == "uint8" and channels in (1, 3, 4):
        with Image.open(path) as opened:
            np.testing.assert_array_equal(np.asarray(opened).reshape(array.shape), array)


def test_a_tiff_beyond_4_gigabytes_is_a_bigtiff(tmp_path):
    """Asked of a writer that stops after its first strip, so that nothing of that size is written."""

    def stopping():
        yield np.zeros((1, 40_000, 3), "float32")
        raise InterruptedError

    path = tmp_path / "a.tif"
    with pytest.raises(InterruptedError):
        write_tiff_strips(path, stopping(), (40_000, 40_000, 3), "float32")
    assert path.read_bytes()[:4] == b"II\x2b\x00"


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("tail", [(), (3,), (3, 2)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_npy(tmp_path, dtype, tail, rows):
    array, path = np.random.default_rng(0).normal(size=(*SHAPE, *tail)).astype(dtype), tmp_path / "a.npy"
    write_npy_strips(path, strips(array, rows), array.shape, dtype)
    read = np.load(path, mmap_mode="r")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, array)
