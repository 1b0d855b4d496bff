"""scripts/render.py: from a run folder to a picture, and one readable line for what it cannot do."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from cli.fit_calls import SCRIPTS, call, forked
from keras_inr.models import ReluMLP, Siren

SCRIPT = SCRIPTS / "render.py"


def render(*flags, cwd):
    """(exit code, standard output, standard error)."""
    done = forked(SCRIPT, *flags, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder as far as rendering reads it."""
    folder = tmp_path_factory.mktemp("runs") / "a run"
    folder.mkdir()
    Siren(units=(8, 8), picture_size=(20, 30), seed=0).save(folder / "model.keras")
    (folder / "metrics.json").write_text(json.dumps({}))
    return folder


@pytest.fixture
def field():
    return Siren(units=(8, 8), picture_size=(20, 30), seed=0)


def test_renders_a_run_from_any_folder(run, field, tmp_path):
    done = call(f"--run={run}", "--scale=2", cwd=tmp_path, command=[sys.executable, SCRIPT])
    path = run / "render-40x60.png"
    told = f"{path}: value, 40 x 60, 3 uint8 per pixel\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), field.render(40, 60))
    assert list(tmp_path.iterdir()) == []


def test_renders_a_part_of_a_file_small_as_an_array(run, field, tmp_path):
    flags = (f"--model={run / 'model.keras'}", "--box=-1,-0.5,1,0.5", "--size=5x6", "--out=part.npy")
    (tmp_path / "cwd").mkdir()
    code, out, error = render(*flags, cwd=tmp_path / "cwd")
    assert (code, error) == (0, "")
    assert out == "part.npy: value, 5 x 6, 3 float32 per pixel, mean of 3 x 5 points\n"
    expected = field.sample_grid(5, 6, (-1, -0.5, 1, 0.5))
    np.testing.assert_array_equal(np.load(tmp_path / "cwd" / "part.npy"), expected)


@pytest.mark.parametrize(("output", "unit"), [("gradient", "unit"), ("laplacian", "unit squared")])
def test_states_the_scale_of_a_picture_of_derivatives(run, tmp_path, output, unit):
    (tmp_path / "cwd").mkdir()
    flags = (f"--run={run}", f"--output={output}", "--out=a.png", "--range=12.5")
    code, out, error = render(*flags, cwd=tmp_path / "cwd")
    assert (code, error) == (0, "")
    told = f"of the luma (0.299, 0.587, 0.114), full scale 12.5 per coordinate {unit}"
    assert out == f"a.png: {output}, 20 x 30, 3 uint8 per pixel, {told}\n"


REFUSED = [
    ((), "give one of --run=FOLDER and --model=FILE.keras, received neither"),
    (("--run=absent",), "there is no model: absent/model.keras does not exist"),
    (("--size=20",), "size must be HEIGHTxWIDTH, received '20'"),
    (("--size=20x30.5",), "size must be HEIGHTxWIDTH, received '20x30.5'"),
    (("--size=0x30",), "size must be (height, width), at least 1 x 1, received (0, 30)"),
    (("--size=20x30", "--scale=2"), "give one of size and scale, received (20, 30) and 2.0"),
    (("--scale=-1",), "scale must be positive and finite, received -1.0"),
    (("--box=0,0,1",), "box must be x0,y0,x1,y1, received '0,0,1'"),
    (("--box=0,0,1,nan",), "box must be (x0, y0, x1, y1) within +-1e+06 with a width and a height, received"),
    (("--box=-1e38,-1,1e39,1",), "box must be (x0, y0, x1, y1) within +-1e+06 with a width and a height, received"),
    (("--out=a.jpg",), "out must end in one of .png, .npy, .tif, .tiff, .zarr, .dzi, received 'a.jpg'"),
    (("--out=absent/a.png",), "out must lie in a folder that exists, received 'absent/a.png'"),
    (("--bits=12",), "bits must be 8 or 16 for .png, received 12"),
    (("--range=2",), "range is for pictures of derivatives, received 2.0"),
    (("--supersampling=0",), "supersampling must be a positive integer, received 0"),
    (("picture.png",), "arguments must be flags such as --image=my.jpg, received 'picture.png'"),
]


@pytest.mark.parametrize(("flags", "message"), REFUSED, ids=str)
def test_bad_flags_give_one_sentence(run, tmp_path, flags, message):
    before = sorted(run.iterdir())
    (tmp_path / "cwd").mkdir()
    needs_run = flags and not flags[0].startswith("--run")
    code, out, error = render(*((f"--run={run}",) if needs_run else ()), *flags, cwd=tmp_path / "cwd")
    assert (code, out) == (2, "")
    assert error.startswith(f"render.py: {message}")
    assert error.count("\n") == 1
    assert list((tmp_path / "cwd").iterdir()) == []
    assert sorted(run.iterdir()) == before


def test_an_existing_file_is_kept_without_overwrite(run, field, tmp_path):
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    (cwd / "a.png").write_text("mine")
    code, out, error = render(f"--run={run}", "--out=a.png", cwd=cwd)
    assert (code, out) == (2, "")
    assert error == "render.py: a.png exists already; add --overwrite, or give another name\n"
    assert (cwd / "a.png").read_text() == "mine"
    code, out, error = render(f"--run={run}", "--out=a.png", "--overwrite", cwd=cwd)
    assert (code, error) == (0, "")
    np.testing.assert_array_equal(np.asarray(Image.open(cwd / "a.png")), field.render())


def test_a_kinked_field_has_no_laplacian(tmp_path):
    ReluMLP((8,), picture_size=(4, 5)).save(tmp_path / "relu.keras")
    (tmp_path / "cwd").mkdir()
    flags = ("--model=../relu.keras", "--output=laplacian", "--out=a.npy")
    code, out, error = render(*flags, cwd=tmp_path / "cwd")
    assert (code, out) == (2, "")
    assert error.startswith("render.py: laplacian does not exist everywhere, since ")
    assert list((tmp_path / "cwd").iterdir()) == []
    code, _, error = render(*flags, "--allow_kinks", cwd=tmp_path / "cwd")
    assert (code, error) == (0, "")
    assert not np.load(tmp_path / "cwd" / "a.npy").any()


def test_a_folder_in_which_nothing_can_be_made(run):
    code, out, error = render(f"--run={run}", "--out=/proc/x.png", cwd=run)
    assert (code, out) == (2, "")
    assert error == "render.py: out must be a file that can be written, received '/proc/x.png'\n"
