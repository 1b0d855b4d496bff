"""atomic_path, atomic_folder: all of the new content, or the old one and no litter."""

import os
import re
import threading
from pathlib import Path

import pytest

from keras_inr._files import TEMPORARY_PREFIX, atomic_folder, atomic_path


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("as_type", [str, Path])
def test_writes_a_new_file_and_replaces_an_old_one(tmp_path, as_type):
    for content in ("first", "second"):
        with atomic_path(as_type(tmp_path / "history.csv")) as temporary:
            temporary.write_text(content)
        assert (tmp_path / "history.csv").read_text() == content
    assert names(tmp_path) == ["history.csv"]


def test_the_temporary_file_lies_beside_the_file_and_keeps_its_extensions(tmp_path):
    with atomic_path(tmp_path / "model.weights.h5") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        assert temporary.name.endswith("model.weights.h5")
        assert not temporary.exists()
        temporary.touch()


def test_the_old_content_stays_until_the_block_ends(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_leaves_the_old_file_and_no_temporary_one(tmp_path, error):
    path = tmp_path / "metrics.json"
    path.write_text("old")

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["metrics.json"]


def test_a_failing_flush_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    path.write_text("old")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"), atomic_path(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["metrics.json"]


def test_a_file_system_that_cannot_flush_folders_is_no_failure(tmp_path, monkeypatch):
    fsync = os.fsync

    def files_only(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    with atomic_path(tmp_path / "metrics.json") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "metrics.json").read_text() == "new"


def test_writing_nothing_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError, match=re.escape(f"the temporary file of {str(path)!r}")), atomic_path(path):
        pass
    assert path.read_text() == "old"


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with atomic_path(tmp_path / "atomic") as temporary:
        temporary.touch()
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_writers_at_once_leave_one_whole_content(tmp_path):
    path = tmp_path / "history.csv"
    contents = [str(digit) * 100_000 for digit in range(8)]

    def write(content):
        with atomic_path(path) as temporary:
            temporary.write_text(content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in contents
    assert names(tmp_path) == ["history.csv"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_is_there_when_the_block_ends(tmp_path, exists):
    folder = tmp_path / "a" / "folder"
    if exists:
        folder.mkdir(parents=True)
    with atomic_folder(folder) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner" / "file").write_text("new")
        assert not (folder / "inner").exists()
    assert (folder / "inner" / "file").read_text() == "new"
    assert (names(folder), names(folder.parent)) == (["inner"], ["folder"])


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_that_fails_leaves_nothing(tmp_path, exists):
    folder = tmp_path / "folder"
    if exists:
        folder.mkdir()

    def fill():
        with atomic_folder(folder) as temporary:
            (temporary / "file").write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert names(tmp_path) == ["folder"] * exists
    assert not exists or names(folder) == []
