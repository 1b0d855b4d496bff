"""scripts/blend.py as a user starts it."""

import json
import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "blend.py"
SMALL = ("--target=sample:coffee", "--target_size=24", "--steps=10", "--batch_size=64", "--noprogress")


def call(*flags, cwd):
    """(exit code, standard output, standard error)."""
    command = [sys.executable, str(SCRIPT), *flags]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_region_is_cloned(tmp_path):
    source = ("--source=sample:chelsea", "--source_size=16", "--region=1,2,8,10", "--at=-2,5", "--shape=ellipse")
    code, out, error = call(*SMALL, *source, "--mixed", "--out=run", cwd=tmp_path)
    assert (code, error) == (0, "")
    assert out.startswith("clone: agreement of field and direct solver ")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["kind"], metrics["at"], metrics["mixed"], metrics["steps"]) == ("clone", [-2, 5], True, 10)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "blend.py: give source, or bring the target back from its gradient or its Laplacian"),
        (("--from_gradient", "--from_laplacian"), "blend.py: give one of --from_gradient and --from_laplacian"),
        (("--from_gradient", "--region=1,2"), "blend.py: region must be whole numbers as N,N,N,N, received '1,2'"),
    ],
)
def test_bad_flags_are_one_sentence(tmp_path, flags, message):
    code, out, error = call(*SMALL, *flags, cwd=tmp_path)
    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert error.startswith(message)
    assert not list(tmp_path.iterdir())
