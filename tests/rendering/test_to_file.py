import json
import resource
import signal
import tracemalloc
import xml.etree.ElementTree

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from cli.fit_calls import Call
from PIL import Image

from keras_inr.errors import InputError
from keras_inr.models import Field, ReluMLP, Siren
from keras_inr.rendering import raster
from keras_inr.rendering import to_file as render
from keras_inr.rendering.derivative_pictures import gradient_picture, laplacian_picture
from keras_inr.rendering.raster import FieldRaster
from keras_inr.rendering.to_file import RenderSettings, raster_size, render_file

SIZE = (23, 31)


def small_siren(**arguments):
    """Values leave [0, 1] here and there."""
    field = Siren(**{"units": (16, 16), "picture_size": (12, 18), "seed": 0, **arguments})
    *_, head, _ = field.stack
    head.kernel.assign(head.kernel * 20)
    return field


def written(tmp_path, name, field=None, **settings):
    """(what another reader finds in the file, `Rendered`), from strips of a few rows."""
    field = field or small_siren()
    done = render_file(field, RenderSettings(**{"out": tmp_path / name, "size": SIZE, **settings}))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name.endswith(".npy"):
        return np.load(done.path), done
    read = imagecodecs.png_decode(done.path.read_bytes()) if name.endswith(".png") else tifffile.imread(done.path)
    return read, done


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Strips are a few rows; the whole is evaluated in the same chunks."""
    monkeypatch.setattr(Field, "points_per_call", 100)
    monkeypatch.setattr(raster, "DERIVATIVE_POINTS_PER_CALL", 100)


class TestFiles:
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_png(self, tmp_path, channels):
        field = small_siren(channels=channels)
        read, done = written(tmp_path, "a.png", field)
        np.testing.assert_array_equal(read.reshape(*SIZE, channels), field.render(*SIZE))
        assert (done.shape, done.dtype, done.supersampling) == ((*SIZE, channels), np.uint8, (1, 1))

    @pytest.mark.parametrize("name", ["a.png", "a.tif"])
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_16_bits(self, tmp_path, name, channels):
        field = small_siren(channels=channels)
        read, _ = written(tmp_path, name, field, bits=16, between="field")
        values = np.clip(field.sample_grid(*SIZE).astype("float64"), 0, 1)
        assert read.dtype == np.uint16
        assert {0, 65535} <= set(np.unique(read))
        # half a level of rounding, and products with 65535 rounded to float32
        np.testing.assert_allclose(read.reshape(values.shape), values * 65535, rtol=0, atol=0.51)

    @pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.TIFF"])
    @pytest.mark.parametrize("channels", [1, 3, 5])
    def test_floating_values_are_not_clamped(self, tmp_path, name, channels):
        field = small_siren(channels=channels)
        read, _ = written(tmp_path, name, field)
        expected = field.sample_grid(*SIZE)
        assert read.dtype == "float32"
        assert expected.min() < 0
        assert expected.max() > 1
        np.testing.assert_array_equal(read.reshape(expected.shape), expected)

    def test_8_bit_tiff(self, tmp_path):
        read, _ = written(tmp_path, "a.tiff", bits=8)
        np.testing.assert_array_equal(read, small_siren().render(*SIZE))

    @pytest.mark.parametrize(("output", "of"), [("gradient", "jacobian"), ("laplacian", "laplacian")])
    def test_derivatives_as_they_are(self, tmp_path, output, of):
        expected = FieldRaster(small_siren(), *SIZE, output=of).array()
        read, done = written(tmp_path, "a.npy", output=output)
        np.testing.assert_array_equal(read, expected)
        assert done.full_scale is None
        done.path.unlink()
        read, done = written(tmp_path, "a.tif", output=output)
        np.testing.assert_array_equal(read, expected.reshape(*SIZE, -1))
        assert done.full_scale is None

    def test_float64_fields_keep_it_in_npy(self, tmp_path):
        read, _ = written(tmp_path, "a.npy", small_siren(dtype="float64"), output="laplacian")
        assert read.dtype == "float64"

    @pytest.mark.parametrize(
        ("output", "of", "draw"),
        [("gradient", "jacobian", gradient_picture), ("laplacian", "laplacian", laplacian_picture)],
    )
    @pytest.mark.parametrize("channels", [1, 3, 5])
    def test_pictures_of_derivatives(self, tmp_path, output, of, draw, channels):
        field = small_siren(channels=channels)
        derivative = FieldRaster(field, *SIZE, output=of).array()
        read, done = written(tmp_path, "a.png", field, output=output, full_scale=2.5)
        np.testing.assert_array_equal(read, draw(derivative, 2.5))
        done.path.unlink()
        read, done = written(tmp_path, "a.png", field, output=output)
        np.testing.assert_array_equal(read, draw(derivative, done.full_scale))
        brightest = np.mean(np.max(read, axis=-1) == 255) if output == "gradient" else np.mean(read[..., 1] < 50)
        assert 0.002 < brightest < 0.05

    def test_say_what_they_are(self, tmp_path):
        _, done = written(tmp_path, "a.png", output="gradient", full_scale=2.5, size=(6, 3))
        with Image.open(done.path) as opened:
            facts = json.loads(opened.text["Description"])
        assert facts["output"] == "gradient"
        assert facts["full_scale"] == 2.5
        assert facts["points_per_pixel"] == [2, 6]
        np.testing.assert_allclose(facts["box"], [-1, -2 / 3, 1, 2 / 3], rtol=1e-15)

    def test_smaller_pictures_are_filtered(self, tmp_path):
        read, done = written(tmp_path, "a.png", size=(4, 3))
        assert done.supersampling == (3, 6)
        np.testing.assert_array_equal(read, small_siren().render(4, 3))
        assert not np.array_equal(read, small_siren().render(4, 3, supersampling=1))


class TestSize:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({}, (12, 18)),
            ({"scale": 4}, (48, 72)),
            ({"scale": 0.5}, (6, 9)),
            ({"scale": 0.001}, (1, 1)),
            ({"size": (5, 7)}, (5, 7)),
            ({"box": (-1, -2 / 3, 0, 2 / 3)}, (12, 9)),
            ({"box": (0, 0, -1 / 9, 1 / 3), "scale": 10}, (30, 10)),
            ({"box": (0, 0, 1, 1), "size": (5, 7)}, (5, 7)),
        ],
    )
    def test_is_size_or_scale_times_what_is_seen(self, settings, expected):
        assert raster_size(small_siren(), RenderSettings(**settings)) == expected

    def test_names_follow(self, tmp_path):
        done = render_file(small_siren(), RenderSettings(scale=2), tmp_path)
        assert done.path == tmp_path / "render-24x36.png"
        done = render_file(small_siren(), RenderSettings(output="gradient"), tmp_path)
        assert done.path == tmp_path / "render-gradient-12x18.png"


REFUSED = [
    ({"size": (2, 2), "scale": 2.0}, r"give one of size and scale, received \(2, 2\) and 2\.0"),
    ({"size": (0, 2)}, r"size must be \(height, width\), at least 1 x 1, received \(0, 2\)"),
    ({"scale": 0.0}, r"scale must be positive and finite, received 0\.0"),
    ({"scale": float("inf")}, "scale must be positive and finite, received inf"),
    ({"scale": 1e308}, r"scale must make pictures at most 2147483647 pixels long, received 1e\+308"),
    ({"scale": 1e308, "box": (1.0, 1.0, -1.0, -1.0)}, r"scale must make pictures at most .*, received 1e\+308"),
    ({"box": (0, 0, 0, 1)}, r"box must be .* with a width and a height, received \(0, 0, 0, 1\)"),
    ({"box": (0, 0, float("nan"), 1)}, r"box must be .*within \+-1e\+06.* received .*nan"),
    ({"output": "hessian"}, r"output must be one of \('value', 'gradient', 'laplacian'\), received 'hessian'"),
    ({"out": "a.jpg"}, r"out must end in one of \.png, \.npy, \.tif, \.tiff, \.zarr, \.dzi, received '.*a\.jpg'"),
    ({"out": "absent/a.png"}, r"out must lie in a folder that exists, received '.*absent/a\.png'"),
    ({"bits": 32}, r"bits must be 8 or 16 for \.png, received 32"),
    ({"bits": 12, "out": "a.tif"}, r"bits must be 8 or 16 or 32 for \.tif, received 12"),
    ({"bits": 8, "out": "a.npy"}, r"bits must be left out for \.npy, received 8"),
    ({"bits": 16, "output": "gradient"}, "bits must be 8 for a picture of the gradient, received 16"),
    ({"full_scale": 2.0}, "full_scale is for pictures of derivatives, received 2.0"),
    (
        {"full_scale": 2.0, "output": "gradient", "out": "a.npy"},
        "full_scale is for pictures of derivatives, received 2.0",
    ),
    ({"full_scale": -1.0, "output": "gradient"}, r"full_scale must be positive and finite, received -1\.0"),
    ({"supersampling": 65}, "supersampling must be at most 64, received 65"),
]


class TestRefused:
    @pytest.mark.parametrize(("settings", "message"), REFUSED, ids=str)
    def test_settings(self, tmp_path, settings, message):
        settings = {**settings, "out": tmp_path / settings.get("out", "a.png")}
        with pytest.raises(InputError, match=message) as error:
            render_file(small_siren(), RenderSettings(**settings))
        assert "\n" not in str(error.value)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("field", "settings", "message"),
        [
            (small_siren(channels=5), {}, r"a PNG has 1, 3 or 4 channels, received 5; give a name that ends in \.tif"),
            (small_siren(num_fields=2), {}, "field must be a single field to be rendered, received num_fields=2"),
            (small_siren(picture_size=None), {}, "size must be given for a field without a picture_size"),
            (ReluMLP((8,), picture_size=(3, 4)), {"output": "laplacian"}, "laplacian does not exist everywhere"),
        ],
        ids=["channels", "num_fields", "picture_size", "kink"],
    )
    def test_fields(self, tmp_path, field, settings, message):
        with pytest.raises(InputError, match=message):
            render_file(field, RenderSettings(**settings), tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_an_existing_file(self, tmp_path):
        settings = RenderSettings(out=tmp_path / "a.png")
        settings.out.write_text("mine")
        with pytest.raises(InputError, match=r"a\.png exists already; add overwrite=True, or give another name"):
            render_file(small_siren(), settings)
        assert settings.out.read_text() == "mine"
        render_file(small_siren(), settings, overwrite=True)
        np.testing.assert_array_equal(np.asarray(Image.open(settings.out)), small_siren().render())

    def test_a_folder(self, tmp_path):
        (tmp_path / "a.png").mkdir()
        with pytest.raises(InputError, match="out must be a file, received the folder"):
            render_file(small_siren(), RenderSettings(out=tmp_path / "a.png"), overwrite=True)

    def test_a_field_that_is_not_finite_has_no_scale(self, tmp_path):
        field = small_siren()
        field.stack[0].kernel.assign(field.stack[0].kernel * np.nan)
        with pytest.raises(InputError, match="the gradient must be finite to be drawn, received nan"):
            render_file(field, RenderSettings(output="gradient"), tmp_path)


class TestFaults:
    @pytest.mark.parametrize("name", ["a.png", "a.npy", "a.tif"])
    def test_a_full_disk_leaves_nothing(self, tmp_path, name):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        field = small_siren()
        field.traced  # noqa: B018, traced before the limit
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))  # Python ignores the signal that comes with it
        try:
            with pytest.raises(OSError, match="File too large"):
                render_file(field, RenderSettings(out=tmp_path / name, size=(100, 100)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list(tmp_path.iterdir()) == []

    def test_ctrl_c_leaves_nothing(self, tmp_path, monkeypatch):
        def interrupted(path, strips, *rest):
            path.write_bytes(next(strips).tobytes())
            raise KeyboardInterrupt

        monkeypatch.setitem(render.WRITERS, ".png", interrupted)
        with pytest.raises(KeyboardInterrupt):
            render_file(small_siren(), RenderSettings(), tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("name", ["a.png", "a.tif"])
    def test_kill_9_leaves_nothing_under_the_name(self, tmp_path, name):
        script, out = tmp_path / "script.py", tmp_path / "out"
        script.write_text(KILLED)
        out.mkdir()
        killed = Call(str(out / name), cwd=out, log=tmp_path, script=script)
        assert killed.send(signal.SIGKILL, after="writing\n")[0] == -signal.SIGKILL
        (left,) = out.iterdir()
        assert left.name.startswith(".tmp-")
        render_file(small_siren(), RenderSettings(out=out / name))
        assert (out / name).is_file()


KILLED = """
import sys, time
from keras_inr.models import Siren
from keras_inr.rendering import raster
from keras_inr.rendering.to_file import RenderSettings, render_file
Siren.points_per_call = 300
strips = raster.FieldRaster.strips
def slow(self, rows=None):
    yield from list(strips(self, rows))[:50]
    print("writing", file=sys.stderr, flush=True)
    time.sleep(600)
