import sys

import pytest

from cli.fit_calls import SCRIPTS, call, forked

SCRIPT = SCRIPTS / "pretrain.py"
SMALL = ("--preset=siren", "--units=8,8")


@pytest.mark.slow
def test_a_start_is_learnt_and_used(tmp_path):
    flags = (*SMALL, "--method=maml", "--images=sample:coffee", "--crops=3", "--size=8", "--steps=3", "--batch_size=16")
    done = call(*flags, f"--out={tmp_path}/start", cwd=tmp_path, command=[sys.executable, SCRIPT])
    assert done.returncode == 0, done.stderr
    first, _, last = done.stdout.splitlines()
    assert first.startswith("maml on 3 crops of 1 picture: ")
    again = f"{' '.join(SMALL)} --weights={tmp_path}/start/model.keras"
    assert last == f"to start from it: keras-inr fit {again}"
    start = f"--weights={tmp_path}/start/model.keras"
    short = (*SMALL, start, "--size=8", "--steps=2")
    fitted = forked(SCRIPTS / "fit.py", *short, "--image=sample:camera", f"--out={tmp_path}/fit")
    assert fitted.returncode == 0, fitted.stderr
    assert f"{start}\n" in (tmp_path / "fit" / "flags.cfg").read_text()
    many = forked(SCRIPTS / "fit_many.py", *short, "--images=sample:camera", f"--out={tmp_path}/many")
    assert many.returncode == 0, many.stderr


def test_bad_input(tmp_path):
    for flags, message in (
        (("--weights=photos",), "weights must not be given"),
        (("--images=folder:nowhere",), "folder 'nowhere' does not exist"),
        (("--units=8,x",), "units must be whole numbers"),
    ):
        done = forked(SCRIPT, *flags, f"--out={tmp_path}/out")
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()
