"""Fits a picture in a dialogue: keras-inr console

Choose a picture and a network, train with a live preview, look, train on, render at any size, save, export.
"""

import contextlib
import dataclasses
import functools
import pathlib
import signal
import traceback
from collections.abc import Callable, Iterator
from typing import Any, cast

import tensorflow as tf
from prompt_toolkit.completion import WordCompleter

from keras_inr._arguments import local_path
from keras_inr.cli.console import prompts, screen
from keras_inr.cli.console.answers import typed_arguments, typed_count, typed_size
from keras_inr.cli.console.session import MAX_BATCH_SIZE, MAX_EPOCHS, Session
from keras_inr.cli.numbers import parse_numbers
from keras_inr.cli.preset_arguments import parse_overrides, preset_arguments
from keras_inr.errors import InputError
from keras_inr.metrics import psnr_text
from keras_inr.models.field import to_uint8
from keras_inr.presets import list_presets
from keras_inr.rendering.to_file import RenderSettings
from keras_inr.runs.interrupts import Interrupts, SignalInterrupt
from keras_inr.signals._sources import sample_files
from keras_inr.signals.image import load_image
from keras_inr.signals.resampling import resampled
from keras_inr.training.recipe import Recipe

FIRST_PRESET = "siren"
LAYOUT = "14:8:4,16:2:8,18:0.5:8"
MAX_SIDE = 2**15
PREVIEW_POINTS = 2  # along a side of what is shown as one pixel


def define_flags() -> None:
    """There are none."""


def main(argv: list[str]) -> int:
    """Holds the dialogue; the exit code."""
    screen.check_terminal()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C leads to the menu, and not out of it
    with screen.quiet_keyboard():
        Console(Session(), screen.detected_colours()).run()
    return 0