raster.FieldRaster.strips = slow
render_file(Siren(units=(8,)), RenderSettings(out=sys.argv[1], size=(100, 300)))
"""


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.tif"])
def test_memory_does_not_grow_with_the_height(tmp_path, monkeypatch, name):
    monkeypatch.setattr(Field, "points_per_call", 8192)
    peaks = []
    for height in (1000, 10_000):
        settings = RenderSettings(out=tmp_path / name, size=(height, 100))
        tracemalloc.start()
        render_file(small_siren(units=(4,)), settings, overwrite=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # the taller array has 12 MB; lists of strips grow by a few bytes for each
    assert peaks[1] < peaks[0] + 300_000


def test_progress_is_told_on_standard_error_where_it_takes_long(tmp_path, monkeypatch, capsys):
    render_file(small_siren(), RenderSettings(), tmp_path, progress=True)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(render, "SECONDS_BETWEEN_LINES", 0)
    render_file(small_siren(), RenderSettings(), tmp_path, overwrite=True, progress=True)
    out, error = capsys.readouterr()
    assert out == ""
    assert error.splitlines()[-1] == "row 12/12"


class TestFolders:
    @pytest.mark.parametrize("output", ["value", "gradient"])
    def test_zarr(self, tmp_path, output):
        done = render_file(small_siren(), RenderSettings(out=tmp_path / "a.zarr", size=(700, 30), output=output))
        expected = FieldRaster(small_siren(), 700, 30, output=render.OUTPUTS[output]).array()
        array = zarr.open(str(done.path), mode="r")
        np.testing.assert_array_equal(array[:], expected)
        assert array.chunks[:2] == (512, 30)
        assert array.attrs["picture_size"] == [12, 18]
        assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]

    def test_a_zarr_array_is_not_replaced(self, tmp_path):
        settings = RenderSettings(out=tmp_path / "a.zarr", size=SIZE)
        render_file(small_siren(), settings)
        with pytest.raises(InputError, match=r"a.zarr exists already; remove it, or give another name"):
            render_file(small_siren(), settings, overwrite=True)

    def test_without_the_package(self, tmp_path, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(InputError, match="Zarr needs the package zarr"):
            render_file(small_siren(), RenderSettings(out=tmp_path / "a.zarr", size=SIZE))

    @pytest.mark.slow
    def test_deep_zoom(self, tmp_path):
        field, size = small_siren(), (600, 300)
        done = render_file(field, RenderSettings(out=tmp_path / "a.dzi", size=size))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dzi", "a_files"]
        image = xml.etree.ElementTree.parse(done.path).getroot()
        assert image.attrib == {"Format": "png", "Overlap": "0", "TileSize": "256"}
        assert image[0].attrib == {"Height": "600", "Width": "300"}
        levels = sorted((tmp_path / "a_files").iterdir(), key=lambda path: int(path.name))
        assert [level.name for level in levels] == [str(number) for number in range(11)]  # 2^10 is at least 600
        for step, level in enumerate(reversed(levels)):
            height, width = (-(-side // 2**step) for side in size)
            rows = [
                np.concatenate([png(level / f"{column}_{row}.png") for column in range(-(-width // 256))], axis=1)
                for row in range(-(-height // 256))
            ]
            np.testing.assert_array_equal(np.concatenate(rows), field.render(height, width))

    def test_deep_zoom_of_a_derivative_has_one_scale(self, tmp_path):
        done = render_file(small_siren(), RenderSettings(out=tmp_path / "a.dzi", size=SIZE, output="gradient"))
        jacobian = FieldRaster(small_siren(), 1, 1, output="jacobian").array()
        np.testing.assert_array_equal(png(tmp_path / "a_files/0/0_0.png"), gradient_picture(jacobian, done.full_scale))

    def test_tiles_are_replaced_as_a_whole_or_not(self, tmp_path, monkeypatch):
        settings = RenderSettings(out=tmp_path / "a.dzi", size=SIZE)
        render_file(small_siren(), settings)
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(InputError, match=r"a.dzi exists already; add overwrite=True"):
            render_file(small_siren(seed=1), settings)
        with monkeypatch.context() as patched:
            patched.setattr(FieldRaster, "strips", lambda self: (_ for _ in ()).throw(OSError(28, "no space left")))
            with pytest.raises(OSError, match="no space left"):
                render_file(small_siren(seed=1), settings, overwrite=True)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
        render_file(small_siren(seed=1), settings, overwrite=True)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} != before


def png(path):
    return imagecodecs.png_decode(path.read_bytes())
