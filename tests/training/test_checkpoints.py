"""Checkpoints: whole or not there, whatever happens to the process, the disk or the file."""

import errno
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

from keras_inr.errors import CheckpointError
from keras_inr.training import checkpoints
from keras_inr.training.checkpoints import KEPT, load_checkpoint, save_checkpoint
from training.save_for_ever import content

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "checkpoint_v1.npz"
ARRAYS = {
    "0000": np.array([[0.1, -2.5], [np.pi, 1e-30]], "float32"),
    "0001": np.array(12345678901, "int64"),
    "0002": np.array([1 / 3], "float64"),
    "0003": np.zeros((0, 3), "float32"),
}
STATE = {"total_steps": 40, "rows": [{"loss": 0.1, "psnr_db": None}], "plateau": {}, "stopped_by": None, "ü": "–"}


def assert_same(loaded, step, arrays=ARRAYS, state=STATE):
    assert loaded is not None
    assert (loaded[0], loaded[2]) == (step, state)
    assert list(loaded[1]) == list(arrays)
    for name, array in arrays.items():
        assert loaded[1][name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[1][name], array)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_load_gives_back_what_was_saved(tmp_path):
    path = save_checkpoint(tmp_path / "new" / "folder", 20, ARRAYS, STATE)
    assert path == tmp_path / "new" / "folder" / "step-0000000020.npz"
    assert_same(load_checkpoint(str(path.parent)), 20)


def test_a_checkpoint_of_version_1_loads_for_ever(tmp_path):
    (tmp_path / "step-0000000020.npz").write_bytes(GOLDEN.read_bytes())
    assert_same(load_checkpoint(tmp_path), 20)


def test_nothing_saved_is_none(tmp_path):
    assert load_checkpoint(tmp_path / "absent") is None
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".tmp-0123456789abcdef-step-0000000001.npz").write_bytes(b"torn")
    assert load_checkpoint(tmp_path) is None


def test_the_newest_two_are_kept(tmp_path):
    assert KEPT == 2
    for step in (1, 9, 10, 2**31 - 1):  # as text, 9 would come after 10
        save_checkpoint(tmp_path, step, ARRAYS, STATE)
    assert names(tmp_path) == ["step-0000000010.npz", "step-2147483647.npz"]
    assert load_checkpoint(tmp_path)[0] == 2**31 - 1


def test_files_of_other_names_are_neither_read_nor_removed(tmp_path):
    foreign = ["step-zz1.npz", "step-zz2.npz", "step-9.npz", "step-00000000099.npz", ".tmp-mine.npz", "best.npz"]
    for name in foreign:
        (tmp_path / name).write_bytes(b"precious")
    os.mkfifo(tmp_path / "step-9999999999.npz")  # of our form, but to read it would never end
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, ARRAYS, STATE)
    kept = ["step-0000000002.npz", "step-0000000003.npz", "step-9999999999.npz"]
    assert names(tmp_path) == sorted([*foreign, *kept])
    assert load_checkpoint(tmp_path)[0] == 3


def test_a_checkpoint_that_would_unpack_to_far_more(tmp_path):
    path = tmp_path / "step-0000000001.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0000.npy", bytes(2**20))
    with pytest.raises(CheckpointError, match=r"its arrays must be stored as they are, received \d+ bytes of 1048576"):
        load_checkpoint(tmp_path)


def test_what_the_system_refuses_is_no_damage(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, ARRAYS, STATE)

    def refused(path):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(checkpoints, "open_regular", refused)
    with pytest.raises(OSError, match="too many files are open in this process for"):
        load_checkpoint(tmp_path)


def test_a_step_saved_again_replaces_the_first(tmp_path):
    save_checkpoint(tmp_path, 3, {"0000": np.zeros(2)}, {})
    save_checkpoint(tmp_path, 3, ARRAYS, STATE)
    assert_same(load_checkpoint(tmp_path), 3)
    assert len(names(tmp_path)) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32(1.0), object()])
def test_the_state_is_strict_json(tmp_path, value):
    with pytest.raises((ValueError, TypeError), match=r"not JSON compliant|not JSON serializable"):
        save_checkpoint(tmp_path, 1, ARRAYS, {"loss": value})
    assert names(tmp_path) == []


def test_numbers_survive_to_the_bit(tmp_path):
    state = {"floats": [0.1, 1 / 3, 5e-324, float(np.float32(0.1)), 1.7976931348623157e308], "step": 2**62}
    save_checkpoint(tmp_path, 1, {}, state)
    assert load_checkpoint(tmp_path) == (1, {}, state)


