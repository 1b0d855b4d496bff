"""Saves checkpoints of known content as fast as it can, until it is killed: save_for_ever.py FOLDER.

It goes without what the packages import (TensorFlow above all), so that it starts in a moment.
"""

import pathlib
import sys
import types

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def content(step):
    """(arrays, state) of a step; 400 kB, so that writing takes a while."""
    return {"0000": np.full(100_000, step, "float32"), "0001": np.arange(step, step + 7)}, {"square": step**2}


def save_for_ever(folder):
    for name in ("keras_inr", "keras_inr.training"):
        package = types.ModuleType(name)
        package.__path__ = [str(ROOT / name.replace(".", "/"))]
        sys.modules[name] = package
    from keras_inr.training.checkpoints import load_checkpoint, save_checkpoint

    loaded = load_checkpoint(folder)
    step = 0 if loaded is None else loaded[0]
    while True:
        step += 1
        save_checkpoint(folder, step, *content(step))


if __name__ == "__main__":
    save_for_ever(sys.argv[1])
