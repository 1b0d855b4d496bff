"""The flags of a run as a flagfile that repeats it, and back from there when the run is resumed."""

import copy
import io
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from keras_inr._reading import MOST_BYTES, read_bytes
from keras_inr.cli.help import GROUPS
from keras_inr.errors import DamagedFileError, InputError
from keras_inr.runs.folder import folder_path, holds_run
from keras_inr.runs.folder import run_flags as stored_flags
from keras_inr.runs.layout import FLAGFILE, RUN_JSON

FLAGS = flags.FLAGS
NOT_KEPT = (
    *("out", "resume", "overwrite", "dry_run", "list_presets", "progress"),
    *("ray_address", "cpus_per_task"),
)
"""Flags that belong to one call and not to the run, so that flags.cfg leaves them out."""

PATHS = ("image", "mask", "data_dir", "weights")


def text(decided: Mapping[str, Any]) -> str:
    """A flagfile that repeats this run from any folder.

    Args:
        decided: flag -> value, where the run's plan has settled what the flag left open.

    Raises:
        InputError: for a path that would not read back as it is.
    """
    lines = []
    for flag in own_flags(FLAGS):
        value = decided.get(flag.name, flag.value)
        if flag.name in NOT_KEPT or value is None or value == []:
            continue
        if flag.name == "module":
            lines += [_line(flag, [absolute(path)]) for path in value]
            continue
        if flag.name in PATHS and (flag.name != "weights" or value.endswith(".keras")):  # not a name of shipped weights
            value = absolute(value)
        lines.append(_line(flag, value))
    return "\n".join(sorted(lines)) + "\n"


def own_flags(values: flags.FlagValues) -> list[flags.Flag]:
    """The flags of the command, in the order of their definition; none of absl's own."""
    return [values[name] for names in GROUPS.values() for name in names]


def _line(flag, value):
    """A flag with a value as absl reads it from a file: one line, whose ends it strips."""
    flag = copy.deepcopy(flag)
    flag.value = value
    text = flag.serialize()
    line = " ".join(text.split())
    if flag.name in PATHS:
        try:
            text.encode()
            kept = text == text.strip() and len(text.splitlines()) == 1
        except UnicodeEncodeError:
            kept = False
        if not kept:
            refused = "line breaks, spaces at its end, or bytes that are no text, which flags.cfg cannot hold"
            raise InputError(f"{flag.name} must have no {refused}, received {flag.value!r}")
        line = text
    return line


def expanded(arguments: Sequence[str]) -> list[str]:
    """A command line with the lines of the flagfiles that it names in their place; flagfiles may name others.

    absl would wait for a pipe, and read a device for ever.

    Raises:
        InputError: for a flagfile that is no regular file, too large or no text, or that names itself.
        absl.flags.Error: for one that cannot be opened, or none behind --flagfile.
    """
    left = [MOST_BYTES]  # of all of them together: a few that name each other could be any number

    def lines_of(path: str, above: tuple[str, ...] = ()) -> list[str]:
        if path in above:
            raise InputError(f"flagfile must not name itself, received {path}")
        if not path:
            return []
        text = _read_given(path, left[0])
        left[0] -= len(text)
        found: list[str] = []
        for line in _lines(text):
            nested = _named(line)
            found += [line] if nested is None else lines_of(nested, (*above, path))
        return found

    found, rest = [], list(arguments)
    while rest and rest[0] != "--":
        argument = rest.pop(0)
        if argument in ("-flagfile", "--flagfile") and rest:
            argument = f"--flagfile={rest.pop(0)}"
        path = _named(argument)
        found += [argument] if path is None else lines_of(path)
    return found + rest


def _named(line):
    """The path of the flagfile that an argument names; None for one that is another flag."""
    name, equals, path = line.partition("=")
    if name not in ("-flagfile", "--flagfile"):
        return None
    if not equals:
        raise flags.IllegalFlagValueError("--flagfile with no argument")
    return os.path.expanduser(path.strip())


