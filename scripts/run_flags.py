"""The flags of a run as a flagfile that repeats it, and back from there when the run is resumed."""

import copy
import locale
import os

from absl import flags

from keras_inr.runs.errors import InputError
from keras_inr.runs.run_folder import folder_path

FLAGS = flags.FLAGS
NOT_KEPT = ("out", "resume", "overwrite", "dry_run", "list_presets", "progress")
"""Flags that belong to one call and not to the run, so that flags.cfg leaves them out."""

PATHS = ("image", "data_dir", "weights")
FLAGFILE = "flags.cfg"


def flags_text(own):
    """A flagfile that repeats this run from any folder.

    Args:
        own: the script's `absl.flags.Flag` objects.

    Raises:
        InputError: for a path that would not read back as it is.
    """
    for name in PATHS:
        path = FLAGS[name].value
        if path is None or (name == "weights" and not path.endswith(".keras")):
            continue  # the name of shipped weights, whatever else has it
        if os.path.exists(os.path.expanduser(path)):
            FLAGS[name].value = os.path.realpath(os.path.expanduser(path))
    lines = [_line(flag) for flag in own if flag.name not in NOT_KEPT and flag.value is not None]
    return "\n".join(sorted(lines)) + "\n"


def _line(flag):
    """A flag as absl reads it from a file: one line, whose ends it strips."""
    text = flag.serialize()
    line = " ".join(text.split())
    if flag.name in PATHS:
        try:
            text.encode(locale.getpreferredencoding(False))
            kept = text == text.strip() and len(text.splitlines()) == 1
        except UnicodeEncodeError:
            kept = False
        if not kept:
            told = "must have no line breaks, spaces at its end, or bytes that are no text, which flags.cfg cannot hold"
            raise InputError(f"{flag.name} {told}, received {flag.value!r}")
        line = text
    return line


def flags_of_resumed(arguments):
    """The flagfile of the run that --resume goes on with, as flags to put in front: what is given here wins.

    Args:
        arguments: of the command line.

    Raises:
        InputError: for a flagfile that is damaged.
    """
    given = copy.deepcopy(FLAGS)
    try:
        given(["", *arguments])
    except (flags.Error, ValueError):  # told when they are parsed in earnest
        return []
    if not given.resume or not given.out:
        return []
    flagfile = folder_path(given.out) / FLAGFILE
    if not flagfile.is_file():
        return []
    _check(flagfile)
    return ["--flagfile", str(flagfile.absolute())]


def _check(flagfile):
    """Raises an InputError unless the file holds whole lines with flags and nothing else."""
    content = flagfile.read_bytes()
    problem = "its last line is cut short" if content and not content.endswith(b"\n") else None
    try:
        rest = copy.deepcopy(FLAGS)(["", "--flagfile", str(flagfile.absolute())])
        problem = problem or (f"{rest[1]!r} is no flag" if len(rest) > 1 else None)
    except UnicodeDecodeError:
        problem = "it is no text"
    except (flags.Error, ValueError) as error:
        problem = problem or error
    if problem:
        raise InputError(f"{flagfile} is damaged ({problem}); remove it and give the run's flags again")
