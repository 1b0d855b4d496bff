"""The folder of a run: numbered, claimed, recognised, refused, replaced."""

import fcntl
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest

from keras_inr.errors import InputError
from keras_inr.runs import folder as run_folder
from keras_inr.runs.folder import check_run_folder, claim_run_folder, holds_run, write_json
from keras_inr.runs.layout import METRICS, RUN_JSON

IDENTITY = {"preset": "siren", "steps": 100, "epochs": None, "image_options": {"size": (24, 32)}}


def claim(out, identity=IDENTITY, **options):
    """Claims a folder and gives it back at once."""
    with claim_run_folder(out, identity, **options) as folder:
        return folder


def make_run(folder, identity=IDENTITY):
    """A run folder with some of what runs write, nested."""
    claim(folder, identity)
    (folder / "checkpoints").mkdir()
    for name in (METRICS, "model.keras", "checkpoints/step-0000000060.npz"):
        (folder / name).write_text(name)
    return folder


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(out, reason, **options):
    """Asserts that a claim raises, and so does a mere check."""
    for call in (claim, check_run_folder):
        with pytest.raises(InputError, match=re.escape(reason)):
            call(out, **{"identity": IDENTITY, **options})


class TestNumberedFolders:
    @pytest.fixture(autouse=True)
    def in_empty_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def test_counts_from_one(self):
        assert [claim(None) for _ in range(3)] == [pathlib.Path("runs", f"000{i}") for i in (1, 2, 3)]

    def test_goes_on_after_the_highest_number(self):
        for name in ("0007", "0002", "12345", "notes", "x0009"):
            pathlib.Path("runs", name).mkdir(parents=True)
        pathlib.Path("runs", "12346").touch()
        assert claim(None).name == "12347"

    def test_overwrite_does_not_reuse_a_number(self):
        assert [claim(None, overwrite=True).name for _ in range(2)] == ["0001", "0002"]

    def test_threads_never_take_the_same(self):
        taken = []
        start = threading.Barrier(8)

        def work():
            start.wait()
            for _ in range(5):
                taken.append(claim(None).name)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == [f"{i:04d}" for i in range(1, 41)]

    def test_a_number_that_another_process_takes_first(self, monkeypatch):
        mkdir = pathlib.Path.mkdir

        def slower_than_the_other(path, *args, **kwargs):
            if path.name == "0001":
                mkdir(path)
            mkdir(path, *args, **kwargs)

        monkeypatch.setattr(pathlib.Path, "mkdir", slower_than_the_other)
        assert claim(None).name == "0002"

    def test_a_file_called_runs(self):
        pathlib.Path("runs").touch()
        with pytest.raises(InputError, match=r"out must be a folder that can be written: .*'runs'"):
            claim(None)


