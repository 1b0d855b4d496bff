import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).parent.parent.parent / "scripts" / "prepare_data.py"


def prepare(*flags):
    return subprocess.run([sys.executable, str(SCRIPT), *flags], capture_output=True, text=True, timeout=120)


def test_crops(tmp_path):
    done = prepare("--dataset=crops", f"--out={tmp_path}/crops", "--size=8")
    assert done.returncode == 0, done.stderr
    trained, tested = (len(list((tmp_path / "crops" / split).rglob("*.png"))) for split in ("train", "test"))
    assert done.stdout == f"{trained} pictures in {tmp_path}/crops/train, {tested} in {tmp_path}/crops/test\n"


def test_bad_flags(tmp_path):
    for flags, message in (
        ((), "dataset must be given"),
        (("--dataset=crops",), "out must name a new folder"),
        (("--dataset=crops", f"--out={tmp_path.parent}"), "folder must be new or empty"),
        (("--dataset=no_such_set",), "data set 'no_such_set' is not known"),
    ):
        done = prepare(*flags)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
