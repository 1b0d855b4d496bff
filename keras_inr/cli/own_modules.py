"""--module: a person's own files, whose presets every command then knows."""

from collections.abc import Sequence

from absl import flags

from keras_inr.cli import flagfile
from keras_inr.cli.help import group
from keras_inr.runs.folder import folder_path

MODULE_HELP = "a .py file with PRESETS of your own, see docs/guides/own_layers.md; may be given several times"


def define() -> None:
    """Defines --module."""
    with group("Network"):
        flags.DEFINE_multi_string("module", [], MODULE_HELP)


def load(arguments: Sequence[str]) -> None:
    """Loads the files that a command line names, and those of the run that it resumes.

    Other flags are made from what is loaded, so that this comes before they are defined.

    Args:
        arguments: of the command line.

    Raises:
        InputError: for a file that cannot be loaded.
    """
    values = flags.FlagValues()
    flags.DEFINE_multi_string("module", [], MODULE_HELP, flag_values=values)
    flags.DEFINE_string("out", None, "run folder", flag_values=values)
    flags.DEFINE_bool("resume", False, "go on", flag_values=values)
    try:
        values(["", *arguments], known_only=True)
        found = flagfile.flags_of_run(folder_path(values.out)) if values.resume and values.out else None
        if found is not None:
            values(["", *found[1], *arguments], known_only=True)
    except (flags.Error, ValueError):  # reported when flags are parsed in earnest
        return
    for path in values.module:
        from keras_inr.presets import load_module  # not above: it needs Keras, which a server has not

        load_module(path)
