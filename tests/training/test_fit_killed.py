"""A fit that was killed, not asked to stop, ends bit-identical to an undisturbed one."""

import pathlib
import signal
import time

import pytest
from cli.fit_calls import Call

SCRIPT = pathlib.Path(__file__).with_name("fit_process.py")


def start(folder):
    log = folder.with_suffix(".log")
    log.mkdir(exist_ok=True)
    return Call(str(folder), cwd=log, log=log, script=SCRIPT)


def printed(call):
    code, out, err = call.wait()
    assert code == 0, err
    return out.strip()


def newest_step(folder):
    return max((int(path.stem.removeprefix("step-")) for path in folder.glob("step-*.npz")), default=0)


@pytest.mark.slow
def test_kill_9_in_the_middle(tmp_path):
    undisturbed, victim = start(tmp_path / "undisturbed"), start(tmp_path / "killed")
    patience = time.monotonic() + 200
    while newest_step(tmp_path / "killed") < 200:
        assert victim.process.is_alive(), victim.wait()
        assert time.monotonic() < patience
        time.sleep(0.002)
    victim.process.kill()
    assert victim.wait()[0] == -signal.SIGKILL
    assert 200 <= newest_step(tmp_path / "killed") < 1000
    assert printed(start(tmp_path / "killed")) == printed(undisturbed)
    assert newest_step(tmp_path / "killed") == newest_step(tmp_path / "undisturbed") == 1000
