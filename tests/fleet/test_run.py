"""A fleet run on this machine: what it writes, keeps, reports and survives."""

import csv
import errno
import hashlib
import importlib
import json
import os
import resource
import shutil
import signal
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import PIL.Image
import pyarrow.parquet
import pytest
from cli.fit_calls import SCRIPTS, Call, forked

from fleet.small_fleets import RECIPE, figures, metrics, small_settings, write_pictures
from keras_inr.datasets import pictures
from keras_inr.datasets.pictures import Picture, list_pictures
from keras_inr.errors import InputError, InterruptedRunError
from keras_inr.fleet import run, run_fleet, store, work
from keras_inr.fleet.manifest import FIGURES
from keras_inr.fleet.run import embedded
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit


def fitted(source, out, resume=False, **changes):
    return run_fleet(list_pictures(source), small_settings(**changes), out, resume, progress=False)


class TestWhole:
    @pytest.fixture(scope="class")
    @classmethod
    def run(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("fleet")
        source = write_pictures(folder / "in", 5)
        PIL.Image.fromarray(np.zeros((6, 6), "uint8")).save(source / "grey.png")
        PIL.Image.fromarray(np.full((7, 5, 3), 9, "uint8")).save(source / "tall.png")
        (source / "torn.png").write_bytes((source / "000.png").read_bytes()[:40])
        (source / "text.jpg").write_text("no picture")
        return source, *fitted(str(source), folder / "out")

    def test_a_row_for_every_picture(self, run):
        source, _, rows = run
        assert [row["name"] for row in rows] == sorted(path.name for path in source.iterdir())
        failed = {row["name"]: row["reason"] for row in rows if row["status"] == "failed"}
        assert set(failed) == {"torn.png", "text.jpg"}
        assert all(str(source) in reason and "\n" not in reason for reason in failed.values())
        assert {row["status"] for row in rows} == {"fitted", "failed"}

    def test_manifests_agree(self, run):
        _, folder, rows = run
        assert pyarrow.parquet.read_table(folder / "manifest.parquet").to_pylist() == rows
        with (folder / "manifest.csv").open(newline="") as file:
            read = list(csv.DictReader(file))
        assert read == [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]

    @pytest.mark.slow
    def test_models_are_those_of_single_fits(self, run):
        source, folder, rows = run
        for row in rows:
            if row["status"] == "failed":
                continue
            picture = load_image(source / row["name"])
            alone = small_settings().field(picture.size, picture.channels)
            result = fit(alone, picture, progress=False, **RECIPE)
            field = keras.saving.load_model(folder / row["model"])
            assert field.picture_size == picture.size
            for one, other in zip(field.weights, alone.weights, strict=True):
                np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-5)  # float32, 12 steps
            assert row["psnr_db"] == pytest.approx(result.psnr_db, abs=0.01)
            told = metrics(folder, Path(row["name"]).stem)
            assert {name: told[name] for name in FIGURES} == {name: row[name] for name in FIGURES}
            assert (told["format_version"], told["preset"], told["recipe"]["steps"]) == (1, "siren_256", 12)
            assert told["versions"]["tensorflow"].startswith("2.")

    def test_previews(self, run):
        _, folder, rows = run
        for row in rows:
            if row["status"] == "fitted":
                field = keras.saving.load_model(folder / row["model"])
                preview = load_image(folder / "pictures" / Path(row["name"]).stem / "preview.png")
                np.testing.assert_allclose(preview.values, field.render() / np.float32(255), atol=1.5 / 255)


