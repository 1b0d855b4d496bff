"""Pictures that are read window by window: the values are those of `load_image`, whatever the file."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from keras_inr.errors import ImageError
from keras_inr.signals import load_image
from keras_inr.signals._decoding import stored, tiff_windows
from keras_inr.signals.large import needs_windows, open_image, pixels_of

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (37, 53, 3), np.uint8)
WINDOWS = ((0, 0, 37, 53), (3, 5, 7, 11), (30, 40, 7, 13), (36, 52, 1, 1))


def as_tiff(path, picture=PICTURE, **options):
    tifffile.imwrite(path, picture, **{"photometric": "rgb" if picture.ndim == 3 else "minisblack", **options})


def check(path, **options):
    """All windows of a file are parts of what `load_image` gives."""
    whole = load_image(path, **options)
    with open_image(path, **options) as image:
        assert (image.size, image.channels, image.sha256) == (whole.size, whole.channels, whole.sha256)
        assert (image.bit_depth, image.source) == (whole.bit_depth, whole.source)
        height, width = whole.size
        for top, left, rows, columns in ((0, 0, height, width), (1, 2, 3, 4), (height - 2, width - 3, 2, 3)):
            window = image.window(top, left, rows, columns)
            np.testing.assert_array_equal(window, whole.window(top, left, rows, columns))
            assert window.dtype == np.float32
    assert pixels_of(path) == np.prod(load_image(path).size)


LAYOUTS = {
    "one strip, uncompressed": {},
    "strips": {"rowsperstrip": 5},
    "strips, LZW": {"rowsperstrip": 5, "compression": "lzw", "predictor": True},
    "strips, deflate": {"rowsperstrip": 37, "compression": "zlib"},
    "tiles": {"tile": (16, 32)},
    "tiles, JPEG": {"tile": (16, 32), "compression": "jpeg"},
    "tiles, planar": {"tile": (16, 16), "planarconfig": "separate"},
    "big-endian": {"byteorder": ">"},
    "BigTIFF, tiles, zstd": {"tile": (16, 16), "compression": "zstd", "bigtiff": True},
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_tiff_layouts(tmp_path, layout):
    picture = np.moveaxis(PICTURE, -1, 0) if "planar" in layout else PICTURE
    as_tiff(tmp_path / "a.tif", np.ascontiguousarray(picture), **LAYOUTS[layout])
    check(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("dtype", "photometric"), [("uint16", "minisblack"), ("float32", "minisblack"), ("uint8", "miniswhite")]
)
def test_tiff_samples(tmp_path, dtype, photometric):
    plane = RNG.random((20, 30))
    values = plane.astype(dtype) if dtype == "float32" else (plane * np.iinfo(dtype).max).astype(dtype)
    as_tiff(tmp_path / "a.tif", values, photometric=photometric, rowsperstrip=6)
    check(tmp_path / "a.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(tmp_path, orientation):
    as_tiff(tmp_path / "a.tif", tile=(16, 16), extratags=[(274, 3, 1, orientation, True)])
    check(tmp_path / "a.tif")
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(PICTURE).save(tmp_path / "a.jpg", exif=exif, quality=95)
    check(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif"])
def test_other_files(tmp_path, suffix):
    Image.fromarray(PICTURE).save(tmp_path / f"a.{suffix}")
    check(tmp_path / f"a.{suffix}")


def test_a_picture_that_is_decoded_as_a_whole_may_lie_in_a_scratch_file(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_inr.signals.large.IN_MEMORY", 100)
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    check(tmp_path / "a.png")


def test_a_scratch_folder_without_room(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_inr.signals.large.IN_MEMORY", 100)
    monkeypatch.setattr(stored.shutil, "disk_usage", lambda folder: os.statvfs_result and type("", (), {"free": 1000}))
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    with pytest.raises(
        ImageError, match=r"a.png: source needs 0 MB of a scratch file and .* has room for 0 MB; name a"
    ):
        open_image(tmp_path / "a.png")


def test_a_strip_that_is_too_large_is_decoded_once(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_windows, "CACHE_BYTES", 1000)
    as_tiff(tmp_path / "a.tif", compression="zlib")
    check(tmp_path / "a.tif")


def test_few_tiles_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_windows, "CACHE_BYTES", 2000)
    as_tiff(tmp_path / "a.tif", tile=(16, 16), compression="zlib")
    check(tmp_path / "a.tif")


@pytest.mark.parametrize("array", [PICTURE, PICTURE[..., 0], (PICTURE / 255).astype("float32"), PICTURE.astype(">u2")])
def test_arrays_in_files(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with open_image(tmp_path / "a.npy") as image:
        whole = load_image(array)
        assert image.size == whole.size
        for window in WINDOWS:
            np.testing.assert_array_equal(image.window(*window), whole.window(*window))
    assert pixels_of(tmp_path / "a.npy") == 37 * 53


def test_zarr_arrays(tmp_path):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install zarr")
    zarr.save(str(tmp_path / "a.zarr"), PICTURE)
    with open_image(tmp_path / "a.zarr") as image:
        for window in WINDOWS:
            np.testing.assert_array_equal(image.window(*window), load_image(PICTURE).window(*window))
    assert pixels_of(tmp_path / "a.zarr") == 37 * 53


def test_options(tmp_path):
    rgba = RNG.integers(0, 256, (20, 30, 4), np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    as_tiff(tmp_path / "b.tif", rgba, extrasamples=["unassalpha"], tile=(16, 16))
    for name in ("a.png", "b.tif"):
        for options in ({"alpha": "keep"}, {"grayscale": True}, {"crop": (3, 4, 10, 11)}, {}):
            check(tmp_path / name, **options)


def test_memory_is_that_of_windows(tmp_path):
    """NumPy's own count of what is allocated while a large file is read in parts."""
    import tracemalloc

    as_tiff(tmp_path / "a.tif", np.zeros((4096, 4096, 3), np.uint8), rowsperstrip=64)
    with open_image(tmp_path / "a.tif") as image:
        tracemalloc.start()
        for top in range(0, 4096, 512):
            image.window(top, 0, 64, 64)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 2**21


