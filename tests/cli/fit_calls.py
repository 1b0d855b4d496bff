"""Calls of scripts/fit.py or another script, each in a process of its own.

`call` starts Python as a user does. `forked` and `Call` fork it from a process that has imported TensorFlow and the
commands, which saves the seconds that these imports take; nothing that computes has run there.
"""

import multiprocessing.forkserver
import os
import pathlib
import resource
import runpy
import subprocess
import sys
import tempfile
import time

import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
SCRIPT = SCRIPTS / "fit.py"
TINY = ("--image=sample:chelsea", "--crop=100,150,24,32", "--units=8,8", "--batch_size=64", "--steps=20")
TIMEOUT = 300


def call(*flags, cwd, command=(sys.executable, str(SCRIPT))):
    """The finished process: returncode, stdout, stderr."""
    return subprocess.run([*command, *flags], cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def forked(script, *flags, cwd=SCRIPTS.parent, **options):
    """As `call`, of a script or a module, see `Call`."""
    with tempfile.TemporaryDirectory() as log:
        return subprocess.CompletedProcess(flags, *Call(*flags, cwd=cwd, log=log, script=script, **options).wait())


class Call:
    """A running call.

    Args:
        flags: command line.
        cwd: working folder.
        log: folder for its output; must not be below cwd where a test looks at what is written there.
        max_file_size: bytes after which the system refuses to write on, None for no limit.
        script: what is called: a path, or the name of a module as for `python -m`.
    """

    def __init__(self, *flags, cwd, log, max_file_size=None, script=SCRIPT):
        start_server()
        self.output = [pathlib.Path(log) / name for name in ("stdout", "stderr")]
        for path in self.output:
            path.write_text("")
        self.process = multiprocessing.get_context("forkserver").Process(
            target=_run, args=(script, flags, str(cwd), self.output, max_file_size)
        )
        self.process.start()

    def wait(self):
        """(exit code, standard output, standard error); minus the signal's number for what a signal ended."""
        self.process.join(TIMEOUT)
        code = self.process.exitcode
        self.process.kill()
        assert code is not None, f"still running after {TIMEOUT} s: {self.output[1].read_text()}"
        return code, *(path.read_text() for path in self.output)

    def send(self, number, after):
        """Sends a signal once standard error shows a text; then as `wait`."""
        ends = time.monotonic() + TIMEOUT
        while after not in self.output[1].read_text():
            assert self.process.is_alive(), self.wait()
            assert time.monotonic() < ends, self.output[1].read_text()
            time.sleep(0.01)
        os.kill(self.process.pid, number)
        return self.wait()


def start_server():
    """Starts the process that calls are forked from, one for all tests of a process."""
    multiprocessing.set_forkserver_preload(["cli.warm_python"])
    with pytest.MonkeyPatch.context() as patch:  # the server is told of no other path
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, pathlib.Path(__file__).resolve().parents[1:3])))
        multiprocessing.forkserver.ensure_running()


def _run(script, flags, cwd, output, max_file_size):
    for descriptor, path in zip((1, 2), output, strict=True):
        os.dup2(os.open(path, os.O_WRONLY), descriptor)
    os.chdir(cwd)
    if max_file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_size, max_file_size))
    sys.argv = [str(script), *flags]
    if isinstance(script, str):
        runpy.run_module(script, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(str(script), run_name="__main__")
