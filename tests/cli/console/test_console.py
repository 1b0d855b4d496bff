"""Dialogues in a pseudo-terminal, odd orders, and what is no terminal."""

import importlib.util
import io
import os
import random
import re
import signal
import sys
import termios
import time
import types

import keras
import numpy as np
import pexpect
import pytest
import tensorflow as tf
from PIL import Image

from cli.console.dialogues import CTRL_C, CTRL_D, UP, Dialogue
from keras_inr.cli import main, stop_signals
from keras_inr.cli.console import menu
from keras_inr.cli.console.session import Session
from keras_inr.cli.console.terminal_pictures import NO_COLOURS
from keras_inr.errors import InputError
from keras_inr.runs.interrupts import SignalInterrupt

CODE = "__import__('os').system('touch x')"
PICTURE = ("p", "INDEX", "sample:chelsea\r", "longer side", "24\r")
NETWORK = ("n", "networks", "\r", "arguments of siren", "units=8,8\r")
SMALL_BATCHES = ("a", "learning rate", "0.01\r", "batch size", "64\r")


@pytest.fixture
def console():
    return menu


def begin(dialogue):
    """Up to a small picture and network."""
    dialogue.menu()
    for choice in (PICTURE, NETWORK, SMALL_BATCHES):
        dialogue.choose(*choice)


