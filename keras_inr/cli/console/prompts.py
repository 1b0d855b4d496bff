"""Questions in a terminal: a menu, a line of text, yes or no. Ctrl-C raises KeyboardInterrupt, Ctrl-D EOFError."""

import contextlib
import functools
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.output import create_output
from prompt_toolkit.validation import ValidationError, Validator

from keras_inr.errors import InputError

HELP = "Enter accepts, Tab completes, Ctrl-C goes back to the menu, Ctrl-D quits"


def menu(title: str, entries: Sequence[tuple[Any, str, str]], default: Any = None) -> Any:
    """Lets a person choose an entry with the arrows and Enter, or at once by its key.

    Args:
        title: text above the entries.
        entries: list of (value, key, text); a key is a single character, or "" for none.
        default: value that is marked at first.

    Returns:
        The value.
    """
    values = [value for value, _, _ in entries]
    place = [values.index(default) if default in values else 0]

    def shown() -> StyleAndTextTuples:
        rows: StyleAndTextTuples = []
        for index, (_, key, text) in enumerate(entries):
            marked = index == place[0]
            cursor = [("[SetCursorPosition]", "")] if marked else []
            rows += [*cursor, ("bold" if marked else "", f"{'>' if marked else ' '} {key:2}{text}\n")]
        return rows

    keys = _leaving_keys()
    steps = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10, "home": -len(entries), "end": len(entries)}

    def move(event: Any, step: int) -> None:
        place[0] = min(max(place[0] + step, 0), len(entries) - 1)

    for name, step in steps.items():
        keys.add(name)(functools.partial(move, step=step))
    for value, key, _ in entries:
        if key:
            keys.add(key)(functools.partial(_leave, value=value))
    keys.add("enter")(lambda event: event.app.exit(result=values[place[0]]))
    # the title gives way where the window is low
    head = Window(FormattedTextControl(title), dont_extend_height=True, wrap_lines=True)
    body = Window(FormattedTextControl(shown, focusable=True, show_cursor=False), dont_extend_height=True)
    layout = Layout(HSplit([head, body]), body)
    with _terminal() as terminal:
        return Application(layout, key_bindings=keys, erase_when_done=True, **terminal).run()


def ask(question: str, parse: Callable[[str], Any] = str, empty: str = "", completer: Completer | None = None) -> Any:
    """Asks for a line of text until `parse`, which raises an InputError, takes it.

    Args:
        question: what is asked; what was answered before comes back with the up arrow.
        parse: from text to what is returned.
        empty: what an empty line stands for.
        completer: of prompt_toolkit, or None.
    """

    def check(text: str) -> None:
        try:
            parse(text or empty)
        except InputError as error:
            raise ValidationError(len(text), str(error)) from None

    with _terminal() as terminal:
        text: str = PromptSession(history=_history(question), **terminal).prompt(
            f"{question} [{empty}]: " if empty else f"{question}: ",
            completer=completer,
            complete_while_typing=False,
            reserve_space_for_menu=4,
            validator=_Check(check),
            validate_while_typing=False,
            bottom_toolbar=HELP,
            key_bindings=_leaving_keys(),
        )
    return parse(text or empty)


def confirm(question: str) -> bool:
    """Asks for yes or no; nothing typed is no."""
    return ask(f"{question} y or n", _yes_or_no, empty="n")


class SourceCompleter(Completer):
    """Completes paths, and names behind prefixes that end in a colon.

    Args:
        names: whole sources, such as "sample:chelsea" and "tfds:".
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = names
        self.paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        text = document.text_before_cursor
        if "\0" in text:  # which no path may hold
            return
        for name in self.names:
            if name.startswith(text) and (":" in text or name.endswith(":")):
                yield Completion(name, -len(text))
        yield from self.paths.get_completions(document, complete_event)


class _Check(Validator):
    def __init__(self, check):
        self.check = check

    def validate(self, document):
        self.check(document.text)


def _yes_or_no(text):
    answers = {"y": True, "yes": True, "n": False, "no": False}
    answer = answers.get(text.strip().lower())
    if answer is None:
        raise InputError(f"answer must be y or n, received {text!r}")
    return answer


@contextlib.contextmanager
def _terminal():
    """Input and output of one question, which Ctrl-C reaches as a key and never as an exception amid its set-up."""
    # A terminal is not asked where its cursor is, which only a menu of completions could use: where there is no
    # answer, every question would last a second longer, read what comes next, and draw itself anew under a warning.
    output = create_output()
    output.enable_cpr = False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # each with a parser of its own: the end of what was pasted may have been dropped, and would be waited for
        yield {"input": create_input(), "output": output}
    finally:
        signal.signal(signal.SIGINT, before)


@functools.cache
def _history(question):
    return InMemoryHistory()


def _leaving_keys():
    """Ctrl-C and Ctrl-D, whatever has been typed."""
    keys = KeyBindings()
    for name, error in (("c-c", KeyboardInterrupt), ("<sigint>", KeyboardInterrupt), ("c-d", EOFError)):
        keys.add(name, eager=True)(functools.partial(_fail, error=error))
    return keys


def _leave(event, value):
    event.app.exit(result=value)


def _fail(event, error):
    event.app.exit(exception=error())
