"""Pictures as PNG files."""

import pathlib

import numpy as np
import pytest
from PIL import Image
from small_runs import names

from keras_inr.rendering.png import png_bytes, save_png


class TestSavePng:
    @pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
    def test_modes(self, tmp_path, channels, mode):
        picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
        save_png(tmp_path / "picture.png", picture)
        read = Image.open(tmp_path / "picture.png")
        assert read.mode == mode
        np.testing.assert_array_equal(np.asarray(read).reshape(5, 7, channels), picture)

    def test_a_full_disk_leaves_the_old_one(self, tmp_path, monkeypatch):
        save_png(tmp_path / "picture.png", np.zeros((2, 2, 3), np.uint8))

        def full(path, data):
            with open(path, "wb") as file:
                file.write(data[:9])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pathlib.Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            save_png(tmp_path / "picture.png", np.ones((2, 2, 3), np.uint8))
        assert names(tmp_path) == ["picture.png"]
        assert Image.open(tmp_path / "picture.png").getpixel((0, 0)) == (0, 0, 0)

    def test_the_same_bytes_and_the_resolution_that_is_stated(self, tmp_path):
        picture = np.zeros((2, 2, 3), np.uint8)
        save_png(tmp_path / "picture.png", picture, dpi=100)
        assert (tmp_path / "picture.png").read_bytes() == png_bytes(picture, 100) != png_bytes(picture)
        with Image.open(tmp_path / "picture.png") as read:
            assert read.info["dpi"] == pytest.approx((100, 100), rel=1e-3)
