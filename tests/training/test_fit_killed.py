"""A fit that was killed, not asked to stop, ends bit-identical to an undisturbed one."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import keras_inr

SCRIPT = pathlib.Path(__file__).with_name("fit_process.py")
PATHS = [pathlib.Path(keras_inr.__file__).parents[1], SCRIPT.parents[1]]


def start(folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))}
    return subprocess.Popen(
        [sys.executable, SCRIPT, folder], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def printed(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip()


def newest_step(folder):
    return max((int(path.stem.removeprefix("step-")) for path in folder.glob("step-*.npz")), default=0)


def test_kill_9_in_the_middle(tmp_path):
    undisturbed, victim = start(tmp_path / "undisturbed"), start(tmp_path / "killed")
    patience = time.monotonic() + 200
    while newest_step(tmp_path / "killed") < 200:
        assert victim.poll() is None, victim.communicate()
        assert time.monotonic() < patience
        time.sleep(0.002)
    victim.kill()
    victim.communicate()
    assert victim.returncode == -signal.SIGKILL
    assert 200 <= newest_step(tmp_path / "killed") < 1000
    assert printed(start(tmp_path / "killed")) == printed(undisturbed)
    assert newest_step(tmp_path / "killed") == newest_step(tmp_path / "undisturbed") == 1000
