"""What --help shows: the flags of a command in groups, in the order in which they are defined."""

import contextlib
import inspect
import shutil
import textwrap
import types
from collections.abc import Collection, Iterator, Sequence

from absl import flags

FLAGS = flags.FLAGS
NETWORK_GROUP = "Arguments of the network"
GROUPS: dict[str, list[str]] = {}
"""Title -> names of flags."""

MOST_COLUMNS = 110
NAMES = 28
MOST_VALUES = 5


@contextlib.contextmanager
def group(title: str) -> Iterator[None]:
    """Flags that are defined while the context lasts, and in no group inside of it, are shown under a title."""
    before = set(FLAGS)
    yield
    before.update(*GROUPS.values())
    GROUPS.setdefault(title, []).extend(name for name in FLAGS if name not in before)


def asked_for(arguments: Sequence[str]) -> str | None:
    """Which of "--help" and "--helpfull" a command line asks for; None for neither."""
    for argument in arguments:
        if argument == "--":
            return None
        name = argument.lstrip("-").partition("=")[0]
        if argument.startswith("-") and name in ("help", "helpshort", "h", "helpfull"):
            return "--helpfull" if name == "helpfull" else "--help"
    return None


def text(module: types.ModuleType, program: str, of_preset: Collection[str] = (), full: bool = False) -> str:
    """The help of a command.

    Args:
        module: the command's, whose docstring tells what it does.
        program: how it is called.
        of_preset: of the arguments of networks, which are those of the network that is given.
        full: whether to show those of all networks, and the flags of absl.
    """
    described = inspect.getdoc(module) or ""
    lines = [described, "", f"usage: {program} [--flag=value ...]"]
    for title, names in GROUPS.items():
        shown = [name for name in names if full or title != NETWORK_GROUP or name in of_preset]
        if shown:
            lines += ["", f"{title}:", *(line for name in shown for line in _lines(FLAGS[name]))]
    hidden = 0 if full else sum(name not in of_preset for name in GROUPS.get(NETWORK_GROUP, ()))
    if hidden:
        lines += ["", f"{hidden} more arguments belong to other networks: --preset=NAME --help, or --helpfull"]
    lines += ["", "Everywhere:", *_pair("--flagfile=FILE", "reads flags from a file, one on each line")]
    if full:
        grouped = {name for names in GROUPS.values() for name in names}
        rest = [name for name in FLAGS if name not in grouped and len(name) > 1]
        lines += [line for name in rest for line in _lines(FLAGS[name])]
    return "\n".join(lines)


def _lines(flag):
    boolean = flag.boolean
    name = f"--[no]{flag.name}" if boolean else f"--{flag.name}"
    default = flag.default_as_str
    help_text = flag.help or ""
    if len(getattr(flag.parser, "enum_values", None) or ()) > MOST_VALUES:
        help_text = help_text.replace("|", "| ")  # lines end between the names, and not in one
    if default is not None and flag.default not in ("", [], None, False):
        help_text += f" (default: {default.strip(chr(39))})"
    return _pair(name, help_text)


def _pair(name, help_text):
    width = min(shutil.get_terminal_size((MOST_COLUMNS, 24)).columns, MOST_COLUMNS)
    wrapped = textwrap.wrap(" ".join(help_text.split()), max(30, width - NAMES)) or [""]
    head = f"  {name}".ljust(NAMES)
    first = [head + wrapped[0]] if len(head) == NAMES else [head, " " * NAMES + wrapped[0]]
    return [*first, *(" " * NAMES + line for line in wrapped[1:])]