class TestStart:
    @pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
    @pytest.mark.parametrize("state", ["absent", "nested", "empty", "leftovers"])
    def test_absent_and_empty_folders_start(self, tmp_path, state, options):
        out = tmp_path / "a" / "b" if state == "nested" else tmp_path / "new"
        if state in ("empty", "leftovers"):
            out.mkdir()
        if state == "leftovers":  # of a process that was killed before its run began
            (out / ".lock").touch()
            (out / ".tmp-0123456789abcdef-run.json").write_text("{")
        check_run_folder(out, IDENTITY, **options)
        assert claim(out, **options) == out
        content = json.loads((out / RUN_JSON).read_text())
        assert content == {"format_version": 1, "identity": json.loads(json.dumps(IDENTITY))}

    def test_text_as_path(self, tmp_path):
        assert claim(str(tmp_path / "run")) == tmp_path / "run"

    def test_a_check_writes_nothing(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        check_run_folder(None, IDENTITY)
        check_run_folder("a/b", IDENTITY)
        assert names(tmp_path) == []


class TestRefusals:
    def test_a_folder_that_holds_a_run(self, tmp_path):
        run = make_run(tmp_path / "run")
        before = names(run)
        refused(run, f"{run} holds a run already; add resume=True or overwrite=True, or give another folder")
        assert names(run) == before

    @pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
    @pytest.mark.parametrize("content", ["thesis.tex", ".git", "runs/0001/run.json"])
    def test_a_folder_that_holds_something_else(self, tmp_path, content, options):
        (tmp_path / content).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / content).write_text("precious")
        refused(tmp_path, f"{tmp_path} is not empty and holds no run", **options)
        assert (tmp_path / content).read_text() == "precious"
        assert not (tmp_path / ".lock").exists()

    @pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
    def test_a_file(self, tmp_path, options):
        (tmp_path / "file").write_text("precious")
        refused(tmp_path / "file", f"out must be a folder, received the file {tmp_path / 'file'}", **options)
        assert (tmp_path / "file").read_text() == "precious"

    @pytest.mark.parametrize("parent", ["file", "/proc/self", "/sys"])
    def test_a_place_where_no_folder_can_be_made(self, tmp_path, parent):
        (tmp_path / "file").touch()
        out = tmp_path / parent / "run"
        with pytest.raises(InputError, match=f"out must be a folder that can be written: .*{re.escape(str(out))}"):
            claim(out)

    @pytest.mark.parametrize("out", ["file/run", "/proc/run", "/sys/a/b", "closed/run", "closed"])
    def test_places_that_a_mere_check_refuses(self, tmp_path, monkeypatch, out):
        monkeypatch.chdir(tmp_path)
        pathlib.Path("file").touch()
        pathlib.Path("closed").mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "closed")  # which root never sees
        told = f"'{out}' cannot be written" if out == "closed" else f"'{out}' cannot be made in '"
        refused(out, f"out must be a folder that can be written: {told}")

    @pytest.mark.parametrize(
        ("out", "reason"),
        [
            ("g[1]", "out must be a path without [ and \\, which TensorFlow takes for patterns, received 'g[1]'"),
            ("a\\b", "out must be a path without [ and \\, which TensorFlow takes for patterns, received 'a\\\\b'"),
            ("gs://bucket/run", "out must be a path on this machine, received 'gs://bucket/run'"),
            ("\udcff", "out must be a path that is text, received '\\udcff'"),
            ("", "out must be a path, received ''"),
        ],
    )
    def test_names_that_a_run_cannot_be_exported_to(self, tmp_path, monkeypatch, out, reason):
        monkeypatch.chdir(tmp_path)
        refused(out, reason)
        with pytest.raises(InputError, match=re.escape(reason)):
            holds_run(out)
        assert names(tmp_path) == []

    @pytest.mark.parametrize("options", [{}, {"resume": True}, {"overwrite": True}])
    def test_a_run_without_its_marker(self, tmp_path, options):
        run = make_run(tmp_path / "run")
        (run / RUN_JSON).unlink()
        before = names(run)
        told = f"{run} has checkpoints but its run.json is missing; give another folder"
        refused(run, told, **options)
        assert names(run) == before

    def test_a_folder_that_cannot_be_listed(self, tmp_path, monkeypatch):
        def denied(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(pathlib.Path, "iterdir", denied)
        refused(tmp_path, f"out must be a folder that can be written: {tmp_path} must not be opened or written")

    def test_a_run_of_another_kind_is_not_replaced(self, tmp_path):
        run = tmp_path / "run"
        with claim_run_folder(run, {"kind": "fleet", "preset": "siren"}):
            pass
        told = f"{run} holds a run of kind 'fleet', which a run of kind 'fit' does not replace; give another folder"
        with pytest.raises(InputError, match=re.escape(told)):
            check_run_folder(run, {"preset": "siren"}, overwrite=True)

    def test_resume_with_overwrite(self, tmp_path):
        refused(tmp_path / "run", "give one of resume and overwrite, received both", resume=True, overwrite=True)
        assert names(tmp_path) == []

    def test_resume_without_a_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        refused(None, "resume needs out, the folder of the run to go on with", resume=True)
        assert names(tmp_path) == []

    @pytest.mark.parametrize("options", [{"resume": True}, {"overwrite": True}])
    @pytest.mark.parametrize(
        "text", ["", '{"identity": {', "[]", "3", "{}", '{"identity": {}}', '{"format_version": 1, "identity": 3}']
    )
    def test_a_marker_that_is_not_ours(self, tmp_path, text, options):
        """Another program's run.json must not make its folder one that may be emptied."""
        (tmp_path / RUN_JSON).write_text(text)
        (tmp_path / "data").write_text("precious")
        refused(tmp_path, f"{tmp_path / RUN_JSON} is damaged: ", **options)
        assert names(tmp_path) == ["data", RUN_JSON]

    def test_a_marker_that_is_no_text(self, tmp_path):
        (tmp_path / RUN_JSON).write_bytes(b"\xff\xfe\x00")
        refused(tmp_path, "is damaged", resume=True)

    def test_a_marker_of_another_version(self, tmp_path):
        write_json(tmp_path / RUN_JSON, {"format_version": 2, "identity": IDENTITY})
        refused(tmp_path, "must have format_version 1, received 2", resume=True)


class TestResume:
    def test_the_same_settings(self, tmp_path):
        run = make_run(tmp_path / "run")
        before = names(run)
        assert claim(run, resume=True) == run
        assert names(run) == before

    def test_every_change_is_named(self, tmp_path):
        run = make_run(tmp_path / "run")
        changed = {**IDENTITY, "preset": "relu", "steps": None, "epochs": 2.5, "image_options": {"size": (24, 33)}}
        changed["seed"] = 1
        told = (
            "epochs was None and is 2.5; size was [24, 32] and is [24, 33]; "
            "preset was 'siren' and is 'relu'; seed was None and is 1; steps was 100 and is None"
        )
        refused(run, f"{run} holds a run with other settings: {told}", resume=True, identity=changed)
        assert (run / METRICS).exists()

    def test_in_the_home_of_the_user(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert not holds_run("~/run")
        assert claim("~/run") == tmp_path / "run"
        assert holds_run("~/run")


class TestGrowth:
    """A run that is resumed with a larger number than it had."""

    LONGER = {**IDENTITY, "steps": 200}

    def test_where_it_is_allowed_what_was_finished_stays(self, tmp_path):
        run = make_run(tmp_path / "run")
        check_run_folder(run, self.LONGER, resume=True, may_grow=("epochs", "steps"))
        assert (run / METRICS).exists()
        claim(run, self.LONGER, resume=True, may_grow=("epochs", "steps"))
        assert (run / METRICS).exists()
        assert json.loads((run / RUN_JSON).read_text())["identity"]["steps"] == 200
        refused(run, "steps was 200 and is 100", resume=True, may_grow=("steps",))

    @pytest.mark.parametrize(
        ("changes", "may_grow", "told"),
        [
            ({"steps": 200}, (), "steps was 100 and is 200"),
            ({"steps": 99}, ("steps",), "steps was 100 and is 99"),
            ({"steps": None, "epochs": 900.0}, ("steps", "epochs"), "epochs was None and is 900.0; steps was 100 and "),
            (
                {"steps": 200, "preset": "relu"},
                ("steps",),
                "preset was 'siren' and is 'relu'; steps was 100 and is 200",
            ),
        ],
    )
    def test_other_changes_are_refused(self, tmp_path, changes, may_grow, told):
        run = make_run(tmp_path / "run")
        told = f"{run} holds a run with other settings: {told}"
        refused(run, told, resume=True, identity={**IDENTITY, **changes}, may_grow=may_grow)
        assert (run / METRICS).exists()

    def test_without_a_checkpoint_there_is_nothing_to_grow(self, tmp_path):
        run = make_run(tmp_path / "run")
        (run / "checkpoints" / "step-0000000060.npz").unlink()
        told = f"{run} has no checkpoint to be resumed from to steps=200"
        refused(run, told, resume=True, identity=self.LONGER, may_grow=("steps",))
        assert (run / METRICS).exists()


class TestOverwrite:
    def test_replaces_a_run_by_another(self, tmp_path):
        run = make_run(tmp_path / "run")
        with claim_run_folder(run, {"preset": "relu"}, overwrite=True) as folder:
            assert names(folder) == [".lock", RUN_JSON]
        assert json.loads((run / RUN_JSON).read_text())["identity"] == {"preset": "relu"}

    def test_a_check_replaces_nothing(self, tmp_path):
        run = make_run(tmp_path / "run")
        before = names(run)
        check_run_folder(run, {"preset": "relu"}, overwrite=True)
        assert names(run) == before

    def test_links_are_removed_and_not_followed(self, tmp_path):
        outside = tmp_path / "outside"
        (outside / "below").mkdir(parents=True)
        (outside / "below" / "file").write_text("precious")
        run = make_run(tmp_path / "run")
        (run / "previews").symlink_to(outside)
        (run / "curves.png").symlink_to(outside / "below" / "file")
        (run / "checkpoints" / "step-0000000061.npz").symlink_to(outside / "below" / "file")
        (run / "comparison.png").symlink_to(tmp_path / "nowhere")
        claim(run, overwrite=True)
        assert names(run) == [".lock", RUN_JSON]
        assert (outside / "below" / "file").read_text() == "precious"

    def test_what_no_run_writes_stays(self, tmp_path):
        run = make_run(tmp_path / "run")
        foreign = ["my_notes.txt", "checkpoints/best.npz", "saved_model/readme", "tensorboard/x/y", "data/run.json"]
        for name in foreign:
            (run / name).parent.mkdir(parents=True, exist_ok=True)
            (run / name).write_text("precious")
        claim(run, overwrite=True)
        kept = [path for path in names(run) if (run / path).is_file()]
        assert kept == sorted([".lock", RUN_JSON, *foreign])

    def test_a_lock_that_is_a_link_keeps_what_it_points_to(self, tmp_path):
        (tmp_path / "file").write_text("precious")
        run = make_run(tmp_path / "run")
        (run / ".lock").unlink()
        (run / ".lock").symlink_to(tmp_path / "file")
        claim(run, overwrite=True)
        assert (tmp_path / "file").read_text() == "precious"

    @pytest.mark.parametrize("removed", range(3))
    def test_killed_on_the_way_it_is_still_a_run_but_not_a_finished_one(self, tmp_path, monkeypatch, removed):
        run = make_run(tmp_path / "run")
        unlink, calls = pathlib.Path.unlink, []

        def killed(path, **options):
            if len(calls) == removed:
                raise KeyboardInterrupt
            calls.append(path)
            unlink(path, **options)

        with monkeypatch.context() as patched:
            patched.setattr(pathlib.Path, "unlink", killed)
            with pytest.raises(KeyboardInterrupt):
                claim(run, overwrite=True)
        assert (run / METRICS).exists() == (removed == 0)
        claim(run, overwrite=True)
        assert names(run) == [".lock", RUN_JSON]


class TestLock:
    def test_one_process_at_a_time(self, tmp_path):
        run = make_run(tmp_path / "run")
        code = (
            "import fcntl, sys; lock = open(sys.argv[1], 'a'); fcntl.flock(lock, fcntl.LOCK_EX); print(flush=True); "
            "sys.stdin.read()"
        )
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(run / ".lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            other.stdout.readline()
            for options in ({"resume": True}, {"overwrite": True}):
                with pytest.raises(InputError, match=re.escape(f"another process is at work in {run}")):
                    claim(run, **options)
            assert (run / METRICS).exists()
        finally:
            other.communicate(b"")
        assert claim(run, resume=True) == run  # the lock went with the process

    def test_held_for_as_long_as_the_context(self, tmp_path):
        with claim_run_folder(tmp_path / "run", IDENTITY), pytest.raises(InputError, match="another process"):
            claim(tmp_path / "run", resume=True)
        with pytest.raises(RuntimeError), claim_run_folder(tmp_path / "run", IDENTITY, resume=True):
            raise RuntimeError
        assert claim(tmp_path / "run", resume=True) == tmp_path / "run"

    @pytest.mark.parametrize(
        ("options", "reason"),
        [({}, "holds a run already"), ({"resume": True}, "preset was 'relu' and is 'siren'")],
    )
    def test_a_run_that_came_and_went_before_the_lock_was_taken(self, tmp_path, monkeypatch, options, reason):
        flock = fcntl.flock

        def too_late(lock, operation):
            write_json(tmp_path / "run" / RUN_JSON, {"format_version": 1, "identity": {**IDENTITY, "preset": "relu"}})
            flock(lock, operation)

        monkeypatch.setattr(run_folder.fcntl, "flock", too_late)
        with pytest.raises(InputError, match=reason):
            claim(tmp_path / "run", **options)


class TestWriteJson:
    def test_readable_and_strict(self, tmp_path):
        write_json(tmp_path / "file", {"a": [1, None]})
        assert (tmp_path / "file").read_text() == '{\n  "a": [\n    1,\n    null\n  ]\n}\n'

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_what_json_cannot_hold_leaves_no_file(self, tmp_path, value):
        with pytest.raises(ValueError, match=f"not JSON compliant: {value}"):
            write_json(tmp_path / "file", {"a": value})
        assert names(tmp_path) == []