class Console:
    """A menu whose every entry changes or shows a session.

    Args:
        session: a `Session`.
        colours: see `keras_inr.cli.console.terminal_pictures`.
    """

    def __init__(self, session: Session, colours: int) -> None:
        self.session = session
        self.colours = colours
        self.epochs = 20
        self.ended = False

    def run(self) -> None:
        """Until a person quits."""
        while not self.ended:
            with only_sigterm():  # a Ctrl-C while the one before it is answered
                self.attempt(self.choose)

    def attempt(self, action: Callable[[], object]) -> None:
        """Does an action and prints what it returns, or what went wrong, since there is something learnt to be lost.

        Keys that were typed during work are dropped before anything is printed: whoever sees it may type again.
        """
        message: object = "back at the menu; q or Ctrl-D quits"
        try:
            with only_sigterm():
                message = action()
        except EOFError:
            return self.attempt(self.quit)
        except InputError as error:
            message = error
        except OSError as error:
            message = f"the system refused: {error.strerror or error}"
        except (MemoryError, tf.errors.ResourceExhaustedError):
            message = "this does not fit into memory: make the batch, the network or the picture smaller"
        except Exception:  # a mistake of ours
            message = None
            traceback.print_exc()
        screen.forget_typed()
        if message is not None:
            print(message, flush=True)

    def choose(self) -> object:
        """Lets a person choose an entry, and does it."""
        entries = [
            (self.picture, "p", f"picture    {self.picture_text()}"),
            (self.network, "n", f"network    {self.network_text()}"),
            (self.layout, "l", "layout     a grid of cells with levels of your own"),
            (self.resolution, "o", "resolution to train on at; what was learnt stays"),
            (self.adjust, "a", f"adjust     {self.training_text()}"),
            (self.train, "t", f"train      {self.learnt_text()}"),
            (self.view, "v", "view       in this terminal"),
            (self.render, "r", "render     to a file, at any size"),
            (self.save, "s", "save       for Keras"),
            (self.export, "x", "export     for TensorFlow Serving"),
            (self.figures, "f", "figures    PSNR, SSIM, seconds, parameters"),
            (self.quit, "q", "quit"),
        ]
        lacking = self.picture if self.session.signal is None else self.network if self.session.preset is None else None
        return prompts.menu("keras_inr: choose by a letter, or the arrows and Enter", entries, lacking or self.train)()

    def picture_text(self) -> str:
        """The picture, in some words."""
        signal = self.session.signal
        return "none yet" if signal is None else f"{signal.source}, {signal.height} x {signal.width}"

    def network_text(self) -> str:
        """The network, in some words."""
        field = self.session.field
        parameters = "" if field is None else f", {field.count_params():,} parameters"
        given = "".join(f", {name}={value}" for name, value in self.session.arguments.items())
        return f"{self.session.preset or 'none yet'}{parameters}{given}"

    def training_text(self) -> str:
        """Learning rate and batch size, in some words."""
        return f"learning rate {self.session.learning_rate:g}, batches of {self.session.batch_size} pixels"

    def learnt_text(self) -> str:
        """How much is learnt, in some words."""
        state = " and not saved" if self.session.unsaved else ""
        return f"{self.session.steps} steps learnt{state}" if self.session.steps else "nothing learnt yet"

    def picture(self) -> str | None:
        """Asks for a picture."""
        if not self.may_forget():
            return None
        names = ["sample:", "tfds:", *(f"sample:{name}" for name in sorted(sample_files()))]
        question = "picture (a path, sample:NAME or tfds:NAME/SPLIT#INDEX)"
        source = prompts.ask(question, checked_source, completer=prompts.SourceCompleter(names))
        self.session.choose_picture(source, ask_side("longer side in pixels (empty keeps it)"))
        return self.picture_text()

    def resolution(self) -> str:
        """Asks for another size of the picture."""
        self.session.check_picture()
        self.session.change_resolution(ask_side("longer side in pixels (empty is the file's own)"))
        return self.picture_text()

    def network(self) -> str | None:
        """Asks for a network and its arguments."""
        if not self.may_forget():
            return None
        found = [(i.name, "", f"{i.name:17} {i.num_parameters:>9,}  {i.summary}") for i in list_presets()]
        title = "networks, with their parameters for colour pictures"
        preset = prompts.menu(title, found, self.session.preset or FIRST_PRESET)
        completer = WordCompleter([f"{name}=" for name in preset_arguments(preset)], WORD=True)
        question = f"arguments of {preset}, such as units=64,64 (empty keeps its own)"
        given = prompts.ask(question, functools.partial(typed_arguments, preset), completer=completer)
        self.session.choose_network(preset, given)
        return self.network_text()

    def layout(self) -> str | None:
        """Asks for the levels of a grid of cells."""
        if not self.may_forget():
            return None
        question = "levels as hash_size:cell_size:dimensions, with commas between them"
        parse = lambda text: parse_overrides("cell_grid", {"layout": text})  # noqa: E731
        self.session.choose_network("cell_grid", prompts.ask(question, parse, empty=LAYOUT))
        return self.network_text()

    def adjust(self) -> str:
        """Asks for learning rate and batch size."""
        rate = prompts.ask("learning rate", typed_rate, empty=f"{self.session.learning_rate:g}")
        batch = functools.partial(typed_count, "batch size", most=MAX_BATCH_SIZE)
        self.session.choose_training(rate, prompts.ask("batch size", batch, empty=str(self.session.batch_size)))
        return self.training_text()

    def train(self) -> str:
        """Asks for how long, and trains with a live preview."""
        question = f"epochs more, of {self.session.steps_per_epoch} steps"
        parse = functools.partial(typed_count, "epochs", most=MAX_EPOCHS)
        self.epochs = prompts.ask(question, parse, empty=str(self.epochs))
        print("preparing; Ctrl-C stops, and what was learnt is kept")
        draw = functools.partial(self.session.render_picture, most_points=PREVIEW_POINTS)
        preview = screen.LivePreview(draw, self.session.check_picture().size, self.colours)
        with Interrupts() as interrupts:
            try:
                ended = self.session.train(self.epochs, preview, lambda: interrupts.received is not None)
            finally:
                preview.close()
        if interrupts.received == signal.SIGTERM:
            raise SignalInterrupt(interrupts.received)
        return f"{'done' if ended == 'steps' else 'stopped; what was learnt is kept'}\n{self.figures()}"

    def view(self) -> str:
        """Original and field, as lines of the terminal."""
        signal = self.session.check_picture()
        return screen.pictures_text(
            self.session.render_picture if self.session.steps else None,
            lambda height, width: to_uint8(resampled(signal.values, height, width, "area")),
            signal.size,
            self.colours,
        )

    def render(self) -> str:
        """Asks for size, box and file, and renders."""
        self.session.check_trained()
        size = prompts.ask("size, HEIGHTxWIDTH or a factor", self.checked_size, empty="4")
        parse = functools.partial(self.checked_box, size)
        settings = RenderSettings(**size, box=prompts.ask("box x0,y0,x1,y1 (empty is the whole picture)", parse))
        height, width = self.session.check_raster(settings)
        path = ask_path("file, .png, .tif or .npy", f"{self.session.name}-{height}x{width}.png")
        done = self.session.render_file(dataclasses.replace(settings, out=path), overwrite=may_replace(path))
        return f"{done.path}: {done.shape[0]} x {done.shape[1]}"

    def checked_size(self, text: str) -> dict[str, Any]:
        """What `typed_size` makes of a text; InputError for a raster that is too large."""
        size = typed_size(text)
        self.session.check_raster(RenderSettings(**size))
        return size

    def checked_box(self, size: dict[str, Any], text: str) -> tuple[float, ...] | None:
        """The box that is typed, None for an empty text; InputError for one that cannot be rendered."""
        box = parse_numbers("box", text, "x0,y0,x1,y1", ",", (4,), float) if text.strip() else None
        self.session.check_raster(RenderSettings(**size, box=cast(Any, box)))
        return box

    def save(self) -> pathlib.Path:
        """Asks for a file, and writes the field to it."""
        self.session.check_trained()
        path = ask_path("file, .keras", f"{self.session.name}.keras")
        return self.session.save(path, overwrite=may_replace(path))

    def export(self) -> pathlib.Path:
        """Asks for a folder, and exports the field."""
        self.session.check_trained()
        path = ask_path("folder of versions", f"{self.session.name}_saved_model")
        return self.session.export(path)

    def figures(self) -> str:
        """What was reached, in one line."""
        found = self.session.figures()
        ssim = "" if found.ssim is None else f", SSIM {found.ssim:.4f}"
        quality = f"PSNR {psnr_text(found.psnr_db)}{ssim}"
        return f"{quality}, {found.steps} steps in {found.seconds:.1f} s, {found.num_parameters:,} parameters"

    def may_forget(self) -> bool:
        """Whether what was learnt is saved, or a person does not want it."""
        question = "what was learnt is not saved and will be forgotten; go on?"
        return not self.session.unsaved or prompts.confirm(question)

    def quit(self) -> None:
        """Ends the dialogue, unless a person wants to save first."""
        try:
            question = "what was learnt is not saved; quit all the same?"
            self.ended = not self.session.unsaved or prompts.confirm(question)
        except EOFError:
            self.ended = True


