"""Preloaded by the process that calls of scripts/fit.py are forked from; see `fit_calls`."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))

import startup

startup.start()
