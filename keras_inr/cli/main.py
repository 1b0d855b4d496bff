"""The command: keras-inr fit --image=my.jpg

Imports nothing that takes long before it is known which command is meant: a signal then ends it without a traceback.
"""

import importlib.util
import sys
from collections.abc import Sequence

from keras_inr._arguments import did_you_mean
from keras_inr._version import __version__
from keras_inr.cli import messages, startup, stop_signals

COMMANDS = {
    "fit": "fit a field to a picture: model, SavedModel, pictures and figures in a run folder",
    "fit-many": "fit every picture of a folder or a data set, with one manifest of all",
    "compare": "compare networks on the same pictures with equal budgets: tables, curves, crops",
    "render": "render a fitted picture, or its derivatives, at any size: PNG, TIFF, NPY, Zarr, Deep Zoom",
    "export": "export a fitted picture for TensorFlow Serving",
    "export-web": "export a fitted picture as a page for any static host, evaluated in the browser",
    "base": "show a folder of exported models, label versions, retire old ones",
    "serve": "serve exported pictures: a page, tiles, and TensorFlow Serving's REST and gRPC API",
    "gateway": "show pictures that TensorFlow Serving serves: a page, tiles, Deep Zoom, IIIF",
    "blend": "edit pictures by their gradients and Laplacians",
    "pretrain": "learn weights that fits start from",
    "runs": "list runs, compare two, remove what can be made again",
    "console": "fit a picture in a dialogue, with a live preview",
    "prepare-data": "prepare a data set for tfds: sources",
    "list-presets": "show the networks, with what was measured of them",
}
MODULES = {"console": "keras_inr.cli.console.menu"}
SERVERS = ("serve", "gateway")
SERVING = ("cachetools", "grpc_health", "orjson", "prometheus_client", "starlette", "tensorflow_serving", "uvicorn")
"""What a server needs: the extra "serving"."""


def main(arguments: Sequence[str] | None = None, program: str | None = None) -> None:
    """Runs a command and ends the process with its exit code.

    Args:
        arguments: the command's name and its flags; those of the command line by default.
        program: what messages are headed with; "keras-inr" and the command's name by default.
    """
    stop_signals.leave_on_signals()
    name, *rest = arguments if arguments is not None else sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "--helpfull", "help"):
        print(overview())
        sys.exit(0)
    if name == "--version" or rest[-1:] == ["--version"]:  # where it is no flag's value: export has one of that name
        print(f"keras_inr {__version__}")
        sys.exit(0)
    program = program or f"keras-inr {name}"
    if name not in COMMANDS:
        message = f"command must be one of {', '.join(COMMANDS)}, received {name!r}{did_you_mean(name, COMMANDS)}"
        messages.tell(message, "keras-inr")
        sys.exit(2)
    if name == "console" and importlib.util.find_spec("prompt_toolkit") is None:
        messages.tell("console needs prompt_toolkit: pip install 'keras_inr[console]'", program)
        sys.exit(1)
    if name in SERVERS and any(importlib.util.find_spec(needed) is None for needed in SERVING):
        messages.tell(f"{name} needs orjson, starlette, uvicorn and others: pip install 'keras_inr[serving]'", program)
        sys.exit(1)
    startup.start(program, with_keras=name not in SERVERS)
    startup.run(importlib.import_module(MODULES.get(name, f"keras_inr.cli.{name.replace('-', '_')}")), rest)


def overview() -> str:
    """All commands, in one screen."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "Fit pictures with coordinate networks, render them at any size, differentiate them, serve them.",
            "",
            "usage: keras-inr COMMAND [--flag=value ...]",
            "",
            *lines,
            "",
            "keras-inr COMMAND --help tells a command's flags; --flagfile=FILE reads flags from a file.",
            "first:   keras-inr fit --image=my.jpg --preset=multi_hash --learning_rate=0.01",
        ]
    )