def test_a_file_that_ends_early(tmp_path):
    as_tiff(tmp_path / "a.tif", rowsperstrip=5)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[:-100])
    with pytest.raises(ImageError, match=r"a.tif: source is a TIFF file that is truncated"):
        open_image(tmp_path / "a.tif")


def test_a_tile_that_is_damaged_fails_the_windows_that_it_is_in(tmp_path):
    with_a_damaged_tile(tmp_path / "a.tif")
    with open_image(tmp_path / "a.tif") as image:
        np.testing.assert_array_equal(image.window(0, 0, 16, 53), load_image(PICTURE).window(0, 0, 16, 53))
        with pytest.raises(ImageError, match=r"a.tif: source is a TIFF file that is damaged: tile 5"):
            image.window(10, 10, 10, 10)


def with_a_damaged_tile(path, **options):
    """Tile 5 of 16 x 16 pixels, at row 16 and column 16, is damaged."""
    as_tiff(path, tile=(16, 16), compression="zlib", **options)
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages.first.dataoffsets[5]
    data = bytearray(path.read_bytes())
    data[start : start + 20] = bytes(20)
    path.write_bytes(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_damage_is_skipped_if_asked(tmp_path, orientation):
    tag = {"extratags": [(274, 3, 1, orientation, True)]}
    damaged = np.zeros((37, 53, 1), np.uint8)
    damaged[16:32, 16:32] = 255
    as_tiff(tmp_path / "whole.tif", PICTURE, **tag)
    as_tiff(tmp_path / "mask.tif", damaged[..., 0], **tag)
    with_a_damaged_tile(tmp_path / "a.tif", **tag)
    whole, mask = load_image(tmp_path / "whole.tif"), load_image(tmp_path / "mask.tif").values[..., 0] == 1
    with open_image(tmp_path / "a.tif", skip_damaged=True) as image:
        for window in ((0, 0, *whole.size), (3, 5, 20, 21)):
            part = (slice(window[0], window[0] + window[2]), slice(window[1], window[1] + window[3]))
            found = image.window(*window)
            np.testing.assert_array_equal(image.lost(*window), mask[part])
            np.testing.assert_array_equal(found, np.where(mask[..., None], 0, whole.values)[part])


@pytest.mark.parametrize("options", [{"rowsperstrip": 5}, {"rowsperstrip": 5, "compression": "zlib"}, {}], ids=str)
def test_a_file_that_ends_early_is_read_as_far_as_it_goes(tmp_path, options):
    as_tiff(tmp_path / "a.tif", **options)
    data = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        (tmp_path / "a.tif").write_bytes(data[: tiff.pages.first.dataoffsets[-1] + 10])
    with open_image(tmp_path / "a.tif", skip_damaged=True) as image:
        found, lost = image.window(0, 0, 37, 53), image.lost(0, 0, 37, 53)
    assert lost[35:].all()
    assert not lost[:35].any() if options else lost.all()
    np.testing.assert_array_equal(found[~lost], load_image(PICTURE).values[~lost])


def test_only_the_parts_of_a_tiff_can_be_skipped(tmp_path):
    np.save(tmp_path / "a.npy", PICTURE)
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    for path in (tmp_path / "a.npy", tmp_path / "a.png"):
        with pytest.raises(ImageError, match="skip_damaged is for TIFF files whose strips or tiles are decoded one by"):
            open_image(path, skip_damaged=True)


def test_a_file_that_changes_while_it_is_read(tmp_path):
    as_tiff(tmp_path / "a.tif", rowsperstrip=5)
    with open_image(tmp_path / "a.tif") as image:
        image.window(0, 0, 2, 2)
        as_tiff(tmp_path / "a.tif", PICTURE[::-1], rowsperstrip=5)
        os.utime(tmp_path / "a.tif", ns=(1, 1))
        with pytest.raises(ImageError, match=r"a.tif: source has changed while it was read"):
            image.window(0, 0, 2, 2)


def test_a_file_that_is_cut_while_it_is_read(tmp_path):
    as_tiff(tmp_path / "a.tif", np.zeros((500, 500, 3), np.uint8))
    with open_image(tmp_path / "a.tif") as image:
        os.truncate(tmp_path / "a.tif", 1000)
        with pytest.raises(ImageError, match=r"a.tif: source ends early: row 400 is not whole in the file"):
            image.window(400, 0, 2, 2)


@pytest.mark.parametrize("window", [(-1, 0, 1, 1), (0, 0, 38, 1), (0, 53, 1, 1), (0, 0, 0, 1)])
def test_windows_lie_in_the_picture(tmp_path, window):
    as_tiff(tmp_path / "a.tif")
    with open_image(tmp_path / "a.tif") as image, pytest.raises(ImageError, match="a window must lie in"):
        image.window(*window)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "source is empty"),
        (b"hello, this is no picture", "source is not a PNG, JPEG"),
        (b"\x93NUMPY\x01\x00", "source cannot be read"),
    ],
)
def test_what_is_no_picture(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    for read in (open_image, pixels_of):
        with pytest.raises(ImageError, match=message):
            read(tmp_path / "a")


def test_what_is_no_array_of_a_picture(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(PICTURE[..., 0]))
    with pytest.raises(ImageError, match=r"a.npy: source must be an NPY file in row-major order"):
        open_image(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.zeros(5))
    with pytest.raises(ImageError, match=r"b.npy: source must be an array of shape \(H, W\) or"):
        open_image(tmp_path / "b.npy")
    np.save(tmp_path / "c.npy", np.moveaxis(PICTURE, -1, 0).copy())
    with pytest.raises(ImageError, match=r"received shape \(3, 37, 53\); its channels come first"):
        open_image(tmp_path / "c.npy")
    np.save(tmp_path / "d.npy", PICTURE.astype(object))
    with pytest.raises(ImageError, match="must be an array of uint8, uint16, bool or float, received dtype object"):
        open_image(tmp_path / "d.npy")
    content = (tmp_path / "b.npy").read_bytes()
    (tmp_path / "e.npy").write_bytes(content[:6] + b"\x09\x00" + content[8:])
    with pytest.raises(ImageError, match=r"must be an NPY file of version 1\.0, 2\.0, 3\.0, received 9\.0"):
        open_image(tmp_path / "e.npy")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ImageError, match=r"source is a folder and no Zarr array$|Zarr arrays need the package zarr"):
        open_image(tmp_path / "folder")
    with pytest.raises(ImageError, match="does not exist"):
        open_image(tmp_path / "nowhere.tif")
    with pytest.raises(ImageError, match="must be the path of a file to be read window by window, received 'sample:"):
        open_image("sample:chelsea")