@contextlib.contextmanager
def only_sigterm() -> Iterator[None]:
    """Ctrl-C only leaves this block; SIGTERM passes."""
    try:
        yield
    except KeyboardInterrupt as error:
        if getattr(error, "signal_number", signal.SIGINT) != signal.SIGINT:
            raise


def ask_path(question: str, suggested: str) -> pathlib.Path:
    """Asks for a file or a folder."""
    return prompts.ask(question, functools.partial(local_path, "path"), empty=suggested)


def may_replace(path: pathlib.Path) -> bool:
    """Whether a file that exists may be replaced; asks where there is one."""
    return path.is_file() and prompts.confirm(f"{path} exists; replace it?")


def ask_side(question: str) -> int | None:
    """Asks for the longer side of a picture; None for an empty line."""
    parse = functools.partial(typed_count, "longer side", most=MAX_SIDE, optional=True)
    return prompts.ask(question, parse)


def checked_source(text: str) -> str:
    """The source that is typed; InputError where there is no picture."""
    if not text.strip():
        raise InputError("picture must be a path, sample:NAME or tfds:NAME/SPLIT#INDEX, received nothing")
    load_image(text.strip())
    return text.strip()


def typed_rate(text: str) -> float:
    """The learning rate that is typed; InputError for what a recipe does not take."""
    rate = parse_numbers("learning rate", text, "a number such as 0.001", None, (1,), float)[0]
    return Recipe(steps=1, learning_rate=rate).learning_rate
