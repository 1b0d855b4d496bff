"""What every command does first: quieten TensorFlow, and turn errors and signals into exit codes."""

import ast
import functools
import os
import re
import shlex
import signal
import sys
import types
from collections.abc import Callable, Sequence

# nothing that takes long to import may stand above: a signal that comes before `start` gets Python's own treatment
SIGNALS = (signal.SIGINT, signal.SIGTERM)

program = ["keras-inr"]
"""What messages are headed with."""

_standard_error = None  # a duplicate, since TensorFlow is imported with the descriptor itself turned elsewhere


def start(name: str) -> None:
    """Imports TensorFlow, quietly: Ctrl-C and SIGTERM end the process meanwhile.

    Args:
        name: what messages are headed with, such as "keras-inr fit".
    """
    program[:] = [name]
    leave_on_signals()
    from keras_inr.cli import surroundings

    surroundings.settle()
    try:
        silence_tensorflow()
        register()  # where nothing had to be silenced
    except ImportError as error:
        if error.name != "keras":
            raise
        tell(error)
        sys.exit(2)


def register() -> None:
    """Makes Keras know what the package registers."""
    from keras_inr._registration import register

    register()


def silence_tensorflow() -> None:
    """Imports the package, and TensorFlow with it, without TensorFlow's start-up notices on standard error.

    What its C++ parts say later is kept back too, unless TF_CPP_MIN_LOG_LEVEL is set; errors reach Python anyway.
    Nothing is kept back where TF_XLA_FLAGS is set: TensorFlow ends the process for a flag that it does not know.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0" or "TF_XLA_FLAGS" in os.environ:
        return
    # the notices are written by C++ before its log level is read, so they can only be kept from the descriptor
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        register()  # looks at Keras's settings before TensorFlow does
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def run(command: types.ModuleType, arguments: Sequence[str]) -> None:
    """Parses the flags, runs a command and exits: 0, 1 a flag or the system, 2 bad input, 3 diverged, 130 Ctrl-C,
    143 SIGTERM.

    Errors that a person can mend are one line on standard error; everything else keeps its traceback.

    Args:
        command: a module with `define_flags()`; `main(argv)`, which takes the arguments that are no flags and returns
            the exit code; and perhaps `more_flags(arguments)`, flags to put in front of those that are given.
        arguments: of the command line, behind the command's name.
    """
    from absl import app

    from keras_inr.cli import help as flags_help
    from keras_inr.cli import own_modules
    from keras_inr.errors import InputError

    try:
        own_modules.load(arguments)
    except InputError as error:
        tell(error)
        sys.exit(2)
    with flags_help.group("Flags"):  # those that a command puts into no group of its own, as studies do
        command.define_flags()
    app.run(
        lambda argv: guarded(command.main, argv),
        argv=[program[0], *arguments],
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
        _say(flags_help.text(command, program[0], of_preset, asked == "--helpfull"))
        sys.exit(0)
    try:
        return flags.FLAGS([argv[0], *more_flags(argv[1:]), *argv[1:]])
    except SystemExit:  # how absl ends --helpxml and its kind
        sys.exit(0)
    except InputError as error:
        code, message = 2, error
    except UnicodeDecodeError:
        names = [text.removeprefix("--flagfile=") for text in argv[1:] if "flagfile=" in text] or argv[1:]
        code, message = 2, f"flagfile must be a text file with a flag on each line, received {', '.join(names)}"
    except (flags.Error, ValueError) as error:
        code, message = 1, f"{error}{_meant(error)}; --help tells all flags"
    tell(message)
    sys.exit(code)


def _meant(error):
    """Which of the values that a flag allows was meant, where it is known; of flags' names absl tells it."""
    from absl import flags

    from keras_inr._arguments import did_you_mean

    refused = re.match(r"flag --(\w+)=(.*): value should be one of", str(error), re.DOTALL)
    return did_you_mean(refused[2], flags.FLAGS[refused[1]].parser.enum_values) if refused else ""