class TestResume:
    def test_only_what_is_missing_is_fitted(self, tmp_path):
        source = write_pictures(tmp_path / "in", 4)
        (source / "003.png").write_text("torn")
        _, before = fitted(str(source), tmp_path / "out")
        kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("model.keras")}
        write_pictures(source, 4)  # 003 is whole now, 000 to 002 have the same bytes
        write_pictures(source / "more", 1)
        PIL.Image.fromarray(np.full((6, 6, 3), 77, "uint8")).save(source / "001.png")
        (tmp_path / "out" / "pictures" / "002" / "preview.png").unlink()
        _, after = fitted(str(source), tmp_path / "out", resume=True)
        assert [row["status"] for row in before] == ["fitted"] * 3 + ["failed"]
        assert [row["status"] for row in after] == ["fitted"] * 5
        again = {path.parent.name for path, when in kept.items() if path.stat().st_mtime_ns != when}
        assert again == {"001", "002"}
        assert (
            metrics(tmp_path / "out", "001")["image_sha256"]
            == hashlib.sha256((source / "001.png").read_bytes()).hexdigest()
        )

    @pytest.mark.slow
    def test_results_that_are_cut_off_or_wrong_are_made_again(self, tmp_path):
        source, out = write_pictures(tmp_path / "in", 4), tmp_path / "out"
        fitted(str(source), out)
        whole = {path: path.read_bytes() for path in out.glob("pictures/00[013]/*.[kp]*")}
        for name in ("000/model.keras", "001/preview.png"):
            os.truncate(out / "pictures" / name, 100)
        wrong = {**metrics(out, "003"), "psnr_db": "abc"}
        (out / "pictures" / "003" / "metrics.json").write_text(json.dumps(wrong))
        before = (out / "pictures" / "002" / "model.keras").stat().st_mtime_ns
        _, rows = fitted(str(source), out, resume=True)
        assert [row["status"] for row in rows] == ["fitted"] * 4
        assert {path: len(content) for path, content in whole.items()} == {path: path.stat().st_size for path in whole}
        assert isinstance(metrics(out, "003")["psnr_db"], float)
        assert (out / "pictures" / "002" / "model.keras").stat().st_mtime_ns == before

    @pytest.mark.slow
    def test_previews_of_the_run_are_no_pictures(self, tmp_path):
        """Its folder may lie among the pictures."""
        source = write_pictures(tmp_path / "in", 2)
        for resume in (False, True):
            _, rows = fitted(str(source), source / "run", resume=resume)
            assert [row["name"] for row in rows] == ["000.png", "001.png"]
        with pytest.raises(InputError, match="must not all lie in the run's own folder"):
            fitted(str(source / "run"), source / "run", resume=True)

    def test_other_settings_are_refused(self, tmp_path):
        source = write_pictures(tmp_path / "in", 2)
        fitted(str(source), tmp_path / "out")
        with pytest.raises(InputError, match="holds a run already; add resume=True, or give another folder"):
            fitted(str(source), tmp_path / "out")
        with pytest.raises(InputError, match="preset"):
            fitted(str(source), tmp_path / "out", resume=True, preset="relu")
        told = "holds a run with other settings: learning_rate was 0.001 and is 0.1$"
        with pytest.raises(InputError, match=told):
            fitted(str(source), tmp_path / "out", resume=True, recipe={**RECIPE, "learning_rate": 0.1})
        # how many go together is no matter of what comes out
        _, rows = fitted(str(source), tmp_path / "out", resume=True, pictures_per_task=1)
        assert [row["status"] for row in rows] == ["fitted"] * 2

    def test_a_folder_of_something_else_is_refused(self, tmp_path):
        source = write_pictures(tmp_path / "in", 1)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").touch()
        with pytest.raises(InputError, match="is not empty and holds no run"):
            fitted(str(source), tmp_path / "out", resume=True)


class TestTasks:
    def tasks(self, source, **changes):
        reports = []
        found = run.loaded(list_pictures(str(source)), small_settings(**changes), reports.append, lambda: False)
        return [task.names for task in found], reports

    def test_pictures_of_one_size_go_together_where_a_step_takes_all_pixels(self, tmp_path):
        write_pictures(tmp_path / "a", 3, side=6)
        write_pictures(tmp_path / "b", 2, side=7)
        names, _ = self.tasks(tmp_path, pictures_per_task=2)
        assert names == [("a/000.png", "a/001.png"), ("b/000.png", "b/001.png"), ("a/002.png",)]
        random = {"steps": 2, "batch_size": 10}
        names, _ = self.tasks(tmp_path, pictures_per_task=4, recipe=random)
        assert [len(task) for task in names] == [4, 1]

    def test_few_pictures_wait(self, tmp_path, monkeypatch):
        """Three at most, of which the largest group of one size goes."""
        monkeypatch.setattr(run, "MOST_WAITING", 1)
        for side, count in ((5, 2), (6, 2), (7, 2)):
            write_pictures(tmp_path / str(side), count, side)
        names, _ = self.tasks(tmp_path, pictures_per_task=3)
        assert names == [("5/000.png", "5/001.png"), ("6/000.png", "6/001.png"), ("7/000.png", "7/001.png")]

    def test_large_pictures_go_in_fewer_at_a_time(self, tmp_path, monkeypatch):
        monkeypatch.setattr(run, "MOST_VALUES", 2 * 6 * 6 * 3)
        write_pictures(tmp_path, 5)
        names, _ = self.tasks(tmp_path, pictures_per_task=64)
        assert list(map(len, names)) == [2, 2, 1]

    @pytest.mark.slow
    def test_a_network_that_is_made_for_a_size(self, tmp_path):
        """A band-limited network of pictures of another size is another network, whatever the recipe."""
        write_pictures(tmp_path / "a", 2, side=16)
        write_pictures(tmp_path / "b", 2, side=24)
        random = {"recipe": {"steps": 2, "batch_size": 10}, "arguments": {"units": 8}, "preset": "bacon"}
        names, _ = self.tasks(tmp_path, **random)
        assert [len(task) for task in names] == [2, 2]
        _, rows = fitted(str(tmp_path), tmp_path / "out", **random)
        assert {row["status"] for row in rows} == {"fitted"}
        assert {row["pictures_together"] for row in rows} == {2}


