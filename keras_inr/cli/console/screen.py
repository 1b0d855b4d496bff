"""The terminal that a console draws to: its size, its colours, and pictures in it that change in place."""

import contextlib
import curses
import os
import shutil
import sys
import termios
import time
from collections.abc import Callable, Iterator

import numpy as np
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import clear_typeahead

from keras_inr.cli.console.continued_run import Progress
from keras_inr.cli.console.terminal_pictures import fitted_size, picture_lines, terminal_colours
from keras_inr.errors import InputError

MARGIN_ROWS = 3  # below a picture: its caption, and a prompt
MIN_COLUMNS_BESIDE = 24
SECONDS_BETWEEN = (0.1, 1.0)  # two lines of figures, two previews
DRAWING_SHARE = 0.1


def check_terminal() -> None:
    """Raises an InputError unless a person sits at a terminal that can move its cursor."""
    problem = "a console needs a terminal (keras-inr fit does the same by flags), received"
    for name in ("stdin", "stdout"):
        stream = getattr(sys, name)
        if stream is None or stream.closed or not stream.isatty():
            raise InputError(f"{problem} {name} that is none")
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        raise InputError(f"{problem} TERM={os.environ.get('TERM', '')}")


def detected_colours() -> int:
    """How this terminal can show pictures, see `terminal_colours`."""
    try:
        curses.setupterm(fd=sys.stdout.fileno())
        num_colours = curses.tigetnum("colors")
    except curses.error:  # a terminal that the data base does not know
        num_colours = 0
    return terminal_colours(os.environ, num_colours, sys.stdout.encoding)


@contextlib.contextmanager
def quiet_keyboard() -> Iterator[None]:
    """Outside of prompts nothing typed is shown, and every key but Ctrl-C waits as it is, as within them.

    In lines, as a terminal reads by itself, a Ctrl-D just before a prompt would be lost and a Ctrl-S would stop output.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    quiet = [*before[:6], [*before[6]]]
    quiet[0] &= ~(termios.ICRNL | termios.IXON)
    quiet[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, quiet)  # nor is what was typed while Python started
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def forget_typed() -> None:
    """Drops what has been typed and not read yet, and what a question has read behind its answer."""
    clear_typeahead(create_input())
    with contextlib.suppress(termios.error):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def window_size() -> tuple[int, int]:
    """(columns, rows), at least 1 x 1."""
    columns, rows = shutil.get_terminal_size()
    return max(1, columns), max(1, rows)


def pictures_text(
    draw_learnt: Callable[[int, int], np.ndarray] | None,
    draw_original: Callable[[int, int], np.ndarray] | None,
    size: tuple[int, int],
    colours: int,
) -> str:
    """Lines with the field's picture, and the original on its left where there is room, over captions.

    Args:
        draw_learnt, draw_original: from (height, width) to uint8 (height, width, channels); one of them may be None.
        size: (height, width) of the picture.
        colours: see `picture_lines`.
    """
    columns, rows = window_size()
    both = (("original", draw_original), ("learnt", draw_learnt))
    named = [(name, draw) for name, draw in both if draw is not None]
    if len(named) == 2 and columns // 2 - 1 < MIN_COLUMNS_BESIDE:
        named = named[1:]
    share = columns if len(named) == 1 else columns // 2 - 1
    shown = fitted_size(*size, share, max(1, rows - MARGIN_ROWS))
    blocks = [picture_lines(draw(*shown), colours) for _, draw in named]
    captions = [f"{name}, {size[0]} x {size[1]}"[:share].ljust(min(shown[1], share)) for name, _ in named]
    return "\n".join([*map("  ".join, zip(*blocks, strict=True)), "  ".join(captions)[:columns]])


class LivePreview:
    """Called with a `Progress`, shows the field and a line of figures in place, without taking much of the time.

    Args:
        draw: from (height, width) to uint8 (height, width, channels).
        size: (height, width) of the picture.
        colours: see `picture_lines`.
    """

    def __init__(self, draw: Callable[[int, int], np.ndarray], size: tuple[int, int], colours: int) -> None:
        self.draw = draw
        self.size = size
        self.colours = colours
        self.lines = 0
        self.started = time.monotonic()
        self.due = [self.started, self.started]  # figures, picture

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now < self.due[0] and progress.step < progress.total_steps:
            return
        figures = self._figures(progress, now - self.started)
        if now >= self.due[1] or progress.step == progress.total_steps:
            self._show([*self._drawn(), figures])
            took = time.monotonic() - now
            self.due[1] = now + max(SECONDS_BETWEEN[1], took / DRAWING_SHARE)
        else:
            sys.stdout.write(f"\r{figures}\x1b[K")
            sys.stdout.flush()
        self.due[0] = now + SECONDS_BETWEEN[0]

    def close(self) -> None:
        """Leaves what is shown, and the cursor below it."""
        if self.lines:
            sys.stdout.write("\x1b[?7h\n")
            sys.stdout.flush()

    def _drawn(self):
        columns, rows = window_size()
        return picture_lines(self.draw(*fitted_size(*self.size, columns, max(1, rows - MARGIN_ROWS))), self.colours)

    def _figures(self, progress, seconds):
        left = seconds * (progress.total_steps / progress.step - 1)
        steps = f"step {progress.step}/{progress.total_steps}"
        text = f"{steps}, PSNR of batches {progress.psnr_db:.2f} dB, about {left:.0f} s left (Ctrl-C stops)"
        return text[: window_size()[0]]

    def _show(self, lines):
        # without wrapping, so that a window that becomes narrower does not change how many rows there are
        back = f"\x1b[{self.lines - 1}A" if self.lines > 1 else ""
        body = "\x1b[K\n".join(lines)
        sys.stdout.write(f"\x1b[?7l{back}\r{body}\x1b[J")
        sys.stdout.flush()
        self.lines = len(lines)
