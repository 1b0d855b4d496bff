"""publish: a version appears complete or not at all, under the number that was asked for."""

import os
import re
import threading
import time

import pytest

from keras_inr.export.publish import STALE_SECONDS, existing_versions, publish


def fill(folder, text="model"):
    (folder / "variables").mkdir()
    (folder / "variables" / "data").write_text(text)


def names(folder):
    return sorted(os.listdir(folder))


def test_versions_count_from_one_and_go_on_after_the_largest(tmp_path):
    base = tmp_path / "new" / "base"
    assert publish(base, None, fill) == base / "1"
    assert publish(str(base), 7, fill) == base / "7"
    assert publish(base, None, fill) == base / "8"
    assert publish(base, 2, fill) == base / "2"
    assert names(base) == ["1", "2", "7", "8"]
    assert (base / "8" / "variables" / "data").read_text() == "model"


@pytest.mark.parametrize(
    ("entries", "versions"),
    [
        ([], []),
        (["1", "12", "3"], [1, 3, 12]),
        (["007", "7"], [7]),
        (["tmp.00", "latest", "-4", "1.5", "+2", "²", "٣"], []),
    ],
)
def test_existing_versions_are_what_a_server_would_load(tmp_path, entries, versions):
    for entry in entries:
        (tmp_path / entry).mkdir()
    assert existing_versions(tmp_path) == versions


@pytest.mark.parametrize("entry", ["3", "003"])
def test_an_existing_version_is_refused_and_kept(tmp_path, entry):
    (tmp_path / entry).mkdir()
    (tmp_path / entry / "kept").touch()
    with pytest.raises(FileExistsError, match=r"version must not exist yet under '.*', received 3"):
        publish(tmp_path, 3, lambda folder: pytest.fail("nothing should be written"))
    assert names(tmp_path) == [entry]
    assert names(tmp_path / entry) == ["kept"]


def test_nothing_numeric_exists_while_it_is_written(tmp_path):
    seen = []
    publish(tmp_path, None, lambda folder: (fill(folder), seen.append((folder.parent, names(tmp_path)))))
    ((parent, (name,)),) = seen
    assert parent == tmp_path
    assert name.startswith("tmp.")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_failure_leaves_nothing(tmp_path, error):
    def fail(folder):
        fill(folder)
        raise error

    with pytest.raises(type(error)):
        publish(tmp_path, None, fail)
    assert names(tmp_path) == []


def race(base, version, count=4):
    """Results of `count` exports that all reach their rename at the same time."""
    barrier, results = threading.Barrier(count), [None] * count

    def export(i):
        try:
            results[i] = publish(base, version, lambda folder: (fill(folder, str(i)), barrier.wait(timeout=30)))
        except FileExistsError as error:
            results[i] = error

    threads = [threading.Thread(target=export, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_exports_at_once_get_different_versions(tmp_path):
    results = race(tmp_path, None)
    assert sorted(path.name for path in results) == names(tmp_path) == ["1", "2", "3", "4"]
    assert [(path / "variables" / "data").read_text() for path in results] == ["0", "1", "2", "3"]


def test_exports_at_once_do_not_replace_one_another(tmp_path):
    results = race(tmp_path, 5)
    refused = [result for result in results if isinstance(result, FileExistsError)]
    assert len(refused) == 3
    assert "version must not exist yet" in str(refused[0])
    assert names(tmp_path) == ["5"]
    (winner,) = [i for i, result in enumerate(results) if result not in refused]
    assert (tmp_path / "5" / "variables" / "data").read_text() == str(winner)


def test_only_old_leftovers_of_our_own_are_removed(tmp_path):
    old, young, foreign = (tmp_path / name for name in ("tmp." + "a" * 32, "tmp." + "b" * 32, "tmp.mine"))
    for folder in (old, young, foreign):
        folder.mkdir()
        fill(folder)
    long_ago = time.time() - STALE_SECONDS - 60
    for folder in (old, foreign):
        os.utime(folder, (long_ago, long_ago))
    publish(tmp_path, None, fill)
    assert names(tmp_path) == ["1", young.name, "tmp.mine"]


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (0, "version must be a positive integer, received 0"),
        (-3, "version must be a positive integer, received -3"),
        (True, "version must be a positive integer, received True"),
        ("7", "version must be a positive integer, received '7'"),
        (2**63, "version must be at most 9223372036854775807, received 9223372036854775808"),
    ],
)
def test_versions_out_of_range(tmp_path, version, message):
    with pytest.raises(ValueError, match="received") as error:
        publish(tmp_path / "base", version, fill)
    assert str(error.value) == message
    assert names(tmp_path) == []


def test_no_version_comes_after_the_last(tmp_path):
    (tmp_path / str(2**63 - 1)).mkdir()
    with pytest.raises(ValueError, match="version must be given where 9223372036854775807 exists, received None"):
        publish(tmp_path, None, fill)
    assert names(tmp_path) == [str(2**63 - 1)]


@pytest.mark.parametrize("below", ["", "saved_model"])
def test_a_base_path_that_is_a_file(tmp_path, below):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"base_path must be a folder to write to, received '.*/file.*': \w+"):
        publish(tmp_path / "file" / below, None, fill)


def test_a_base_path_that_cannot_be_written():
    with pytest.raises(ValueError, match="base_path must be a folder to write to, received '/proc/self': "):
        publish("/proc/self", None, fill)


@pytest.mark.parametrize(
    ("base_path", "message"),
    [
        ("gs://bucket/model", "base_path must be a path on this machine, received 'gs://bucket/model'"),
        ("x/[a]*", "base_path must be a path without [ and \\, which TensorFlow takes for patterns, received 'x/[a]*'"),
        ("", "base_path must be a path, received ''"),
    ],
)
def test_a_base_path_that_cannot_be_served_from(tmp_path, monkeypatch, base_path, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)):
        publish(base_path, None, fill)
    assert names(tmp_path) == []


def test_a_base_path_in_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert publish("~/base", None, fill) == tmp_path / "base" / "1"
