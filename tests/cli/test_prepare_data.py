import errno
import sys
import types

import pytest

from cli.fit_calls import SCRIPTS, call, forked
from keras_inr.cli import prepare_data
from keras_inr.errors import DiskError, InputError

SCRIPT = SCRIPTS / "prepare_data.py"


@pytest.mark.slow
def test_crops(tmp_path):
    flags = ("--dataset=crops", f"--out={tmp_path}/crops", "--size=8")
    done = call(*flags, cwd=tmp_path, command=[sys.executable, SCRIPT])
    assert done.returncode == 0, done.stderr
    trained, tested = (len(list((tmp_path / "crops" / split).rglob("*.png"))) for split in ("train", "test"))
    assert done.stdout == f"{trained} pictures in {tmp_path}/crops/train, {tested} in {tmp_path}/crops/test\n"


@pytest.mark.slow
def test_crops_that_cannot_all_be_written_are_not_there(tmp_path):
    """With files of at most 200 bytes, as on a full disk."""
    done = forked(SCRIPT, "--dataset=crops", f"--out={tmp_path}/crops", max_file_size=200)
    assert done.returncode == 1
    assert "the system refused" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_bad_flags(tmp_path):
    for flags, message in (
        ((), "dataset must be given"),
        (("--dataset=crops",), "out must name a new folder"),
        (("--dataset=crops", f"--out={tmp_path.parent}"), "folder must be new or empty"),
        (("--dataset=no_such_set",), "data set 'no_such_set' is not known"),
    ):
        done = forked(SCRIPT, *flags)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


class TestRefusedBySystem:
    """What the system says of a file, of which its words need not tell the name."""

    @pytest.fixture
    def main(self, monkeypatch):
        def main(error):
            def write_crops(*args):
                raise error

            values = types.SimpleNamespace(dataset="crops", out="d9", data_dir=None, size=8, window=96)
            monkeypatch.setattr(prepare_data, "FLAGS", values)
            monkeypatch.setattr(prepare_data, "write_crops", write_crops)
            return prepare_data.main(["prepare-data"])

        return main

    def test_the_folder_is_told(self, main):
        with pytest.raises(DiskError, match=r"^d9 must not become so large here"):
            main(OSError(errno.EFBIG, "File too large"))

    def test_no_temporary_name_is(self, main):
        with pytest.raises(InputError, match=r"folders that can be written: .* No such file or directory: '/proc/d9'$"):
            main(FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/.tmp-0123456789abcdef-d9"))

    def test_anything_else_is_as_it_was(self, main):
        with pytest.raises(OSError, match="Protocol error"):
            main(OSError(errno.EPROTO, "Protocol error"))
