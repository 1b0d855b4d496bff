"""Exports of a fleet's pictures: whole or not there, made once, and none stops the others."""

import errno
import gc
import json
import os
import shutil
import signal

import pyarrow.parquet
import pytest
import tensorflow as tf
from cli.fit_calls import SCRIPTS, forked
from tensorflow.python.framework import ops

from fleet.small_fleets import metrics, small_settings, write_pictures
from keras_inr.cli.fit_many import summary
from keras_inr.datasets.pictures import list_pictures
from keras_inr.errors import InterruptedRunError
from keras_inr.fleet import exports, run, run_fleet
from keras_inr.fleet.store import all_done
from keras_inr.models import Siren
from keras_inr.models.field_files import read_field
from keras_inr.runs.results import holds_weights

SCRIPT = SCRIPTS / "fit_many.py"


def fitted(source, out, resume=False, export=True, **changes):
    return run_fleet(list_pictures(str(source)), small_settings(**changes), out, resume, None, False, export)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of two pictures with exports, not to be changed."""
    folder = tmp_path_factory.mktemp("exported")
    return folder, *fitted(write_pictures(folder / "in", 2), folder / "out")


@pytest.fixture
def copied(whole, tmp_path):
    """(source, folder) of a copy of it."""
    shutil.copytree(whole[0], tmp_path / "run")
    shutil.copytree(whole[0] / "in", tmp_path / "in")
    return whole[0] / "in", tmp_path / "run" / "out"


def stub(place, facts):
    """Files of the names that an export has."""
    shutil.rmtree(place / "saved_model", ignore_errors=True)
    for name in exports.FILES:
        path = place / "saved_model" / "1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("stub")
    return "1"


def counting(monkeypatch, work=stub):
    calls = []

    def export(place, facts):
        calls.append(place.name)
        return work(place, facts)

    monkeypatch.setattr(run, "export_picture", export)
    return calls


class TestWhole:
    @pytest.mark.slow
    def test_it_is_served(self, whole):
        _, folder, rows = whole
        assert [row["saved_model"] for row in rows] == [f"pictures/{name}/saved_model/1" for name in ("000", "001")]
        assert all_done(rows, exported=True)
        assert pyarrow.parquet.read_table(folder / "manifest.parquet").to_pylist() == rows
        served = tf.saved_model.load(str(folder / rows[0]["saved_model"])).signatures
        assert served["serving_default"](coords=tf.zeros((5, 2)))["values"].shape == (5, 3)
        told = json.loads(served["info"](query=tf.constant([""]))["info"][0].numpy())
        assert (told["psnr_db"], told["preset"]) == (rows[0]["psnr_db"], "siren_256")
        assert "000.png" not in json.dumps(told)
        assert str(folder.parent) not in json.dumps(told)

    def test_tensorflow_forgets_it(self, copied):
        """Else each takes 50 MB for as long as the process lives."""
        place = copied[1] / "pictures" / "000"
        shutil.rmtree(place / "saved_model")
        before = len(ops.gradient_registry._registry)
        exports.export_picture(place, metrics(copied[1], "000"))
        gc.collect()
        assert len(ops.gradient_registry._registry) <= before
        assert not [item for item in gc.get_objects() if type(item) is Siren and item.picture_size == (6, 6)]

    def test_what_is_whole_is_not_made_again(self, copied, monkeypatch):
        calls = counting(monkeypatch)
        for export in (True, False):
            _, rows = fitted(*copied, resume=True, export=export)
            assert [row["saved_model"] is None for row in rows] == [False, False]
        assert calls == []

    def test_what_is_damaged_is(self, copied, monkeypatch):
        source, folder = copied
        os.truncate(folder / "pictures" / "000" / "saved_model" / "1" / "saved_model.pb", 10)
        shutil.rmtree(folder / "pictures" / "001" / "saved_model" / "1" / "variables")
        models = [path.stat().st_mtime_ns for path in sorted(folder.rglob("model.keras"))]
        _, rows = fitted(source, folder, resume=True, export=False)
        assert [row["saved_model"] for row in rows] == [None, None]
        assert not all_done(rows, exported=True)
        calls = counting(monkeypatch)
        _, rows = fitted(source, folder, resume=True)
        assert calls == ["000", "001"]
        assert all_done(rows, exported=True)
        assert [path.stat().st_mtime_ns for path in sorted(folder.rglob("model.keras"))] == models

    @pytest.mark.slow
    @pytest.mark.parametrize("others", [(), ("7",)])
    def test_of_a_picture_that_is_fitted_again_it_stays_until_the_next_one_stands(self, copied, tmp_path, others):
        """And what somebody else has exported stays for ever."""
        folder = copied[1]
        base = folder / "pictures" / "000" / "saved_model"
        write_pictures(tmp_path / "other", 1, side=7)
        changed = list_pictures([str(tmp_path / "other" / "000.png"), str(copied[0] / "001.png")])
        for name in others:
            shutil.copytree(base / "1", base / name)
        _, rows = run_fleet(changed, small_settings(), folder, resume=True, progress=False)
        assert [row["saved_model"] is None for row in rows] == [True, False]
        assert sorted(path.name for path in base.iterdir()) == ["1", *others]
        assert "1 of them with an export of an earlier model: --resume --export replaces it" in summary(folder, rows)
        _, rows = run_fleet(changed, small_settings(), folder, resume=True, progress=False, export=True)
        version = "8" if others else "2"
        assert rows[0]["saved_model"] == f"pictures/000/saved_model/{version}"
        assert sorted(path.name for path in base.iterdir()) == (["1", "7", "8"] if others else ["2"])
        assert holds_weights(base / version, read_field(base.with_name("model.keras")))
        _, again = run_fleet(changed, small_settings(), folder, resume=True, progress=False)
        assert again == rows
        assert "earlier model" not in summary(folder, again)


@pytest.mark.slow
class TestFailures:
    def test_one_that_cannot_be_exported(self, tmp_path, monkeypatch):
        def export(place, facts):
            if place.name == "001":
                raise KeyError("wings")
            return stub(place, facts)

        calls = counting(monkeypatch, export)
        source = write_pictures(tmp_path / "in", 3)
        _, rows = fitted(source, tmp_path / "out")
        assert [row["status"] for row in rows] == ["fitted"] * 3
        assert [row["saved_model"] is None for row in rows] == [False, True, False]
        assert rows[1]["reason"] == "it is fitted but cannot be exported: KeyError: 'wings'"
        assert not all_done(rows, exported=True)
        assert all_done(rows)
        fitted(source, tmp_path / "out", resume=True)
        assert calls == ["000", "001", "002", "001"]

    def test_a_file_in_its_place(self, tmp_path):
        source = write_pictures(tmp_path / "in", 1)
        fitted(source, tmp_path / "out", export=False)
        (tmp_path / "out" / "pictures" / "000" / "saved_model").write_text("mine")
        _, rows = fitted(source, tmp_path / "out", resume=True)
        assert "base_path must be a folder to write to" in rows[0]["reason"]
        assert (tmp_path / "out" / "pictures" / "000" / "saved_model").read_text() == "mine"

    @pytest.mark.parametrize("number", [errno.ENOSPC, None], ids=["the system", "TensorFlow"])
    def test_a_full_disk_stops(self, tmp_path, monkeypatch, number):
        def full(place, facts):
            if place.name == "001":
                raise OSError(number, "No space left") if number else OSError("cannot write: No space left")
            return stub(place, facts)

        counting(monkeypatch, full)
        source = write_pictures(tmp_path / "in", 3)
        with pytest.raises(OSError, match="No space left"):
            fitted(source, tmp_path / "out")
        rows = pyarrow.parquet.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
        assert [(row["status"], row["saved_model"] is None) for row in rows] == [
            ("fitted", False),
            ("fitted", True),
            ("fitted", True),
        ]

    def test_a_full_disk_that_publishing_tells(self, tmp_path, monkeypatch):
        """Before anything is written, as a folder that cannot be written to."""

        def full(place, facts):
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            except OSError as error:
                raise ValueError("base_path must be a folder to write to") from error

        monkeypatch.setattr(run, "export_picture", full)
        with pytest.raises(OSError, match="No space left on device"):
            run.exported(tmp_path, {})


class TestInterrupts:
    def test_the_first_one_keeps_what_is_done(self, tmp_path, monkeypatch):
        def interrupted(place, facts):
            os.kill(os.getpid(), signal.SIGINT)
            return stub(place, facts)

        source = write_pictures(tmp_path / "in", 3)
        with monkeypatch.context() as patch:
            calls = counting(patch, interrupted)
            with pytest.raises(
                InterruptedRunError, match="with 3 of 3 pictures fitted and 1 exported; those are saved"
            ):
                fitted(source, tmp_path / "out")
            assert calls == ["000"]
        calls = counting(monkeypatch)
        _, rows = fitted(source, tmp_path / "out", resume=True)
        assert calls == ["001", "002"]
        assert all_done(rows, exported=True)

    @pytest.mark.slow
    def test_killed_between_model_and_export_and_in_an_export(self, tmp_path):
        """In the second picture's export, all of whose files are there but not under their name."""
        source = write_pictures(tmp_path / "in", 2)
        script = (
            "import os, signal, pathlib, runpy\n"
            "rename = pathlib.Path.rename\n"
            "def killed(self, target):\n"
            "    if '001' in str(target):\n"
            "        os.kill(os.getpid(), signal.SIGKILL)\n"
            "    return rename(self, target)\n"
            "pathlib.Path.rename = killed\n"
            f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        )
        (tmp_path / "killed.py").write_text(script)
        flags = ["--preset=siren_256", "--units=8,8", "--sampling=full", "--steps=12", "--export", "--progress=false"]
        flags += [f"--images={source}", f"--out={tmp_path}/out"]
        killed = forked(tmp_path / "killed.py", *flags)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        places = [tmp_path / "out" / "pictures" / name for name in ("000", "001")]
        left = [sorted(path.name for path in (place / "saved_model").iterdir()) for place in places]
        assert left[0] == ["1"]
        assert [name[:4] for name in left[1]] == ["tmp."]
        before = [(place / "model.keras").stat().st_mtime_ns for place in places]
        done = forked(SCRIPT, *flags, "--resume")
        assert done.returncode == 0, done.stderr
        assert "; 2 exported" in done.stdout.splitlines()[0]
        assert [(place / "model.keras").stat().st_mtime_ns for place in places] == before
        assert [[path.name for path in (place / "saved_model").iterdir()] for place in places] == [["1"], ["1"]]


