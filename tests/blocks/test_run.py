"""Runs of blocks: what they leave, how they go on, and what stops them."""

import csv
import dataclasses
import json
import os
import re
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

from keras_inr.blocks import measure, open_blocks, plan_blocks, pyramid, run
from keras_inr.blocks.progress import rough_line
from keras_inr.errors import DamagedFileError, ImageError, InputError, InterruptedRunError
from keras_inr.fleet.work import failed
from keras_inr.metrics import psnr, psnr_8bit, ssim
from keras_inr.models.block_field import BlockField
from keras_inr.models.field_files import read_field
from keras_inr.signals import load_image

from .small_blocks import CAT, fit_cat, write_cat


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    told = []
    return (*fit_cat(folder, folder / "run", tell=told.append), told)


def test_what_a_run_leaves(finished):
    folder, metrics, _ = finished
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {
        *("run.json", "flags.cfg", "metrics.json", "model.keras", "saved_model", "blocks", "blocks.csv"),
        *("preview.png", "reconstruction.png", "comparison.png"),
    }
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert metrics["blocks"] == [2, 3]
    assert len(list((folder / "blocks").iterdir())) == 7  # and one of the reduced picture
    assert field_of(folder).reduced.picture_size == (16, 24)


def test_figures_are_those_of_all_pixels(finished):
    folder, metrics, _ = finished
    field, values = read_field(folder / "model.keras"), load_image(folder.parent / "cat.tif").values
    assert isinstance(field, BlockField)
    prediction = field.sample_grid()
    assert metrics["psnr_db"] == pytest.approx(psnr(values, prediction), abs=1e-6)
    assert metrics["psnr_8bit_db"] == pytest.approx(psnr_8bit(values, prediction), abs=1e-3)
    assert metrics["ssim"] == pytest.approx(ssim(values, prediction), abs=1e-9)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "reconstruction.png")), field.render(between="field"))
    assert metrics["num_parameters"] == field.count_params()


def test_a_row_for_each_block(finished):
    folder, metrics, _ = finished
    with open(folder / "blocks.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    places = [(row["level"], row["row"], row["column"]) for row in rows]
    assert places == [*(("0", str(r), str(c)) for r in range(2) for c in range(3)), ("1", "0", "0")]
    assert sum(int(row["num_parameters"]) for row in rows) == metrics["num_parameters"]
    assert all(row["steps"] == "12" for row in rows)


def test_the_price_is_told_after_one_block(finished):
    _, _, told = finished
    assert told[0] == "64 x 96 (0.0 megapixels) as 2 x 3 blocks of 32 x 32 pixels and 1 of smaller copies"
    assert re.fullmatch(r"after the first block: about \d+ s, [0-9.]+ GB of memory, a model of [0-9.e-]+ MB", told[1])
    assert len(told) == 2


def test_the_price_is_told_roughly_before():
    plan = plan_blocks(SimpleNamespace(size=(3072, 3072), channels=3, sha256=""), "a.tif")
    whole = "3072 x 3072 (9.4 megapixels) as 3 x 3 blocks of 1024 x 1024 pixels and 1 of smaller copies to 40 dB: "
    cost = "roughly 98 s on two cores, 2.0 GB of memory, a model of 85.9 MB; the first block tells more"
    assert rough_line(plan) == whole + cost  # experiments/large: 98 s, 1.8 GB, 86 MB
    lower = rough_line(dataclasses.replace(plan, goal_psnr_db=36.5))
    assert "roughly 74 s" in lower  # 7.9 s a megapixel there
    assert "a model of 55.1 MB" in lower
    assert "a model of 85.9 MB beside a file of 123 MB; the first" in rough_line(plan, 123_400_000)


def test_the_export_answers(finished):
    folder, _, _ = finished
    served = tf.saved_model.load(str(folder / "saved_model" / "1"))
    coords = np.random.default_rng(0).uniform(-1, 1, (50, 2)).astype("float32")
    found = served.signatures["serving_default"](coords=tf.constant(coords))["values"]
    np.testing.assert_allclose(found, read_field(folder / "model.keras")(coords), atol=1e-6)


def test_a_finished_run_is_only_read(finished, monkeypatch):
    folder, metrics, _ = finished
    monkeypatch.setattr(run, "fit_all", None)
    assert fit_cat(folder.parent, folder, resume=True) == (folder, metrics)


def test_other_settings_are_another_run(finished):
    folder, _, _ = finished
    with pytest.raises(InputError, match="holds a run with other settings: cell was"):
        fit_cat(folder.parent, folder, resume=True, block_size=64)


def field_of(folder):
    return read_field(folder / "model.keras")


def contents(folder):
    return {path.name: path.read_bytes() for path in (folder / "blocks").iterdir()}


def stopping_after(number):
    """Fits so many blocks and then sends SIGTERM."""

    def execute(tasks, plan, should_stop):
        for place, outcomes in enumerate(run.embedded(tasks, plan, should_stop)):
            yield outcomes
            if place + 1 == number:
                os.kill(os.getpid(), signal.SIGTERM)

    return execute


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_the_same_to_the_bit(finished, tmp_path):
    with pytest.raises(InterruptedRunError, match="stopped with 2 of 7 blocks fitted; the state is saved"):
        fit_cat(tmp_path, tmp_path / "run", execute=stopping_after(2))
    before = contents(tmp_path / "run")
    assert len(before) == 2
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run" / "blocks").iterdir()}
    folder, metrics = fit_cat(tmp_path, tmp_path / "run", resume=True)
    for name, time in times.items():  # nothing finished is done again
        assert (folder / "blocks" / name).stat().st_mtime_ns == time
    whole = finished[0]
    field, other = read_field(folder / "model.keras"), read_field(whole / "model.keras")
    for weight, expected in zip(field.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert metrics["psnr_db"] == finished[1]["psnr_db"]


@pytest.mark.slow
def test_a_run_stops_while_it_measures(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "ROWS", 96 * 16)
    strips = []

    def interrupted(*arguments, _strips_of=measure.strips_of):
        for strip in _strips_of(*arguments):
            strips.append(strip)
            os.kill(os.getpid(), signal.SIGTERM)
            yield strip

    monkeypatch.setattr(measure, "strips_of", interrupted)
    with pytest.raises(InterruptedRunError, match="stopped with 7 of 7 blocks fitted; the state is saved"):
        fit_cat(tmp_path, tmp_path / "run")
    assert len(strips) == 1
    assert len(contents(tmp_path / "run")) == 7
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith((".tmp-", "reconstruction"))]
    monkeypatch.undo()
    assert fit_cat(tmp_path, tmp_path / "run", resume=True)[1]["steps"] == 84


def test_a_run_stops_while_it_reads_the_picture(tmp_path, monkeypatch):
    def interrupted(*arguments, _cell_of=pyramid.cell_of):
        os.kill(os.getpid(), signal.SIGTERM)
        return _cell_of(*arguments)

    monkeypatch.setattr(pyramid, "cell_of", interrupted)
    with pytest.raises(InterruptedRunError, match="stopped with 0 of 7 blocks fitted; the state is saved"):
        fit_cat(tmp_path, tmp_path / "run")


@pytest.mark.slow
def test_chosen_networks_come_to_the_goal(tmp_path):
    folder, metrics = fit_cat(tmp_path, tmp_path / "run", "auto", goal="28dB")
    assert metrics["goal_met"]
    assert metrics["psnr_db"] >= 28
    assert metrics["blocks_at_goal"] == 6
    with open(folder / "blocks.csv", newline="") as file:
        assert all(float(row["psnr_db"]) >= 28 for row in csv.DictReader(file))


def test_a_damaged_block_is_told_and_fitted_again(tmp_path):
    with pytest.raises(InterruptedRunError):
        fit_cat(tmp_path, tmp_path / "run", execute=stopping_after(1))
    (path,) = (tmp_path / "run" / "blocks").iterdir()
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DamagedFileError, match=r"\d-\d{6}.npz is damaged .*; remove it"):
        fit_cat(tmp_path, tmp_path / "run", resume=True)


