"""Preloaded by the process that calls of commands are forked from; see `fit_calls`."""

import sys

sys.argv[:1] = ["keras-inr"]  # as a command, which imports TensorFlow quietly

from keras_inr.cli import startup

startup.start("keras-inr")
