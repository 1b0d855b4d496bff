"""Preloaded by the process that calls of commands are forked from; see `fit_calls`."""

import gc
import importlib
import sys

sys.argv[:1] = ["keras-inr"]  # as a command, which imports TensorFlow quietly

from keras_inr.cli import startup

startup.start("keras-inr")
for name in ("blend", "console.menu", "export", "fit", "fit_many", "main", "prepare_data", "pretrain", "render"):
    importlib.import_module(f"keras_inr.cli.{name}")
importlib.import_module("cli.fit_calls")  # with pytest, which every call would import otherwise
gc.collect()
gc.freeze()  # or each call would look through all of it again, and copy it