class TestThatStands:
    """A version under its number is replaced by a rename, or not at all."""

    def test_is_not_made_again_though_it_is_not_noted_yet(self, copied, monkeypatch):
        """As after a kill between its rename and the note in metrics.json."""
        source, folder = copied
        path = folder / "pictures" / "000" / "metrics.json"
        noted = json.loads(path.read_text())
        path.write_text(json.dumps({**noted, "saved_model": None, "saved_model_bytes": None}))
        monkeypatch.setattr(exports, "export_saved_model", lambda *args, **kwargs: pytest.fail("exported"))
        _, rows = fitted(source, folder, resume=True)
        assert rows[0]["saved_model"] == "pictures/000/saved_model/1"
        assert json.loads(path.read_text()) == noted

    @pytest.mark.slow
    def test_of_other_bytes_than_noted_stays_until_the_next_one_stands(self, copied, monkeypatch):
        source, folder = copied
        base, export = folder / "pictures" / "000" / "saved_model", exports.export_saved_model
        with open(base / "1" / "saved_model.pb", "ab") as file:
            file.write(b"damaged")

        def watched(*args, **kwargs):
            assert (base / "1").is_dir()
            return export(*args, **kwargs)

        monkeypatch.setattr(exports, "export_saved_model", watched)
        _, rows = fitted(source, folder, resume=True)
        assert (rows[0]["saved_model"], os.listdir(base)) == ("pictures/000/saved_model/2", ["2"])

    @pytest.mark.slow
    def test_torn_it_gives_way(self, copied):
        source, folder = copied
        base = folder / "pictures" / "000" / "saved_model"
        (base / "1" / "saved_model.pb").unlink()
        (base / f"tmp.{32 * 'a'}").mkdir()
        _, rows = fitted(source, folder, resume=True)
        assert (rows[0]["saved_model"], os.listdir(base)) == ("pictures/000/saved_model/1", ["1"])

    @pytest.mark.slow
    def test_behind_a_link_it_is_somebody_elses(self, copied, tmp_path):
        source, folder = copied
        base = folder / "pictures" / "000" / "saved_model"
        base.rename(tmp_path / "served")
        base.symlink_to(tmp_path / "served")
        os.truncate(base / "1" / "saved_model.pb", 10)
        _, rows = fitted(source, folder, resume=True)
        assert rows[0]["saved_model"] == "pictures/000/saved_model/2"
        assert sorted(os.listdir(base)) == ["1", "2"]

    @pytest.mark.parametrize("version", ["..", "", "2/..", "999"])
    def test_a_note_of_another_place(self, copied, version):
        source, folder = copied
        path = folder / "pictures" / "000" / "metrics.json"
        noted = json.loads(path.read_text())
        path.write_text(json.dumps({**noted, "saved_model": f"pictures/000/saved_model/{version}"}))
        _, rows = fitted(source, folder, resume=True, export=False)
        assert rows[0]["saved_model"] is None
