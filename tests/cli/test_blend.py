"""scripts/blend.py as a user starts it."""

import json
import sys

import pytest

from cli.fit_calls import SCRIPTS, call, forked

SCRIPT = SCRIPTS / "blend.py"
SMALL = ("--target=sample:coffee", "--target_size=24", "--steps=10", "--batch_size=64", "--noprogress")


@pytest.mark.slow
def test_a_region_is_cloned(tmp_path):
    source = ("--source=sample:chelsea", "--source_size=16", "--region=1,2,8,10", "--at=-2,5", "--shape=ellipse")
    done = call(*SMALL, *source, "--mixed", "--out=run", cwd=tmp_path, command=[sys.executable, SCRIPT])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("clone: agreement of field and direct solver ")
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
    done = forked(SCRIPT, *SMALL, *flags, cwd=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith(message)
    assert not list(tmp_path.iterdir())
