"""What every script does first: find its packages, keep TensorFlow quiet, and turn errors into exit codes."""

import importlib.util
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NEEDED = ("tensorflow", "absl", "imagecodecs", "skimage", "tensorflow_datasets", "tqdm")


def start():
    """Call before importing keras_inr: makes the checkout importable and TensorFlow quiet.

    Where the running Python lacks a package, the script is started again in the checkout's own .venv, which `make`
    creates.
    """
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        python = ROOT / ".venv" / "bin" / "python"
        if python.exists() and pathlib.Path(sys.prefix) != ROOT / ".venv":
            os.execv(python, [str(python), *sys.argv])
        sys.exit("TensorFlow is not installed for this Python: run `make install` once, or `pip install -e .`")
    sys.path.insert(0, str(ROOT))
    silence_tensorflow()


def silence_tensorflow():
    """Imports TensorFlow without its start-up notices on standard error.

    What its C++ parts say later is kept back too, unless TF_CPP_MIN_LOG_LEVEL is set; errors reach Python anyway.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0":
        return
    # the notices are written by C++ before its log level is read, so they can only be kept from the descriptor
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def run(main):
    """Parses the flags, runs main(argv) and exits: 0, 2 bad input, 3 diverged, 130 Ctrl-C, 143 SIGTERM.

    Errors that a person can mend are one line on standard error; everything else keeps its traceback.
    """
    from absl import app, flags, logging

    from keras_inr.runs.errors import InputError, InterruptedRunError
    from keras_inr.training.callbacks import DivergedError

    def guarded(argv):
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # absl's app.run sets INFO, which tells of every exported function
        try:
            if len(argv) > 1:
                raise InputError(f"arguments must be flags such as --image=my.jpg, received {argv[1]!r}")
            return main(argv)
        except InputError as error:
            code = 2
            message = error
        except DivergedError as error:
            code = 3
            message = error
        except InterruptedRunError as error:
            code = 128 + error.signal_number
            message = error
        except KeyboardInterrupt:
            code = 130
            message = "interrupted"
        except OSError as error:
            code = 1
            message = f"the system refused: {error}"
        print(f"{pathlib.Path(sys.argv[0]).name}: {' '.join(str(message).split())}", file=sys.stderr)
        return code

    app.run(guarded)
