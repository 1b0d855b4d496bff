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


def test_crops_that_cannot_all_be_written_are_not_there(tmp_path):
    """With files of at most 200 bytes, as on a full disk."""
    limited = (
        f"import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200)); "
        f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.path.insert(0, {str(SCRIPT.parent)!r}); "
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", limited, "--dataset=crops", f"--out={tmp_path}/crops"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
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
        done = prepare(*flags)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
