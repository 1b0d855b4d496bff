"""keras-inr fit of large pictures: when blocks are taken, and how such a run goes on."""

import json
import signal
import time

import numpy as np
import pytest
import tifffile

from .fit_calls import SCRIPT, Call, forked

SMALL = ("--preset=siren", "--units=8,8", "--steps=15", "--batch_size=256", "--block_size=40", "--device=cpu")


@pytest.fixture(scope="module")
def cat(tmp_path_factory):
    from keras_inr.signals import load_image

    path = tmp_path_factory.mktemp("pictures") / "cat.tif"
    values = load_image("sample:chelsea", size=96).values
    tifffile.imwrite(path, np.round(values * 255).astype(np.uint8), rowsperstrip=8)
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "large.tif"
    tifffile.imwrite(path, np.zeros((2100, 2100), np.uint8), rowsperstrip=100)
    return path


def identity_of(*flags, cwd):
    done = forked(SCRIPT, *flags, "--dry_run", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_large_picture_is_a_field_of_blocks_by_default(large, tmp_path):
    identity = identity_of(f"--image={large}", cwd=tmp_path)
    assert identity["kind"] == "blocks"
    assert identity["preset"] == "auto"
    assert identity["goal_psnr_db"] == 40
    assert identity["lattice"] == {"picture_size": [2100, 2100], "cell": [700, 700], "margin": 8}
    assert identity["recipe"]["schedule"] == "inverse"


@pytest.mark.parametrize("flags", [("--preset=siren",), ("--block_size=0",), ("--size=64",)])
def test_what_is_asked_for_is_one_field(large, tmp_path, flags):
    assert "lattice" not in identity_of(f"--image={large}", "--steps=5", *flags, cwd=tmp_path)


def test_a_small_picture_is_one_field(cat, tmp_path):
    assert "lattice" not in identity_of(f"--image={cat}", cwd=tmp_path)


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(cat, tmp_path):
    started = Call(f"--image={cat}", *SMALL, "--out=run", cwd=tmp_path, log=tmp_path)
    blocks = tmp_path / "run" / "blocks"
    deadline = time.monotonic() + 120
    while not list(blocks.glob("[0-9]*.npz")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started.process.kill()
    assert started.wait()[0] == -signal.SIGKILL
    before = {path.name: path.stat().st_mtime_ns for path in blocks.glob("[0-9]*.npz")}
    done = forked(SCRIPT, "--out=run", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 x 3 blocks (861 parameters" in done.stdout
    assert "PSNR" in done.stdout
    for name, time_of in before.items():
        assert (blocks / name).stat().st_mtime_ns == time_of
    again = forked(SCRIPT, "--flagfile=run/flags.cfg", "--out=other", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    for path in blocks.glob("[0-9]*.npz"):  # the same weights, whatever happened on the way
        found, expected = (np.load(place) for place in (path, tmp_path / "other" / "blocks" / path.name))
        for name in expected.files[2:]:
            np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--weights=x.keras",), "weights must not be given for a field of blocks"),
        (("--mask=x.png",), "mask must not be given for a field of blocks, received 'x.png'"),
        (("--goal=50kB",), "goal must be in dB or s for a field of blocks, received 50 kB"),
        (("--block_size=12", "--image=IMAGE"), "block_size must be at least 16, received 12"),
        (("--preset=siren", "--supervise=gradient"), "supervise must be 'value' for a field of blocks"),
        (("--strategy=mirrored",), "strategy must not be given for a field of blocks, received 'mirrored'"),
        (("--units=8",), "preset must be one of --list_presets to take units"),
        (("--image=sample:chelsea",), "must be the path of a file to be read window by window, received 'sample:"),
    ],
)
def test_flags_that_do_not_go_with_blocks(cat, tmp_path, flags, told):
    done = forked(
        SCRIPT, f"--image={cat}", "--block_size=40", *(f.replace("IMAGE", str(cat)) for f in flags), cwd=tmp_path
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_goal_that_is_missed_is_an_exit_code(cat, tmp_path):
    done = forked(SCRIPT, f"--image={cat}", *SMALL, "--goal=60dB", "--out=run", cwd=tmp_path)
    assert done.returncode == 5
    assert "; 0 at 60 dB" in done.stdout
    assert "\ngoal 60 dB: not reached (" in done.stdout
    again = forked(SCRIPT, "--out=run", "--resume", "--goal=50dB", cwd=tmp_path)
    assert again.returncode == 2
    assert "goal must be that of the run, whose goal_psnr_db is 60.0, received 50 dB" in again.stderr


def test_what_is_read_window_by_window_alone_becomes_blocks(tmp_path):
    (tmp_path / "pictures").mkdir()
    image = tmp_path / "pictures" / "small: a.npy"
    np.save(image, np.zeros((40, 50), np.uint8))
    assert identity_of(f"--image={image}", cwd=tmp_path)["kind"] == "blocks"
    done = forked(SCRIPT, f"--image={tmp_path / 'pictures'}", "--dry_run", cwd=tmp_path)
    assert done.returncode == 2
    assert "must be a picture file but is a directory" in done.stderr
    (tmp_path / "pictures" / ".zgroup").write_text('{"zarr_format": 2}')
    done = forked(SCRIPT, f"--image={tmp_path / 'pictures'}", "--dry_run", cwd=tmp_path)
    assert done.returncode == 2
    assert "must be a Zarr array of shape (H, W)" in done.stderr or "need the package zarr" in done.stderr
