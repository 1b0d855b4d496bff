import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
SMALL = ("--preset=siren", "--units=8,8")


def script(name, *flags):
    return subprocess.run([sys.executable, SCRIPTS / name, *flags], capture_output=True, text=True, timeout=200)


def test_a_start_is_learnt_and_used(tmp_path):
    flags = ("--crops=3", "--size=8", "--steps=3", "--batch_size=16", f"--out={tmp_path}/start")
    done = script("pretrain.py", *SMALL, "--method=maml", "--images=sample:coffee", *flags)
    assert done.returncode == 0, done.stderr
    first, _, last = done.stdout.splitlines()
    assert first.startswith("maml on 3 crops of 1 picture: ")
    again = f"{' '.join(SMALL)} --weights={tmp_path}/start/model.keras"
    assert last == f"to start from it: keras-inr fit {again}"
    start = f"--weights={tmp_path}/start/model.keras"
    fitted = script("fit.py", *SMALL, start, "--image=sample:camera", "--size=8", "--steps=2", f"--out={tmp_path}/fit")
    assert fitted.returncode == 0, fitted.stderr
    assert f"{start}\n" in (tmp_path / "fit" / "flags.cfg").read_text()
    many = script(
        "fit_many.py", *SMALL, start, "--images=sample:camera", "--size=8", f"--out={tmp_path}/many", "--steps=2"
    )
    assert many.returncode == 0, many.stderr


def test_bad_input(tmp_path):
    for flags, message in (
        (("--weights=photos",), "weights must not be given"),
        (("--images=folder:nowhere",), "folder 'nowhere' does not exist"),
        (("--units=8,x",), "units must be whole numbers"),
    ):
        done = script("pretrain.py", *flags, f"--out={tmp_path}/out")
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()