def test_what_is_read_window_by_window_alone(tmp_path):
    np.save(tmp_path / "a.npy", PICTURE)
    as_tiff(tmp_path / "a.tif")
    assert not needs_windows(tmp_path)
    (tmp_path / "array").mkdir()
    (tmp_path / "array" / ".zarray").write_text("{}")
    assert needs_windows(tmp_path / "array")
    assert needs_windows(str(tmp_path / "a.npy"))
    assert not needs_windows(tmp_path / "a.tif")
    assert not needs_windows(tmp_path / "nowhere.npy")
    assert not needs_windows("sample:chelsea")


def test_a_zarr_group_is_no_picture(tmp_path):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed: pip install zarr")
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    with pytest.raises(ImageError, match=r"must be a Zarr array of shape .*, received a group"):
        open_image(tmp_path / "a.zarr")


def test_limits(tmp_path):
    as_tiff(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="more than max_pixels=100"):
        open_image(tmp_path / "a.tif", max_pixels=100)
    with pytest.raises(ImageError, match=r"crop \(top, left, height, width\) must lie inside the picture of 37 x 53"):
        open_image(tmp_path / "a.tif", crop=(0, 0, 38, 1))
    with pytest.raises(ImageError, match="alpha must be"):
        open_image(tmp_path / "a.tif", alpha="black")
