"""Dialogues with scripts/console.py in a pseudo-terminal, in processes forked as in `fit_calls`."""

import fcntl
import multiprocessing
import os
import pty
import re
import runpy
import struct
import sys
import termios

import pexpect.fdpexpect

from cli.fit_calls import SCRIPTS, start_server

SCRIPT = SCRIPTS / "console.py"
TIMEOUT = 60
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][0-9A-Za-z]|[=>78])")
BREAK = rf"(?:\s|{ESCAPES.pattern})*"
MENU = "choose by a letter"
CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


class Dialogue:
    """A running console.

    Args:
        cwd: working folder.
        rows, columns: size of the window.
        environment: variables of the console, beside those of the tests.
    """

    def __init__(self, cwd, rows=24, columns=80, **environment):
        start_server()
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        environment = {"TERM": "xterm-256color", **environment}
        self.process = multiprocessing.get_context("forkserver").Process(
            target=_run, args=(os.ttyname(self.slave), str(cwd), environment)
        )
        self.process.start()
        self.terminal = pexpect.fdpexpect.fdspawn(self.master, timeout=TIMEOUT, encoding="utf-8")
        self.shown = ""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.join()
        os.close(self.slave)
        self.terminal.close()

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait(self, text):
        """What was shown until a text, without escape sequences."""
        # a low or narrow window breaks texts, and moves the cursor instead of writing a space
        self.terminal.expect(BREAK.join(re.escape(character) for character in text if character != " "))
        return ESCAPES.sub("", self.terminal.before + self.terminal.after)

    def answer(self, *parts):
        """Waits for a text, types what comes next, and so on; then as `menu`."""
        for question, answer in zip(parts[::2], parts[1::2], strict=True):
            self.wait(question)
            self.terminal.send(answer)
        return self.menu()

    def choose(self, key, *parts):
        """Chooses from the menu, then as `answer`."""
        self.terminal.send(key)
        return self.answer(*parts)

    def menu(self):
        """What was shown until the menu waits."""
        text = self.wait(MENU)
        self.wait("quit")
        return text

    def end(self):
        """(exit code, what was shown since the last wait)."""
        self.process.join(TIMEOUT)
        shown = ""
        while not shown.endswith("\0"):  # marks the end, which a terminal that is held open does not show
            os.write(self.slave, b"\0")
            shown += self.terminal.read_nonblocking(4096)
        assert self.process.exitcode is not None, shown
        return self.process.exitcode, ESCAPES.sub("", shown.rstrip("\0"))


def _run(terminal, cwd, environment):
    os.setsid()
    descriptor = os.open(terminal, os.O_RDWR)
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(descriptor, number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, m, buffering=1) for n, m in ((0, "r"), (1, "w"), (2, "w")))
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = [str(SCRIPT)]
    runpy.run_path(str(SCRIPT), run_name="__main__")