def damaged_copy(finished, tmp_path):
    """A copy of the finished run, and the path of its first block's file."""
    shutil.copytree(finished[0].parent, tmp_path / "copy")
    return tmp_path / "copy" / "run", tmp_path / "copy" / "run" / "blocks" / "0-000000.npz"


def places_in_directory(content):
    """Where the entries of a ZIP file's directory begin."""
    place, found = -1, []
    while (place := content.find(b"PK\1\2", place + 1)) >= 0:
        found.append(place)
    return found


@pytest.mark.parametrize("offset", [6, 8, 10])  # of the version, the flags and the way of compression
def test_damage_in_the_directory_of_a_blocks_file_is_told(finished, tmp_path, offset):
    folder, path = damaged_copy(finished, tmp_path)
    content = bytearray(path.read_bytes())
    for place in places_in_directory(content):
        content[place + offset] ^= 0x81
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"0-000000.npz is damaged .*; remove it"):
        open_blocks(folder)


def test_weights_that_are_missing_in_a_blocks_file_are_told(finished, tmp_path):
    folder, path = damaged_copy(finished, tmp_path)
    with np.load(path) as content:
        arrays = dict(content)
    arrays.pop(f"weight_{len(arrays) - 3}")
    np.savez(path, **arrays)
    field = open_blocks(folder)
    told = r"0-000000.npz is damaged \(it holds \d+ of 123 weights\)"
    with pytest.raises(DamagedFileError, match=told), field.errors_of_files():
        field.sample_grid()


def test_a_blocks_file_of_another_version_is_refused(finished, tmp_path):
    folder, path = damaged_copy(finished, tmp_path)
    with np.load(path) as content:
        arrays = dict(content)
    facts = json.loads(arrays["facts"].tobytes()) | {"format_version": 2}
    np.savez(path, **arrays | {"facts": np.frombuffer(json.dumps(facts).encode(), np.uint8)})
    with pytest.raises(InputError, match=r"0-000000.npz must have format_version 1, received 2"):
        open_blocks(folder)