class TestDialogue:
    @pytest.mark.slow
    def test_from_a_picture_to_files(self, tmp_path):
        with Dialogue(tmp_path, COLORTERM="truecolor") as dialogue:
            assert "sample:chelsea, 16 x 24" in dialogue.answer() + dialogue.choose(*PICTURE)
            assert "siren, 123 parameters, units=(8, 8)" in dialogue.choose(*NETWORK)
            assert "learning rate 0.01, batches of 64 pixels" in dialogue.choose(*SMALL_BATCHES)
            shown = dialogue.choose("t", "epochs more, of 6 steps [20]", "3\r")
            assert "step 18/18" in shown
            assert "▀" * 24 in shown
            assert "18 steps in" in dialogue.choose("f")
            assert "original, 16 x 24         learnt, 16 x 24" in dialogue.choose("v")
            assert "sample:chelsea, 32 x 48" in dialogue.choose("o", "longer side", "48\r")
            assert "sample:chelsea, 16 x 24" in dialogue.choose("o", "longer side", "24\r")
            for size in ("1e308", "nan", "0", "100000x100000"):
                assert "back at the menu" in dialogue.choose("r", "size", f"{size}\r", "must", CTRL_C)
            for rate in ("inf", "0", "1e6"):
                refused = ("learning rate", f"{rate}\r", "learning_rate must be", CTRL_C)
                assert "back at the menu" in dialogue.choose("a", *refused)
            dialogue.choose("r", "size", "20x30\r", "box", "-0.5,-0.5,0.5,0.5\r", "file", "a.png\r")
            dialogue.choose("s", "file", "\r")
            dialogue.choose("x", "folder", "\r")
            kept = dialogue.choose("r", "size", "2\r", "box", "\r", "file", "a.png\r", "replace it?", "n\r")
            assert "a.png exists already" in kept
            dialogue.choose("s", "file", "\r", "replace it?", "y\r")
            dialogue.terminal.send("q")
            assert dialogue.end()[0] == 0
        field = keras.models.load_model(tmp_path / "chelsea.keras")
        picture = np.asarray(Image.open(tmp_path / "a.png"))
        np.testing.assert_array_equal(picture, field.render(20, 30, (-0.5, -0.5, 0.5, 0.5)))
        served = tf.saved_model.load(str(tmp_path / "chelsea_saved_model" / "1")).signatures["serving_default"]
        coords = tf.zeros((1, 2))
        np.testing.assert_allclose(served(coords=coords)["values"], field(coords), rtol=0, atol=1e-5)

    def test_ctrl_c_stops_training_and_keeps_what_was_learnt(self, tmp_path):
        with Dialogue(tmp_path, NO_COLOR="1") as dialogue:
            begin(dialogue)
            dialogue.terminal.send("t")
            dialogue.wait("epochs more")
            dialogue.terminal.send("1000000\r")
            dialogue.wait("Ctrl-C stops)")
            dialogue.terminal.send(f"q{CTRL_C}")  # a key that is no answer to what comes
            shown = dialogue.menu()
            assert "stopped; what was learnt is kept" in shown
            before = int(re.search(r"(\d+) steps in", shown)[1])
            shown = dialogue.choose("t", "epochs more, of 6 steps [1000000]", "2\r")
            assert f"{before + 12} steps in" in shown
            dialogue.choose("p", "forgotten; go on?", "n\r")
            assert "back at the menu" in dialogue.choose("r", "size", CTRL_C)
            dialogue.terminal.send(CTRL_D)
            dialogue.wait("quit all the same?")
            dialogue.terminal.send(CTRL_D)
            assert dialogue.end()[0] == 0
        assert list(tmp_path.iterdir()) == []

    def test_every_choice_before_its_time(self, tmp_path):
        with Dialogue(tmp_path) as dialogue:
            dialogue.menu()
            for key in "tvrsxf":
                assert "choose a picture first" in dialogue.choose(key)
            dialogue.choose("l", "levels", "6:4:2\r")
            assert "choose a picture first" in dialogue.choose("t")
            dialogue.choose(*PICTURE)
            assert "original, 16 x 24" in dialogue.choose("v")
            for key in "rsxf":
                assert "train first" in dialogue.choose(key)
            assert "back at the menu" in dialogue.choose(CTRL_C)
            dialogue.terminal.send(CTRL_D)
            assert dialogue.end()[0] == 0

    def test_code_is_text(self, tmp_path):
        with Dialogue(tmp_path) as dialogue:
            dialogue.menu()
            assert "back at the menu" in dialogue.choose("p", "INDEX", f"{CODE}\r", "does not exist", CTRL_C)
            assert "back at the menu" in dialogue.choose("p", "INDEX", "\r", "received nothing", CTRL_C)
            begun = ("levels", f"{CODE}\r", "layout must be numbers", CTRL_C)
            assert "back at the menu" in dialogue.choose("l", *begun)
            begun = ("networks", "\r", "arguments", f"units={CODE}\r", "must be NAME=VALUE", CTRL_C)
            dialogue.choose("n", *begun)
            dialogue.choose("p", "INDEX", "sample:camera\r", "longer side", f"{CODE}\r", "whole number", CTRL_C)
            # the up arrow brings back what was typed
            assert "camera, 8 x 8" in dialogue.choose("p", "INDEX", f"{UP}\r", "longer side", "8\r")
            dialogue.terminal.send("q")
            assert dialogue.end()[0] == 0
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("rows", "columns", "term"), [(3, 12, "xterm-256color"), (150, 400, "vt100")])
    def test_windows_small_and_large(self, tmp_path, rows, columns, term):
        """Of a question a small window shows the end, of the menu what is marked."""
        with Dialogue(tmp_path, rows, columns, TERM=term) as dialogue:
            for question, answer in (
                *(("> p ", "p"), ("EX):", "sample:chelsea\r"), ("it):", "24\r")),
                *(("> n ", "n"), ("> siren", "\r"), ("wn):", "units=8\r")),
                *(("> t ", "t"), ("20]:", "2\r"), ("> t ", "v"), ("> t ", "s"), ("s]:", "a.keras\r")),
            ):
                dialogue.wait(question)
                dialogue.terminal.send(answer)
            dialogue.wait("> t ")
            dialogue.resize(24, 80)
            dialogue.terminal.send(CTRL_C)
            dialogue.wait("back at the menu")  # the new size alone draws the menu again
            dialogue.menu()
            dialogue.resize(1, 1)
            time.sleep(0.2)
            dialogue.terminal.send("q")
            assert dialogue.end()[0] == 0
        assert keras.models.load_model(tmp_path / "a.keras").picture_size == (16, 24)

    @pytest.mark.slow
    def test_keys_at_any_instant(self, tmp_path):
        """In a terminal that tells nobody where its cursor is, as all of these dialogues are in."""
        with Dialogue(tmp_path) as dialogue:
            dialogue.terminal.logfile_read = io.StringIO()
            begin(dialogue)
            # what comes behind an answer is no answer to what comes after the work, not even a paste that never ends
            dialogue.choose("t", "epochs more, of 6 steps", f"2\rq\x1b[200~pasted{CTRL_D}")
            for _ in range(5):
                dialogue.terminal.send("r")
                dialogue.wait("size, HEIGHTxWIDTH or a factor")
                dialogue.terminal.send(CTRL_C)
                dialogue.wait("back at the menu")  # from here on a key counts, before the menu is there
                dialogue.terminal.send("v")
                dialogue.wait("learnt, 16 x 24")
                dialogue.terminal.send("f")
                dialogue.wait("12 steps in")
            for pause in np.linspace(0, 0.02, 40):
                dialogue.terminal.send(CTRL_C)
                time.sleep(pause)
            dialogue.resize(1, 1)
            dialogue.resize(24, 80)
            # the last Ctrl-C may not have been told yet, and what is typed before that is dropped
            while dialogue.terminal.expect(["12 steps in", pexpect.TIMEOUT], timeout=1):
                dialogue.terminal.send("f")
            assert "\x1b[6n" not in dialogue.terminal.logfile_read.getvalue()
            dialogue.terminal.send(CTRL_D)
            dialogue.wait("quit all the same?")
            dialogue.terminal.send(CTRL_D)
            assert dialogue.end()[0] == 0

    def test_sigterm_leaves_the_terminal_as_it_was(self, tmp_path):
        with Dialogue(tmp_path) as dialogue:
            before = termios.tcgetattr(dialogue.slave)
            begin(dialogue)
            dialogue.terminal.send("t")
            dialogue.wait("epochs more")
            dialogue.terminal.send("1000000\r")
            dialogue.wait("Ctrl-C stops)")
            os.kill(dialogue.process.pid, signal.SIGTERM)
            code, shown = dialogue.end()
            assert (code, shown.splitlines()[-1]) == (143, "console.py: interrupted")
            assert termios.tcgetattr(dialogue.slave) == before

    def test_a_terminal_that_cannot_move_its_cursor(self, tmp_path):
        with Dialogue(tmp_path, TERM="dumb") as dialogue:
            code, shown = dialogue.end()
        told = "console.py: a console needs a terminal (keras-inr fit does the same by flags), received TERM=dumb"
        assert (code, shown.splitlines()) == (2, [told])


