"""Prints by how many MB a process has grown over 40 fits of small networks: python growth_process.py PRESET"""

import ctypes
import gc
import pathlib
import sys

from keras_inr.models import from_preset
from keras_inr.signals.image import load_image
from keras_inr.training.fitting import fit

SMALL = {"siren": {"units": (8, 8)}, "multi_hash": {"num_levels": 2, "table_size": 16, "units": (4,)}}


def resident_mb():
    """What is in use: what was freed has gone back to the system."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


def fits(preset, count):
    signal = load_image("sample:camera", size=12)
    for seed in range(count):
        fit(from_preset(preset, channels=1, seed=seed, **SMALL[preset]), signal, steps=4, progress=False)


fits(sys.argv[1], 10)
before = resident_mb()
fits(sys.argv[1], 40)
print(resident_mb() - before)
