"""The flags of a run as a flagfile that repeats it, and back from there when the run is resumed."""

import copy
import locale
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from keras_inr._reading import read_bytes
from keras_inr.cli.help import GROUPS
from keras_inr.errors import InputError
from keras_inr.runs.folder import folder_path, holds_run
from keras_inr.runs.folder import run_flags as stored_flags
from keras_inr.runs.layout import FLAGFILE, RUN_JSON

FLAGS = flags.FLAGS
NOT_KEPT = ("out", "resume", "overwrite", "dry_run", "list_presets", "progress")
"""Flags that belong to one call and not to the run, so that flags.cfg leaves them out."""

PATHS = ("image", "data_dir", "weights")


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
            text.encode(locale.getpreferredencoding(False))
            kept = text == text.strip() and len(text.splitlines()) == 1
        except UnicodeEncodeError:
            kept = False
        if not kept:
            refused = "line breaks, spaces at its end, or bytes that are no text, which flags.cfg cannot hold"
            raise InputError(f"{flag.name} must have no {refused}, received {flag.value!r}")
        line = text
    return line


def flags_of_resumed(arguments: Sequence[str]) -> list[str]:
    """The flags of the run that --resume goes on with, to put in front: what is given here wins.

    They are those of flags.cfg, or where that is missing, since the run was killed before it was written or somebody
    has removed it, those that run.json keeps.

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
    flagfile = folder_path(given.out) / FLAGFILE
    if flagfile.exists():
        return _checked(["--flagfile", str(flagfile.absolute())], flagfile, _cut_short(flagfile))
    if holds_run(given.out):
        lines = [line for line in (stored_flags(given.out) or "").splitlines() if line.strip()]
        return _checked(lines, flagfile.with_name(RUN_JSON))
    check_run_is_given(given)
    return []


def check_run_is_given(given: flags.FlagValues) -> None:
    """Raises an InputError where --resume has no run to go on with, and no other flag tells which one to start.

    Args:
        given: parsed flags, with out and resume.
    """
    own = [flag.name for flag in own_flags(given) if flag.present and flag.name not in NOT_KEPT]
    both = "overwrite" in given and given.overwrite  # refused elsewhere
    if given.resume and given.out and not own and not both and not holds_run(given.out):
        raise InputError(f"{given.out} holds no run to go on with; give the flags of the run to start one there")


def _cut_short(flagfile):
    """What is wrong with the end of a flagfile, or None."""
    content = read_bytes(flagfile)
    return "its last line is cut short" if content and not content.endswith(b"\n") else None


def _checked(arguments, source, problem=None):
    """The arguments; InputError unless they are flags and nothing else."""
    try:
        rest = copy.deepcopy(FLAGS)(["", *arguments])
        problem = problem or (f"{rest[1]!r} is no flag" if len(rest) > 1 else None)
    except UnicodeDecodeError:
        problem = "it is no text"
    except (flags.Error, ValueError) as error:
        problem = problem or error
    if problem:
        again = "remove it" if source.name == FLAGFILE else "add --overwrite"
        raise InputError(f"{source} is damaged ({problem}); {again} and give the run's flags again")
    return arguments


def absolute(path: str) -> str:
    """A path as it is from every folder; what is no path of something stays."""
    expanded = pathlib.Path(path).expanduser()
    return str(expanded.resolve()) if expanded.exists() else path