class TestWithoutTerminal:
    def test_a_pipe(self, console, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO("p\n"))
        with pytest.raises(InputError, match=r"a console needs a terminal .*, received stdin that is none"):
            console.main([])

    def test_without_prompt_toolkit(self, monkeypatch, capsys):
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "prompt_toolkit" else find(name))
        monkeypatch.setattr(stop_signals, "leave_on_signals", lambda: None)
        with pytest.raises(SystemExit) as caught:
            main.main(["console"])
        assert caught.value.code == 1
        told = "keras-inr console: console needs prompt_toolkit: pip install 'keras_inr[console]'\n"
        assert capsys.readouterr().err == told


class TestAttempt:
    """What goes wrong in an action leads back to the menu."""

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (InputError("size must be 3"), "size must be 3\n"),
            (OSError(28, "No space left on device"), "the system refused: No space left on device\n"),
            (MemoryError(), "this does not fit into memory: make the batch, the network or the picture smaller\n"),
            (tf.errors.ResourceExhaustedError(None, None, "OOM"), "this does not fit into memory: make the batch"),
            (KeyboardInterrupt(), "back at the menu; q or Ctrl-D quits\n"),
            (SignalInterrupt(signal.SIGINT), "back at the menu; q or Ctrl-D quits\n"),
        ],
    )
    def test_one_line(self, console, monkeypatch, capsys, error, told):
        monkeypatch.setattr(console.screen, "forget_typed", lambda: None)

        def action():
            raise error

        dialogue = console.Console(Session(), NO_COLOURS)
        dialogue.attempt(action)
        assert not dialogue.ended
        out, err = capsys.readouterr()
        assert (out.startswith(told), err) == (True, "")

    def test_a_mistake_of_ours_keeps_its_traceback(self, console, monkeypatch, capsys):
        monkeypatch.setattr(console.screen, "forget_typed", lambda: None)
        console.Console(Session(), NO_COLOURS).attempt(lambda: 1 / 0)
        assert "ZeroDivisionError" in capsys.readouterr().err

    def test_sigterm_ends_it(self, console, monkeypatch):
        monkeypatch.setattr(console.screen, "forget_typed", lambda: None)

        def action():
            raise SignalInterrupt(signal.SIGTERM)

        with pytest.raises(SignalInterrupt):
            console.Console(Session(), NO_COLOURS).attempt(action)


TEXTS = ("", "sample:camera", "8", "1", "0.01", "2", "units=4", "5:2:2", "a.keras", "a.png", "3x4", "0,0,1,1", "y")
NASTY = ("-1", "nan", "1e999", "9" * 4000, "../..", "/dev/null", "a\0b", "[1]", "\\", "~nobody", "units=0", "y/x", CODE)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_no_order_of_choices_crashes(console, monkeypatch, capsys, tmp_path, seed):
    """200 random choices with random answers; a question that refuses an answer is asked again, as in a terminal.

    Training and exporting, which take long, do nothing here.
    """
    chance = random.Random(seed)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console.screen, "forget_typed", lambda: None)

    def ask(question, parse=str, empty="", completer=None):
        for _ in range(20):
            if chance.random() < 0.02:
                raise chance.choice([KeyboardInterrupt, EOFError])
            try:
                return parse(chance.choice(TEXTS if chance.random() < 0.7 else NASTY) or empty)
            except InputError:
                pass
        raise KeyboardInterrupt

    def menu(title, entries, default=None):
        values = [value for value, _, _ in entries]
        if "siren" in values:
            return chance.choice(["siren", "relu", "cell_grid_smooth"])
        return default if chance.random() < 0.4 else chance.choice(values[:-1])

    monkeypatch.setattr(console.prompts, "ask", ask)
    monkeypatch.setattr(console.prompts, "menu", menu)
    done = {"train_seconds": 1.0, "stopped_by": "steps", "psnr_db": 20.0, "ssim": None}
    fit = lambda *arguments, steps, **others: types.SimpleNamespace(steps=steps, **done)  # noqa: E731
    monkeypatch.setattr("keras_inr.cli.console.continued_run.fit", fit)
    monkeypatch.setattr("keras_inr.cli.console.session.export_saved_model", lambda field, base_path, info: base_path)
    dialogue = console.Console(Session(), NO_COLOURS)
    dialogue.epochs = 1
    dialogue.session.choose_picture("sample:camera", longer_side=8)
    for _ in range(200):
        dialogue.attempt(dialogue.choose)
    assert capsys.readouterr().err == ""
    assert not (tmp_path / "x").exists()