def test_a_block_that_is_missing_in_a_finished_run_is_fitted_again(finished, tmp_path):
    folder, path = damaged_copy(finished, tmp_path)
    before = contents(folder)
    path.unlink()
    fit_cat(tmp_path / "copy", folder, resume=True)
    with np.load(path) as found, np.load(finished[0] / "blocks" / path.name) as expected:
        for name in expected.files[1:]:
            np.testing.assert_array_equal(found[name], expected[name])
    assert {name: content for name, content in contents(folder).items() if name != path.name} == {
        name: content for name, content in before.items() if name != path.name
    }


def test_a_finished_run_may_do_without_its_blocks(finished, tmp_path, monkeypatch):
    folder, _ = damaged_copy(finished, tmp_path)
    shutil.rmtree(folder / "blocks")
    monkeypatch.setattr(run, "fit_all", None)
    assert fit_cat(tmp_path / "copy", folder, resume=True) == (folder, finished[1])


def test_a_block_that_cannot_be_fitted_is_named(tmp_path):
    def execute(tasks, plan, should_stop):
        yield [failed(next(iter(tasks)).names[0], "no memory")]

    with pytest.raises(InputError, match=r"block 0-00000\d could not be fitted: no memory"):
        fit_cat(tmp_path, tmp_path / "run", execute=execute)


def test_a_picture_that_changes_is_noticed(tmp_path):
    def execute(tasks, plan, should_stop):
        write_cat(tmp_path / "cat.tif")
        os.utime(tmp_path / "cat.tif", ns=(1, 1))
        yield from run.embedded(tasks, plan, should_stop)

    with pytest.raises(
        ImageError, match=r"block 0-00000\d cannot be read: .*cat.tif: source has changed while it was read"
    ):
        fit_cat(tmp_path, tmp_path / "run", execute=execute)


@pytest.mark.slow
def test_a_full_disk_keeps_what_is_done(tmp_path, monkeypatch):
    real, written = run.BlockStore.keep, []

    def keep(self, outcome):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(outcome.name)
        real(self, outcome)

    monkeypatch.setattr(run.BlockStore, "keep", keep)
    with pytest.raises(OSError, match="No space left"):
        fit_cat(tmp_path, tmp_path / "run")
    monkeypatch.undo()
    assert len(contents(tmp_path / "run")) == 2
    assert fit_cat(tmp_path, tmp_path / "run", resume=True)[1]["blocks"] == [2, 3]


def test_the_field_in_files_is_the_model(finished):
    folder, metrics, _ = finished
    stored, model = open_blocks(folder), field_of(folder)
    assert stored.count_params() == metrics["num_parameters"] == model.count_params()
    np.testing.assert_array_equal(stored.sample_grid(), model.sample_grid())
    np.testing.assert_array_equal(stored.render(6, 9), model.render(6, 9))


def test_a_damaged_block_is_named(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    path = folder / "blocks" / "0-000004.npz"
    content = bytearray(path.read_bytes())
    content[-2000] ^= 255  # in the last weights
    path.write_bytes(content)
    stored = open_blocks(folder)
    with stored.errors_of_files():
        stored.sample_grid(4, 4, (-0.9, -0.6, -0.8, -0.5))
    with pytest.raises(DamagedFileError, match=r"0-000004.npz is damaged"), stored.errors_of_files():
        stored.sample_grid()


def test_no_run_of_blocks(tmp_path):
    with pytest.raises(InputError, match=f"run must be the folder of a run of blocks, received {tmp_path}"):
        open_blocks(tmp_path)


def damaged_cat(folder):
    """The cat's tile of 16 x 16 pixels at row 16 and column 32 is damaged, in cell 1 of 32 x 32."""
    path = folder / "cat.tif"
    write_cat(path)
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages.first.dataoffsets[8]
    data = bytearray(path.read_bytes())
    data[start : start + 20] = bytes(20)
    path.write_bytes(data)


def test_damage_names_the_blocks(tmp_path):
    damaged_cat(tmp_path)
    with pytest.raises(ImageError, match=r"cat.tif: .* damaged: tile 8: .*; block 1 of 6 cannot be read"):
        fit_cat(tmp_path, tmp_path / "run")


@pytest.mark.slow
def test_damage_is_skipped_if_asked(tmp_path):
    damaged_cat(tmp_path)
    told = []
    folder, metrics = fit_cat(tmp_path, tmp_path / "run", tell=told.append, skip_damaged=True)
    assert told[1].startswith("block 1 of 6 cannot be read as a whole")
    assert metrics["pixels_lost"] == 256
    assert metrics["ssim"] is None
    there = np.ones((64, 96), bool)
    there[16:32, 32:48] = False
    prediction = field_of(folder).sample_grid()
    assert metrics["psnr_db"] == pytest.approx(psnr(CAT.values[there], prediction[there]), abs=1e-3)
    again, same = fit_cat(tmp_path, tmp_path / "run", resume=True, skip_damaged=True)
    assert (again, same) == (folder, metrics)