class TestNames:
    def test_that_is_no_utf_8(self, tmp_path):
        folder = os.fsencode(tmp_path / "in")
        os.mkdir(folder)
        shutil.copy(write_pictures(tmp_path / "other", 1) / "000.png", folder + b"/\xe9t\xe9.png")
        _, rows = fitted(str(tmp_path / "in"), tmp_path / "out")
        assert [(row["name"], row["status"]) for row in rows] == [("\\xe9t\\xe9.png", "fitted")]
        assert (tmp_path / "out" / rows[0]["model"]).is_file()
        with (tmp_path / "out" / "manifest.csv").open(newline="", encoding="utf-8") as file:
            assert next(csv.DictReader(file))["name"] == "\\xe9t\\xe9.png"

    def test_that_is_no_utf_8_of_one_that_cannot_be_read(self, tmp_path):
        """The reason names the file."""
        folder = os.fsencode(write_pictures(tmp_path / "in", 1))
        with open(folder + b"/\xe9.png", "wb") as file:
            file.write(b"torn")
        _, rows = fitted(str(tmp_path / "in"), tmp_path / "out")
        assert [row["status"] for row in rows] == ["fitted", "failed"]
        assert "\\xe9.png" in rows[1]["reason"]

    def test_that_is_too_long_for_a_folder(self, tmp_path):
        """Each byte that is no UTF-8 takes four letters; the others are fitted all the same."""
        folder = os.fsencode(write_pictures(tmp_path / "in", 2))
        shutil.copy(folder + b"/000.png", folder + b"/000" + b"\xe9" * 100 + b".png")
        _, rows = fitted(str(tmp_path / "in"), tmp_path / "out", pictures_per_task=1)
        assert sorted(row["status"] for row in rows) == ["failed", "fitted", "fitted"]
        assert {row["reason"] for row in rows} == {
            None,
            "the name is too long for a folder of results: rename the picture",
        }

    @pytest.mark.slow
    def test_of_a_picture_that_is_a_file_of_another(self, tmp_path):
        shutil.copytree(write_pictures(tmp_path / "one", 1), tmp_path / "in" / "chelsea")
        (tmp_path / "in" / "chelsea" / "000.png").rename(tmp_path / "in" / "chelsea" / "model.keras.png")
        sources = ["sample:chelsea", str(tmp_path / "in")]
        _, rows = fitted(sources, tmp_path / "out", image_options={"size": 6})
        assert [row["model"] for row in rows] == [
            "pictures/chelsea/model.keras",
            "pictures/chelsea/model.keras~/model.keras",
        ]
        assert all((tmp_path / "out" / row["model"]).is_file() for row in rows)


class TestSources:
    @pytest.mark.slow
    def test_another_picture_of_the_same_name_is_fitted_again(self, tmp_path):
        """Where a source is no file there are no bytes to compare, but the source itself."""
        first, second = Picture("one", "sample:coins"), Picture("one", "sample:moon")
        options = {"image_options": {"size": 8}}
        run_fleet([first], small_settings(**options), tmp_path / "out", progress=False)
        _, same = run_fleet([first], small_settings(**options), tmp_path / "out", resume=True, progress=False)
        _, other = run_fleet([second], small_settings(**options), tmp_path / "out", resume=True, progress=False)
        assert same[0]["image_sha256"] != other[0]["image_sha256"]
        assert other[0]["source"] == "sample:moon"

    def test_a_relative_path_is_told_whole(self, tmp_path, monkeypatch):
        write_pictures(tmp_path / "in", 1)
        monkeypatch.chdir(tmp_path)
        (picture,) = list_pictures("in/000.png")
        assert picture.source == str(tmp_path / "in" / "000.png")


