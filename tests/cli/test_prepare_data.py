import sys

from cli.fit_calls import SCRIPTS, call, forked

SCRIPT = SCRIPTS / "prepare_data.py"


def test_crops(tmp_path):
    flags = ("--dataset=crops", f"--out={tmp_path}/crops", "--size=8")
    done = call(*flags, cwd=tmp_path, command=[sys.executable, SCRIPT])
    assert done.returncode == 0, done.stderr
    trained, tested = (len(list((tmp_path / "crops" / split).rglob("*.png"))) for split in ("train", "test"))
    assert done.stdout == f"{trained} pictures in {tmp_path}/crops/train, {tested} in {tmp_path}/crops/test\n"


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
