"""What a command says: lines on standard error in the words of flags, texts on standard output."""

import ast
import os
import re
import shlex
import sys

program = ["keras-inr"]
"""What messages are headed with."""

FLAG_OF_ARGUMENT = {"full_scale": "range", "num_crops": "crops"}
"""Arguments of Python whose flags have other names."""


def tell(message: object, name: str | None = None) -> None:
    """One line on standard error, headed with what was called."""
    try:
        print(f"{name or program[0]}: {' '.join(in_flags(message).split())}", file=sys.stderr, flush=True)
    except OSError:  # nobody reads it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def in_flags(message: object) -> str:
    """A message of the library, in the words of Python's arguments, in those of flags.

    >>> print(in_flags("add overwrite=True, or go on with out='my runs/1', resume=True"))
    add --overwrite, or go on with --out='my runs/1' --resume
    >>> print(in_flags("num_crops must be 1 for prefit"))
    crops must be 1 for prefit
    >>> print(in_flags("HashEncoding(interpolation='smoothstep') has them"))  # no flag: a call in Python
    HashEncoding(interpolation='smoothstep') has them
    """
    text = re.sub(r"^\w+", lambda match: FLAG_OF_ARGUMENT.get(match[0], match[0]), str(message))
    text = re.sub(r",? \b([a-z_]+)=True\b", r" --\1", text).replace("list_presets()", "--list_presets")
    return re.sub(r"(?<![-(\w])([a-z_]+)=('[^']*'|\"[^\"]*\")", _as_flag, text)


def _as_flag(match):
    return f"--{match[1]}={shlex.quote(ast.literal_eval(match[2]))}"


def say(text: str) -> None:
    """A text on standard output, or as much of it as somebody reads."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _drop_output()


def drop_what_cannot_be_written() -> None:
    """Gives standard output up where it fails, or Python would try again at its end, and end with another code."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output():
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
