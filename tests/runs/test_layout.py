"""The files of a run: recognised, missed, removed."""

import pytest

from keras_inr.errors import InputError
from keras_inr.runs.layout import (
    FOLDERS,
    METRICS,
    RESULTS,
    RUN_JSON,
    SAVED_MODEL,
    check_files_and_folders,
    has_checkpoint,
    missing_results,
    remove_written,
    written_paths,
)

WRITTEN = (
    *(METRICS, *RESULTS, "flags.cfg", RUN_JSON, ".tmp-0123456789abcdef-metrics.json"),
    *("checkpoints/step-0000000060.npz", "checkpoints/.tmp-0123456789abcdef-step-0000000061.npz"),
    *("checkpoints/grown-1/step-0000000060.npz", "previews/grown-12/step-0000020.png", "tensorboard/grown-1/any"),
    *("previews/step-0000020.png", "tensorboard/events.out.tfevents.1.a.host.23.0.v2"),
    f"saved_model/tmp.{'a' * 32}/file",
    *(f"saved_model/1/{name}" for name in SAVED_MODEL),
)
FOREIGN = (
    *(
        "my_notes.txt",
        "curves.png.bak",
        "metrics_json",
        ".lock",
        ".tmp-mine",
        "checkpoints/best.npz",
        "checkpoints/step-zz1.npz",
        "checkpoints/step-60.npz",
        "checkpoints/step-00000000060.npz",
        "tensorboard/events.out.tfevents.mine",
        "previews/20.png",
        "checkpoints/grown-x/step-0000000060.npz",
        "saved_model/grown-1/step-0000000060.npz",
    ),
    *("saved_model/latest/saved_model.pb", "data/run.json"),
)


def fill(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestRemoval:
    def test_all_that_is_written_and_nothing_else(self, tmp_path):
        fill(tmp_path, (*WRITTEN, *FOREIGN))
        order = [path.name for path in written_paths(tmp_path)]
        assert (order[0], order[-1]) == (METRICS, RUN_JSON)
        remove_written(tmp_path)
        assert files(tmp_path) == sorted(FOREIGN)

    def test_empty_folders_go_too(self, tmp_path):
        fill(tmp_path, WRITTEN)
        remove_written(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_folder(self, tmp_path):
        remove_written(tmp_path)
        assert written_paths(tmp_path) == []

    def test_a_folder_behind_a_link_is_let_go(self, tmp_path):
        """Nothing behind the link is touched, and a new run does not find the old checkpoints there."""
        fill(tmp_path, ["scratch/step-0000000060.npz", f"run/{METRICS}", f"run/{RUN_JSON}"])
        (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "scratch")
        remove_written(tmp_path / "run")
        assert list((tmp_path / "run").iterdir()) == []
        assert files(tmp_path) == ["scratch/step-0000000060.npz"]


class TestMissing:
    def test_nothing(self, tmp_path):
        fill(tmp_path, WRITTEN)
        assert missing_results(tmp_path) == []

    @pytest.mark.parametrize("torn", [False, True])
    @pytest.mark.parametrize("name", [*RESULTS, *(f"saved_model/1/{name}" for name in SAVED_MODEL)])
    def test_absent_or_empty(self, tmp_path, name, torn):
        fill(tmp_path, WRITTEN)
        (tmp_path / name).unlink()
        if torn:
            (tmp_path / name).touch()
        assert missing_results(tmp_path) == [name.split("/")[0]]

    def test_any_whole_version_will_do(self, tmp_path):
        fill(tmp_path, (*WRITTEN, *(f"saved_model/12/{name}" for name in SAVED_MODEL)))
        (tmp_path / "saved_model" / "1" / "saved_model.pb").unlink()
        assert missing_results(tmp_path) == []
        (tmp_path / "saved_model" / "12").rename(tmp_path / "saved_model" / "latest")
        assert missing_results(tmp_path) == ["saved_model"]

    def test_everything(self, tmp_path):
        assert missing_results(tmp_path) == [*RESULTS, "saved_model"]


class TestKinds:
    def test_what_a_run_leaves(self, tmp_path):
        check_files_and_folders(tmp_path)
        fill(tmp_path, WRITTEN)
        check_files_and_folders(tmp_path)

    @pytest.mark.parametrize("name", FOLDERS)
    def test_a_file_for_a_folder(self, tmp_path, name):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match=f"{tmp_path / name} must be a folder for a run to write in, received a "):
            check_files_and_folders(tmp_path)

    @pytest.mark.parametrize("name", [METRICS, *RESULTS, "flags.cfg"])
    def test_a_folder_for_a_file(self, tmp_path, name):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=f"{tmp_path / name} must be a file for a run to replace, received a "):
            check_files_and_folders(tmp_path)


def test_has_checkpoint(tmp_path):
    assert not has_checkpoint(tmp_path)
    fill(tmp_path, ["checkpoints/.tmp-0123456789abcdef-step-0000000060.npz"])
    assert not has_checkpoint(tmp_path)
    fill(tmp_path, ["checkpoints/step-0000000060.npz"])
    assert has_checkpoint(tmp_path)
