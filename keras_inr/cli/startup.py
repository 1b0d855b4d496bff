"""What every command does first: import TensorFlow quietly, parse flags, and turn errors into exit codes."""

import contextlib
import os
import pathlib
import re
import signal
import sys
import types
from collections.abc import Callable, Iterator, Sequence

from keras_inr.cli import messages, stop_signals

# nothing that takes long to import may stand above: a signal that comes before `start` gets Python's own treatment


def start(name: str, with_keras: bool = True) -> None:
    """Imports TensorFlow, quietly: Ctrl-C and SIGTERM end the process meanwhile.

    Args:
        name: what messages are headed with, such as "keras-inr fit".
        with_keras: whether the command makes fields; without them Keras stays out of the process.
    """
    messages.program[:] = [name]
    stop_signals.leave_on_signals()
    from keras_inr.cli import surroundings

    surroundings.settle()
    try:
        import_tensorflow(with_keras)
    except ImportError as error:
        if error.name != "keras":
            raise
        messages.tell(error)
        sys.exit(2)


def import_tensorflow(with_keras: bool = True) -> None:
    """Imports the package, and TensorFlow with it, without TensorFlow's start-up notices on standard error.

    What its C++ parts say later is kept back too, unless TF_CPP_MIN_LOG_LEVEL is set; errors reach Python anyway.
    Nothing is kept back where TF_XLA_FLAGS is set: TensorFlow ends the process for a flag that it does not know.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    aloud = os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0" or "TF_XLA_FLAGS" in os.environ
    with contextlib.nullcontext() if aloud else no_standard_error():
        if with_keras:
            from keras_inr._registration import register

            register()  # looks at Keras's settings before TensorFlow does
        else:
            sys.modules["keras"] = None  # type: ignore[assignment]  # TensorFlow imports it where it can
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def no_standard_error() -> Iterator[None]:
    """Drops what is written to the descriptor: C++ writes notices before it reads its log level, or has none."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def run(command: types.ModuleType, arguments: Sequence[str]) -> None:
    """Parses the flags, runs a command and exits: 0, 1 a flag or the system, 2 bad input, 3 diverged, 130 Ctrl-C,
    143 SIGTERM, or what the command has of its own, such as 5 for a goal that was missed.

    Errors that a person can mend are one line on standard error; everything else keeps its traceback.

    Args:
        command: a module with `define_flags()`; `main(argv)`, which takes the arguments that are no flags and returns
            the exit code; and perhaps `more_flags(arguments)`, flags to put in front of those that are given.
        arguments: of the command line, behind the command's name.
    """
    from absl import app, flags

    from keras_inr.cli import flagfile, own_modules
    from keras_inr.cli import help as flags_help
    from keras_inr.errors import InputError

    try:
        arguments = flagfile.expanded(arguments)
        own_modules.load(arguments)
    except (InputError, flags.Error) as error:
        asked = flags_help.asked_for(arguments)
        if asked is None:
            messages.tell(error)
            sys.exit(2 if isinstance(error, InputError) else 1)
        arguments = [asked]  # help is shown all the same
    app.define_help_flags()  # here, so that absl's own are in no group
    with flags_help.group("Flags"):  # those that a command puts into no group of its own, as studies do
        command.define_flags()
    app.run(
        lambda argv: guarded(command.main, argv),
        argv=[messages.program[0], *arguments],
        flags_parser=lambda argv: parsed(command, argv),
    )


def parsed(command: types.ModuleType, argv: list[str]) -> list[str]:
    """The arguments that are no flags, like absl's own parser; but errors are one line, and help comes in groups."""
    from absl import flags

    from keras_inr.cli import help as flags_help
    from keras_inr.errors import InputError

    more_flags: Callable[[list[str]], list[str]] = getattr(command, "more_flags", lambda arguments: [])
    if asked := flags_help.asked_for(argv[1:]):
        of_preset = getattr(command, "preset_flags", lambda arguments: ())(argv[1:])
        messages.say(flags_help.text(command, messages.program[0], of_preset, asked == "--helpfull"))
        sys.exit(0)
    try:
        return flags.FLAGS([argv[0], *more_flags(argv[1:]), *argv[1:]])
    except SystemExit:  # how absl ends --helpxml and its kind
        sys.exit(0)
    except InputError as error:
        code, message = 2, error
    except (flags.Error, ValueError) as error:
        code, message = 1, f"{error}{_meant(error)}; --help tells all flags"
    messages.tell(message)
    sys.exit(code)


def _meant(error):
    """Which of the values that a flag allows was meant, where it is known; of flags' names absl tells it."""
    from absl import flags

    from keras_inr._arguments import did_you_mean

    refused = re.match(r"flag --(\w+)=(.*): value should be one of", str(error), re.DOTALL)
    return did_you_mean(refused[2], flags.FLAGS[refused[1]].parser.enum_values) if refused else ""


def guarded(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """The exit code of main(argv), with what went wrong in one line on standard error."""
    import tensorflow as tf
    from absl import flags, logging

    from keras_inr.errors import DivergedError, InputError, InterruptedRunError

    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # absl's app.run sets INFO, which tells of every exported function
    try:
        with stop_signals.raised_as_interrupts():
            if len(argv) > 1:
                raise InputError(f"arguments must be flags such as --image=my.jpg, received {argv[1]!r}")
            code = main(argv)
            if sys.stdout is not None:
                sys.stdout.flush()
        return code
    except InputError as error:
        code, message = 2, error
    except DivergedError as error:
        code, message = 3, f"{error}; start anew with --overwrite or another --out"
    except InterruptedRunError as error:
        code, message = 128 + error.signal_number, error
    except KeyboardInterrupt as error:
        code, message = 128 + getattr(error, "signal_number", signal.SIGINT), "interrupted"
    except (OSError, MemoryError, tf.errors.OpError) as error:
        code, message = _system_error(error)
    messages.tell(message)
    return code


def _system_error(error):
    """(exit code, message) for what the system refused; other errors of TensorFlow are raised again."""
    import tensorflow as tf
    from absl import flags

    from keras_inr._disk_errors import FULL, MISPLACED, disk_error, without_temporary_names

    problem = disk_error(error)
    if problem is not None:
        again = problem.errno in FULL and "resume" in flags.FLAGS and _run_has_begun(problem.path)
        kept = "; what was finished is kept: go on with --out of this run and --resume" if again else ""
        return (2 if problem.errno in MISPLACED else 1), f"the system refused: {problem}{kept}"
    if isinstance(error, OSError):
        return 1, f"the system refused: {without_temporary_names(error)}"
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return 1, "the network or the batch does not fit into memory: make it, or the picture, smaller"
    raise error


def _run_has_begun(path):
    """Whether there is something to go on with in the run folder, --out or a numbered one that a path lies in.

    Where neither tells which folder it is, there is.
    """
    from absl import flags

    from keras_inr.runs.folder import RUNS, holds_run

    out = flags.FLAGS["out"].value if "out" in flags.FLAGS else None
    numbered = [folder for folder in pathlib.Path(path or "").parents if folder.parent.name == RUNS]
    return all(holds_run(folder) for folder in ([out] if out else numbered))
