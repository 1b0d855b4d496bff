"""Pictures that change in place, and how often."""

import os
import pty
import re
import select
import termios

import numpy as np
import pytest

from keras_inr.cli.console import screen as terminal
from keras_inr.cli.console.continued_run import Progress
from keras_inr.cli.console.terminal_pictures import NO_COLOURS

WHITE = 255


def draw(height, width):
    return np.full((height, width, 1), WHITE, np.uint8)


@pytest.fixture
def screen():
    return terminal


@pytest.fixture
def window(screen, monkeypatch):
    """Sets (columns, rows)."""
    size = [40, 10]
    monkeypatch.setattr(screen, "window_size", lambda: tuple(size))
    return size


@pytest.fixture
def clock(screen, monkeypatch):
    """Sets the seconds that have passed."""
    seconds = [0.0]
    monkeypatch.setattr(screen.time, "monotonic", lambda: seconds[0])
    return seconds


def test_keys_wait_as_they_are(screen, monkeypatch):
    """Ctrl-D, which ends a line, and Ctrl-S, which stops output, too; and the terminal is left as it was."""
    master, slave = pty.openpty()
    with open(slave) as stdin:
        monkeypatch.setattr(screen.sys, "stdin", stdin)
        before = termios.tcgetattr(slave)
        os.write(master, b"typed while Python started\n")
        assert select.select([slave], [], [], 5)[0]  # it has come through the terminal
        with screen.quiet_keyboard():
            os.write(master, b"v\r\x13\x04")
            assert os.read(slave, 100) == b"v\r\x13\x04"
            os.write(master, b"dropped")
            assert select.select([slave], [], [], 5)[0]
            screen.forget_typed()
            assert not select.select([slave], [], [], 0)[0]
        assert termios.tcgetattr(slave) == before
    os.close(master)


def test_preview_changes_in_place(screen, window, clock, capsys):
    preview = screen.LivePreview(draw, (6, 8), NO_COLOURS)
    preview(Progress(1, 100, 0.1, 20.0))
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) == 4
    assert lines[1] == "@" * 8 + "\x1b[K"
    assert lines[3].startswith("step 1/100, PSNR of batches 20.00 dB, ab")
    clock[0] = 0.05
    preview(Progress(2, 100, 0.1, 20.0))
    assert capsys.readouterr().out == ""  # too soon for anything
    clock[0] = 0.5
    preview(Progress(3, 100, 0.1, 20.0))
    assert re.fullmatch(r"\rstep 3/100, [^\n]*\x1b\[K", capsys.readouterr().out)  # too soon for a picture
    clock[0] = 2.0
    window[0] = 4
    preview(Progress(4, 100, 0.1, 20.0))
    out = capsys.readouterr().out
    assert out.startswith("\x1b[?7l\x1b[3A\r@@@@\x1b[K\n")  # up to where it began, and smaller
    assert out.endswith("\nstep\x1b[J")
    preview.close()
    assert capsys.readouterr().out == "\x1b[?7h\n"


def test_the_last_step_is_always_shown(screen, window, clock, capsys):
    preview = screen.LivePreview(draw, (2, 2), NO_COLOURS)
    for step in (1, 2):
        preview(Progress(step, 2, 0.1, 20.0))
    assert capsys.readouterr().out.count("@@") == 2


def test_what_was_never_shown_leaves_nothing(screen, capsys):
    screen.LivePreview(draw, (2, 2), NO_COLOURS).close()
    assert capsys.readouterr().out == ""


def test_beside_one_another_where_there_is_room(screen, window):
    window[:] = [60, 10]
    assert screen.pictures_text(draw, draw, (2, 20), NO_COLOURS).splitlines() == [
        "@" * 20 + "  " + "@" * 20,
        "original, 2 x 20      learnt, 2 x 20      ",
    ]
    window[0] = 30
    assert screen.pictures_text(draw, draw, (2, 20), NO_COLOURS).splitlines() == ["@" * 20, "learnt, 2 x 20      "]
    window[:] = [1, 1]
    assert screen.pictures_text(draw, None, (2, 20), NO_COLOURS).splitlines() == ["@", "l"]