class TestFailures:
    def test_one_that_diverges(self, tmp_path):
        source = write_pictures(tmp_path / "in", 2)
        wild = {"steps": 60, "sampling": "full", "optimizer": "sgd", "learning_rate": 900.0, "schedule": "constant"}
        _, rows = fitted(str(source), tmp_path / "out", recipe=wild, preset="relu")
        assert {row["status"] for row in rows} == {"failed"}
        assert "the fit diverged at step" in rows[0]["reason"]

    @pytest.mark.slow
    def test_too_large_together(self, tmp_path, monkeypatch):
        calls = []

        def fit_few(fields, *arguments, **options):
            calls.append(len(fields))
            if len(fields) > 2:
                raise MemoryError("no room")
            yield from fit_in_batches(fields, *arguments, **options)

        fit_in_batches = work.fit_in_batches
        monkeypatch.setattr(work, "fit_in_batches", fit_few)
        source = write_pictures(tmp_path / "in", 5)
        _, rows = fitted(str(source), tmp_path / "out")
        assert {row["status"] for row in rows} == {"fitted"}
        assert calls == [5, 2, 3, 1, 2]

    def test_too_large_alone(self, tmp_path, monkeypatch):
        def fail(*arguments, **options):
            raise MemoryError("no room")

        monkeypatch.setattr(work, "fit_in_batches", fail)
        _, rows = fitted(str(write_pictures(tmp_path / "in", 2)), tmp_path / "out")
        assert [row["reason"] for row in rows] == ["network and picture do not fit into memory: no room"] * 2

    def test_one_that_cannot_be_read_for_want_of_memory(self, tmp_path, monkeypatch):
        def load(source, **options):
            if "001" in source:
                raise MemoryError("no room")
            return load_image(source, **options)

        monkeypatch.setattr(pictures, "load_image", load)
        _, rows = fitted(str(write_pictures(tmp_path / "in", 3)), tmp_path / "out")
        assert [row["status"] for row in rows] == ["fitted", "failed", "fitted"]
        assert rows[1]["reason"] == "network and picture do not fit into memory: no room"

    def test_one_that_cannot_be_packed_up(self, tmp_path, monkeypatch):
        """Its neighbours are kept, and not fitted again."""
        calls, keras_file = [], work.keras_file

        def pack(field):
            calls.append(field)
            if len(calls) == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            return keras_file(field)

        monkeypatch.setattr(work, "keras_file", pack)
        _, rows = fitted(str(write_pictures(tmp_path / "in", 3)), tmp_path / "out")
        assert [row["status"] for row in rows] == ["fitted", "failed", "fitted"]
        assert rows[1]["reason"] == "[Errno 28] No space left on device"
        assert len(calls) == 3

    @pytest.mark.parametrize("error", [KeyError("wings"), OSError(errno.EIO, "Input/output error"), AssertionError()])
    def test_one_at_which_reading_ends_with_an_error(self, tmp_path, monkeypatch, error):
        """As by a decoder's bug, or a data set's own code."""

        def load(source, **options):
            if "001" in source:
                raise error
            return load_image(source, **options)

        monkeypatch.setattr(pictures, "load_image", load)
        _, rows = fitted(str(write_pictures(tmp_path / "in", 3)), tmp_path / "out")
        assert [row["status"] for row in rows] == ["fitted", "failed", "fitted"]
        assert rows[1]["reason"] == work.reason_of(error)
        assert work.reason_of(KeyError("wings")) == "KeyError: 'wings'"
        assert work.reason_of(AssertionError()) == "AssertionError"

    def test_reading_that_ends_too_early(self, tmp_path, monkeypatch):
        monkeypatch.setattr(run, "read_pictures", lambda pictures, **options: iter(()))
        _, rows = fitted(str(write_pictures(tmp_path / "in", 2)), tmp_path / "out")
        assert [row["reason"] for row in rows] == ["RuntimeError: nothing was read of it"] * 2

    def test_pictures_that_change_while_the_run_goes_on(self, tmp_path):
        """After the list is made, one becomes a pipe, one a folder, and all of a class go."""
        source = write_pictures(tmp_path / "in", 4)
        write_pictures(source / "class", 2)
        found = list_pictures(str(source))
        shutil.rmtree(source / "class")
        for name in ("001.png", "002.png"):
            (source / name).unlink()
        os.mkfifo(source / "001.png")
        (source / "002.png").mkdir()
        _, rows = run_fleet(found, small_settings(), tmp_path / "out", progress=False)
        assert [row["status"] for row in rows] == ["fitted", "failed", "failed", "fitted", "failed", "failed"]
        _, rows = run_fleet(found, small_settings(), tmp_path / "out", resume=True, progress=False)
        assert [row["status"] for row in rows] == ["fitted", "failed", "failed", "fitted", "failed", "failed"]

    @pytest.mark.slow
    def test_a_folder_that_cannot_be_a_pictures_own(self, tmp_path):
        source, out = write_pictures(tmp_path / "in", 3), tmp_path / "out"
        run_fleet(list_pictures(str(source / "000.png")), small_settings(), out, progress=False)
        (out / "pictures" / "001").write_text("mine")
        (out / "pictures" / "000" / "model.keras").unlink()
        (out / "pictures" / "000" / "model.keras").mkdir()
        _, rows = fitted(str(source), out, resume=True)
        assert [row["status"] for row in rows] == ["failed", "failed", "fitted"]
        assert all(row["reason"].startswith("its folder of results cannot be written: ") for row in rows[:2])
        assert (out / "pictures" / "001").read_text() == "mine"

    def test_a_preview_that_cannot_be_drawn(self, tmp_path, monkeypatch):
        monkeypatch.setattr(work, "png_bytes", lambda picture: 1 // 0)
        _, rows = fitted(str(write_pictures(tmp_path / "in", 1)), tmp_path / "out")
        assert rows[0]["reason"] == "ZeroDivisionError: integer division or modulo by zero"

    @pytest.mark.slow
    def test_a_temporary_folder_that_cannot_be_written_fails_no_picture(self, tmp_path, monkeypatch):
        source = str(write_pictures(tmp_path / "in", 2))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
        _, rows = fitted(source, tmp_path / "out")
        assert [row["status"] for row in rows] == ["fitted"] * 2
        assert tempfile.tempdir == str(tmp_path / "gone")
        monkeypatch.setattr(work, "SHARED_MEMORY", str(tmp_path / "nowhere"))
        told = "no folder can be made in the temporary folder .*make room there, or name another in TMPDIR.*/gone"
        with pytest.raises(work.MachineError, match=told):
            fitted(source, tmp_path / "again")
        rows = pyarrow.parquet.read_table(tmp_path / "again" / "manifest.parquet").to_pylist()
        assert [row["status"] for row in rows] == ["pending"] * 2

    def test_a_model_is_packed_up_in_memory(self, tmp_path, monkeypatch):
        """A temporary folder without room for a byte will do."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        field = small_settings().field((6, 6), 3)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        try:
            content = work.keras_file(field)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "model.keras").write_bytes(content)
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert all(np.array_equal(a, b) for a, b in zip(loaded.weights, field.weights, strict=True))

    @pytest.mark.slow
    def test_a_full_disk_keeps_what_is_done(self, tmp_path, monkeypatch):
        """The third model finds no room, the manifest does: it tells of the two that are there."""
        source = write_pictures(tmp_path / "in", 4)
        kept, atomic_path = [], store.atomic_path

        def atomic(path):
            if path.name == "model.keras":
                if len(kept) == 2:
                    raise OSError(errno.ENOSPC, "No space left on device")
                kept.append(path.parent.name)
            return atomic_path(path)

        with monkeypatch.context() as patch:
            patch.setattr(store, "atomic_path", atomic)
            with pytest.raises(OSError, match="No space left"):
                fitted(str(source), tmp_path / "out", pictures_per_task=1)
        rows = pyarrow.parquet.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
        assert [row["status"] for row in rows] == ["fitted", "fitted", "pending", "pending"]
        whole = {name: metrics(tmp_path / "out", name) for name in kept}
        _, rows = fitted(str(source), tmp_path / "out", resume=True)
        assert [row["status"] for row in rows] == ["fitted"] * 4
        assert {name: metrics(tmp_path / "out", name) for name in kept} == whole


class TestInterrupts:
    @pytest.mark.slow
    def test_batches_of_a_task_are_kept_as_they_end(self, tmp_path, monkeypatch):
        """A task of four pictures that are fitted two at a time is killed in the second half."""
        module = importlib.import_module("keras_inr.training.many.many_fits")
        monkeypatch.setattr(module, "MOST_FIELDS", 2)
        source = write_pictures(tmp_path / "in", 4)

        def dying(tasks, settings, should_stop):
            for number, outcomes in enumerate(embedded(tasks, settings, should_stop)):
                if number == 1:
                    raise KeyboardInterrupt
                yield outcomes

        with pytest.raises(KeyboardInterrupt):
            run_fleet(list_pictures(str(source)), small_settings(), tmp_path / "out", execute=dying, progress=False)
        assert [metrics(tmp_path / "out", name)["status"] for name in ("000", "001")] == ["fitted"] * 2
        assert not (tmp_path / "out" / "pictures" / "002").exists()

    @pytest.mark.slow
    def test_the_first_one_keeps_what_is_done(self, tmp_path):
        source = write_pictures(tmp_path / "in", 4)

        def stopping(tasks, settings, should_stop):
            for number, outcomes in enumerate(embedded(tasks, settings, should_stop)):
                yield outcomes
                if number == 1:
                    os.kill(os.getpid(), signal.SIGINT)

        settings = small_settings(pictures_per_task=1)
        with pytest.raises(
            InterruptedRunError,
            match="stopped with 2 of 4 pictures fitted; those are saved, go on with the same flags and out=",
        ) as caught:
            run_fleet(list_pictures(str(source)), settings, tmp_path / "out", execute=stopping, progress=False)
        assert caught.value.signal_number == signal.SIGINT
        rows = pyarrow.parquet.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
        assert [row["status"] for row in rows] == ["fitted", "fitted", "pending", "pending"]
        undisturbed = fitted(str(source), tmp_path / "whole", pictures_per_task=1)[1]
        resumed = fitted(str(source), tmp_path / "out", resume=True, pictures_per_task=1)[1]
        assert figures(resumed) == figures(undisturbed)

    @pytest.mark.slow
    @pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGKILL,)])
    def test_twice_or_killed(self, tmp_path, signals):
        source = write_pictures(tmp_path / "in", 3)
        flags = ["--preset=siren_256", "--units=8,8", "--sampling=full", "--steps=4000", "--pictures_per_task=1"]
        flags += [f"--images={source}", f"--out={tmp_path}/out"]
        call = Call(*flags, cwd=tmp_path, log=tmp_path, script=SCRIPTS / "fit_many.py")
        first = tmp_path / "out" / "pictures" / "000" / "metrics.json"
        until = time.monotonic() + 100
        while not first.exists() and time.monotonic() < until and call.process.is_alive():
            time.sleep(0.05)
        for number in signals:
            os.kill(call.process.pid, number)
            time.sleep(0.02)
        code, _, error = call.wait()
        assert code == (130 if signals[0] == signal.SIGINT else -signal.SIGKILL), error
        assert "Traceback" not in error
        kept = metrics(tmp_path / "out", "000")
        done = forked(SCRIPTS / "fit_many.py", *flags, "--resume")
        assert done.returncode == 0, done.stderr
        assert metrics(tmp_path / "out", "000") == kept
        assert "3 of 3 pictures fitted" in done.stdout


def test_progress_tells_rate_failures_and_time(tmp_path, capsys):
    source = write_pictures(tmp_path / "in", 2)
    (source / "torn.png").write_text("torn")
    run_fleet(list_pictures(str(source)), small_settings(), tmp_path / "out")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("3/3 pictures, 1 failed, ")
    assert lines[0].endswith(" pictures/s, about 0 s left")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "nerf"}, "preset must be one of"),
        ({"recipe": {"steps": 0}}, "steps must be an integer in"),
        ({"recipe": {"steps": 5, "supervise": "laplacian"}}, "supervise must be 'value' for many fields"),
        ({"recipe": {"steps": 5, "freeze": "relu_0"}}, "freeze must name some of the layers"),
        ({"arguments": {"wings": 2}}, "'wings' is not an argument"),
        ({"precision": "mixed_float16"}, "precision must not be mixed_float16"),
        ({"goal_psnr_db": -3.0}, "goal_psnr_db must be positive"),
        ({"image_options": {"size": 0}}, "size must be .*, received 0"),
        ({"image_options": {"crop": (-1, 0, 4, 4)}}, "crop must be .*-1"),
        ({"pictures_per_task": 0}, "pictures_per_task must be at least 1, received 0"),
    ],
)
def test_bad_settings(changes, message):
    with pytest.raises(InputError, match=message):
        small_settings(**changes)


def test_a_folder_that_cannot_be_written(tmp_path):
    source = write_pictures(tmp_path / "in", 1)
    with pytest.raises(InputError, match="cannot be made in '/proc'"):
        fitted(str(source), "/proc/out")
    shutil.rmtree(source)