def _lines(text):
    """The flags of a flagfile, whose other lines are empty or comments."""
    lines = (line for line in io.StringIO(text, newline=None) if not line.startswith(("#", "//")))
    return [line.strip() for line in lines if line.strip()]


def _read_given(path, most_bytes):
    """The text of a flagfile that a command line names."""
    told = "flagfile must be a text file with a flag on each line"
    try:
        return read_bytes(path, most_bytes).decode()
    except UnicodeDecodeError:
        raise InputError(f"{told}, received {path}") from None
    except DamagedFileError as error:
        raise InputError(f"{told}: {error}") from None
    except OSError as error:
        raise flags.CantOpenFlagFileError(f"flagfile {path} cannot be opened: {error.strerror}") from None


def flags_of_run(folder: pathlib.Path) -> tuple[pathlib.Path, list[str]] | None:
    """The file that keeps the flags of the run in a folder, and these; None for a run that has none.

    That is run.json, which is written in one step with all else that makes the run; the flags.cfg beside it may be that
    of before. A run of an older version has flags.cfg alone.

    Raises:
        InputError: for a file that is damaged, or names flagfiles: what they hold is no part of the run.
    """
    kept = stored_flags(folder) if holds_run(folder) else None
    source = folder / (FLAGFILE if kept is None else RUN_JSON)
    if not source.exists():
        return None
    lines = _lines(_whole_text(source) if kept is None else kept)
    if any(line.partition("=")[0] in ("-flagfile", "--flagfile") for line in lines):
        raise _damaged(source, "it names another flagfile")
    return source, lines


def _whole_text(source):
    """The text of a flags.cfg, which ends with its last line."""
    try:
        text = read_bytes(source).decode()
    except UnicodeDecodeError:
        raise _damaged(source, "it is no text") from None
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}") from None
    if text and not text.endswith("\n"):
        raise _damaged(source, "its last line is cut short")
    return text


def flags_of_resumed(arguments: Sequence[str]) -> list[str]:
    """The flags of the run that --resume goes on with, see `flags_of_run`, to put in front: what is given here wins.

    Args:
        arguments: of the command line.

    Raises:
        InputError: for flags that are damaged; where there is no run, and nothing is given that tells which to start.
    """
    given = copy.deepcopy(FLAGS)
    try:
        given(["", *arguments])
    except (flags.Error, ValueError):  # reported when they are parsed in earnest
        return []
    if not given.resume or not given.out:
        return []
    found = flags_of_run(folder_path(given.out))
    if found is None:
        check_run_is_given(given)
        return []
    return _checked(*found)


def check_run_is_given(given: flags.FlagValues) -> None:
    """Raises an InputError where --resume has no run to go on with, and no other flag tells which one to start.

    Args:
        given: parsed flags, with out and resume.
    """
    own = [flag.name for flag in own_flags(given) if flag.present and flag.name not in NOT_KEPT]
    both = "overwrite" in given and given.overwrite  # refused elsewhere
    if given.resume and given.out and not own and not both and not holds_run(given.out):
        raise InputError(f"{given.out} holds no run to go on with; give the flags of the run to start one there")


def _checked(source, lines):
    """The lines of a run's flags; InputError unless they are flags and nothing else."""
    try:
        rest = copy.deepcopy(FLAGS)(["", *lines])
    except (flags.Error, ValueError) as error:
        raise _damaged(source, error) from None
    if len(rest) > 1:
        raise _damaged(source, f"{rest[1]!r} is no flag")
    return lines


def _damaged(source, problem):
    again = "remove it" if source.name == FLAGFILE else "add --overwrite"
    return InputError(f"{source} is damaged ({problem}); {again} and give the run's flags again")


def absolute(path: str) -> str:
    """A path as it is from every folder; what is no path of something stays."""
    expanded = pathlib.Path(path).expanduser()
    return str(expanded.resolve()) if expanded.exists() else path
