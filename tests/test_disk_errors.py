"""What the system refuses is one sentence, whoever passes it on."""

import errno
import os
import types

import pytest
import tensorflow as tf

from keras_inr import _disk_errors as disk_errors
from keras_inr._disk_errors import FULL, MISPLACED, disk_error
from keras_inr.errors import DiskError

NUMBERS = sorted(disk_errors._SENTENCES)


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
def test_python_hdf5_and_tensorflow(number):
    text = os.strerror(number)
    for error in (
        OSError(number, text, "runs/0001/.tmp-0123456789abcdef-model.keras"),
        OSError(f"Unable to create file (name = 'runs/0001/model.keras', errno = {number}, error message = '{text}')"),
    ):
        problem = disk_error(error)
        assert (problem.errno, problem.path) == (number, "runs/0001/model.keras")
        assert "runs/0001/model.keras" in str(problem)
        assert "Errno" not in str(problem)
    for kind in (tf.errors.ResourceExhaustedError, tf.errors.PermissionDeniedError, tf.errors.UnknownError):
        told = f"/nowhere/saved_model/tmp.{'a' * 32}/variables/x; {text} [Op:SaveV2]"
        problem = disk_error(kind(None, None, told))
        assert (problem.errno, problem.path) == (number, "/nowhere/saved_model")
        assert "Op:" not in str(problem)


def test_without_a_path():
    assert "on the disk for what was to be written:" in str(disk_error(OSError(errno.ENOSPC, "x")))
    assert "for here:" in str(disk_error(OSError(errno.ENOSPC, "x"), "here"))
    assert disk_error(OSError(errno.ENOSPC, "x", b"by\xffes")).path == os.fsdecode(b"by\xffes")


def test_no_inodes(tmp_path, monkeypatch):
    figures = types.SimpleNamespace(f_files=10, f_favail=0, f_bavail=5)
    monkeypatch.setattr(os, "statvfs", lambda path: figures)
    error = OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "new" / "file"))
    assert str(disk_error(error)).startswith(f"there are no inodes left on the disk for {tmp_path}/new/file: remove")
    figures.f_favail = 1
    assert str(disk_error(error)).startswith("there is no room left on the disk")
    assert str(disk_error(OSError(errno.ENOSPC, "x", ""))).startswith("there is no room left")


def test_anything_else_is_none():
    for error in (
        KeyError("preset"),
        ValueError(os.strerror(errno.ENOSPC)),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "x"),
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[1000000,1000000]"),
        tf.errors.InvalidArgumentError(None, None, "size must be (height, width)"),
    ):
        assert disk_error(error) is None
    problem = DiskError(errno.ENOSPC, "told", "there")
    assert disk_error(problem) is problem


def test_kinds_are_apart():
    assert not set(FULL) & set(MISPLACED)
    assert set(FULL) | set(MISPLACED) < set(NUMBERS)