def guarded(main: Callable[[list[str]], int], argv: list[str]) -> int:
    """The exit code of main(argv), with what went wrong told in one line."""
    import tensorflow as tf
    from absl import flags, logging

    from keras_inr.errors import DivergedError, InputError, InterruptedRunError
    from keras_inr.runs.interrupts import SignalInterrupt

    ordinary = sys.unraisablehook

    def interrupt(number, frame):
        _on_signals(_leave)  # the next one ends the process at once; this one lets what is half written be removed
        raise SignalInterrupt(number)

    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # absl's app.run sets INFO, which tells of every exported function
    try:
        _on_signals(interrupt)
        sys.unraisablehook = functools.partial(_made_again, interrupt, ordinary)
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
        code, message = _refused(error)
    finally:
        sys.unraisablehook = ordinary
        leave_on_signals()
        _give_up_what_cannot_be_written()
        _on_signals(signal.SIG_IGN)  # the outcome is known: a signal while Python ends must not change the exit code
    tell(message)
    return code


def _made_again(interrupt, ordinary, unraisable):
    """Python drops what is raised in a destructor or a weak reference's callback: an interrupt is then made again."""
    import threading

    number = getattr(unraisable.exc_value, "signal_number", None)
    if number is None:
        ordinary(unraisable)
        return
    _on_signals(interrupt)
    threading.Timer(0.01, os.kill, (os.getpid(), number)).start()


def _refused(error):
    """(exit code, message) for what the system refused; other errors of TensorFlow are raised again."""
    import tensorflow as tf
    from absl import flags

    from keras_inr._disk_errors import FULL, MISPLACED, disk_error

    problem = disk_error(error)
    if problem is not None:
        again = problem.errno in FULL and "resume" in flags.FLAGS
        kept = "; what was finished is kept: go on with --out of this run and --resume" if again else ""
        return (2 if problem.errno in MISPLACED else 1), f"the system refused: {problem}{kept}"
    if isinstance(error, OSError):
        return 1, f"the system refused: {error}"
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return 1, "the network or the batch does not fit into memory: make it, or the picture, smaller"
    raise error


def in_flags(message: object) -> str:
    """A message of the library, in the words of Python's arguments, in those of flags.

    >>> print(in_flags("add overwrite=True, or go on with out='my runs/1', resume=True"))
    add --overwrite, or go on with --out='my runs/1' --resume
    """
    text = re.sub(r",? \b([a-z_]+)=True\b", r" --\1", str(message)).replace("list_presets()", "--list_presets")
    return re.sub(r"(?<![-\w])([a-z_]+)=('[^']*'|\"[^\"]*\")", _as_flag, text)


def _as_flag(match):
    return f"--{match[1]}={shlex.quote(ast.literal_eval(match[2]))}"


def tell(message: object, name: str | None = None) -> None:
    """One line on standard error, headed with what was called."""
    try:
        print(f"{name or program[0]}: {' '.join(in_flags(message).split())}", file=sys.stderr, flush=True)
    except OSError:  # nobody can be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _say(text):
    """A text on standard output, or as much of it as somebody reads."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _give_up_what_cannot_be_written():
    # or Python would try again at its end, and end with another code
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave_on_signals() -> None:
    """Ends the process at the next signal, whatever it is doing; to raise in an import of TensorFlow may crash it."""
    global _standard_error
    if _standard_error is not None:
        os.close(_standard_error)
    try:
        _standard_error = os.dup(2)
    except OSError:
        _standard_error = None
    _on_signals(_leave)


def _on_signals(handler):
    import threading

    if threading.current_thread() is threading.main_thread():  # no other can
        for number in SIGNALS:
            signal.signal(number, handler)


def _leave(number, frame):
    if _standard_error is not None:
        os.write(_standard_error, f"{program[0]}: interrupted\n".encode())
    os._exit(128 + number)