class TestDamage:
    """The newest of two checkpoints is damaged: the older one is taken, unless nothing of the newest was lost."""

    @pytest.fixture
    def newest(self, tmp_path):
        save_checkpoint(tmp_path, 1, {}, {})
        return save_checkpoint(tmp_path, 2, ARRAYS, STATE)

    def test_truncated_anywhere(self, newest):
        whole = newest.read_bytes()
        for length in [*range(0, len(whole), 37), len(whole) - 1]:
            newest.write_bytes(whole[:length])
            assert_same(load_checkpoint(newest.parent), 1, {}, {})

    @pytest.mark.filterwarnings("ignore")  # NumPy's about odd headers
    def test_a_bit_flipped_anywhere(self, newest):
        whole, draw = newest.read_bytes(), random.Random(0)
        older, places = 0, range(0, len(whole), 3)
        for place in places:
            flipped = bytearray(whole)
            flipped[place] ^= 1 << draw.randrange(8)
            newest.write_bytes(flipped)
            loaded = load_checkpoint(newest.parent)
            if loaded[0] == 1:
                older += 1
            else:  # a time stamp, for example, is of no consequence
                assert_same(loaded, 2)
        # all of the content, which is most of the file
        assert older > len(places) / 2

    @pytest.mark.parametrize("rubbish", [b"", b"not an archive", bytes(1000), GOLDEN.read_bytes()[:-22]])
    def test_other_content(self, newest, rubbish):
        newest.write_bytes(rubbish)
        assert_same(load_checkpoint(newest.parent), 1, {}, {})

    def test_a_missing_array(self, newest):
        with np.load(newest) as archive:
            arrays = dict(archive)
        del arrays["0001"]
        arrays["0002"] = arrays["0002"][:0]
        np.savez(newest, **arrays)
        assert_same(load_checkpoint(newest.parent), 1, {}, {})
        (newest.parent / "step-0000000001.npz").unlink()
        with pytest.raises(CheckpointError, match=r"its arrays \['0001', '0002'\] are not what its header says"):
            load_checkpoint(newest.parent)

    def test_a_folder_in_its_place(self, newest):
        newest.unlink()
        newest.mkdir()
        assert_same(load_checkpoint(newest.parent), 1, {}, {})

    def test_pickles_are_not_read(self, newest, tmp_path):
        class Harmful:
            def __reduce__(self):
                return pathlib.Path.touch, (tmp_path / "harm",)

        np.savez(newest, __state__=np.array([Harmful()], dtype=object))
        assert_same(load_checkpoint(tmp_path), 1, {}, {})
        assert not (tmp_path / "harm").exists()

    def test_none_left_to_read(self, newest):
        for path in newest.parent.iterdir():
            path.write_bytes(b"torn")
        with pytest.raises(CheckpointError, match=rf"no checkpoint in {re.escape(str(newest.parent))} can be read"):
            load_checkpoint(newest.parent)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_other_format_versions_are_refused(tmp_path, version):
    header = {"format_version": version, "step": 1, "state": {}, "arrays": {}}
    np.savez(tmp_path / "step-0000000001.npz", __state__=np.frombuffer(json.dumps(header).encode(), np.uint8))
    with pytest.raises(CheckpointError, match=rf"format_version must be 1, received {version!r}"):
        load_checkpoint(tmp_path)


class TestFaultsWhileWriting:
    def full_disk(self, *arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    def half(self, file, **arrays):
        file.write(b"PK\x03\x04 and a little more")
        self.full_disk()

    @pytest.mark.parametrize(("where", "fault"), [("np.savez", "half"), ("os.fsync", "full_disk")])
    def test_a_full_disk_leaves_the_old_checkpoints_and_no_litter(self, tmp_path, monkeypatch, where, fault):
        for step in (1, 2):
            save_checkpoint(tmp_path, step, ARRAYS, STATE)
        module, name = where.split(".")
        monkeypatch.setattr({"np": np, "os": os}[module], name, getattr(self, fault))
        with pytest.raises(OSError, match="No space left"):
            save_checkpoint(tmp_path, 3, ARRAYS, STATE)
        assert names(tmp_path) == ["step-0000000001.npz", "step-0000000002.npz"]
        monkeypatch.undo()
        assert_same(load_checkpoint(tmp_path), 2)

    @pytest.mark.slow
    def test_killed_at_any_moment_and_resumed(self, tmp_path):
        moments, last = random.Random(0), 0
        script = pathlib.Path(__file__).with_name("save_for_ever.py")
        for _ in range(6):
            with subprocess.Popen([sys.executable, script, tmp_path]) as process:
                patience = time.monotonic() + 60
                while not (tmp_path / f"step-{last + 1:010d}.npz").exists():
                    assert process.poll() is None
                    assert time.monotonic() < patience
                    time.sleep(0.001)
                time.sleep(moments.uniform(0, 0.05))
                process.kill()
            step, arrays, state = load_checkpoint(tmp_path)
            assert step > last
            last = step
            assert_same((step, arrays, state), step, *content(step))
            assert len(list(tmp_path.glob("step-*.npz"))) <= KEPT + 1  # killed before the oldest was removed
        save_checkpoint(tmp_path, last + 1, ARRAYS, STATE)
        assert names(tmp_path) == [f"step-{step:010d}.npz" for step in (last, last + 1)]
